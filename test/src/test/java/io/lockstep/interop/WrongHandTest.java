package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * What those who run a pair should not do, or do at the wrong moment: nothing is lost by it without
 * a word, and each sentence that tells what to do next is right.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
final class WrongHandTest {
    @AutoClose private final Rig rig = new Rig();

    private final NodeHost north = new NodeHost(rig, "n", "s", "primary");
    private final NodeHost south = new NodeHost(rig, "s", "n", "secondary");

    private static void assertContains(final String part, final String sentence) {
        assertTrue(sentence.contains(part), sentence);
    }

    private String said(final NodeHost host, final String... command) {
        final String[] all = new String[command.length + 2];
        System.arraycopy(command, 0, all, 0, command.length);
        all[command.length] = "--control";
        all[command.length + 1] = host.socket("c").toString();
        return rig.lockstep(all).requireSuccess().out();
    }

    private JsonObject explained(final NodeHost host) {
        final Tool.Output output =
                rig.lockstep("failover", "--explain", "--control", host.socket("c").toString());
        assertEquals("", output.err());
        final JsonObject verdict = JsonParser.parseString(output.out()).getAsJsonObject();
        assertEquals(verdict.get("allowed").getAsBoolean() ? 0 : 1, output.exitCode());
        return verdict;
    }

    private static void awaitHealed(final NodeHost primary) {
        try (Control control = primary.control()) {
            control.awaitHealed();
        }
    }

    private static String waiting(final NodeHost host) {
        try (Control control = host.control()) {
            return control.await("waiting", status -> !waiting(status).isEmpty())
                    .get("waiting")
                    .getAsString();
        }
    }

    private static String waiting(final JsonObject status) {
        return status.has("waiting") ? status.get("waiting").getAsString() : "";
    }

    private static void removeTree(final Path directory) {
        try (Stream<Path> files = Files.list(directory)) {
            for (final Path file : files.toList()) {
                Files.delete(file);
            }
            Files.delete(directory);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void copyTree(final Path from, final Path to) {
        try (Stream<Path> files = Files.list(from)) {
            Files.createDirectories(to);
            for (final Path file : files.toList()) {
                Files.copy(
                        file, to.resolve(file.getFileName()), StandardCopyOption.REPLACE_EXISTING);
            }
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void startBoth() {
        south.start();
        north.start();
        north.awaitLink();
    }

    /** The south has lost its buffers in mid-epoch, and is forced to serve what it has. */
    private void forceTheTornNode() {
        startBoth();
        north.write(1);
        try (Control control = north.control()) {
            control.checkpoint();
            north.write(2);
            control.awaitDrained();
        }
        south.process.kill();
        north.process.kill();
        removeTree(rig.path("sbuffers"));
        south.start();
        assertFalse(explained(south).get("allowed").getAsBoolean());
        rig.lockstep("failover", "--force", "--control", south.socket("c").toString())
                .requireSuccess();
        assertContains("from a torn disk that was no checkpoint", said(south, "state"));
        south.write(9);
        north.process = rig.keep(LockstepProcess.start(rig.directory(), north.command()));
        assertTrue(north.process.awaitReady(), north.process::toString);
        assertContains("with a torn disk, and this node's disk is the whole one", waiting(north));
        assertEquals(2, north.firstByte());
        final JsonObject verdict = explained(north);
        assertEquals("reigning", verdict.get("standing").getAsString());
        assertContains("is a primary already", verdict.get("reason").getAsString());
    }

    /** The former primary's disk is kept, as the first half of the sentence says. */
    @Test
    void whatIsWholeStaysWhereThePeerWasForcedFromATornDisk() {
        forceTheTornNode();
        said(north, "promote");
        assertEquals(2, north.seenByGuest());
        final Tool.Output refused = rig.lockstep("join", "--control", north.socket("c").toString());
        assertContains("serves its guest, and its disks are not overwritten", refused.err());
        assertEquals(0, south.process.stop());
        south.forget();
        assertContains("secondary of vda", south.start());
        said(south, "join");
        awaitHealed(north);
        assertEquals(2, south.firstByte());
        assertEquals(2, north.firstByte());
    }

    /** And given up, as the second half says. */
    @Test
    void whatIsWholeIsGivenUpWhereThatIsSaid() {
        forceTheTornNode();
        said(north, "join");
        assertEquals(1, north.process.awaitExit());
        assertContains("may be overwritten by its peer", north.process.err());
        assertContains("secondary of vda", north.start());
        awaitHealed(south);
        assertEquals(9, north.firstByte());
        assertEquals("following", north.standing());
    }

    /** Whose unit says for good that it is the primary at first, and goes on saying so. */
    @Test
    void theFirstPrimaryGivesWayWithTheSameCommand() {
        startBoth();
        try (Control control = north.control()) {
            control.checkpoint();
        }
        north.process.kill();
        said(south, "failover");
        south.write(9);
        assertEquals(0, south.process.stop());
        north.process = rig.keep(LockstepProcess.start(rig.directory(), north.command()));
        assertTrue(north.process.awaitReady(), north.process::toString);
        waiting(north);
        said(north, "promote");
        north.write(5);
        south.start();
        try (Control control = south.control()) {
            final String error =
                    control.await("split brain", status -> status.has("error"))
                            .getAsJsonObject("error")
                            .get("desc")
                            .getAsString();
            assertContains("split brain", error);
            assertContains("say 'lockstep resolve' there", error);
            assertContains("say 'lockstep join --state DIR' on its host", error);
        }
        assertEquals(0, north.process.stop());
        rig.lockstep("join", "--state", north.disk() + ".lockstep").requireSuccess();
        assertContains("secondary of vda", north.start());
        awaitHealed(south);
        assertEquals(9, north.firstByte());
        assertEquals("following", north.standing());
    }

    /** A disk and its state are put back from a copy, and the buffers are those of later. */
    @Test
    void whatWasPutBackIsNoCheckpointWhateverTheBuffersHold() throws IOException {
        startBoth();
        north.write(1);
        try (Control control = north.control()) {
            control.checkpoint();
        }
        south.process.kill();
        final Path state = Path.of(south.disk() + ".lockstep");
        Files.copy(south.disk(), rig.path("old.img"));
        copyTree(state, rig.path("old.state"));

        south.start();
        north.awaitLink();
        north.write(2);
        try (Control control = north.control()) {
            control.checkpoint();
        }
        north.write(3);
        south.process.kill();
        north.process.kill();
        // In place, as a copy that keeps the file is.
        try (var old = Files.newInputStream(rig.path("old.img"));
                var disk = Files.newOutputStream(south.disk())) {
            old.transferTo(disk);
        }
        copyTree(rig.path("old.state"), state);

        south.process = rig.keep(LockstepProcess.start(rig.directory(), south.command()));
        assertTrue(south.process.awaitReady(), south.process::toString);
        final JsonObject verdict = explained(south);
        assertFalse(verdict.get("allowed").getAsBoolean(), verdict::toString);
        assertEquals("inconsistent", verdict.get("standing").getAsString());
        north.start();
        awaitHealed(north);
        assertEquals(3, south.firstByte());
        south.process.stop();
        assertContains("it was put back from a copy", south.process.err());
    }

    /** Twice, by somebody who is not sure; and its buffers need no hand. */
    @Test
    void whoIsForgottenLeavesNoBuffersBehindThatARestartMeets() {
        startBoth();
        north.write(1);
        try (Control control = north.control()) {
            control.awaitDrained(); // or its disk would be empty, and need no word
        }
        south.process.kill();
        south.forget();
        south.forget();
        south.process = rig.keep(LockstepProcess.start(rig.directory(), south.command()));
        assertTrue(south.process.awaitReady(), south.process::toString);
        said(south, "join");
        awaitHealed(north);
        assertEquals(1, south.firstByte());
        south.process.stop();
        assertContains("taken out of its pair: they are removed", south.process.err());
    }

    @Test
    void whoHasTakenOverShowsTheEpochThatItReturnedTo() {
        startBoth();
        try (Control control = north.control()) {
            control.checkpoint();
            control.checkpoint();
        }
        north.process.kill();
        said(south, "failover");
        try (Control control = south.control()) {
            final JsonObject status =
                    control.await(
                            "promoted",
                            now ->
                                    now.get("role").getAsString().equals("primary")
                                            && !now.get("state").getAsString().equals("merging"));
            assertEquals(2, status.get("committed-epoch").getAsLong(), status::toString);
        }
        // Whoever has not heard the answer says it again.
        assertContains(
                "had failed over before, and its checkpoint is epoch 2", said(south, "failover"));
        final Tool.Output again =
                rig.lockstep("failover", "--force", "--control", south.socket("c").toString());
        assertEquals("", again.requireSuccess().err());
    }

    /** Another disk with data was put in the place of the secondary's, and its state is gone. */
    @Test
    void theJoinThatIsWaitedForIsToldOnBothSides() throws IOException {
        startBoth();
        assertFalse(said(north, "status").contains("link: "));
        assertEquals(0, south.process.stop());
        removeTree(Path.of(south.disk() + ".lockstep"));
        rig.write(south.disk(), 0, new byte[] {7});
        removeTree(rig.path("sbuffers"));
        south.start();
        try (Control control = north.control()) {
            control.await(
                    "refusal",
                    status -> status.get("unlinked-reason").getAsString().contains("join"));
        }
        assertContains(
                "link: the pair is not known to be equal: the secondary's disk has data of its own;"
                        + " if it may be overwritten, say 'lockstep join' there",
                said(north, "status"));
        assertContains(
                "link: a primary has asked for this node, and is not taken: disk vda has data of"
                        + " its own; if that may be overwritten, say 'lockstep join' here",
                said(south, "status"));
        said(south, "join");
        assertFalse(said(south, "status").contains("link: "));
        awaitHealed(north);
        assertFalse(said(north, "status").contains("link: "));
        assertEquals(0, south.firstByte());
    }

    /** A node that was never anything is none; one that has a past keeps it. */
    @Test
    void aFirstStartThatFailsLeavesNothing() {
        final List<String> wrong =
                south.bare(
                        "secondary",
                        List.of(
                                "--listen",
                                "nbd+unix:///?socket=" + rig.path("missing/l"),
                                "--buffers",
                                rig.path("sbuffers").toString()));
        final Path state = Path.of(south.disk() + ".lockstep");
        for (int i = 0; i < 2; i++) {
            assertContains("cannot listen on", rig.serverInVain(wrong));
            assertFalse(Files.exists(state));
            assertFalse(Files.exists(rig.path("sbuffers")));
        }
        startBoth();
        assertEquals(0, south.process.stop());
        assertContains("cannot listen on", rig.serverInVain(wrong));
        assertEquals("following", south.standing());
        assertTrue(Files.exists(rig.path("sbuffers")));
        south.start();
        north.awaitLink();
    }

    /** Nothing is said to be forced that was refused. */
    @Test
    void nothingIsForcedOnAPrimary() {
        startBoth();
        final Tool.Output refused =
                rig.lockstep("failover", "--force", "--control", north.socket("c").toString());
        assertEquals(1, refused.exitCode());
        assertEquals(
                "lockstep failover: this is the primary, whose guest is running; failover is for"
                        + " the secondary\n",
                refused.err());
        south.process.kill();
        north.process.kill();
        north.process = rig.keep(LockstepProcess.start(rig.directory(), north.command()));
        assertTrue(north.process.awaitReady(), north.process::toString);
        waiting(north);
        final Tool.Output waits =
                rig.lockstep("failover", "--force", "--control", north.socket("c").toString());
        assertEquals(1, waits.exitCode());
        assertContains("this is the primary, whose guest waits", waits.err());
        assertFalse(waits.err().contains("forced"), waits::err);
    }
}

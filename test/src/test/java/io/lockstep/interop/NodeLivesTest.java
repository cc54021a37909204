package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * {@code lockstep node}: two hosts with one command each, typed again and again. What a node is
 * outlives its process.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
final class NodeLivesTest {
    /** Writes as long as it is answered. */
    private static final String RESTLESS_GUEST =
            """
            h = connect(sys.stdin.readline().strip())
            print('connected', flush=True)
            sys.stdin.readline()
            data = nbd.Buffer.from_bytearray(bytearray(b'x' * 4096))
            write = h.aio_pwrite(data, 0)
            print('has asked', flush=True)
            try:
                while True:
                    while not h.aio_command_completed(write):
                        h.poll(-1)
                    write = h.aio_pwrite(data, 0)
            except nbd.Error:
                print('put off', flush=True)
            """;

    @AutoClose private final Rig rig = new Rig();

    private final NodeHost north = new NodeHost(rig, "n", "s", "primary");
    private final NodeHost south = new NodeHost(rig, "s", "n", "secondary");

    private static void assertContains(final String part, final String sentence) {
        assertTrue(sentence.contains(part), sentence);
    }

    private void startBoth() {
        assertContains("secondary of vda takes the stream", south.start());
        assertContains("primary of vda serves the guest", north.start());
        north.awaitLink();
    }

    private void checkpoint() {
        try (Control control = north.control()) {
            control.checkpoint();
        }
    }

    private void failOver() {
        try (Control control = south.control()) {
            control.execute("x-lockstep-failover");
            control.await("merged", NodeLivesTest::isMerged);
        }
    }

    @Test
    void thePairGoesOnAsWhatItsNodesWere() {
        startBoth();
        north.write(1);
        checkpoint();
        south.process.kill();
        north.write(2);
        assertContains("secondary of vda", south.start());
        north.awaitLink();
        checkpoint();

        north.process.kill();
        assertContains("primary of vda", north.start());
        awaitHealed(north);
        assertEquals(2, north.seenByGuest());
        assertEquals("reigning", north.standing());
        assertEquals("following", south.standing());
        assertEquals(2, south.seenByGuest());
    }

    @Test
    void aLivingNodeShowsTheRecordThatItsStorageHas() {
        startBoth();
        for (final NodeHost host : List.of(north, south)) {
            final String control = host.socket("c").toString();
            final String state = host.disk() + ".lockstep";
            for (final List<String> options : List.of(List.of("--json"), List.<String>of())) {
                assertEquals(
                        state("--state", state, options).requireSuccess().out(),
                        state("--control", control, options).requireSuccess().out());
            }
            final Tool.Output forget = state("--control", control, List.of("--forget"));
            assertEquals(1, forget.exitCode());
            assertEquals(
                    "lockstep state: a running lockstep does not forget its pair: stop it, and say"
                            + " --forget with --state DIR\n",
                    forget.err());
        }
        assertContains(
                "is a secondary\npair: group",
                state("--control", south.socket("c").toString(), List.of()).out());
        assertEquals(0, south.process.stop());
        final Tool.Output gone = state("--control", south.socket("c").toString(), List.of());
        assertEquals(1, gone.exitCode());
        assertContains("cannot connect to the control socket", gone.err());
    }

    private Tool.Output state(final String option, final String value, final List<String> options) {
        final List<String> all = new ArrayList<>(List.of("state", option, value));
        all.addAll(options);
        return rig.lockstep(all.toArray(String[]::new));
    }

    private LockstepProcess start(final NodeHost host) {
        return LockstepProcess.start(rig.directory(), host.command());
    }

    @Test
    void stoppedInGoodOrderTheyReplicateAgain() {
        startBoth();
        north.write(1);
        assertEquals(0, north.process.stop());
        assertEquals(0, south.process.stop());
        startBoth();
        north.write(2);
        checkpoint();
        assertEquals(2, south.seenByGuest());
    }

    /** Killed, both at once: each is what it was, and nothing is lost. */
    @Test
    void killedBothAreWhatTheyWere() {
        startBoth();
        north.write(1);
        checkpoint();
        north.process.kill();
        south.process.kill();
        south.process = rig.server(south.bare("node", south.addresses())); // --first isn't needed
        assertContains("secondary of vda", south.process.ready());
        north.process = rig.server(north.bare("node", north.addresses()));
        assertContains("primary of vda", north.process.ready());
        awaitHealed(north);
        assertEquals(1, north.seenByGuest());
        assertEquals(1, south.seenByGuest());
    }

    @Test
    void whoHasTakenOverStaysPromotedAndTheFormerPrimaryIsItsSecondary() {
        startBoth();
        north.write(1);
        checkpoint();
        north.process.kill();
        failOver();
        south.write(2);
        south.process.kill();

        assertContains("promoted node of vda serves the guest", south.start());
        assertEquals(2, south.seenByGuest());
        assertContains("secondary of vda takes the stream", north.start());
        awaitHealed(south);
        south.write(3);
        try (Control control = south.control()) {
            control.checkpoint();
        }
        assertEquals(3, south.firstByte());
        assertEquals(3, north.firstByte());
        assertEquals("following", north.standing());
        assertEquals("reigning", south.standing());

        // And back again.
        south.process.kill();
        try (Control control = north.control()) {
            control.execute("x-lockstep-failover");
            control.await("merged", NodeLivesTest::isMerged);
        }
        north.write(4);
        assertContains("secondary of vda takes the stream", south.start());
        awaitHealed(north);
        assertEquals(4, north.firstByte());
        assertEquals(4, south.firstByte());
        assertEquals("following", south.standing());
    }

    /** It serves its guest from the plain disk, and looks for its former primary. */
    private static boolean isMerged(final JsonObject status) {
        return status.get("role").getAsString().equals("primary")
                && !status.get("state").getAsString().equals("merging");
    }

    private static void awaitHealed(final NodeHost primary) {
        try (Control control = primary.control()) {
            control.awaitHealed();
        }
    }

    /** It serves its guest at once, since nobody else can; what that writes its peer lacks. */
    @Test
    void aPrimaryThatHasLeftItsPeerBehindIsAloneBeforeItsGuestsNextWrite() {
        startBoth();
        north.write(1);
        rig.lockstep("stop", "--control", north.socket("c").toString()).requireSuccess();
        assertEquals(0, north.process.stop());
        assertEquals("reigning", north.standing());
        assertEquals("outdated", south.standing());
        south.process.kill();
        assertContains("promoted node of vda", north.start());
        assertEquals(1, north.seenByGuest());
        assertEquals("reigning", north.standing());
        north.write(2);
        assertEquals("alone", north.standing());
        assertEquals(2, north.firstByte());
        assertContains("secondary of vda", south.start());
        awaitHealed(north);
        assertEquals(2, south.firstByte());
    }

    /** It waits for its peer, which comes later, and proves to be newer. */
    @Test
    void theFormerPrimaryIsASecondaryWhenItHearsThatItIsOne() {
        startBoth();
        north.write(1);
        checkpoint();
        north.process.kill();
        failOver();
        south.process.kill();

        final LockstepProcess former = rig.keep(start(north));
        assertTrue(former.awaitReady(), former::toString);
        assertContains("promoted node of vda", south.start());
        awaitHealed(south);
        assertContains("the peer is newer", former.err());
        assertEquals("following", north.standing());
        south.write(2);
        assertEquals(2, south.seenByGuest());
        assertEquals(0, former.stop());
    }

    /** Its guest is there again before the one that took over comes to make it equal. */
    @Test
    void theFormerPrimarysGuestMakesNoSplitBrain() {
        south.process =
                rig.server(
                        south.bare(
                                "secondary",
                                List.of(
                                        "--listen",
                                        "nbd+unix:///?socket=" + south.socket("l"),
                                        "--buffers",
                                        rig.path("sbuffers").toString())));
        assertContains("primary of vda serves the guest", north.start());
        north.awaitLink();
        north.write(1);
        checkpoint();
        north.process.kill();
        try (Control control = south.control()) {
            control.execute("x-lockstep-failover");
            control.awaitMerged();
        }
        assertContains("secondary of vda takes the stream", north.start());
        north.write(2);
        assertEquals("reigning", north.standing());

        assertEquals(0, south.process.stop());
        assertContains("promoted node of vda", south.start());
        awaitHealed(south);
        assertEquals("following", north.standing());
        assertEquals(1, north.firstByte());
    }

    /** Its host stood still, and nothing of it was closed: it hears when it wakes. */
    @Test
    void aPrimaryThatWasFrozenIsTheSecondaryOfWhoHasTakenOver() {
        startBoth();
        north.write(1);
        checkpoint();
        final Program guest = rig.startTalkingPython(RESTLESS_GUEST);
        guest.say(north.guest());
        guest.awaitLine("connected"::equals);
        north.process.signal("STOP");
        try (Control control = south.control()) {
            control.await("left", status -> !status.get("linked").getAsBoolean());
        }
        failOver();
        south.write(2);
        guest.say("write");
        guest.awaitLine("has asked"::equals); // it waits there when the node wakes
        north.process.signal("CONT");
        guest.awaitLine("put off"::equals);
        awaitHealed(south);
        assertEquals("following", north.standing());
        assertEquals(2, north.firstByte());

        // And the other way round: one that has taken over, and replicates back.
        try (Control control = south.control()) {
            control.checkpoint();
        }
        south.process.signal("STOP");
        try (Control control = north.control()) {
            control.await("left", status -> !status.get("linked").getAsBoolean());
            control.execute("x-lockstep-failover");
            control.await("merged", NodeLivesTest::isMerged);
        }
        north.write(3);
        south.process.signal("CONT");
        awaitHealed(north);
        assertEquals("following", south.standing());
        assertEquals(3, south.firstByte());
        assertEquals(0, south.process.stop());
        assertEquals(0, north.process.stop());
    }

    /** Neither is a primary then: the help of 'lockstep join' says what to do. */
    @Test
    void whereBothGaveWayOneIsThePrimaryAgain() {
        startBoth();
        north.write(1);
        for (final NodeHost host : List.of(north, south)) {
            assertEquals(0, host.process.stop());
            final String state = host.disk() + ".lockstep";
            assertContains(
                    "don't say it there, too",
                    rig.lockstep("join", "--state", state).requireSuccess().out());
        }
        assertContains("secondary of vda", north.start());
        assertContains("secondary of vda", south.start());
        final Tool.Output promoted =
                rig.lockstep("promote", "--control", north.socket("c").toString());
        assertEquals(1, promoted.exitCode());
        assertEquals(
                "lockstep promote: this node is a secondary: to have it take over say 'lockstep"
                        + " failover'\n",
                promoted.err());

        assertEquals(0, north.process.stop());
        north.forget();
        assertContains("primary of vda", north.start());
        awaitHealed(north);
        assertEquals(1, south.firstByte());
    }

    /** Set up anew the other way round, with --first as it was on neither side's mind. */
    @Test
    void aDemotedNodeStaysDemoted() throws IOException {
        startBoth();
        north.write(1);
        checkpoint();
        north.process.kill();
        failOver();
        assertEquals(0, south.process.stop());
        Files.copy(south.disk(), north.disk(), StandardCopyOption.REPLACE_EXISTING);
        north.forget();
        south.forget();

        final List<String> demoted = north.bare("node", north.addresses());
        demoted.addAll(List.of("--first", "secondary"));
        final List<String> promoted = south.bare("node", south.addresses());
        promoted.addAll(List.of("--first", "primary", "--assume-identical"));
        north.process = rig.server(demoted);
        south.process = rig.server(promoted);
        south.awaitLink();
        south.write(4);
        assertEquals(0, south.process.stop());
        north.process.kill();

        assertContains("secondary of vda", north.start());
        assertContains("primary of vda", south.start());
        south.awaitLink();
        south.write(5);
        try (Control control = south.control()) {
            control.checkpoint();
        }
        assertEquals(5, north.seenByGuest());
    }

    /** An empty disk gets all that its primary's has; at a first meeting, and by itself. */
    @Test
    void anEmptySecondaryIsMadeEqual() {
        rig.write(north.disk(), 0, new byte[] {1});
        startBoth();
        awaitHealed(north);
        assertEquals(1, south.firstByte());
    }

    /** At a first meeting its peer's refusal ends it, as it ends a primary. */
    @Test
    void whoseDiskHasDataIsOverwrittenWhenThatIsSaid() {
        rig.write(north.disk(), 0, new byte[] {1});
        rig.write(south.disk(), 0, new byte[] {2});
        south.start();
        assertContains("not known to be equal", rig.serverInVain(north.command()));
        assertEquals(2, south.firstByte());
        rig.lockstep("join", "--control", south.socket("c").toString()).requireSuccess();
        north.start();
        awaitHealed(north);
        assertEquals(1, south.firstByte());
    }

    /** The record is where --state says, and not beside the disk. */
    @Test
    void theRecordIsLookedForWhereItWasPut() {
        final List<String> command = south.command();
        command.addAll(List.of("--state", "remembered", "--state-may-vanish"));
        south.process = rig.server(command);
        north.start();
        north.awaitLink();
        south.process.kill();
        final List<String> again = south.bare("node", south.addresses());
        assertContains("add --first", rig.serverInVain(again));
        again.addAll(List.of("--state", "remembered", "--state-may-vanish"));
        south.process = rig.server(again);
        assertContains("secondary of vda", south.process.ready());
    }

    @Test
    void withoutARecordSomebodyHasToSayWhatItIs() {
        final List<String> command = north.bare("node", north.addresses());
        final String refusal = rig.serverInVain(command);
        assertContains("add --first primary here and --first secondary on the other", refusal);
        assertFalse(Files.exists(Path.of(north.disk() + ".lockstep")));
        final Tool.Output wrong = rig.lockstep(withFirst(command, "promoted"));
        assertEquals(2, wrong.exitCode(), wrong::toString);
        assertContains("neither primary nor secondary", wrong.err());
    }

    private static String[] withFirst(final List<String> command, final String first) {
        final List<String> all = new ArrayList<>(command);
        all.addAll(List.of("--first", first));
        return all.toArray(String[]::new);
    }

    @Test
    void aRoleThatTheRecordContradictsIsRefusedAndTheRightOneNamed() {
        startBoth();
        north.write(1);
        assertEquals(0, north.process.stop());
        assertEquals(0, south.process.stop());
        final String listen = "nbd+unix:///?socket=" + north.socket("l");
        final String wrongSecondary =
                rig.serverInVain(north.bare("secondary", List.of("--listen", listen)));
        assertContains("is a primary, as its state says", wrongSecondary);
        final String buffers = "lockstep" + north.socket("c").toString().replace('/', '-');
        assertFalse(
                Files.exists(Path.of("/dev/shm", buffers)),
                "nothing is left of a start that was refused");
        assertContains("'lockstep node' or 'lockstep primary'", wrongSecondary);
        final String wrongPrimary =
                rig.serverInVain(south.bare("primary", List.of("--peer", listen)));
        assertContains("is a secondary, as its state says", wrongPrimary);
        assertContains("'lockstep node' or 'lockstep secondary'", wrongPrimary);
        startBoth();
    }
}

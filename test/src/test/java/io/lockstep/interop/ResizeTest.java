package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.cli.run.DirectoryTree;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.state.StateFile;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;

/**
 * A pair whose disks' files become longer: {@code lockstep resize} on real processes, what it
 * refuses, and what a kill leaves of it.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
final class ResizeTest {
    private static final long SHORT = 4 << 20;
    private static final long LONG = 8 << 20;

    /** Behind the old end. */
    private static final long BEHIND = 6 << 20;

    @AutoClose private final Rig rig = new Rig();

    private final NodeHost north = new NodeHost(rig, "n", "s", "primary");
    private final NodeHost south = new NodeHost(rig, "s", "n", "secondary");

    private static void assertContains(final String part, final String sentence) {
        assertTrue(sentence.contains(part), sentence);
    }

    private static void length(final NodeHost host, final long length) {
        Rig.length(host.disk(), length);
    }

    private void startBoth() {
        south.start();
        north.start();
        north.awaitLink();
    }

    private Tool.Output resize(final NodeHost host, final String... more) {
        final String[] all = Arrays.copyOf(new String[] {"resize"}, 3 + more.length);
        all[1] = "--control";
        all[2] = host.socket("c").toString();
        System.arraycopy(more, 0, all, 3, more.length);
        return rig.lockstep(all);
    }

    private String refused(final NodeHost host, final String... more) {
        final Tool.Output output = resize(host, more);
        assertEquals(1, output.exitCode(), output::out);
        return output.err();
    }

    private long sizeSeen(final NodeHost host) {
        return Long.parseLong(
                rig.python("print(connect(sys.argv[1]).get_size())", host.guest()).out().strip());
    }

    private void writeAt(final NodeHost host, final long offset, final int value) {
        rig.python(
                "h = connect(sys.argv[1]); h.pwrite(bytes([int(sys.argv[3])]) * 65536,"
                        + " int(sys.argv[2])); h.flush()",
                host.guest(),
                "" + offset,
                "" + value);
    }

    private int seenAt(final NodeHost host, final long offset) {
        return Integer.parseInt(
                rig.python(
                                "print(connect(sys.argv[1]).pread(1, int(sys.argv[2]))[0])",
                                host.guest(),
                                "" + offset)
                        .out()
                        .strip());
    }

    private static long recorded(final NodeHost host) {
        return host.state()
                .getAsJsonArray("disks")
                .get(0)
                .getAsJsonObject()
                .get("length")
                .getAsLong();
    }

    private void checkpoint() {
        try (Control control = north.control()) {
            control.awaitHealed();
            control.checkpoint();
        }
    }

    private void failOver() {
        north.process.kill();
        try (Control control = south.control()) {
            control.execute("x-lockstep-failover", "{'force': true}");
            control.await(
                    "merged",
                    status ->
                            status.get("standing").getAsString().equals("alone")
                                    && status.get("merge-done").getAsLong()
                                            == status.get("merge-total").getAsLong()
                                    && status.get("role").getAsString().equals("primary"));
        }
    }

    private void assertEqualDisks() {
        assertArrayEquals(Rig.read(north.disk()), Rig.read(south.disk()));
    }

    @Test
    void bothTakeTheLengthTheirFilesHave() {
        startBoth();
        north.write(1);
        checkpoint();
        length(north, LONG);
        length(south, LONG);
        assertEquals(SHORT, sizeSeen(north));
        assertEquals(
                "disk vda has " + LONG + " bytes on both sides, it had " + SHORT + "\n",
                resize(north).requireSuccess().out());
        assertContains( // whoever has not heard the answer says it again
                "disk vda has " + LONG + " bytes on both sides already",
                resize(north).requireSuccess().out());
        assertEquals(LONG, sizeSeen(north));
        assertEquals(LONG, sizeSeen(south));
        assertEquals(LONG, recorded(north));
        assertEquals(LONG, recorded(south));
        writeAt(north, BEHIND, 2);
        writeAt(north, SHORT - 4096, 3); // from within to behind
        checkpoint();
        writeAt(north, BEHIND, 9);
        failOver();
        assertEquals(LONG, sizeSeen(south));
        assertEquals(1, south.seenByGuest());
        assertEquals(2, seenAt(south, BEHIND));
        assertEquals(3, seenAt(south, SHORT));
        assertEquals(3, seenAt(south, SHORT - 4096));
    }

    private void resizeBoth() {
        length(north, LONG);
        length(south, LONG);
        resize(north).requireSuccess();
    }

    /** What was written since the last checkpoint is undone, at either length. */
    @Test
    void theLastCheckpointStays() {
        startBoth();
        north.write(1);
        checkpoint();
        north.write(2);
        resizeBoth();
        north.write(3);
        writeAt(north, BEHIND, 9);
        failOver();
        assertEquals(LONG, sizeSeen(south));
        assertEquals(1, south.seenByGuest());
    }

    @Test
    void whatTheFilesHoldBehindTheOldEndIsMadeEqual() {
        startBoth();
        north.write(1);
        checkpoint();
        length(north, LONG);
        length(south, LONG);
        rig.write(north.disk(), BEHIND, new byte[] {5, 6});
        rig.write(south.disk(), SHORT + 70_000, new byte[] {7, 8, 9});
        resize(north).requireSuccess();
        north.write(4);
        checkpoint();
        assertEqualDisks();
        assertEquals(5, seenAt(north, BEHIND));
        assertEquals(0, seenAt(north, SHORT + 70_000));
        failOver();
        assertEquals(5, seenAt(south, BEHIND));
        assertEquals(4, south.seenByGuest());
    }

    @Test
    void whatCannotBeTakenIsRefusedWithBothLengths() {
        startBoth();
        north.write(1);
        checkpoint();
        final String has = "disk vda has " + SHORT + " bytes, its file here ";
        assertContains("this is no primary", refused(south));
        assertContains("there is no disk vdb here, but vda", refused(north, "--disk", "vdb"));
        length(north, LONG);
        final String onlyNorth = refused(north, "--disk", "vda");
        assertContains(has + LONG + ", and that of the secondary at ", onlyNorth);
        assertContains(" " + SHORT + ": make the file on the secondary as long", onlyNorth);
        length(south, SHORT + 4095);
        assertContains("it grows by whole blocks of 4096 bytes", refused(north));
        length(south, LONG);
        try (Control control = north.control()) {
            assertContains(
                    "a disk is never made shorter",
                    control.refuse("block_resize", "{'device': 'vda', 'size': 4096}").sentence());
            assertContains(
                    "make both files longer first",
                    control.refuse("block_resize", "{'device': 'vda', 'size': " + 2 * LONG + "}")
                            .sentence());
            control.execute("block_resize", "{'device': 'vda', 'size': " + (LONG - 4096) + "}");
        }
        assertEquals(LONG - 4096, sizeSeen(north));
        length(north, SHORT);
        assertContains("a disk is never made shorter", refused(north));
        length(north, LONG);
        south.process.kill();
        try (Control control = north.control()) {
            control.await("cut", status -> !status.get("linked").getAsBoolean());
        }
        assertContains("has not been linked for", refused(north));
    }

    /** The file grew, and nobody has said so: it is used as it is recorded to be. */
    @Test
    void aFileThatHasGrownUnsaidIsUsedAsItIsRecorded() {
        startBoth();
        north.write(1);
        checkpoint();
        assertEquals(0, north.process.stop());
        assertEquals(0, south.process.stop());
        length(north, LONG);
        length(south, LONG);
        startBoth();
        assertEquals(SHORT, sizeSeen(north));
        assertContains("say 'lockstep resize' on the primary", north.process.err());
        north.write(2);
        checkpoint();
        assertEquals(2, south.seenByGuest());
        resize(north).requireSuccess();
        assertEquals(LONG, sizeSeen(north));
        writeAt(north, BEHIND, 3);
        checkpoint();
        assertEquals(3, seenAt(south, BEHIND));
        assertEqualDisks();
    }

    private static void recordLonger(final NodeHost host) {
        recordLonger(Path.of(host.disk() + ".lockstep"), "vda", LONG);
    }

    /** What a kill leaves right after a node has recorded the length, and before all else. */
    static void recordLonger(final Path state, final String disk, final long length) {
        try (StateFile file = StateFile.open(state)) {
            new Node(file.load().orElseThrow(), file).lengthen(disk, length).join();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private void killBothWithGarbageBehind() {
        startBoth();
        north.write(1);
        checkpoint();
        north.write(2);
        north.process.kill();
        south.process.kill();
        length(north, LONG);
        length(south, LONG);
        rig.write(north.disk(), BEHIND, new byte[] {5, 6});
        rig.write(south.disk(), SHORT + 70_000, new byte[] {7, 8, 9});
    }

    private void meetAtTheGreaterLength() {
        startBoth();
        checkpoint();
        assertEquals(LONG, sizeSeen(north));
        assertEquals(LONG, recorded(north));
        assertEquals(LONG, recorded(south));
        assertEqualDisks();
        assertEquals(2, north.seenByGuest());
        writeAt(north, BEHIND, 3);
        checkpoint();
        assertEquals(3, seenAt(south, BEHIND));
        assertEqualDisks();
    }

    @Test
    void killedWhenThePrimaryAloneHasRecordedItTheSecondaryTakesIt() {
        killBothWithGarbageBehind();
        recordLonger(north);
        meetAtTheGreaterLength();
    }

    @Test
    void whereTheSecondaryAloneHasRecordedItThePrimaryTakesIt() throws IOException {
        killBothWithGarbageBehind();
        DirectoryTree.remove(rig.path("sbuffers")); // its host has lost its power, too
        recordLonger(south);
        meetAtTheGreaterLength();
    }

    @Test
    void aFailoverAtTheOldLengthTakesTheGreaterOneFromTheFormerPrimary() {
        startBoth();
        north.write(1);
        checkpoint();
        north.process.kill();
        length(north, LONG);
        length(south, LONG);
        recordLonger(north);
        rig.write(north.disk(), BEHIND, new byte[] {5, 6});
        failOver();
        assertEquals(SHORT, sizeSeen(south));
        writeAt(south, 0, 4);
        north.start();
        try (Control control = south.control()) {
            control.awaitHealed();
        }
        assertEquals(LONG, sizeSeen(south));
        assertEquals(LONG, recorded(south));
        assertEquals(4, south.seenByGuest());
        assertEqualDisks();
    }

    /** Wherever it falls, the next meeting settles it. */
    @Test
    void killsInTheMidstLeaveThemAtOneLength() {
        final Random random = new Random(7);
        startBoth();
        north.write(1);
        checkpoint();
        long length = SHORT;
        for (int round = 0; round < 4; round++) {
            length += 1 << 20;
            length(north, length);
            length(south, length);
            rig.write(south.disk(), length - 8192, new byte[] {(byte) (20 + round)});
            final NodeHost killed = round % 2 == 0 ? north : south;
            try (Program asking =
                    Program.start(
                            "resize",
                            LockstepProcess.command(
                                    List.of("resize", "--control", north.socket("c").toString())),
                            rig.directory())) {
                awaitRecord(killed, length, random.nextInt(3));
                killed.process.kill();
                asking.awaitExit();
            }
            killed.start();
            north.awaitLink();
            checkpoint();
            if (recorded(north) < length) {
                resize(north).requireSuccess();
                checkpoint();
            }
            assertEquals(length, sizeSeen(north));
            assertEquals(length, recorded(south));
            assertEqualDisks();
        }
    }

    /** A moment of the command's: before it has come, when a record is there, or behind that. */
    private void awaitRecord(final NodeHost host, final long length, final int moment) {
        final long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(2);
        while (moment > 0 && System.nanoTime() < end) {
            try {
                if (host.state().toString().contains("" + length)) {
                    break;
                }
            } catch (final AssertionError e) {
                break;
            }
        }
        if (moment > 1) {
            Rig.pause();
        }
    }
}

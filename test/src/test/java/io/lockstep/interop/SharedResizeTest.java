package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.cli.run.DirectoryTree;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Two processes on one disk that becomes longer while they run: a file, and a loop device whose
 * capacity is set anew. Nothing is compared, and the checkpoint stays.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
final class SharedResizeTest {
    private static final int SHORT = 4 << 20;
    private static final int LONG = 8 << 20;

    /** Behind the old end. */
    private static final int BEHIND = 6 << 20;

    @AutoClose private final Rig rig = new Rig();

    private SharedPair pair(final SharedMedium medium, final Path... disks) {
        return new SharedPair(rig, "p", medium.option(), List.of(disks)).start();
    }

    private void write(final SharedPair pair, final int disk, final int value, final int at) {
        rig.python(
                "h = connect(sys.argv[1]); h.pwrite(bytes([int(sys.argv[2])]) * 100000,"
                        + " int(sys.argv[3])); h.flush()",
                pair.guests().get(disk),
                Integer.toString(value),
                Integer.toString(at));
    }

    private long sizeSeen(final String guest) {
        return Long.parseLong(
                rig.python("print(connect(sys.argv[1]).get_size())", guest).out().strip());
    }

    private Tool.Output resize(final SharedPair pair) {
        return rig.lockstep("resize", "--control", pair.primaryControlSocket().toString());
    }

    private static void checkpoint(final SharedPair pair) {
        try (Control control = pair.primaryControl()) {
            control.checkpoint();
        }
    }

    /** What was written since the last checkpoint is undone, also of a disk that stays as it is. */
    @ParameterizedTest
    @EnumSource(SharedMedium.class)
    void theLastCheckpointStays(final SharedMedium medium) {
        final Path grown = medium.disk(rig, "grown", SHORT);
        final SharedPair pair = pair(medium, grown, medium.disk(rig, "same", SHORT));
        write(pair, 0, 1, 5000);
        write(pair, 1, 1, 5000);
        checkpoint(pair);
        write(pair, 0, 2, 5000);
        write(pair, 1, 2, 5000);
        medium.lengthen(rig, grown, LONG);
        rig.write(grown, BEHIND, new byte[] {5, 6});
        assertEquals(
                "disk a has " + LONG + " bytes on both sides, it had " + SHORT + "\n",
                resize(pair).requireSuccess().out());
        assertEquals(LONG, sizeSeen(pair.guests().getFirst()));
        assertEquals(LONG, sizeSeen(pair.secondaryGuests().getFirst()));
        assertEquals(SHORT, sizeSeen(pair.guests().getLast()));
        write(pair, 0, 3, SHORT - 50_000);
        pair.primary().kill();
        pair.failOver();
        final List<byte[]> contents = pair.contents();
        assertEquals(List.of(LONG, SHORT), contents.stream().map(each -> each.length).toList());
        assertEquals(1, contents.getFirst()[5000]);
        assertEquals(1, contents.getLast()[5000]);
        assertEquals(0, contents.getFirst()[SHORT - 1]);
        assertEquals(5, contents.getFirst()[BEHIND]);
    }

    @ParameterizedTest
    @EnumSource(SharedMedium.class)
    void aDiskGrowsWhileItIsWritten(final SharedMedium medium) {
        final Path disk = medium.disk(rig, "loaded", SHORT);
        final SharedPair pair = pair(medium, disk);
        final SerialWrites guest = pair.write(SHORT, 0.01);
        for (int length = SHORT + (SHORT >> 2); length <= LONG; length += SHORT >> 2) {
            guest.await(guest.count() + 200);
            medium.lengthen(rig, disk, length);
            resize(pair).requireSuccess();
            write(pair, 0, 2, length - 100_000);
        }
        write(pair, 0, 3, SHORT); // what it writes itself lies before
        checkpoint(pair);
        guest.await(guest.count() + 200);
        pair.primary().kill();
        pair.failOver();
        final byte[] content = pair.contents().getFirst();
        final SerialWrites.End end = guest.end();
        guest.verify(List.of(Arrays.copyOf(content, SHORT)), end.checkpointed(), end.submitted());
        assertEquals(LONG, content.length);
        assertEquals(3, content[SHORT]);
        assertEquals(2, content[LONG - 1]);
    }

    /** Whoever is started again has the length that was taken. */
    @Test
    void processesThatBeginHaveTheNewLength() {
        final SharedMedium medium = SharedMedium.FILE;
        final Path disk = medium.disk(rig, "begun", SHORT);
        final SharedPair pair = pair(medium, disk);
        write(pair, 0, 1, 0);
        medium.lengthen(rig, disk, LONG);
        resize(pair).requireSuccess();
        pair.secondary().kill();
        pair.startSecondary();
        pair.awaitCheckpoint();
        write(pair, 0, 2, BEHIND);
        checkpoint(pair);
        pair.primary().kill();
        pair.startPrimary();
        pair.awaitCheckpoint();
        assertEquals(LONG, sizeSeen(pair.guests().getFirst()));
        write(pair, 0, 3, BEHIND);
        pair.primary().kill();
        pair.failOver();
        assertEquals(2, pair.contents().getFirst()[BEHIND]);
    }

    /** It is killed when it has recorded the length, and its host loses its power. */
    @Test
    void whereTheSecondaryAloneHasRecordedItThePrimaryTakesIt() throws IOException {
        final SharedMedium medium = SharedMedium.FILE;
        final Path disk = medium.disk(rig, "half", SHORT);
        final SharedPair pair = pair(medium, disk);
        write(pair, 0, 1, 0);
        pair.secondary().kill();
        DirectoryTree.remove(rig.path("pbuffers"));
        medium.lengthen(rig, disk, LONG);
        ResizeTest.recordLonger(rig.path("psstate"), "a", LONG);
        pair.startSecondary();
        pair.awaitCheckpoint();
        assertEquals(LONG, sizeSeen(pair.guests().getFirst()));
        write(pair, 0, 2, BEHIND);
        checkpoint(pair);
        write(pair, 0, 3, BEHIND);
        pair.primary().kill();
        pair.failOver();
        assertEquals(2, pair.contents().getFirst()[BEHIND]);
    }

    /** The next start would refuse such a file, as the first one does. */
    @Test
    void aLengthThatCannotBeUsedPastThePageCacheIsRefused() {
        final SharedMedium medium = SharedMedium.FILE;
        final Path disk = medium.disk(rig, "odd", SHORT);
        final SharedPair pair = pair(medium, disk);
        medium.lengthen(rig, disk, LONG + 100);
        final Tool.Output refused = resize(pair);
        assertEquals(1, refused.exitCode(), refused::toString);
        assertTrue(refused.err().contains("past the page cache (O_DIRECT)"), refused::err);
        assertTrue(refused.err().contains("" + (LONG + 100)), refused::err);
        assertEquals(SHORT, sizeSeen(pair.guests().getFirst()));
        write(pair, 0, 1, 0);
        checkpoint(pair);
        medium.lengthen(rig, disk, LONG);
        resize(pair).requireSuccess();
        assertEquals(LONG, sizeSeen(pair.guests().getFirst()));
    }
}

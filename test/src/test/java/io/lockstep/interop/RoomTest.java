package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.util.concurrent.TimeUnit;

/**
 * A secondary that was away for longer than its buffers have room for, in real processes: without a
 * spill it says before that its checkpoint may go, gives it up, and is made equal; with one it can
 * be promoted to it all the while (I14).
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
final class RoomTest {
    private static final int LENGTH = 96 << 20;
    private static final int LIMIT = 1 << 20;
    private static final String FILL =
            """
            h = connect(sys.argv[1])
            for at in range(0, h.get_size(), 1 << 20):
                h.pwrite(sys.argv[2].encode() * (1 << 20), at)
            h.flush()
            """;

    @AutoClose private final Rig rig = new Rig();

    private final ReplicatedPair pair =
            new ReplicatedPair(rig, "", 1, LENGTH)
                    .withPrimary("--assume-identical")
                    .withSecondary("--buffer-limit", "" + LIMIT);

    /** Both hold ones at a checkpoint; the primary holds twos behind it, and both are killed. */
    private void fallBehind() {
        pair.start();
        rig.python(FILL, pair.guest("a"), "1"); // over holes, whose pre-images take no room
        assertEquals(1, pair.checkpoint());
        pair.requireEqual();
        pair.secondary().kill();
        rig.python(FILL, pair.guest("a"), "2");
        pair.primary().kill();
    }

    @Test
    void withoutRoomTheCheckpointIsGivenUpAndThePairHealsAllTheSame() {
        fallBehind();
        final String ready = pair.startSecondary().ready();
        assertTrue(ready.contains("room for pre-images of 1.0 MiB"), ready);
        pair.startPrimary();
        pair.awaitHealed();
        final String said = pair.secondary().err();
        final int before = said.indexOf("there may not be room to keep the checkpoint");
        final int after = said.indexOf("the way back to epoch 1 is given up");
        assertTrue(before >= 0 && after > before, said);
        assertTrue(said.indexOf("--spill") >= 0, said);
    }

    @Test
    void withASpillAFailoverInTheMidstOfItReturnsToTheCheckpoint() {
        pair.withSecondary("--spill", rig.path("spill").toString());
        fallBehind();
        pair.startSecondary();
        pair.startPrimary();
        final JsonObject verdict;
        try (Control control = pair.secondaryControl()) {
            control.await("more is saved than the buffers take", RoomTest::hasSpilled);
            pair.primary().kill();
            final JsonObject status =
                    control.await("unlinked", now -> !now.get("linked").getAsBoolean());
            assertEquals("following", status.get("standing").getAsString());
            verdict = control.execute("x-lockstep-verdict").getAsJsonObject();
        }
        assertTrue(verdict.get("allowed").getAsBoolean(), verdict::toString);
        assertEquals("", verdict.get("warning").getAsString());
        pair.secondary().kill();
        pair.startSecondary(); // what was spilled outlives the process
        try (Control control = pair.secondaryControl()) {
            control.execute("x-lockstep-failover");
            control.awaitMerged();
        }
        final byte[] found = Rig.read(pair.secondaryDisk("a"));
        final boolean isDone = verdict.get("epoch").getAsLong() > 1; // it was quicker than this
        for (final byte one : found) {
            assertEquals(isDone ? '2' : '1', one);
        }
        assertTrue(!pair.secondary().err().contains("given up"), pair::toString);
    }

    private static boolean hasSpilled(final JsonObject status) {
        final JsonObject disk = status.getAsJsonArray("disks").get(0).getAsJsonObject();
        return disk.get("hidden-used").getAsLong() > 2L * LIMIT
                || status.get("committed-epoch").getAsLong() > 1;
    }
}

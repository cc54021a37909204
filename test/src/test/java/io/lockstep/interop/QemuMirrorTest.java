package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Predicate;

/**
 * Replication is resumed with a new secondary as QEMU's COLO does it: the disk is mirrored there
 * while the guest writes, and when that is ready the guest stands still, the mirror is ended,
 * replication begins, and the guest goes on. A lockstep at either end, or at both.
 */
final class QemuMirrorTest {
    private static final int LENGTH = 16 << 20;
    private static final String JOB = "resync";

    @AutoClose private final Rig rig = new Rig();
    private ReplicationSide primary;
    private ReplicationSide secondary;
    private final Path primaryDisk = rig.hole("north.img", LENGTH);
    private final Path secondaryDisk = rig.random("south.img", LENGTH, 7);

    @ParameterizedTest
    @CsvSource({"LOCKSTEP, LOCKSTEP", "LOCKSTEP, QEMU", "QEMU, LOCKSTEP"})
    void aMirrorUnderAWritingGuestIsWhatReplicationBeginsWith(
            final ReplicationPeer first, final ReplicationPeer second) throws IOException {
        secondary = ReplicationSide.secondary(second, rig, "south", secondaryDisk);
        primary = start(first, second);
        final SerialWrites guest =
                SerialWrites.start(rig, List.of(primary.guest()), LENGTH, rig.path("none"), "", -1);
        guest.await(300);
        mirror();
        awaitJob(job -> job.get("ready").getAsBoolean());
        guest.await(1500);
        // QEMU's stop stops no client of its NBD server, as this guest is one.
        final boolean hasStopped = first == ReplicationPeer.LOCKSTEP;
        if (!hasStopped) {
            guest.stop();
        }
        execute(primary, "stop", "{}");
        assertEquals("paused", status(primary).get("status").getAsString());
        execute(primary, "block-job-cancel", "{'device': '" + JOB + "'}");
        awaitNoJob();
        ReplicatedPair.assertSame(primaryDisk, secondaryDisk);
        secondary.start();
        primary.attach(secondary.socket());
        primary.start();
        execute(primary, "cont", "{}");
        assertTrue(status(primary).get("running").getAsBoolean());
        if (hasStopped) {
            guest.stop();
        }
        write(0x11);
        final Path model = Files.copy(primaryDisk, rig.path("model"));
        (first == ReplicationPeer.LOCKSTEP ? primary : secondary).checkpoint();
        write(0x22);
        assertEquals("", primary.error());
        primary.engine().kill();
        failOver(second);
        ReplicatedPair.assertSame(model, secondaryDisk);
        assertEquals(0x11, Rig.read(secondaryDisk)[0]);
    }

    private ReplicationSide start(final ReplicationPeer first, final ReplicationPeer second) {
        return first == ReplicationPeer.LOCKSTEP && second == ReplicationPeer.QEMU
                ? ReplicationSide.primary(
                        first,
                        rig,
                        "north",
                        primaryDisk,
                        "--peer-qmp",
                        secondary.engine().secondMonitor().toString())
                : ReplicationSide.primary(first, rig, "north", primaryDisk);
    }

    private void mirror() {
        execute(
                primary,
                "drive-mirror",
                "{'device': 'a', 'job-id': '"
                        + JOB
                        + "', 'target': 'nbd+unix:///a?socket="
                        + secondary.socket()
                        + "', 'mode': 'existing', 'format': 'raw', 'sync': 'full'}");
    }

    private static void execute(
            final ReplicationSide side, final String command, final String arguments) {
        side.control().execute(command, arguments);
    }

    private static JsonObject status(final ReplicationSide side) {
        return side.control().execute("query-status").getAsJsonObject();
    }

    private void awaitJob(final Predicate<JsonObject> wanted) {
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        while (true) {
            final var jobs = primary.control().execute("query-block-jobs").getAsJsonArray();
            assertFalse(jobs.isEmpty(), "the job has ended");
            if (wanted.test(jobs.get(0).getAsJsonObject())) {
                return;
            }
            assertTrue(System.nanoTime() < deadline, jobs::toString);
            Rig.pause();
        }
    }

    private void awaitNoJob() {
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        while (!primary.control().execute("query-block-jobs").getAsJsonArray().isEmpty()) {
            assertTrue(System.nanoTime() < deadline, "the job does not end");
            Rig.pause();
        }
    }

    private void write(final int value) {
        rig.python(
                """
                h = connect(sys.argv[1])
                h.pwrite(bytes([int(sys.argv[2])]) * (1 << 20), 0)
                h.flush()
                """,
                primary.guest(),
                Integer.toString(value));
    }

    /** Takes over, and waits until the disk holds what the guest sees. */
    private void failOver(final ReplicationPeer second) {
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        if (second == ReplicationPeer.LOCKSTEP) {
            execute(secondary, "x-lockstep-failover", "{'force': true}");
            secondary.control().awaitMerged();
            return;
        }
        secondary.stop(true);
        // The merge is a job that no query shows; at its end the active disk is let go.
        while (secondary
                .control()
                .execute("query-named-block-nodes", "{'flat': true}")
                .toString()
                .contains("southactive")) {
            assertTrue(System.nanoTime() < deadline, "not merged in time");
            Rig.pause();
        }
    }
}

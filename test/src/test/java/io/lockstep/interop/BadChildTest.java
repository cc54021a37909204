package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Managers hear of any child of a quorum that fails, as QEMU tells of it: QUORUM_REPORT_BAD. */
final class BadChildTest {
    private static final int LENGTH = 1 << 20;

    @AutoClose private final Rig rig = new Rig();
    private QmpLine line;

    private JsonObject awaitReport() {
        JsonObject message = line.nextOfAny();
        while (!message.has("event")
                || !message.get("event").getAsString().equals("QUORUM_REPORT_BAD")) {
            message = line.nextOfAny();
        }
        return message.getAsJsonObject("data");
    }

    private static void cut(final Path file) throws IOException {
        try (RandomAccessFile open = new RandomAccessFile(file.toFile(), "rw")) {
            open.setLength(4096);
        }
    }

    /** By way of a throttle over it, too: the first at once, and the last of each second. */
    @Test
    void theDiskItselfIsTold() throws IOException {
        final Path disk = rig.random("disk", LENGTH, 1);
        rig.server(
                List.of(
                        "engine",
                        "--qmp",
                        rig.path("qmp").toString(),
                        "--object",
                        "throttle-group,id=throttle0",
                        "--drive",
                        "if=none,node-name=parent0,driver=raw,file.filename=" + disk,
                        "--drive",
                        "if=none,node-name=quorum0,driver=quorum,read-pattern=fifo,"
                                + "vote-threshold=1,children.0=parent0",
                        "--drive",
                        "if=none,node-name=colo-disk0,driver=throttle,throttle-group=throttle0,"
                                + "file.driver=raw,file.file=quorum0",
                        "--guest",
                        "nbd+unix:///?socket=" + rig.path("guest")));
        line = rig.keep(QmpLine.connect(rig.path("qmp")));
        cut(disk);
        final long start = System.nanoTime();
        rig.python(
                """
                h = connect(sys.argv[1])
                for n in range(500):
                    expect(errno.EIO, h.pread, 4096, 8192 + 512 * n)
                """,
                "nbd+unix:///colo-disk0?socket=" + rig.path("guest"));
        final JsonObject first = awaitReport();
        assertEquals("parent0", first.get("node-name").getAsString());
        assertEquals("read", first.get("type").getAsString());
        assertEquals(16, first.get("sector-num").getAsLong());
        assertEquals(8, first.get("sectors-count").getAsLong());
        assertTrue(first.has("error"), first::toString);
        int count = 1;
        JsonObject last = first;
        while (last.get("sector-num").getAsLong() < 16 + 499) {
            last = awaitReport();
            count++;
        }
        final long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - start);
        assertTrue(count <= seconds + 2, count + " reports in " + seconds + " s");
    }

    /** What a primary forwards to is its quorum's child. */
    @Test
    void aReplicationChildThatIsGivenUpIsTold() throws IOException {
        final Path secondaryDisk = rig.hole("south.img", LENGTH);
        final ReplicationSide secondary =
                ReplicationSide.secondary(ReplicationPeer.LOCKSTEP, rig, "south", secondaryDisk);
        final ReplicationSide primary =
                ReplicationSide.primary(
                        ReplicationPeer.LOCKSTEP, rig, "north", rig.hole("north.img", LENGTH));
        secondary.start();
        primary.attach(secondary.socket());
        primary.start();
        line = rig.keep(QmpLine.connect(primary.engine().secondMonitor()));
        cut(secondaryDisk);
        rig.python(
                """
                h = connect(sys.argv[1])
                h.pwrite(b'x' * 4096, 65536)
                """,
                primary.guest());
        final JsonObject report = awaitReport();
        assertEquals("client", report.get("node-name").getAsString());
        assertEquals("write", report.get("type").getAsString());
        assertEquals(0, report.get("sector-num").getAsLong());
        assertEquals(LENGTH / 512, report.get("sectors-count").getAsLong());
    }
}

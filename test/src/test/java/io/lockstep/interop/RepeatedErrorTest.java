package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.List;

/** What fails again and again, for want of descriptors or of a disk, is told and counted. */
final class RepeatedErrorTest {
    private static final int LENGTH = 1 << 20;

    @AutoClose private final Rig rig = new Rig();

    /** It is tried again ten times a second, and is said once; then all goes on. */
    @Test
    void usedUpDescriptorsAreToldOnce() {
        final LockstepProcess lockstep =
                rig.serverAfter(
                        "ulimit -n 100",
                        List.of(
                                "serve",
                                "--disk",
                                "disk=" + rig.hole("disk.img", LENGTH),
                                "--listen",
                                rig.uri("")));
        final String read = "connect(sys.argv[1]).pread(4096, 0)";
        rig.python(read, rig.uri()); // from a folder, classes come by descriptors, too
        rig.python(
                """
                import socket, time
                def client():
                    s = socket.socket(socket.AF_UNIX)
                    s.connect(sys.argv[1])
                    return s
                clients = [client() for n in range(120)]
                time.sleep(2)
                """,
                rig.socket().toString());
        rig.python(read, rig.uri());
        final List<String> told =
                lockstep.err().lines().filter(line -> line.contains("cannot accept")).toList();
        assertFalse(told.isEmpty(), lockstep::err);
        assertTrue(told.size() < 5, lockstep::err); // one in ten seconds
        assertTrue(told.getFirst().contains("raise the limit (ulimit -n)"), told::toString);
    }

    /** A client that reads what can't be read over and over fills no log. */
    @Test
    void errorsThatRepeatThemselvesAreCounted() throws IOException {
        final Path file = rig.hole("disk.img", LENGTH);
        final LockstepProcess lockstep = rig.serve(file);
        try (RandomAccessFile cut = new RandomAccessFile(file.toFile(), "rw")) {
            cut.setLength(4096);
        }
        rig.python(
                """
                h = connect(sys.argv[1])
                for n in range(1000):
                    expect(errno.EIO, h.pread, 4096, 8192)
                """,
                rig.uri());
        final long told = lockstep.err().lines().count();
        assertTrue(told >= 2 && told < 50, lockstep::err);
    }
}

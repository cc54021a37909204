package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** That a {@link PowerDrive} loses what was not flushed, and nothing else. */
final class PowerDriveTest {
    private static final int LENGTH = 32 << 20;

    @AutoClose private final Rig rig = new Rig();

    /** Runs a script where the drive is mounted, in the directory that is its argument. */
    private Program python(final Path device, final Path at, final String script) {
        final Path file = rig.path("script");
        try {
            Files.writeString(file, script);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        return rig.keep(
                Program.start(
                        "python",
                        List.of(
                                "sh",
                                "-c",
                                PowerDrive.mounting(device, at) + "; exec \"$@\"",
                                "sh",
                                Tool.PYTHON.path().toString(),
                                "-u",
                                file.toString(),
                                at.toString()),
                        rig.directory()));
    }

    @Test
    void whatWasNotFlushedIsLostAndWhatWasIsThere() throws IOException {
        final Path files = Files.createDirectory(rig.path("files"));
        rig.random("files/old", 1 << 20, 1);
        final PowerDrive drive = PowerDrive.format(rig, "d", LENGTH, files);
        final Path at = Files.createDirectory(rig.path("mount"));
        final Program writer =
                python(
                        drive.plugIn(),
                        at,
                        """
                        import os, sys, time
                        at = sys.argv[1]
                        def write(name, content, call):
                            fd = os.open(at + '/' + name, os.O_RDWR | os.O_CREAT)
                            os.pwrite(fd, content, 4096)
                            call(fd)
                        write('flushed', b'1' * 4096, os.fsync)
                        write('old', b'2' * 4096, os.fdatasync)
                        # In the device, but not flushed.
                        import ctypes
                        out = lambda fd: ctypes.CDLL(None).sync_file_range(
                            fd, ctypes.c_long(0), ctypes.c_long(0), 2 | 4)
                        write('old', b'3' * 4096, out)
                        write('young', b'4' * 4096, lambda fd: None)
                        print('written')
                        time.sleep(100)
                        """);
        writer.awaitLine(line -> line.equals("written"));
        assertTrue(drive.medium().unflushed() >= 8, "nothing waits in the device");
        drive.losePower(1, 0, 1);
        writer.close();
        drive.unplug();
        final Program reader =
                python(
                        drive.plugIn(),
                        at,
                        """
                        import os, sys
                        at = sys.argv[1]
                        print(sorted(os.listdir(at)))
                        for name, value in (('flushed', b'1'), ('old', b'2')):
                            print(open(at + '/' + name, 'rb').read()[4096:8192] == value * 4096)
                        """);
        assertEquals(0, reader.awaitExit(), reader::transcript);
        assertEquals("['flushed', 'lost+found', 'old']\nTrue\nTrue\n", reader.out());
    }
}

package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.nio.file.Path;
import java.util.Arrays;

/** Two programs never write one image: lockstep and QEMU, and two locksteps, refuse each other. */
final class ImageLockTest {
    private static final String IN_USE =
            "it is in use by another lockstep or QEMU; stop that one first";

    @AutoClose private final Rig rig = new Rig();
    private Path file;

    @BeforeEach
    void makeFile() {
        file = rig.hole("disk.img", 1 << 20);
    }

    private void assertQemuRefused(final Tool tool, final String lock, final String... arguments) {
        final Tool.Output output = rig.end(tool, arguments);
        assertTrue(output.err().contains("Failed to get " + lock), output::toString);
        assertTrue(output.err().contains("Is another process using the image"), output::toString);
        assertEquals(1, output.exitCode(), output::toString);
    }

    private void assertLockstepRefused(final String... options) {
        final String[] all = Arrays.copyOf(options, options.length + 4);
        all[options.length] = "--disk";
        all[options.length + 1] = "other=" + file;
        all[options.length + 2] = "--listen";
        all[options.length + 3] = "nbd+unix:///?socket=" + rig.path("other");
        assertEquals(
                "lockstep serve: disk other: cannot open " + file + ": " + IN_USE,
                rig.serveInVain(all));
    }

    @Test
    void qemuRefusesAFileThatLockstepServes() {
        rig.serve(file);
        final String image = file.toString();
        assertQemuRefused(Tool.QEMU_IO, "\"write\" lock", "-f", "raw", "-c", "write 0 4k", image);
        assertQemuRefused(Tool.QEMU_IMG, "\"write\" lock", "resize", "-f", "raw", image, "2M");
        assertQemuRefused(
                Tool.QEMU_IMG,
                "shared \"write\" lock",
                "convert",
                "-f",
                "raw",
                image,
                rig.path("copy").toString());
        assertQemuRefused(
                Tool.QEMU_NBD,
                "\"write\" lock",
                "-f",
                "raw",
                "-k",
                rig.path("q").toString(),
                image);
        rig.run(Tool.QEMU_IMG, "info", "--force-share", image);
    }

    @Test
    void qemuReadsButNeverWritesAFileThatLockstepServesReadOnly() {
        rig.serveWith("--disk", "disk=" + file, "--read-only", "--listen", rig.uri(""));
        final String image = file.toString();
        assertQemuRefused(Tool.QEMU_IO, "\"write\" lock", "-f", "raw", "-c", "write 0 4k", image);
        rig.run(Tool.QEMU_IMG, "convert", "-f", "raw", image, rig.path("copy").toString());
    }

    @Test
    void lockstepRefusesAFileThatQemuServes() {
        final Program qemu = serveByQemu();
        assertLockstepRefused();
        assertLockstepRefused("--read-only");
        qemu.terminate();
        qemu.awaitExit();
        rig.serve(file);
    }

    @Test
    void lockstepReadsAFileThatQemuServesReadOnly() {
        serveByQemu("--read-only");
        rig.serveWith("--disk", "disk=" + file, "--read-only", "--listen", rig.uri(""));
    }

    private Program serveByQemu(final String... options) {
        final Path socket = rig.path("q");
        final String[] all = Arrays.copyOf(options, options.length + 6);
        all[options.length] = "--persistent";
        all[options.length + 1] = "--shared=4";
        all[options.length + 2] = "--format=raw";
        all[options.length + 3] = "--export-name=disk";
        all[options.length + 4] = "--socket=" + socket;
        all[options.length + 5] = file.toString();
        final Program qemu = rig.start(Tool.QEMU_NBD, all);
        Rig.awaitFile(socket, qemu::isRunning);
        return qemu;
    }

    @Test
    void lockstepRefusesAFileThatLockstepServes() {
        final LockstepProcess first = rig.serve(file);
        assertLockstepRefused();
        assertLockstepRefused("--read-only");
        assertEquals(0, first.stop());
        rig.serve(file);
    }

    @Test
    void twoDisksOfOneLockstepAreNeverOneFile() {
        final Tool.Output refused =
                rig.lockstep(
                        "serve",
                        "--disk",
                        "a=" + file,
                        "--disk",
                        "b=" + file,
                        "--listen",
                        rig.uri(""));
        assertEquals(2, refused.exitCode(), refused::toString);
        assertEquals(
                "lockstep serve: --disk: a and b are the same file; give each disk its own",
                refused.err().lines().findFirst().orElse(""));
    }

    @Test
    void lockstepServesAFileReadOnlyTwice() {
        rig.serveWith("--disk", "disk=" + file, "--read-only", "--listen", rig.uri(""));
        final String second = "nbd+unix:///?socket=" + rig.path("other");
        rig.serveWith("--disk", "disk=" + file, "--read-only", "--listen", second);
        assertLockstepRefused();
    }
}

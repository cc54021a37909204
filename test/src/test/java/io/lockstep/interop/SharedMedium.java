package io.lockstep.interop;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/** Where a disk lies that two processes share, and how they use it. */
enum SharedMedium {
    CACHED_FILE("--shared-on-one-host", 0),
    FILE("--shared", 0),
    DEVICE_512("--shared", 512),
    DEVICE_4096("--shared", 4096);

    private final String option;
    private final int sectorLength;

    SharedMedium(final String option, final int sectorLength) {
        this.option = option;
        this.sectorLength = sectorLength;
    }

    /** With which both share. */
    String option() {
        return option;
    }

    /** A disk of nothing but a hole, for as long as the rig lasts. */
    Path disk(final Rig rig, final String name, final long length) {
        return switch (this) {
            case CACHED_FILE -> rig.hole(name, length);
            case FILE -> rig.holeOnDisk(name, length);
            case DEVICE_512, DEVICE_4096 -> device(rig, rig.hole(name, length));
        };
    }

    private Path device(final Rig rig, final Path file) {
        assumeTrue(
                Files.isWritable(Path.of("/dev/loop-control")),
                "only root makes loop devices, where the kernel has them: /dev/loop-control");
        final Tool.Output attached =
                rig.end(
                        Tool.LOSETUP,
                        "--sector-size",
                        Integer.toString(sectorLength),
                        "--find",
                        "--show",
                        file.toString());
        assumeTrue(attached.exitCode() == 0, attached::toString);
        final String device = attached.out().strip();
        rig.keep(() -> rig.end(Tool.LOSETUP, "--detach", device));
        return Path.of(device);
    }

    /** What is behind the end of the disk is there, and is a hole. */
    void lengthen(final Rig rig, final Path disk, final long length) {
        if (sectorLength == 0) {
            Rig.length(disk, length);
            return;
        }
        final String backing =
                rig.run(
                                Tool.LOSETUP,
                                "--noheadings",
                                "--list",
                                "--output",
                                "BACK-FILE",
                                disk.toString())
                        .out()
                        .strip();
        Rig.length(Path.of(backing), length);
        rig.run(Tool.LOSETUP, "--set-capacity", disk.toString());
    }
}

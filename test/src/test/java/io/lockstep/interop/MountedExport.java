package io.lockstep.interop;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * An export as the kernel's disk, with a file system on it: nbdfuse makes a file of it, of which a
 * loop device is made, which is mounted. What the file system flushes comes as a flush of NBD.
 *
 * <p>It takes root. Where that, FUSE or loop devices are missing the test is skipped, or fails
 * where none may be.
 */
final class MountedExport implements Rig.Ending {
    private final Rig rig;
    private final Path disk;
    private final Path directory;
    private final Program fuse;
    private String device = "";
    private boolean isMounted;

    private MountedExport(final Rig rig, final String name, final String uri) {
        if (!"root".equals(System.getProperty("user.name"))
                || !Files.isWritable(Path.of("/dev/fuse"))
                || !Files.isWritable(Path.of("/dev/loop-control"))) {
            Tool.skip("only root mounts disks, where the kernel has /dev/fuse and loop devices");
        }
        this.rig = rig;
        disk = makeDirectory(rig.path(name + "fuse")).resolve("disk");
        directory = makeDirectory(rig.path(name));
        rig.keep(this);
        fuse = rig.start(Tool.NBDFUSE, disk.toString(), uri);
        Rig.awaitFile(disk, fuse::isRunning);
    }

    private static Path makeDirectory(final Path path) {
        try {
            return Files.createDirectory(path);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Makes a file system, and mounts it. */
    static MountedExport format(final Rig rig, final String name, final String uri) {
        final MountedExport export = new MountedExport(rig, name, uri);
        rig.run(Tool.MKE2FS, "-q", "-t", "ext4", "-E", "nodiscard", export.disk.toString());
        return export.mount();
    }

    /** Mounts the file system that is there, which its journal brings in order. */
    static MountedExport attach(final Rig rig, final String name, final String uri) {
        return new MountedExport(rig, name, uri).mount();
    }

    private MountedExport mount() {
        device = rig.run(Tool.LOSETUP, "--find", "--show", disk.toString()).out().strip();
        rig.run(Tool.MOUNT, "-t", "ext4", device, directory.toString());
        isMounted = true;
        return this;
    }

    /** Where the file system is. */
    Path directory() {
        return directory;
    }

    /** Takes all of it away, whether its server is still there or not. Nobody may use it then. */
    @Override
    public void close() {
        try {
            if (isMounted) {
                isMounted = false;
                rig.end(Tool.UMOUNT, "--lazy", directory.toString());
            }
            if (!device.isEmpty()) {
                rig.end(Tool.LOSETUP, "--detach", device);
                awaitDetached();
                device = "";
            }
        } finally {
            fuse.close();
            rig.end(Tool.UMOUNT, "--lazy", disk.getParent().toString());
        }
    }

    /** What the kernel still has to write it tries to, and fails where nobody takes it. */
    private void awaitDetached() {
        final Path backing =
                Path.of("/sys/block", Path.of(device).getFileName().toString(), "loop");
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        while (isOf(backing.resolve("backing_file"))) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError(device + " is in use still");
            }
            Rig.pause();
        }
    }

    private boolean isOf(final Path backing) {
        try {
            return Files.readString(backing).strip().equals(disk.toString());
        } catch (final IOException e) {
            return false; // it has none any more
        }
    }
}

package io.lockstep.interop;

import io.lockstep.cli.run.DirectoryTree;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.stream.Stream;

/**
 * A host with {@code lockstep node} on it, whose disk image and state lie in the file system of a
 * {@link PowerDrive}; and the one command that is typed there whenever its power is back.
 */
final class PoweredHost {
    private static final Path BOOT = Path.of("/proc/sys/kernel/random/boot_id");

    /** Room for the image, the state, the journal and buffers. */
    private static final int DRIVE_LENGTH = 48 << 20;

    private final Rig rig;
    private final String name;
    private final PowerDrive drive;
    private final Path mount;
    private final Path buffers;
    private final List<String> command;
    private Path device;
    private LockstepProcess node;

    /**
     * One whose disk is a hole.
     *
     * @param other the name of its peer
     * @param first what it is where there is no record yet
     * @param areBuffersOnDisk whether its buffers lie on its drive, not in memory
     */
    PoweredHost(
            final Rig rig,
            final String name,
            final String other,
            final String first,
            final int length,
            final boolean areBuffersOnDisk,
            final List<String> more)
            throws IOException {
        this.rig = rig;
        this.name = name;
        final Path files = Files.createDirectory(rig.path(name + ".files"));
        rig.hole(name + ".files/vda.img", length);
        drive = PowerDrive.format(rig, name, DRIVE_LENGTH, files);
        mount = Files.createDirectory(rig.path(name + ".mount"));
        buffers = areBuffersOnDisk ? mount.resolve("buffers") : rig.path(name + ".buffers");
        command = new ArrayList<>(List.of("node", "--first", first));
        command.addAll(List.of("--disk", "vda=" + mount.resolve("vda.img")));
        command.addAll(List.of("--listen", "nbd+unix:///?socket=" + rig.path(name + ".link")));
        command.addAll(List.of("--peer", "nbd+unix:///?socket=" + rig.path(other + ".link")));
        command.addAll(List.of("--guest", "nbd+unix:///?socket=" + rig.path(name + ".guest")));
        command.addAll(List.of("--control", control().toString()));
        command.addAll(List.of("--buffers", buffers.toString()));
        command.addAll(more);
        boot();
    }

    Path control() {
        return rig.path(name + ".qmp");
    }

    String guest() {
        return "nbd+unix:///vda?socket=" + rig.path(name + ".guest");
    }

    /** Its file system, as long as it runs. */
    private Path fileSystem() {
        return Path.of("/proc/" + node.pid() + "/root" + mount);
    }

    /** What its disk holds, as the file system of the running host has it. */
    byte[] disk() {
        return Rig.read(fileSystem().resolve("vda.img"));
    }

    /** Its kernel writes back what it has in memory of its files, and flushes nothing. */
    void writeBack() {
        WriteBack.ofAll(fileSystem());
    }

    /** The power is there, and the kernel is another one. */
    private void boot() {
        try {
            Files.writeString(rig.path(name + ".boot"), UUID.randomUUID() + "\n");
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        device = drive.plugIn();
    }

    /** Commands of the shell that give what comes behind them the host's surroundings. */
    private String inside() {
        return "set -- unshare --mount sh -c 'mount --bind \"$0\" "
                + BOOT
                + " && exec \"$@\"' "
                + rig.path(name + ".boot")
                + " \"$@\"; "
                + PowerDrive.mounting(device, mount);
    }

    /** Types the command, unless it runs. */
    void launch() {
        if (!isRunning()) {
            node = rig.keep(LockstepProcess.startAfter(inside(), rig.directory(), command));
        }
    }

    /** Types the command, and waits until it is ready. */
    void start() {
        launch();
        awaitReady();
    }

    void awaitReady() {
        if (!node.awaitReady()) {
            throw new AssertionError("it did not come up\n" + node);
        }
    }

    boolean isRunning() {
        return node != null && node.isRunning();
    }

    /** Waits until it ends, since it was told to, and is to be started again. */
    void awaitExit() {
        node.awaitExit();
    }

    /** Nothing leaves it from now on, and nobody there hears of anything. */
    void freeze() {
        node.signal("STOP");
        final Path threads = Path.of("/proc/" + node.pid() + "/task");
        while (!isFrozen(threads)) {
            Rig.pause();
        }
    }

    /** A thread that waits for the device is stopped before it is back in the program. */
    private static boolean isFrozen(final Path threads) {
        try (Stream<Path> all = Files.list(threads)) {
            return all.allMatch(
                    thread -> {
                        try {
                            final String stat = Files.readString(thread.resolve("stat"));
                            final char state = stat.charAt(stat.lastIndexOf(')') + 2);
                            return state == 'T' || state == 'D';
                        } catch (final IOException e) {
                            return true; // it has ended
                        }
                    });
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * It loses its power, and has it again at once. What lay in memory is gone, and of what the
     * drive had not flushed some.
     *
     * @return how many sectors of its drive have lost something
     */
    int losePower(final long seed, final double survival, final int sectors) {
        if (isRunning()) {
            freeze();
        }
        final int lost = drive.losePower(seed, survival, sectors);
        if (isRunning()) {
            node.kill();
        }
        drive.unplug();
        try {
            if (Files.exists(buffers)) {
                DirectoryTree.remove(buffers);
            }
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        boot();
        return lost;
    }

    Control connect() {
        return Control.connect(control());
    }

    @Override
    public String toString() {
        return name + ": " + node;
    }
}

package io.lockstep.interop;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.server.ConnectionLimit;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.server.ServerEvents;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;

/**
 * A block device of the kernel whose power can be lost: a loop device over a file of nbdfuse, whose
 * bytes are a {@link VolatileMedium} behind an NBD server of the test's own. So all that Linux does
 * between a program and its disk is there: page cache, journal, flushes. It takes root.
 *
 * <p>A life of it lasts from {@link #plugIn} to {@link #losePower}; what the kernel still has of a
 * life that is over reaches nothing. Used by one thread.
 */
final class PowerDrive implements Rig.Ending {
    private static final int CONNECTIONS_MAX = 16;

    private final Rig rig;
    private final String name;
    private final VolatileMedium medium;
    private final Queue<Throwable> errors = new ConcurrentLinkedQueue<>();
    private Life life;
    private int lives;

    private PowerDrive(final Rig rig, final String name, final VolatileMedium medium) {
        this.rig = rig;
        this.name = name;
        this.medium = medium;
    }

    /**
     * One with a file system, ext4 with a journal, that is not plugged in yet.
     *
     * @param files what is in it, a directory
     */
    static PowerDrive format(final Rig rig, final String name, final int length, final Path files) {
        requireRoot();
        final Path image = rig.hole(name + ".ext4", length);
        rig.run(
                Tool.MKE2FS,
                "-q",
                "-F",
                "-t",
                "ext4",
                "-J",
                "size=4",
                "-E",
                "lazy_itable_init=0,lazy_journal_init=0,nodiscard",
                "-d",
                files.toString(),
                image.toString());
        final VolatileMedium medium = new VolatileMedium(Rig.read(image));
        try {
            Files.delete(image);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        return rig.keep(new PowerDrive(rig, name, medium));
    }

    /**
     * A command of the shell that has what comes behind it find the file system in a directory. No
     * other process does, and so it is gone with the last one that was started by this.
     */
    static String mounting(final Path device, final Path at) {
        return "set -- unshare --mount sh -c 'mount -t ext4 \"$0\" \"$1\" && shift && exec \"$@\"' "
                + device
                + " "
                + at
                + " \"$@\"";
    }

    private static void requireRoot() {
        assumeTrue(
                Files.isWritable(Path.of("/dev/loop-control")),
                "only root makes loop devices, where the kernel has them: /dev/loop-control");
        if (!Files.isWritable(Path.of("/dev/fuse"))) {
            Tool.skip("only root mounts a file system of its own, where the kernel has /dev/fuse");
        }
    }

    VolatileMedium medium() {
        return medium;
    }

    /** Answers the device. */
    Path plugIn() {
        life = new Life();
        try {
            life.serve();
            life.mount();
            return life.attach();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * From now on every request of this life fails, and none has an effect. Who used the device is
     * to end before {@link #unplug}.
     *
     * @return how many sectors have lost something
     */
    int losePower(final long seed, final double survival, final int sectors) {
        life.disk.die();
        return medium.losePower(seed, survival, sectors);
    }

    /** The device goes, with all that the kernel has of it. */
    void unplug() {
        final Life ending = life;
        life = null;
        if (ending != null) {
            ending.close();
        }
        if (!errors.isEmpty()) {
            throw new AssertionError("in the drive's server", errors.peek());
        }
    }

    @Override
    public void close() {
        if (life != null) {
            life.disk.die();
        }
        unplug();
    }

    /** The kernel's own problems are no secret: they are in the transcripts of those who use it. */
    private static final class Silence implements ServerEvents {
        @Override
        public void onDiskError(final String sentence) {}

        @Override
        public void onClientProblem(final String peer, final String sentence) {}
    }

    private final class Life {
        private final Path mount = rig.path(name + ".fuse" + lives++);
        private final Path socket = rig.path(name + ".drive" + lives);
        private final NioLoop loop = loop();
        private final MediumDisk disk = new MediumDisk(medium, loop);
        private final NbdServer server =
                new NbdServer(
                        loop,
                        List.of(ServedExport.of(disk, name)),
                        new ConnectionLimit(CONNECTIONS_MAX),
                        new Silence());
        private Program fuse;
        private String device;

        private NioLoop loop() {
            try {
                return new NioLoop("drive-" + name, 0, errors::add);
            } catch (final IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        void serve() {
            loop.start();
            final CompletableFuture<Void> listening = new CompletableFuture<>();
            loop.execute(
                    () -> {
                        try {
                            loop.listen(
                                    new Endpoint.Unix(socket),
                                    accepted -> accepted.open(loop, server::connect));
                            listening.complete(null);
                        } catch (final IOException e) {
                            listening.completeExceptionally(e);
                        }
                    });
            listening.join();
        }

        void mount() throws IOException {
            Files.createDirectory(mount);
            fuse =
                    Program.start(
                            "nbdfuse",
                            List.of(
                                    Tool.NBDFUSE.path().toString(),
                                    mount.resolve("drive").toString(),
                                    "nbd+unix:///?socket=" + socket),
                            rig.directory());
            Rig.awaitFile(mount.resolve("drive"), fuse::isRunning);
        }

        Path attach() {
            device =
                    rig.run(Tool.LOSETUP, "--find", "--show", mount.resolve("drive").toString())
                            .out()
                            .strip();
            return Path.of(device);
        }

        void close() {
            if (device != null) {
                rig.run(Tool.LOSETUP, "--detach", device);
            }
            if (fuse != null) {
                rig.end(Tool.UMOUNT, "--lazy", mount.toString());
                fuse.close();
            }
            loop.close();
        }
    }
}

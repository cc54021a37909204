package io.lockstep.bench.peer;

import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A server under comparison: a child process on one disk and one address, stopped when this closes.
 */
public final class BenchServer implements AutoCloseable {
    /** Length of each served disk in bytes. */
    public static final long DISK_LENGTH = 1L << 30;

    /** The servers that are compared. */
    public enum Kind {
        LOCKSTEP("lockstep serve", "lockstep", ""),
        NBDKIT_FILE("nbdkit file", "nbdkit", "nbdkit"),
        NBDKIT_MEMORY("nbdkit memory", "nbdkit", "nbdkit"),
        QEMU_NBD("qemu-nbd", "qemu-nbd", "qemu-utils"),
        QEMU_NBD_URING("qemu-nbd io_uring", "qemu-nbd", "qemu-utils");

        private final String title;
        private final String program;
        private final String debianPackage;

        Kind(final String title, final String program, final String debianPackage) {
            this.title = title;
            this.program = program;
            this.debianPackage = debianPackage;
        }

        /** What tables call it. */
        public String title() {
            return title;
        }

        /** Says why it is left out, or nothing where it can run. */
        public String missing() {
            return this == LOCKSTEP || ChildProcess.isOnPath(program)
                    ? ""
                    : title
                            + " is left out: no "
                            + program
                            + " here (package "
                            + debianPackage
                            + ")";
        }
    }

    private static final long START_SECONDS = 30;

    private final Kind kind;
    private final ChildProcess process;
    private final String uri;

    private BenchServer(final Kind kind, final ChildProcess process, final String uri) {
        this.kind = kind;
        this.process = process;
        this.uri = uri;
    }

    /**
     * Starts a server on a Unix socket or a free TCP port, and a disk just made.
     *
     * @param folder for its files
     * @param isSparse whether the disk is all hole, and not all data; nbdkit's own memory always is
     */
    public static BenchServer start(
            final Kind kind, final Path folder, final boolean unix, final boolean isSparse)
            throws IOException, InterruptedException {
        return start(kind, folder, unix, DISK_LENGTH, isSparse, false);
    }

    /** Starts lockstep's in new folders, on a disk of any length. */
    public static BenchServer startLockstep(
            final PairFolders folders,
            final boolean unix,
            final long diskLength,
            final boolean isSparse)
            throws IOException, InterruptedException {
        return start(
                Kind.LOCKSTEP, folders.disks(), unix, diskLength, isSparse, folders.isDirect());
    }

    private static BenchServer start(
            final Kind kind,
            final Path folder,
            final boolean unix,
            final long diskLength,
            final boolean isSparse,
            final boolean isDirect)
            throws IOException, InterruptedException {
        if (kind == Kind.LOCKSTEP) {
            ChildProcess.prepareLockstep();
        }
        final Path disk = folder.resolve(kind + ".img");
        NewDisk.make(disk, diskLength, isSparse || kind == Kind.NBDKIT_MEMORY, isDirect);
        final Path socket = folder.resolve(kind + (unix ? ".unix" : ".tcp"));
        final int port = unix ? 0 : freePort();
        final String address = unix ? "nbd+unix:///?socket=" + socket : "nbd://127.0.0.1:" + port;
        final String uri =
                unix ? "nbd+unix:///d?socket=" + socket : "nbd://127.0.0.1:" + port + "/d";
        final List<String> command =
                new ArrayList<>(
                        switch (kind) {
                            case LOCKSTEP -> lockstep(disk, address, isDirect);
                            case NBDKIT_FILE -> List.of("nbdkit", "-f", "file", disk.toString());
                            case NBDKIT_MEMORY ->
                                    List.of("nbdkit", "-f", "memory", "" + diskLength);
                            case QEMU_NBD -> qemu(disk, "threads");
                            case QEMU_NBD_URING -> qemu(disk, "io_uring");
                        });
        switch (kind) {
            case LOCKSTEP -> {}
            case NBDKIT_FILE, NBDKIT_MEMORY ->
                    command.addAll(
                            1,
                            unix
                                    ? List.of("-U", socket.toString())
                                    : List.of("-p", "" + port, "-i", "127.0.0.1"));
            case QEMU_NBD, QEMU_NBD_URING ->
                    command.addAll(
                            1,
                            unix
                                    ? List.of("-k", socket.toString())
                                    : List.of("-p", "" + port, "-b", "127.0.0.1"));
        }
        final ChildProcess process = ChildProcess.start(kind.toString(), folder, command);
        final BenchServer server = new BenchServer(kind, process, uri);
        server.awaitReady();
        return server;
    }

    private static List<String> lockstep(
            final Path disk, final String address, final boolean isDirect) {
        final List<String> arguments =
                new ArrayList<>(List.of("serve", "--disk", "d=" + disk, "--listen", address));
        if (isDirect) {
            arguments.add("--direct");
        }
        return ChildProcess.lockstep(arguments);
    }

    private static List<String> qemu(final Path disk, final String aio) {
        return List.of(
                "qemu-nbd",
                "-t",
                "-e",
                "16",
                "-f",
                "raw",
                "-x",
                "d",
                "--cache=writeback",
                "--aio=" + aio,
                disk + "");
    }

    static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0)) {
            return socket.getLocalPort();
        }
    }

    /** All servers answer the handshake of nbdinfo; that is the common sign that they are there. */
    private void awaitReady() throws IOException, InterruptedException {
        final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
        while (System.nanoTime() < deadline && process.isRunning()) {
            final Process probe =
                    new ProcessBuilder("nbdinfo", "--size", uri)
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start();
            if (probe.waitFor() == 0) {
                return;
            }
            Thread.sleep(50);
        }
        close();
        throw process.failure("did not start");
    }

    /** Which of the servers it is. */
    public Kind kind() {
        return kind;
    }

    /** Where its export is, as an NBD URI. */
    public String uri() {
        return uri;
    }

    /** Processor time that the process has taken since it started, in microseconds. */
    public double cpuMicros() throws IOException {
        return process.cpuMicros();
    }

    @Override
    public void close() {
        process.close();
    }
}

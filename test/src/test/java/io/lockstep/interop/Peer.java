package io.lockstep.interop;

import static java.nio.charset.StandardCharsets.US_ASCII;

import io.lockstep.engine.loop.Endpoint;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;

/** The servers that Lockstep's client must get on with; each serves a file as {@link Rig#DISK}. */
enum Peer {
    LOCKSTEP(true) {
        @Override
        Rig.Ending serve(final Rig rig, final Path file) {
            return rig.serve(file);
        }
    },
    NBD_SERVER(true) {
        // It listens on a port besides, whether one wants that or not.
        @Override
        Rig.Ending serve(final Rig rig, final Path file) {
            final Path configuration = rig.path("nbd-server.conf");
            final String text =
                    """
                    [generic]
                    unixsock = %s
                    listenaddr = 127.0.0.1
                    port = %d
                    allowlist = true
                    [%s]
                    exportname = %s
                    flush = true
                    fua = true
                    trim = true
                    """
                            .formatted(rig.socket(), freePort(), Rig.DISK, file);
            try {
                Files.writeString(configuration, text);
            } catch (final IOException e) {
                throw new UncheckedIOException(e);
            }
            final Path pid = rig.path("nbd-server.pid");
            // In the foreground it would serve only one client.
            rig.run(Tool.NBD_SERVER, "-C", configuration.toString(), "-p", pid.toString());
            Rig.awaitFile(rig.socket(), () -> true);
            Rig.awaitFile(pid, () -> true);
            return rig.keep(() -> kill(pid));
        }

        private void kill(final Path pid) {
            final long number = Long.parseLong(new String(Rig.read(pid), US_ASCII).strip());
            ProcessHandle.of(number).ifPresent(ProcessHandle::destroyForcibly);
        }
    },
    NBDKIT_FILE(true) {
        @Override
        Rig.Ending serve(final Rig rig, final Path file) {
            return nbdkit(rig, "file", file.toString());
        }
    },
    /** Serves memory of the file's length; the file itself stays as it is. */
    NBDKIT_MEMORY(false) {
        @Override
        Rig.Ending serve(final Rig rig, final Path file) {
            return nbdkit(rig, "memory", Long.toString(file.toFile().length()));
        }
    },
    QEMU_NBD(true) {
        @Override
        Rig.Ending serve(final Rig rig, final Path file) {
            return started(
                    rig,
                    rig.start(
                            Tool.QEMU_NBD,
                            "--persistent",
                            "--shared=8",
                            "--discard=unmap",
                            "--format=raw",
                            "--export-name=" + Rig.DISK,
                            "--socket=" + rig.socket(),
                            file.toString()));
        }
    };

    private final boolean hasFile;

    Peer(final boolean hasFile) {
        this.hasFile = hasFile;
    }

    /** Starts it on {@link Rig#socket}, until the test ends. */
    abstract Rig.Ending serve(Rig rig, Path file);

    /** Whether what is written goes to the file. */
    boolean hasFile() {
        return hasFile;
    }

    /** Where it listens. */
    static Endpoint endpoint(final Rig rig) {
        return new Endpoint.Unix(rig.socket());
    }

    /** Starts nbdkit with these arguments, filters first. */
    static Program nbdkit(final Rig rig, final String... arguments) {
        final String[] all = new String[arguments.length + 4];
        all[0] = "--foreground";
        all[1] = "--exit-with-parent";
        all[2] = "--unix";
        all[3] = rig.socket().toString();
        System.arraycopy(arguments, 0, all, 4, arguments.length);
        return started(rig, rig.start(Tool.NBDKIT, all));
    }

    private static Program started(final Rig rig, final Program server) {
        Rig.awaitFile(rig.socket(), server::isRunning);
        return server;
    }

    /** A port that nobody listens on at the moment. */
    static int freePort() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

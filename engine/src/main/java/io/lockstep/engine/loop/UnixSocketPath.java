package io.lockstep.engine.loop;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.Posix;

import java.io.IOException;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.Charset;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ThreadLocalRandom;

/**
 * Unix sockets at paths as long as the kernel takes them: the JDK takes one byte less. What it
 * refuses is reached by way of an open descriptor, whose path is short. Stateless; from any thread.
 * Source: {@code unix(7)}, {@code proc(5)}.
 */
public final class UnixSocketPath {
    /** Longest path of a socket, in bytes. */
    public static final int LENGTH_MAX = 107;

    private static final int JDK_LENGTH_MAX = LENGTH_MAX - 1;

    private static final Charset PATHS = Charset.forName(System.getProperty("sun.jnu.encoding"));

    private UnixSocketPath() {}

    private static boolean isLong(final Path path) throws IOException {
        final int length = path.toString().getBytes(PATHS).length;
        if (length > LENGTH_MAX) {
            throw new IOException(
                    "the path is too long for a Unix socket; choose a shorter one, of "
                            + LENGTH_MAX
                            + " bytes at most");
        }
        return length > JDK_LENGTH_MAX;
    }

    /**
     * Connects a channel, as {@link SocketChannel#connect} does.
     *
     * @return whether it is connected already, where the channel does not block
     * @throws IOException where it can't be, with the reason
     */
    public static boolean connect(final SocketChannel channel, final Path path) throws IOException {
        if (!isLong(path)) {
            return channel.connect(UnixDomainSocketAddress.of(path));
        }
        final int fd = open(path, Posix.O_PATH);
        try {
            return channel.connect(UnixDomainSocketAddress.of(through(fd)));
        } finally {
            Posix.close(fd);
        }
    }

    /**
     * Has a channel listen, as {@link ServerSocketChannel#bind} does.
     *
     * @throws IOException where it can't, with the reason
     */
    static void bind(final ServerSocketChannel channel, final Path path, final int backlog)
            throws IOException {
        if (!isLong(path)) {
            channel.bind(UnixDomainSocketAddress.of(path), backlog);
            return;
        }
        final int fd = open(path.toAbsolutePath().getParent(), Posix.O_PATH);
        try {
            final String name =
                    ".lockstep-" + Long.toHexString(ThreadLocalRandom.current().nextLong());
            final Path temporary = through(fd).resolve(name);
            channel.bind(UnixDomainSocketAddress.of(temporary), backlog);
            try {
                Files.createLink(path, temporary);
            } catch (final FileAlreadyExistsException e) {
                throw new IOException("Address already in use", e);
            } finally {
                Files.delete(temporary);
            }
        } finally {
            Posix.close(fd);
        }
    }

    private static int open(final Path path, final int flags) throws IOException {
        final int fd = Posix.open(path.toString(), flags | Posix.O_CLOEXEC);
        if (fd < 0) {
            throw new IOException(Errno.meaning(-fd));
        }
        return fd;
    }

    private static Path through(final int fd) {
        return Path.of("/proc/self/fd", Integer.toString(fd));
    }
}

package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A file whose device stands still when a test says so, and goes on when it says so, or is closed:
 * nbdkit's memory behind its filter "pause", as a file of nbdfuse. A call that stands still there
 * can't be killed, so that this is to be closed before the rig that has the processes.
 */
final class StandingDevice implements AutoCloseable {
    private final Path control;
    private final Path file;

    private StandingDevice(final Path control, final Path file) {
        this.control = control;
        this.file = file;
    }

    /** Makes one. Where there is no FUSE, or not for this user, the test is skipped. */
    static StandingDevice make(final Rig rig, final long length) throws IOException {
        Tool.NBDFUSE.path();
        if (!Files.isWritable(Path.of("/dev/fuse")) || !isRoot()) {
            Tool.skip("only root mounts a file system of its own, where the kernel has /dev/fuse");
        }
        final Path control = rig.path("pause");
        Peer.nbdkit(
                rig, "--filter=pause", "memory", Long.toString(length), "pause-control=" + control);
        final Path mount = Files.createDirectory(rig.path("fuse"));
        final Path file = mount.resolve("disk");
        final Program fuse =
                rig.start(Tool.NBDFUSE, file.toString(), "nbd+unix:///?socket=" + rig.socket());
        rig.keep(() -> rig.end(Tool.UMOUNT, "--lazy", mount.toString()));
        Rig.awaitFile(file, fuse::isRunning);
        return new StandingDevice(control, file);
    }

    private static boolean isRoot() {
        return "root".equals(System.getProperty("user.name"));
    }

    /** Where it is. */
    Path file() {
        return file;
    }

    /** From now on no call that needs the device returns. */
    void standStill() {
        say('p', 'P');
    }

    /** They return. */
    void goOn() {
        say('r', 'R');
    }

    private void say(final char word, final char answer) {
        try (SocketChannel channel = SocketChannel.open(UnixDomainSocketAddress.of(control))) {
            channel.write(
                    ByteBuffer.wrap(String.valueOf(word).getBytes(StandardCharsets.US_ASCII)));
            final ByteBuffer answered = ByteBuffer.allocate(1);
            assertEquals(1, channel.read(answered));
            assertEquals(answer, (char) answered.get(0));
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void close() {
        goOn();
    }
}

package io.lockstep.simulator;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The directories with a secondary's buffers: one for each of its processes. The simulator can't
 * take mapped memory from a process that it kills, which still does one thing or another when its
 * disks are detached; so each next process has a copy, made at the instant of the kill.
 */
final class BufferDirectories implements AutoCloseable {
    private static final Path MEMORY = Path.of("/dev/shm");
    private static final int PAGE = 4096;
    private static final int PIECE = 64 << 10;
    private static final MemorySegment ZEROES = MemorySegment.ofArray(new byte[PAGE]);

    private final Path top;
    private int count;

    BufferDirectories() {
        try {
            top =
                    Files.isDirectory(MEMORY)
                            ? Files.createTempDirectory(MEMORY, "lockstep-simulation-")
                            : Files.createTempDirectory("lockstep-simulation-");
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** A directory that is not there yet. */
    Path fresh() {
        return top.resolve("buffers" + count++);
    }

    /** A copy of one as it is at this instant. */
    Path copy(final Path directory) {
        return copy(directory, 0, null, Set.of());
    }

    /**
     * What the loss of power leaves of one that lies on a disk: some of its pages.
     *
     * @param durable files that were brought to stable storage when they were written
     */
    Path afterCrash(final Path directory, final Dice dice, final Set<String> durable) {
        return copy(directory, dice.oneOf(0.02, 0.3), dice, durable);
    }

    private Path copy(
            final Path directory, final double lost, final Dice dice, final Set<String> durable) {
        final Path copy = fresh();
        try (Stream<Path> files = Files.list(directory)) {
            Files.createDirectory(copy);
            for (final Path file : files.sorted().toList()) {
                final String name = file.getFileName().toString();
                copyFile(file, copy.resolve(name), durable.contains(name) ? 0 : lost, dice);
            }
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        return copy;
    }

    /** Page by page: what is sparse stays sparse. */
    private static void copyFile(final Path from, final Path to, final double lost, final Dice dice)
            throws IOException {
        try (FileChannel source = FileChannel.open(from, StandardOpenOption.READ);
                FileChannel target =
                        FileChannel.open(
                                to, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW)) {
            final ByteBuffer bytes = ByteBuffer.allocateDirect(PIECE);
            final MemorySegment memory = MemorySegment.ofBuffer(bytes);
            final long length = source.size();
            for (long piece = 0; piece < length; piece += PIECE) {
                bytes.clear();
                while (bytes.hasRemaining() && source.read(bytes, piece + bytes.position()) > 0) {}
                final int end = bytes.position();
                for (int at = 0; at < end; at += PAGE) {
                    final int count = Math.min(PAGE, end - at);
                    if (lost > 0 && dice.chance(lost)) {
                        memory.asSlice(at, count).fill((byte) 0);
                    }
                    if (piece + at + count == length || !isZero(memory, at, count)) {
                        target.write(bytes.slice(at, count), piece + at);
                    }
                }
            }
        }
    }

    private static boolean isZero(final MemorySegment memory, final int from, final int count) {
        return MemorySegment.mismatch(memory, from, from + count, ZEROES, 0, count) < 0;
    }

    /** Removes them all. */
    @Override
    public void close() {
        try (Stream<Path> files = Files.walk(top)) {
            for (final Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.delete(file);
            }
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

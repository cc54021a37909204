package io.lockstep.engine.memory;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/**
 * Off-heap memory that sockets and disks read and write in place: a segment and, for NIO, a view of
 * it as a byte buffer. Used by one thread at a time; released by who made it, when nothing uses it
 * any more.
 *
 * <p>The memory is reserved, not taken: a page costs something from its first use on. {@link #trim}
 * gives pages back. Source: {@code mmap(2)}, {@code madvise(2)}.
 */
public final class IoBuffer implements AutoCloseable {
    private final Arena arena;
    private final MemorySegment segment;
    private final ByteBuffer view;
    private final FileChannel file;

    private IoBuffer(final Arena arena, final MemorySegment segment, final FileChannel file) {
        this.arena = arena;
        this.segment = segment;
        this.file = file;
        view = segment.asByteBuffer();
    }

    /**
     * Reserves memory, zeroed, page-aligned.
     *
     * @param length in bytes, below 2 GiB
     * @throws OutOfMemoryError where the address space or a limit of the process is used up
     */
    @SuppressWarnings("MustBeClosedChecker") // the arena lives as long as the buffer
    public static IoBuffer reserve(final int length) {
        final Arena arena = Arena.ofShared();
        return new IoBuffer(arena, Posix.reserve(length, arena), null);
    }

    /**
     * Reserves memory that a socket can be given without a copy: it is the content of a file that
     * has no name, see {@link #file}. Source: {@code memfd_create(2)}.
     *
     * @param length in bytes, below 2 GiB
     * @throws OutOfMemoryError where it can't be had
     */
    @SuppressWarnings("MustBeClosedChecker") // the arena lives as long as the buffer
    public static IoBuffer reserveSendable(final int length) {
        final Arena arena = Arena.ofShared();
        final int fd = Posix.memoryFile("lockstep");
        try {
            if (fd < 0 || Posix.ftruncate(fd, length) < 0) {
                throw new IOException("no file in memory can be had");
            }
            final FileChannel file =
                    FileChannel.open(Path.of("/proc/self/fd/" + fd), StandardOpenOption.READ);
            return new IoBuffer(arena, Posix.map(fd, 0, length, arena), file);
        } catch (final IOException e) {
            arena.close();
            throw (OutOfMemoryError)
                    new OutOfMemoryError("cannot reserve " + length + " bytes").initCause(e);
        } finally {
            if (fd >= 0) {
                Posix.close(fd);
            }
        }
    }

    /**
     * Memory that goes when nobody knows it any more, and not by {@link #close}: for what is rare.
     *
     * @param length in bytes, below 2 GiB
     */
    public static IoBuffer collected(final int length) {
        final Arena arena = Arena.ofAuto();
        return new IoBuffer(arena, arena.allocate(length), null);
    }

    /**
     * Maps a part of an open file: what is received here is in the file, and what is sent from here
     * comes out of it. Only for system calls: they answer an error where a page can't be had, but a
     * load or store of Java's would be a fault.
     *
     * @param offset in the file, a multiple of the page's length
     * @param length in bytes, below 2 GiB, within the file
     * @throws IOException where it can't be mapped
     */
    @SuppressWarnings("MustBeClosedChecker") // the arena lives as long as the buffer
    public static IoBuffer map(final int fd, final long offset, final int length)
            throws IOException {
        final Arena arena = Arena.ofShared();
        try {
            return new IoBuffer(arena, Posix.map(fd, offset, length, arena), null);
        } catch (final IOException e) {
            arena.close();
            throw e;
        }
    }

    /** The same memory for another thread: it is this one that is closed. */
    public IoBuffer twin() {
        return new IoBuffer(arena, segment, null);
    }

    /** The memory. */
    public MemorySegment segment() {
        return segment;
    }

    /**
     * The file whose content the memory is, or null: what is sent out of the file lies in the
     * socket as the very same pages. They must not change until the peer has read them.
     */
    public FileChannel file() {
        return file;
    }

    /** Its length in bytes. */
    public int length() {
        return view.capacity();
    }

    /**
     * The same memory for NIO, with its position and limit set: one object, changed by each call.
     */
    public ByteBuffer view(final int position, final int length) {
        return view.limit(position + length).position(position);
    }

    /** Gives all pages behind the first {@code keep} bytes back; their content is lost. */
    public void trim(final int keep) {
        Posix.release(segment, keep);
    }

    @Override
    public void close() {
        arena.close();
        if (file != null) {
            try {
                file.close();
            } catch (final IOException e) {
                throw new UncheckedIOException(e); // a descriptor that is ours and open
            }
        }
    }
}

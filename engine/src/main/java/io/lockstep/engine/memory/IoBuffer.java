package io.lockstep.engine.memory;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
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

    /** The file whose content the memory is, from an offset on, or null. */
    private final FileChannel file;

    private final long fileOffset;

    /** Of the file, where whoever mapped it keeps both open; -1 where the buffer owns the file. */
    private final int fd;

    private IoBuffer(final Arena arena, final MemorySegment segment) {
        this(arena, segment, null, 0, -1);
    }

    private IoBuffer(
            final Arena arena,
            final MemorySegment segment,
            final FileChannel file,
            final long fileOffset,
            final int fd) {
        this.arena = arena;
        this.segment = segment;
        this.file = file;
        this.fileOffset = fileOffset;
        this.fd = fd;
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
        return new IoBuffer(arena, VirtualMemory.reserve(length, arena));
    }

    /**
     * Reserves memory that a socket can be given without a copy: it is the content of a file that
     * has no name, see {@link #isOfFile}. Source: {@code memfd_create(2)}.
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
            final MemorySegment segment = VirtualMemory.map(fd, 0, length, arena);
            // Opened last: the arena gives back the mapping, but nobody would close the channel.
            return new IoBuffer(arena, segment, openAgain(fd), 0, -1);
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
        return new IoBuffer(arena, arena.allocate(length));
    }

    /**
     * Maps a part of an open file: what is received here is in the file, and what is sent from here
     * comes out of it. Only for system calls: they answer an error where a page can't be had, but a
     * load or store of Java's would be a fault.
     *
     * @param fd of the file; stays open as long as the buffer
     * @param file the same by {@link #openAgain}; stays open as long as the buffer
     * @param offset in the file, a multiple of the page's length
     * @param length in bytes, below 2 GiB, within the file
     * @throws IOException where it can't be mapped
     */
    @SuppressWarnings("MustBeClosedChecker") // the arena lives as long as the buffer
    public static IoBuffer map(
            final int fd, final FileChannel file, final long offset, final int length)
            throws IOException {
        final Arena arena = Arena.ofShared();
        try {
            return new IoBuffer(
                    arena, VirtualMemory.map(fd, offset, length, arena), file, offset, fd);
        } catch (final IOException e) {
            arena.close();
            throw e;
        }
    }

    /**
     * Opens an open file once more, for NIO to read.
     *
     * @throws IOException where the process has no descriptor left
     */
    public static FileChannel openAgain(final int fd) throws IOException {
        return FileChannel.open(Path.of("/proc/self/fd/" + fd), StandardOpenOption.READ);
    }

    /** The same memory for another thread: it is this one that is closed. */
    public IoBuffer twin() {
        return new IoBuffer(arena, segment);
    }

    /** The memory. */
    public MemorySegment segment() {
        return segment;
    }

    /** Whether the memory is the content of a file: then it can be handed over, not copied. */
    public boolean isOfFile() {
        return file != null;
    }

    /**
     * Hands a part of the file to a socket: there lie the very same pages until the peer has read
     * them, and it reads what they hold by then. Source: {@code sendfile(2)}.
     *
     * @return how many bytes; 0 where the socket takes none now
     * @throws IOException where the connection is broken, or the file has been cut short
     */
    public int handOver(final int position, final int length, final WritableByteChannel toSocket)
            throws IOException {
        final long offset = fileOffset + position;
        final int count = (int) file.transferTo(offset, length, toSocket);
        if (count == 0 && file.size() <= offset) {
            throw new IOException("the file has been cut short: it ends before " + (offset + 1));
        }
        return count;
    }

    /**
     * Copies a part of the file elsewhere, by a system call: see {@link #map}.
     *
     * @return whether all of it was there
     */
    public boolean copyOut(
            final int position, final int length, final IoBuffer into, final int intoPosition) {
        final long address = into.segment().address() + intoPosition;
        return Posix.pread(fd, address, length, fileOffset + position) == length;
    }

    /**
     * Whether the file still reaches up to a position. If it ends in the page before that, what the
     * memory has behind the end are zeroes.
     */
    public boolean isWholeTo(final int position) {
        return Posix.lseek(fd, 0, Posix.SEEK_END) >= fileOffset + position;
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
        VirtualMemory.release(segment, keep);
    }

    @Override
    public void close() {
        arena.close();
        if (file != null && fd < 0) {
            try {
                file.close();
            } catch (final IOException e) {
                throw new UncheckedIOException(e); // a descriptor that is ours and open
            }
        }
    }
}

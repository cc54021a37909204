package io.lockstep.engine.disk;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.engine.memory.Posix;
import io.lockstep.engine.memory.VirtualMemory;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Mappings of a file that lies in memory, so that sockets move its bytes with no copy of ours in
 * between, and so that our own copies cost less than the system calls that would make them. One
 * loop's.
 *
 * <p>A range is found only while all of its pages are there: a page that is a hole would be made by
 * the access, zeroed first, and its space taken. A file on a device has no windows: a page that
 * must be fetched would hold up the loop in the midst of a send.
 *
 * <p>A page that somebody takes away under a copy, by cutting the file short, is a fault, of which
 * the JVM makes an {@link InternalError} at the next poll of the thread; the system call behind
 * each copy is such a poll, and asks for the file's length besides. Source: {@code mmap(2)}, {@code
 * mincore(2)}.
 */
final class FileWindows implements AutoCloseable {
    private static final int WINDOW_BITS = 30;
    private static final long WINDOW_LENGTH = 1L << WINDOW_BITS;
    private static final int PAGE_BITS = 12;

    /** There is no window for a range. */
    static final int NO_WINDOW = -1;

    /** A shorter copy is cheaper as a system call than with the question for its pages. */
    private static final int COPY_LENGTH_MIN = 16 << 10;

    /**
     * The same where there is no question. Reads gain nothing: what a short one finds in the
     * mapping it has to fetch page by page, and the system call does that no worse.
     */
    private static final int KNOWN_WRITE_LENGTH_MIN = 4 << 10;

    /** Longest range that is looked for, in bytes. */
    private static final int RANGE_LENGTH_MAX = 32 << 20;

    private final DiskFile file;
    private IoBuffer[] windows;

    /** Of each window a bit for each stretch whose pages are in the page table. */
    private long[][] entered;

    /** Mapped as far as the file went then; somebody may still use what was lent of them. */
    private final List<IoBuffer> outgrown = new ArrayList<>();

    private final MemorySegment pages;

    /** The file for {@link IoBuffer#handOver}, one for all windows; null where there are none. */
    private final FileChannel channel;

    FileWindows(final DiskFile file) {
        this.file = file;
        // Of another's file that one may not write mincore tells nothing.
        final boolean possible = file.isMappable() && !file.isReadOnly();
        channel = possible ? openAgain(file.fd()) : null;
        windows = new IoBuffer[channel != null ? count(file.length()) : 0];
        entered = new long[windows.length][];
        pages = Arena.ofAuto().allocate((RANGE_LENGTH_MAX >> PAGE_BITS) + 1, Long.BYTES);
    }

    private static int count(final long length) {
        return (int) (((length - 1) >> WINDOW_BITS) + 1);
    }

    /** The file is longer: what was mapped to its end is mapped anew when it is needed. */
    void lengthen(final long length) {
        if (channel == null) {
            return;
        }
        final int last = windows.length - 1;
        if (last >= 0 && windows[last] != null) {
            outgrown.add(windows[last]);
            windows[last] = null;
        }
        windows = Arrays.copyOf(windows, Math.max(windows.length, count(length)));
        entered = Arrays.copyOf(entered, windows.length);
    }

    private static FileChannel openAgain(final int fd) {
        try {
            return IoBuffer.openAgain(fd);
        } catch (final IOException e) {
            return null; // no descriptor left: the way with a copy is always there
        }
    }

    /**
     * The window of a range; null where there is none for the whole of it.
     *
     * @param isData whether the range is known to have no hole
     */
    IoBuffer find(final long offset, final long length, final boolean isData) {
        final int index = (int) (offset >> WINDOW_BITS);
        final boolean possible =
                windows.length > 0
                        && length > 0
                        && length <= RANGE_LENGTH_MAX
                        && (offset + length - 1) >> WINDOW_BITS == index;
        if (!possible) {
            return null;
        }
        final IoBuffer window = windows[index] != null ? windows[index] : map(index);
        return window != null && (isData || isPresent(window, position(offset), (int) length))
                ? window
                : null;
    }

    /**
     * A range whose window was found will be written to there: at the first touch of a stretch all
     * its pages are entered into the page table, as the kernel does by itself where it reads. A
     * fault for each page costs five times as much.
     */
    void enter(final long offset, final int length) {
        final int index = (int) (offset >> WINDOW_BITS);
        final int position = position(offset);
        final long[] done = entered[index];
        final int last = (position + length - 1) >> VirtualMemory.STRETCH_BITS;
        for (int stretch = position >> VirtualMemory.STRETCH_BITS; stretch <= last; stretch++) {
            if ((done[stretch >> 6] & 1L << stretch) == 0) {
                done[stretch >> 6] |= 1L << stretch;
                final int start = Math.max(position, stretch << VirtualMemory.STRETCH_BITS);
                VirtualMemory.enterStretch(windows[index].segment().address() + start);
            }
        }
    }

    /** Where an offset lies in its window. */
    static int position(final long offset) {
        return (int) (offset & (WINDOW_LENGTH - 1));
    }

    /**
     * Reads a long range out of its window.
     *
     * @return 0 or an error number; {@link #NO_WINDOW} where there is none
     */
    int read(
            final long offset,
            final int length,
            final boolean isData,
            final MemorySegment into,
            final long position) {
        final IoBuffer window = length < COPY_LENGTH_MIN ? null : find(offset, length, isData);
        return window == null
                ? NO_WINDOW
                : copy(window.segment(), position(offset), into, position, length, offset + length);
    }

    /** Writes a range that is long enough into its window; answers as {@link #read}. */
    int write(
            final long offset,
            final int length,
            final boolean isData,
            final MemorySegment from,
            final long position) {
        final int lengthMin = isData ? KNOWN_WRITE_LENGTH_MIN : COPY_LENGTH_MIN;
        final IoBuffer window = length < lengthMin ? null : find(offset, length, isData);
        if (window == null) {
            return NO_WINDOW;
        }
        enter(offset, length);
        return copy(from, position, window.segment(), position(offset), length, offset + length);
    }

    private int copy(
            final MemorySegment from,
            final long fromPosition,
            final MemorySegment to,
            final long toPosition,
            final int length,
            final long fileEnd) {
        try {
            MemorySegment.copy(from, fromPosition, to, toPosition, length);
            return file.look() >= fileEnd ? 0 : Errno.ENXIO;
        } catch (final InternalError fault) {
            return file.look() >= fileEnd ? Errno.EIO : Errno.ENXIO;
        }
    }

    private IoBuffer map(final int index) {
        final long start = (long) index << WINDOW_BITS;
        final int length = (int) Math.min(WINDOW_LENGTH, file.length() - start);
        try {
            windows[index] = IoBuffer.map(file.fd(), channel, start, length);
            entered[index] = new long[((length - 1) >> VirtualMemory.STRETCH_BITS >> 6) + 1];
        } catch (final IOException e) {
            return null; // no address space left: the way with a copy is always there
        }
        return windows[index];
    }

    private boolean isPresent(final IoBuffer window, final int position, final int length) {
        final int firstPage = position >> PAGE_BITS;
        final int pageCount = ((position + length - 1) >> PAGE_BITS) - firstPage + 1;
        final long start = window.segment().address() + ((long) firstPage << PAGE_BITS);
        if (Posix.mincore(start, (long) pageCount << PAGE_BITS, pages.address()) != 0) {
            return false;
        }
        for (int page = 0; page < pageCount; page++) {
            if ((pages.get(ValueLayout.JAVA_BYTE, page) & 1) == 0) {
                return false;
            }
        }
        return true;
    }

    /** Unmaps all, and closes what it opened. */
    @Override
    public void close() {
        for (final IoBuffer window : windows) {
            if (window != null) {
                window.close();
            }
        }
        outgrown.forEach(IoBuffer::close);
        if (channel != null) {
            try {
                channel.close();
            } catch (final IOException e) {
                throw new UncheckedIOException(e); // a descriptor that is ours and open
            }
        }
    }
}

package io.lockstep.bench.peer;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.Posix;

import java.io.FileOutputStream;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.Arrays;

/** Makes the disks that are measured, the same for everybody. */
public final class NewDisk {
    private static final int POSIX_FADV_DONTNEED = 4;

    private NewDisk() {}

    /** One without holes. */
    public static Path dense(final Path file, final long length) throws IOException {
        final byte[] chunk = new byte[1 << 20];
        Arrays.fill(chunk, (byte) 0x11);
        try (FileOutputStream out = new FileOutputStream(file.toFile())) {
            for (long at = 0; at < length; at += chunk.length) {
                out.write(chunk, 0, (int) Math.min(chunk.length, length - at));
            }
            out.getFD().sync(); // so that nobody is measured while it is written back
        }
        return file;
    }

    /** One that is nothing but a hole. */
    public static Path hole(final Path file, final long length) throws IOException {
        try (RandomAccessFile disk = new RandomAccessFile(file.toFile(), "rw")) {
            disk.setLength(length);
        }
        return file;
    }

    /**
     * One of either kind.
     *
     * @param isDirect whether it will be used past the page cache: then nothing of it stays there
     */
    public static Path make(
            final Path file, final long length, final boolean isSparse, final boolean isDirect)
            throws IOException {
        if (isSparse) {
            hole(file, length);
        } else {
            dense(file, length);
        }
        if (isDirect) {
            leavePageCache(file);
        }
        return file;
    }

    /** It was written back: only such pages go. Source: {@code posix_fadvise(2)}. */
    private static void leavePageCache(final Path file) throws IOException {
        final int fd = Posix.open(file.toString(), Posix.O_RDONLY | Posix.O_CLOEXEC);
        if (fd < 0) {
            throw new IOException("cannot open " + file + ": " + Errno.name(-fd));
        }
        Posix.fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        Posix.close(fd);
    }
}

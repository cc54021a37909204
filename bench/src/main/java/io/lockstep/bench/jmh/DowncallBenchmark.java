package io.lockstep.bench.jmh;

import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.engine.memory.Posix;

import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;

/** System calls from Java, on a file in memory. */
@State(Scope.Thread)
public class DowncallBenchmark extends PieceBenchmark {
    private static final int BLOCK_LENGTH = 4096;
    private static final int BLOCKS = 16 << 10;
    private static final int SEEK_SET = 0;

    private final MemorySegment memory = Arena.global().allocate(BLOCK_LENGTH, BLOCK_LENGTH);
    private MemoryFolder directory;
    private int fd;
    private int block;

    /** Makes a file that has all its pages. */
    @Setup
    public void open() throws IOException {
        directory = new MemoryFolder();
        final Path path = directory.path().resolve("file");
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength((long) BLOCKS * BLOCK_LENGTH);
        }
        fd = Posix.open(path.toString(), Posix.O_RDWR | Posix.O_CLOEXEC);
        for (int i = 0; i < BLOCKS; i++) {
            pwrite();
        }
    }

    /** Removes it. */
    @TearDown
    public void close() throws IOException {
        Posix.close(fd);
        directory.close();
    }

    private long nextOffset() {
        block = block + 1 & BLOCKS - 1;
        return (long) block * BLOCK_LENGTH;
    }

    private static long require(final long result) {
        if (result < 0) {
            throw new IllegalStateException("error " + -result);
        }
        return result;
    }

    /** What the way in and out costs, since the kernel does nothing in between. */
    @Benchmark
    public long lseekAsTheCheapest() {
        return require(Posix.lseek(fd, 0, SEEK_SET));
    }

    /** 4 KiB into the page cache. */
    @Benchmark
    public long pwrite() {
        return require(Posix.pwrite(fd, memory.address(), BLOCK_LENGTH, nextOffset()));
    }

    /** 4 KiB out of the page cache. */
    @Benchmark
    public long pread() {
        return require(Posix.pread(fd, memory.address(), BLOCK_LENGTH, nextOffset()));
    }

    /** Space that is there already; with the error number kept, unlike the others. */
    @Benchmark
    public long fallocate() {
        return require(Posix.fallocate(fd, 0, nextOffset(), BLOCK_LENGTH));
    }
}

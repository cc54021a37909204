package io.lockstep.engine.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

final class PosixTest {
    @TempDir private Path directory;

    @Test
    void failedCallsAnswerTheErrorNumber() {
        final Path missing = directory.resolve("missing");
        assertEquals(-Errno.ENOENT, Posix.open(missing.toString(), Posix.O_RDONLY));
        assertEquals(-Errno.EISDIR, Posix.open(directory.toString(), Posix.O_RDWR));
        assertEquals(-Errno.EBADF, Posix.fdatasync(-1));
        assertEquals(-Errno.EBADF, Posix.pread(-1, 0, 0, 0));
        assertEquals(-Errno.EBADF, Posix.close(-1));
    }

    @Test
    void whoSleepsAtAWordIsWoken() throws InterruptedException {
        try (Arena arena = Arena.ofShared()) {
            final MemorySegment word = arena.allocate(ValueLayout.JAVA_INT);
            assertEquals(-Errno.EAGAIN, Posix.futexWait(word.address(), 1, 1_000_000_000));
            assertEquals(-Errno.ETIMEDOUT, Posix.futexWait(word.address(), 0, 1_000_000));
            assertEquals(0, Posix.futexWake(word.address()));
            final Thread sleeper =
                    Thread.ofPlatform()
                            .start(() -> Posix.futexWait(word.address(), 0, Long.MAX_VALUE));
            while (Posix.futexWake(word.address()) == 0) {
                Thread.onSpinWait();
            }
            sleeper.join();
        }
    }

    /** Fields 19 and 41 of {@code proc_pid_stat(5)}. */
    private static List<String> scheduling() {
        try {
            final String stat = Files.readString(Path.of("/proc/thread-self/stat"));
            final String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
            return List.of("nice " + fields[19 - 3], "policy " + fields[41 - 3]);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What is played beside the real thing counts on that. */
    @Test
    void threadsInheritHowNiceTheirStarterIsAndCanBecomeIdle() throws Exception {
        final CompletableFuture<List<String>> starter = new CompletableFuture<>();
        final CompletableFuture<List<String>> started = new CompletableFuture<>();
        Thread.ofPlatform()
                .start(
                        () -> {
                            Posix.setThreadNice(0, 7);
                            Thread.ofPlatform().start(() -> started.complete(scheduling()));
                            Posix.setThreadPolicy(0, Posix.SCHED_IDLE);
                            starter.complete(scheduling());
                        });
        assertEquals("nice 7", started.get(30, TimeUnit.SECONDS).get(0));
        assertEquals(List.of("nice 7", "policy 5"), starter.get(30, TimeUnit.SECONDS));
        assertEquals("policy 0", scheduling().get(1), "it was another thread's");
    }

    @Test
    void readsAndWritesAtOffsetsBeyondFourGigabytes() throws IOException {
        final long offset = (5L << 30) + 3;
        final int fd = open(offset + 8);
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment memory = arena.allocate(16);
            memory.set(ValueLayout.JAVA_LONG, 0, 0x1122334455667788L);
            assertEquals(8, Posix.pwrite(fd, memory.address(), 8, offset));
            assertEquals(8, Posix.pread(fd, memory.address() + 8, 8, offset));
            assertEquals(0x1122334455667788L, memory.get(ValueLayout.JAVA_LONG, 8));
            assertEquals(
                    0, Posix.pread(fd, memory.address(), 8, offset + 8), "the end of the file");
        } finally {
            Posix.close(fd);
        }
    }

    @Test
    void findsTheHoleThatWasPunched() throws IOException {
        final int fd = open(3 << 16);
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment memory = arena.allocate(3 << 16).fill((byte) 1);
            assertEquals(3 << 16, Posix.pwrite(fd, memory.address(), 3 << 16, 0));
            final int punch = Posix.FALLOC_FL_PUNCH_HOLE | Posix.FALLOC_FL_KEEP_SIZE;
            assertEquals(0, Posix.fallocate(fd, punch, 1 << 16, 1 << 16));
            assertEquals(1 << 16, Posix.lseek(fd, 0, Posix.SEEK_HOLE));
            assertEquals(2 << 16, Posix.lseek(fd, 1 << 16, Posix.SEEK_DATA));
            assertEquals(-Errno.ENXIO, Posix.lseek(fd, 3 << 16, Posix.SEEK_DATA));
        } finally {
            Posix.close(fd);
        }
    }

    @Test
    void trimmedMemoryReadsAsZeroAndTheRestIsKept() {
        try (IoBuffer buffer = IoBuffer.reserve(1 << 20)) {
            buffer.segment().fill((byte) 7);
            buffer.trim(4096);
            assertEquals(7, buffer.segment().get(ValueLayout.JAVA_BYTE, 4095));
            assertEquals(0, buffer.segment().get(ValueLayout.JAVA_BYTE, 4096));
        }
    }

    @Test
    void memoryThatWasGivenBackIsNotReachable() {
        final IoBuffer buffer = IoBuffer.reserve(4096);
        final MemorySegment segment = buffer.segment();
        buffer.close();
        assertThrows(IllegalStateException.class, () -> segment.get(ValueLayout.JAVA_BYTE, 0));
    }

    @Test
    void memoryThatCannotBeMappedLeavesNoFileOpen() throws IOException {
        final long before = openMemoryFiles();
        assertThrows(OutOfMemoryError.class, () -> IoBuffer.reserveSendable(0));
        assertEquals(before, openMemoryFiles());
        try (IoBuffer buffer = IoBuffer.reserveSendable(4096)) {
            assertEquals(4096, buffer.length());
            assertEquals(before + 1, openMemoryFiles());
        }
        assertEquals(before, openMemoryFiles());
    }

    private static long openMemoryFiles() throws IOException {
        long count = 0;
        try (DirectoryStream<Path> descriptors =
                Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            for (final Path descriptor : descriptors) {
                if (Files.readSymbolicLink(descriptor).toString().contains("memfd:")) {
                    count++;
                }
            }
        }
        return count;
    }

    private int open(final long length) throws IOException {
        final Path path = directory.resolve("file");
        Files.createFile(path);
        final int fd = Posix.open(path.toString(), Posix.O_RDWR | Posix.O_CLOEXEC);
        try (java.io.RandomAccessFile file = new java.io.RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(length);
        }
        return fd;
    }
}

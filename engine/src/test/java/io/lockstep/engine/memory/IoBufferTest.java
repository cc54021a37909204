package io.lockstep.engine.memory;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.SplittableRandom;

final class IoBufferTest {
    private static final int LENGTH = 64 << 10;
    private static final int MAPPED_FROM = 16 << 10;

    @TempDir private Path directory;

    private final byte[] content = new byte[LENGTH];
    private int fd = -1;
    private FileChannel channel;

    @AfterEach
    void closeFile() throws IOException {
        channel.close();
        Posix.close(fd);
    }

    @Test
    void whatIsCopiedOrHandedOverIsThePartOfTheFileThatIsMapped() throws IOException {
        final Path taken = directory.resolve("taken");
        try (IoBuffer buffer = map();
                IoBuffer into = IoBuffer.reserve(8192);
                FileChannel target =
                        FileChannel.open(
                                taken, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
            assertTrue(buffer.copyOut(100, 4096, into, 200));
            assertArrayEquals(
                    Arrays.copyOfRange(content, MAPPED_FROM + 100, MAPPED_FROM + 100 + 4096),
                    into.segment().asSlice(200, 4096).toArray(ValueLayout.JAVA_BYTE));
            assertEquals(8192, buffer.handOver(4096, 8192, target));
        }
        assertArrayEquals(
                Arrays.copyOfRange(content, MAPPED_FROM + 4096, MAPPED_FROM + 4096 + 8192),
                Files.readAllBytes(taken));
    }

    @Test
    void aFileThatHasBeenCutShortIsAnErrorAndNoWaitForTheSocket() throws IOException {
        try (IoBuffer buffer = map();
                IoBuffer into = IoBuffer.reserve(8192);
                FileChannel target =
                        FileChannel.open(
                                directory.resolve("taken"),
                                StandardOpenOption.CREATE,
                                StandardOpenOption.WRITE)) {
            try (RandomAccessFile file =
                    new RandomAccessFile(directory.resolve("file").toFile(), "rw")) {
                file.setLength(MAPPED_FROM + 4096);
            }
            assertFalse(buffer.copyOut(4000, 4096, into, 0));
            assertEquals(96, buffer.handOver(4000, 4096, target));
            assertThrows(IOException.class, () -> buffer.handOver(4096, 4096, target));
        }
    }

    private IoBuffer map() throws IOException {
        final Path file = directory.resolve("file");
        new SplittableRandom(1).nextBytes(content);
        Files.write(file, content);
        fd = Posix.open(file.toString(), Posix.O_RDWR | Posix.O_CLOEXEC);
        channel = IoBuffer.openAgain(fd);
        return IoBuffer.map(fd, channel, MAPPED_FROM, LENGTH - MAPPED_FROM);
    }
}

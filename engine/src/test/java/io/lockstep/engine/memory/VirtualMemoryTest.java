package io.lockstep.engine.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;

final class VirtualMemoryTest {
    private static final long STRETCH = 1L << VirtualMemory.STRETCH_BITS;
    private static final long PAGE = 4096;
    private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;

    private static final int STRETCHES = 64;
    private static final int TRIALS = 20;

    /** So many mappings that what is left of one each would show. */
    private static final int MANY = 4096;

    /** What other threads of the process may take or give back meanwhile, in bytes. */
    private static final long OTHERS_MOST = 96 << 20;

    private int fd;

    @BeforeEach
    void makeFile() {
        fd = Posix.memoryFile("virtual-memory-test");
        assertTrue(fd >= 0);
        assertEquals(0, Posix.ftruncate(fd, STRETCHES * STRETCH));
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment content = arena.allocate(STRETCHES * STRETCH).fill((byte) 7);
            assertEquals(0, Posix.writeAll(fd, content.address(), content.byteSize(), 0));
        }
    }

    @AfterEach
    void closeFile() {
        Posix.close(fd);
    }

    @Test
    void aFileBeginsAtAStretchWhateverItsLength() throws IOException {
        int beginsThere = 0;
        try (Arena arena = Arena.ofConfined()) {
            for (int pages = 0; pages < TRIALS; pages++) {
                final long length = STRETCH + pages * PAGE + 100;
                final MemorySegment mapped = VirtualMemory.map(fd, PAGE, length, arena);
                beginsThere += mapped.address() % STRETCH == 0 ? 1 : 0;
                assertEquals(length, mapped.byteSize());
                assertEquals(7, mapped.get(BYTE, length - 1));
            }
        }
        // Another thread may map something in between.
        assertTrue(beginsThere > TRIALS * 3 / 4, beginsThere + " of " + TRIALS);
    }

    @Test
    void aLongOneBeginsWhereALargePageWould() throws IOException {
        int beginsThere = 0;
        try (Arena arena = Arena.ofConfined()) {
            for (int i = 0; i < TRIALS; i++) {
                final MemorySegment mapped = VirtualMemory.map(fd, 0, STRETCHES * STRETCH, arena);
                beginsThere += mapped.address() % (2 << 20) == 0 ? 1 : 0;
            }
        }
        assertTrue(beginsThere > TRIALS * 3 / 4, beginsThere + " of " + TRIALS);
    }

    @Test
    void whatIsWrittenBehindAnEnteredPageOfAStretchTakesNoFault() throws IOException {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment mapped = VirtualMemory.map(fd, 0, STRETCHES * STRETCH, arena);
            for (int stretch = 0; stretch < STRETCHES; stretch++) {
                VirtualMemory.enterStretch(mapped.address() + stretch * STRETCH + 5 * PAGE);
            }
            final long before = faults();
            for (long at = 0; at < mapped.byteSize(); at += PAGE) {
                mapped.set(BYTE, at, (byte) 8);
            }
            final long taken = faults() - before;
            assertTrue(taken < STRETCHES, taken + " faults"); // some are the JVM's own
        }
    }

    @Test
    void aMappingTakesItsOwnAddressesAloneAndGivesThemBack() throws IOException {
        final long before = addressSpace();
        try (Arena arena = Arena.ofConfined()) {
            for (int i = 0; i < MANY; i++) {
                VirtualMemory.map(fd, 0, STRETCH, arena);
            }
            assertAbout(MANY * STRETCH, addressSpace() - before);
        }
        assertAbout(0, addressSpace() - before);
    }

    @Test
    void whatCannotBeMappedTakesNoAddresses() throws IOException {
        final int folder = Posix.open("/", Posix.O_RDONLY);
        final long before = addressSpace();
        try (Arena arena = Arena.ofConfined()) {
            for (int i = 0; i < MANY; i++) {
                assertThrows(IOException.class, () -> VirtualMemory.map(folder, 0, STRETCH, arena));
            }
        } finally {
            Posix.close(folder);
        }
        assertAbout(0, addressSpace() - before);
    }

    /** Page faults that this thread has had without a device: the eighth after the name. */
    private static long faults() throws IOException {
        final String stat = Files.readString(Path.of("/proc/thread-self/stat"));
        return Long.parseLong(stat.substring(stat.lastIndexOf(')') + 2).split(" ")[7]);
    }

    private static void assertAbout(final long expected, final long bytes) {
        assertTrue(Math.abs(bytes - expected) < OTHERS_MOST, bytes + " bytes, not " + expected);
    }

    /** Bytes of addresses that the process has taken. */
    private static long addressSpace() throws IOException {
        for (final String line : Files.readAllLines(Path.of("/proc/self/status"))) {
            if (line.startsWith("VmSize:")) {
                return Long.parseLong(line.replaceAll("[^0-9]", "")) << 10;
            }
        }
        throw new AssertionError("no VmSize");
    }
}

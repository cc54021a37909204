package io.lockstep.engine.epoch;

import static io.lockstep.engine.epoch.EpochBuffer.ABSENT;
import static io.lockstep.engine.epoch.EpochBuffer.BLOCK_LENGTH;
import static io.lockstep.engine.epoch.EpochBuffer.ZERO;
import static io.lockstep.engine.epoch.EpochBuffer.position;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;

import io.lockstep.engine.memory.Errno;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.File;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What a buffer keeps, and what it forgets by entering another epoch. */
final class EpochBufferTest {
    private static final long BLOCKS = 10_000;
    private static final long LENGTH = BLOCKS * BLOCK_LENGTH;
    private static final long TAGS = 0xffff_ffffL;

    /** Zeroes. */
    private static final MemorySegment MEBIBYTE = Arena.ofAuto().allocate(1 << 20);

    @TempDir private Path folder;

    private EpochBuffer open(final long arenaLimit) throws IOException {
        return EpochBuffer.open(folder, "buffer", LENGTH, arenaLimit);
    }

    private static int put(
            final EpochBuffer buffer, final long block, final int count, final int value) {
        final int slot = buffer.reserve(block, count, false);
        assertTrue(slot >= 0);
        buffer.arena()
                .asSlice(EpochBuffer.position(slot), (long) count * BLOCK_LENGTH)
                .fill((byte) value);
        buffer.publish(block, count, slot);
        return slot;
    }

    @Test
    void anotherEpochHasNothingOfThis() throws IOException {
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(1);
            assertEquals(ABSENT, buffer.find(7));
            final int slot = put(buffer, 7, 3, 5);
            assertEquals(slot + 2, buffer.find(9));
            assertEquals(ABSENT, buffer.find(10));
            buffer.enter(3);
            assertEquals(ABSENT, buffer.find(7));
            assertEquals(0, buffer.slotCount());
            assertEquals(0, buffer.extentCount());
            assertEquals(slot, put(buffer, 8, 1, 6), "the arena starts at its first slot again");
        }
    }

    private EpochBuffer openLarge(final String name) throws IOException {
        return EpochBuffer.open(folder, name, 200L << 20, 200L << 20);
    }

    /** Whatever a long epoch has touched is used by the next one, and not as much again. */
    @Test
    void anArenaThatWasTouchedIsTaken() throws IOException {
        try (EpochBuffer even = openLarge("even");
                EpochBuffer odd = openLarge("odd")) {
            even.enter(2);
            for (int block = 0; block < 100 << 8; block += 1 << 8) {
                put(even, block, 1 << 8, 2); // 100 MiB
            }
            odd.enter(3);
            final int before = put(odd, 7, 300, 3);
            assertFalse(odd.takeArena(even), "the other epoch is not over");
            even.enter(4);
            final int reserved = odd.reserve(5000, 1, false);
            assertFalse(odd.takeArena(even), "somebody may be about to fill a slot");
            odd.arena().asSlice(position(reserved), BLOCK_LENGTH).fill((byte) 5);
            odd.publish(5000, 1, reserved);
            assertTrue(odd.takeArena(even));
            assertFalse(odd.takeArena(even), "there is nothing to be had any more");
            assertFalse(even.takeArena(odd));
            assertEquals(100L << 20, odd.allocatedLength());
            assertTrue(even.allocatedLength() <= 2 << 20);
            assertFalse(odd.isFresh(1000));
            assertTrue(odd.isFresh(100 << 8));
            assertTrue(even.isFresh(301));
            final int behind = put(odd, 9000, 2, 6);
            put(even, 7, 1, 4);
            assertHolds(odd, 7, before, 300, 3);
            assertHolds(odd, 5000, reserved, 1, 5);
            assertHolds(odd, 9000, behind, 2, 6);
            assertHolds(even, 7, 0, 1, 4);
        }
        // As a process finds them that was not there.
        try (EpochBuffer even = openLarge("even");
                EpochBuffer odd = openLarge("odd")) {
            even.enter(4);
            odd.enter(3);
            assertHolds(odd, 7, 0, 300, 3);
            assertHolds(odd, 5000, 300, 1, 5);
            assertHolds(odd, 9000, 301, 2, 6);
            assertHolds(even, 7, 0, 1, 4);
            assertEquals(100L << 20, odd.allocatedLength());
        }
    }

    @Test
    void anArenaIsNotTakenForLittleOrAtAHighPrice() throws IOException {
        try (EpochBuffer even = openLarge("even");
                EpochBuffer odd = openLarge("odd")) {
            even.enter(2);
            put(even, 0, 63 << 8, 2);
            even.enter(4);
            odd.enter(3);
            assertFalse(odd.takeArena(even), "63 MiB");
            put(even, 0, 100 << 8, 2);
            even.enter(6);
            put(odd, 0, 5 << 8, 3);
            assertFalse(odd.takeArena(even), "5 MiB would have to be copied");
            assertHolds(odd, 0, 0, 5 << 8, 3);
        }
    }

    /** What was touched ahead is no reason: it takes a rename and a copy at each checkpoint. */
    @Test
    void anArenaIsNotTakenWhereEpochsAreShort() throws IOException {
        try (EpochBuffer even = openLarge("even");
                EpochBuffer odd = openLarge("odd")) {
            even.enter(2);
            while (even.prepare(100L << 20, MEBIBYTE)) {}
            put(even, 0, 1 << 8, 2);
            even.enter(4);
            odd.enter(3);
            put(odd, 0, 1, 3);
            assertFalse(odd.takeArena(even));
        }
    }

    @Test
    void whatIsTouchedAheadIsBehindAllThatIsKeptAndUsedLater() throws IOException {
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(1);
            assertTrue(buffer.prepare(3 << 20, MEBIBYTE));
            final int slot = put(buffer, 100, 200, 7);
            assertTrue(buffer.prepare(3 << 20, MEBIBYTE));
            assertFalse(buffer.isFresh(300));
            assertTrue(buffer.prepare(3 << 20, MEBIBYTE));
            assertFalse(buffer.prepare(3 << 20, MEBIBYTE), "as far as was asked for");
            assertFalse(buffer.isFresh((3 << 8) - 1));
            assertTrue(buffer.isFresh(3 << 8));
            assertHolds(buffer, 100, slot, 200, 7);
            assertEquals(200, put(buffer, 1000, 500, 8), "no slot is taken for it");
            assertHolds(buffer, 100, slot, 200, 7);
            assertHolds(buffer, 1000, 200, 500, 8);
            while (buffer.prepare(Long.MAX_VALUE, MEBIBYTE)) {}
            assertFalse(buffer.isFresh((int) BLOCKS - 1));
            assertTrue(buffer.allocatedLength() < LENGTH + (1 << 20), "the limit holds");
            assertHolds(buffer, 1000, 200, 500, 8);
        }
    }

    /** Or the next slot would have all of them entered into the page table, in one write. */
    @Test
    void nothingIsTouchedAheadBehindFreshSlotsOfTheEpoch() throws IOException {
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(1);
            put(buffer, 0, 1, 1);
            assertFalse(buffer.prepare(3 << 20, MEBIBYTE));
            assertTrue(buffer.isFresh(1));
            buffer.enter(3);
            assertTrue(buffer.prepare(3 << 20, MEBIBYTE), "the next epoch has another beginning");
        }
    }

    /** A pair that rests goes on from one epoch to the next with what there is. */
    @Test
    void whatIsTouchedAheadIsTakenWhereNothingIsCopied() throws IOException {
        try (EpochBuffer even = openLarge("even");
                EpochBuffer odd = openLarge("odd")) {
            even.enter(2);
            while (even.prepare(100L << 20, MEBIBYTE)) {}
            odd.enter(3);
            assertTrue(odd.takeArena(even));
            assertFalse(odd.isFresh(99 << 8));
        }
    }

    private static void assertHolds(
            final EpochBuffer buffer,
            final long block,
            final int slot,
            final int count,
            final int value) {
        for (int i = 0; i < count; i++) {
            assertEquals(slot + i, buffer.find(block + i));
            final long at = position(slot + i);
            assertEquals(value, buffer.arena().get(JAVA_BYTE, at));
            assertEquals(value, buffer.arena().get(JAVA_BYTE, at + BLOCK_LENGTH - 1));
        }
    }

    @Test
    void itsMemoryIsGivenBackBitByBit() throws IOException {
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(1);
            assertFalse(buffer.giveBack(1 << 20), "it has none");
            put(buffer, 0, 10 << 8, 5); // 10 MiB
            long left = buffer.allocatedLength();
            assertEquals(10 << 20, left);
            while (buffer.giveBack(4 << 20)) {
                assertTrue(buffer.allocatedLength() >= left - (4 << 20));
                left = buffer.allocatedLength();
            }
            assertEquals(0, buffer.allocatedLength());
        }
    }

    @Test
    void aZeroTakesNoSlot() throws IOException {
        try (EpochBuffer buffer = open(BLOCK_LENGTH)) {
            buffer.enter(1);
            assertEquals(ZERO, buffer.reserve(0, (int) BLOCKS, true));
            buffer.publish(0, (int) BLOCKS, ZERO);
            assertEquals(ZERO, buffer.find(BLOCKS - 1));
            assertEquals(0, buffer.usedLength());
            assertEquals(1, buffer.extentCount());
        }
    }

    @Test
    void aFullArenaIsAnErrorWithAName() throws IOException {
        try (EpochBuffer buffer = open(2 * BLOCK_LENGTH)) {
            buffer.enter(1);
            put(buffer, 0, 2, 1);
            assertEquals(-Errno.ENOSPC, buffer.reserve(5, 1, false));
            assertEquals(ABSENT, buffer.find(5));
            buffer.enter(2);
            put(buffer, 5, 2, 1);
        }
    }

    @Test
    void isFoundAsItWasLeft() throws IOException {
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(4);
            put(buffer, 100, 2, 1);
            put(buffer, 5000, 1, 2);
        }
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(4);
            assertEquals(2, buffer.extentCount());
            assertEquals(100, buffer.extentBlock(0));
            assertEquals(2, buffer.extentLength(0));
            final int slot = buffer.find(5000);
            final long at = EpochBuffer.position(slot);
            assertEquals(2, buffer.arena().get(ValueLayout.JAVA_BYTE, at + BLOCK_LENGTH - 1));
            assertEquals(3, put(buffer, 0, 1, 3), "slots that are taken stay taken");
            buffer.forget(100, 4);
            assertEquals(ABSENT, buffer.find(100));
            assertEquals(1, buffer.find(101));
        }
    }

    @Test
    void slotsThatWereTakenForNothingAreFreeAgain() throws IOException {
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(4);
            put(buffer, 100, 2, 1);
            assertEquals(2, buffer.reserve(200, 10, false)); // and then the process is killed
        }
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(4);
            assertEquals(2, buffer.slotCount());
            assertEquals(ABSENT, buffer.find(200));
            assertEquals(2, put(buffer, 200, 10, 2));
        }
    }

    /** A store that fails stops it where a kill could: what comes later must not be there. */
    @Test
    void aRunIsNotCountedBeforeItIsWritten() throws IOException {
        try (EpochBuffer buffer = EpochBuffer.open(folder, "buffer", BLOCK_LENGTH, BLOCK_LENGTH)) {
            buffer.enter(1);
            while (buffer.reserve(0, 1, true) == ZERO) {
                buffer.publish(0, 1, ZERO);
            }
            final long count = buffer.extentCount();
            assertTrue(count > 0);
            assertThrows(IndexOutOfBoundsException.class, () -> buffer.publish(0, 1, ZERO));
            assertEquals(count, buffer.extentCount());
        }
    }

    /** The same for the last block of the map and the one behind it. */
    @Test
    void aRunIsCountedBeforeItsEntriesAreThere() throws IOException {
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(1);
            final int blocks = mappedBlocks();
            assertEquals(ZERO, buffer.reserve(blocks - 1, 1, true));
            assertThrows(
                    IndexOutOfBoundsException.class, () -> buffer.publish(blocks - 1, 2, ZERO));
            assertEquals(ZERO, buffer.find(blocks - 1));
            assertEquals(1, buffer.extentCount());
        }
    }

    /** The map has whole chunks, and so more entries than the disk has blocks. */
    private int mappedBlocks() throws IOException {
        return (int) (Files.size(folder.resolve("buffer.map")) / Long.BYTES);
    }

    @Test
    void tagsThatAreUsedUpDontComeToLifeAgain() throws IOException {
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(1);
            put(buffer, 1, 1, 1);
            buffer.enter(TAGS - 1);
            put(buffer, 2, 1, 1);
            buffer.enter(TAGS + 1); // the tag of epoch 1
            assertEquals(ABSENT, buffer.find(1));
            assertEquals(ABSENT, buffer.find(2));
            put(buffer, 3, 1, 1);
        }
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(TAGS + 1);
            assertEquals(0, buffer.find(3));
        }
    }

    @Test
    void memoryBeyondTheMarkIsGivenBackWhenNoEpochUsedItForAWhile() throws IOException {
        try (EpochBuffer buffer = open(LENGTH)) {
            final long beyond = EpochBuffer.position(2000);
            buffer.enter(1);
            put(buffer, 0, 4096, 1);
            buffer.enter(2);
            put(buffer, 0, 1, 7);
            buffer.trim(1 << 20);
            assertEquals(
                    1,
                    buffer.arena().get(ValueLayout.JAVA_BYTE, beyond),
                    "the next epoch may want what this one's predecessor used");
            for (int second = 0; second < 1000; second++) {
                buffer.trim(1 << 20);
            }
            assertEquals(0, buffer.arena().get(ValueLayout.JAVA_BYTE, beyond), "it is a hole");
            assertEquals(7, buffer.arena().get(ValueLayout.JAVA_BYTE, 0));
            put(buffer, 1, 4096, 1);
        }
    }

    /** Pre-images that are there are the way back to the last checkpoint (I13). */
    @Test
    void aSmallerLimitHoldsForWhatIsTakenAnewAndTakesNothingAway() throws IOException {
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(4);
            put(buffer, 0, 2000, 7);
        }
        final long length = Files.size(folder.resolve("buffer.arena"));
        try (EpochBuffer buffer = open(300 * BLOCK_LENGTH)) {
            assertEquals(length, Files.size(folder.resolve("buffer.arena")));
            buffer.enter(4);
            final long at = EpochBuffer.position(buffer.find(1999));
            assertEquals(7, buffer.arena().get(ValueLayout.JAVA_BYTE, at + BLOCK_LENGTH - 1));
            assertEquals(-Errno.ENOSPC, buffer.reserve(5000, 1, false));
            assertEquals(300 * BLOCK_LENGTH, buffer.limitLength());
            buffer.enter(6);
            assertEquals(-Errno.ENOSPC, buffer.reserve(0, 301, false));
            put(buffer, 0, 300, 8);
        }
        assertEquals(length, Files.size(folder.resolve("buffer.arena")));
    }

    @ParameterizedTest
    @ValueSource(strings = {"map", "arena", "extents"})
    void aFileThatWasCutOrRemovedIsRefusedAndNothingIsChanged(final String kind)
            throws IOException {
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(4);
            put(buffer, 0, 2000, 7);
        }
        final Path path = folder.resolve("buffer." + kind);
        for (final long length : new long[] {Files.size(path) - 4096, 4096, 0}) {
            try (FileChannel file = FileChannel.open(path, StandardOpenOption.WRITE)) {
                file.truncate(length);
            }
            assertRefused(path);
        }
        Files.delete(path);
        assertRefused(path);
    }

    private void assertRefused(final Path path) throws IOException {
        final Map<Path, String> before = contents();
        final IOException refused =
                assertThrows(IOException.class, () -> open(LENGTH + BLOCK_LENGTH).close());
        assertTrue(refused.getMessage().startsWith(path + " "), refused.getMessage());
        assertTrue(refused.getMessage().contains("choose another"), refused.getMessage());
        assertEquals(before, contents());
    }

    /** Each file's length, and when it was changed last. */
    private Map<Path, String> contents() throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            return files.collect(
                    Collectors.toMap(
                            path -> path,
                            path -> {
                                final File file = path.toFile();
                                return file.length() + " " + file.lastModified();
                            }));
        }
    }

    /** A process that is killed while it tidies up leaves some of them. */
    @Test
    void whatADeletionThatWasKilledLeavesCanBeOpened() throws IOException {
        final Path copy = Files.createDirectory(folder.resolve("copy"));
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(4);
            put(buffer, 0, 20, 7);
            // The extents can't be removed, once nothing in them says that anything is kept.
            Files.move(folder.resolve("buffer.map"), copy.resolve("map"));
            Files.createDirectories(folder.resolve("buffer.map").resolve("in the way"));
            assertThrows(IOException.class, buffer::delete);
        } catch (final IllegalStateException closedAlready) {
            // It had closed the first of its files.
        }
        Files.delete(folder.resolve("buffer.map").resolve("in the way"));
        Files.delete(folder.resolve("buffer.map"));
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(4);
            assertEquals(ABSENT, buffer.find(0));
            assertEquals(0, buffer.extentCount());
        }
    }

    /** The disk becomes longer in the midst of an epoch; and so it is found again. */
    @Test
    void whatIsKeptStaysWhereTheDiskBecomesLonger() throws IOException {
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(1);
            final int slot = put(buffer, 7, 3, 5);
            buffer.lengthen(2 * LENGTH);
            assertEquals(slot + 2, buffer.find(9));
            assertEquals(ABSENT, buffer.find(2 * BLOCKS - 1));
            put(buffer, 2 * BLOCKS - 1, 1, 6);
            assertEquals(2, buffer.extentCount());
        }
        try (EpochBuffer buffer = EpochBuffer.open(folder, "buffer", 2 * LENGTH, LENGTH)) {
            buffer.enter(1);
            assertEquals(5, buffer.arena().get(JAVA_BYTE, position(buffer.find(8))));
            assertEquals(6, buffer.arena().get(JAVA_BYTE, position(buffer.find(2 * BLOCKS - 1))));
        }
    }

    /** Killed before all files were longer: only who knows of it takes them. */
    @Test
    void buffersOfTheShorterDiskAreTakenWhereItIsKnownToHaveGrown() throws IOException {
        try (EpochBuffer buffer = open(LENGTH)) {
            buffer.enter(1);
            put(buffer, 7, 3, 5);
        }
        try (FileChannel map =
                FileChannel.open(folder.resolve("buffer.map"), StandardOpenOption.WRITE)) {
            map.write(
                    ByteBuffer.allocate(1), (2 * BLOCKS * Long.BYTES + 65535) / 65536 * 65536 - 1);
        }
        assertThrows(
                IOException.class, () -> EpochBuffer.open(folder, "buffer", 2 * LENGTH, LENGTH));
        try (EpochBuffer buffer = EpochBuffer.open(folder, "buffer", 2 * LENGTH, LENGTH, true)) {
            buffer.enter(1);
            assertEquals(5, buffer.arena().get(JAVA_BYTE, position(buffer.find(8))));
            assertEquals(ABSENT, buffer.find(2 * BLOCKS - 1));
        }
        EpochBuffer.open(folder, "buffer", 2 * LENGTH, LENGTH).close();
        assertThrows(
                IOException.class,
                () -> EpochBuffer.open(folder, "buffer", LENGTH, LENGTH, true),
                "none becomes shorter");
    }

    @Test
    void filesOfAnotherKindOrDiskAreRefused() throws IOException {
        open(LENGTH).close();
        final long extentsLength = Files.size(folder.resolve("buffer.extents"));
        final IOException length =
                assertThrows(
                        IOException.class,
                        () -> EpochBuffer.open(folder, "buffer", 2 * LENGTH, LENGTH));
        assertEquals(extentsLength, Files.size(folder.resolve("buffer.extents")));
        assertTrue(length.getMessage().contains("belongs to a disk"), length.getMessage());
        Files.write(
                folder.resolve("other.extents"),
                "something else".getBytes(StandardCharsets.US_ASCII));
        final IOException kind =
                assertThrows(
                        IOException.class, () -> EpochBuffer.open(folder, "other", LENGTH, LENGTH));
        assertTrue(kind.getMessage().contains("no buffer"), kind.getMessage());
    }

    @Test
    void isGoneWhenDeleted() throws IOException {
        open(LENGTH).delete();
        try (var files = Files.list(folder)) {
            assertFalse(files.findAny().isPresent());
        }
    }
}

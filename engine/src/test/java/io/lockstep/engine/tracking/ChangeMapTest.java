package io.lockstep.engine.tracking;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.memory.Errno;

import org.junit.jupiter.api.Test;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;

/** What was noted is there, until its layer was exchanged twice; in any order, and after a kill. */
final class ChangeMapTest {
    private static final long BLOCK = ChangeMap.BLOCK_LENGTH;
    private static final int BLOCKS = 3 * ChangeMap.LINE_BLOCKS + 17;
    private static final long LENGTH = BLOCKS * BLOCK - 1000;

    private final Room room = new Room();
    private ChangeMap map = new ChangeMap(LENGTH, room);

    @Test
    void aRangeIsNotedInWholeBlocks() {
        assertEquals(0, map.mark(BLOCK - 1, 2));
        assertEquals(2 * BLOCK, map.length());
        assertEquals(0, map.next(0));
        assertEquals(1, map.next(1));
        assertEquals(-1, map.next(2));
        assertEquals(0, map.mark(0, 0));
        assertEquals(2 * BLOCK, map.length());
    }

    @Test
    void theLastBlockMayBeAPart() {
        map.mark(LENGTH - 1, 1);
        assertEquals(BLOCKS - 1, map.next(0));
        assertEquals(-1, map.next(BLOCKS));
    }

    @Test
    void whatCanNotBeNotedIsAnError() {
        room.isFull = true;
        assertEquals(Errno.ENOSPC, map.mark(0, 1));
        assertEquals(-1, map.next(0));
    }

    @Test
    void anyOrderIsThatOfTwoSets() {
        for (int seed = 0; seed < 200; seed++) {
            againstSets(new Random(seed));
        }
    }

    private void againstSets(final Random random) {
        final Room fresh = new Room();
        map = new ChangeMap(LENGTH, fresh);
        Set<Long> older = new HashSet<>();
        Set<Long> newer = new HashSet<>();
        for (int i = 0; i < 200; i++) {
            switch (random.nextInt(12)) {
                case 0 -> {
                    map.exchange();
                    older = newer;
                    newer = new HashSet<>();
                }
                case 1 -> map = new ChangeMap(LENGTH, fresh); // killed
                case 2 -> {
                    if (random.nextInt(20) == 0) {
                        map.clear();
                        older.clear();
                        newer.clear();
                    }
                }
                default -> {
                    final long offset = (long) (random.nextDouble() * LENGTH);
                    final long length =
                            Math.min(
                                    LENGTH - offset,
                                    random.nextInt(random.nextBoolean() ? 9000 : 3_000_000));
                    map.mark(offset, length);
                    for (long block = offset / BLOCK;
                            length > 0 && block <= (offset + length - 1) / BLOCK;
                            block++) {
                        newer.add(block);
                    }
                }
            }
            final TreeSet<Long> all = new TreeSet<>(older);
            all.addAll(newer);
            assertEquals(all.size() * BLOCK, map.length());
            final TreeSet<Long> found = new TreeSet<>();
            for (long block = map.next(0); block >= 0; block = map.next(block + 1)) {
                found.add(block);
                assertTrue(map.has(block));
            }
            assertEquals(all, found);
            assertFalse(all.size() < BLOCKS && map.has(firstAbsent(all)));
        }
    }

    private static long firstAbsent(final Set<Long> all) {
        long block = 0;
        while (all.contains(block)) {
            block++;
        }
        return block;
    }

    /** Memory that knows where it was touched. */
    private static final class Room implements ChangeMap.Space {
        private final MemorySegment memory =
                Arena.ofAuto().allocate(ChangeMap.lengthFor(LENGTH), Long.BYTES);
        private final Set<Long> allocated = new HashSet<>();
        private boolean isFull;

        @Override
        public MemorySegment memory() {
            return memory;
        }

        @Override
        public boolean isAllocated(final long offset) {
            return allocated.contains(offset >> 7);
        }

        @Override
        public int allocate(final long offset, final long length) {
            if (isFull) {
                return Errno.ENOSPC;
            }
            for (long at = offset; at < offset + length; at++) {
                allocated.add(at >> 7);
            }
            return 0;
        }
    }
}

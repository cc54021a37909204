package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

import java.util.Random;
import java.util.TreeSet;

/** A set of blocks is one, whatever is done with it. */
final class BlockSetTest {
    private static final long BLOCK = BlockSet.BLOCK_LENGTH;

    @Test
    void itIsASet() {
        for (int seed = 0; seed < 60; seed++) {
            final Random random = new Random(seed);
            final int blocks = random.nextBoolean() ? 65536 * 2 : 65536 + random.nextInt(70_000);
            against(random, blocks, blocks * BLOCK - random.nextInt((int) BLOCK));
        }
    }

    private static void against(final Random random, final int blocks, final long length) {
        final BlockSet set = new BlockSet(length);
        final TreeSet<Long> model = new TreeSet<>();
        if (random.nextBoolean()) {
            set.addAll();
            for (long block = 0; block < blocks; block++) {
                model.add(block);
            }
        }
        for (int i = 0; i < 300; i++) {
            if (random.nextInt(3) == 0) {
                final long offset =
                        random.nextInt(9) == 0 ? 0 : (long) (random.nextDouble() * length);
                final long end =
                        Math.min(
                                length,
                                offset
                                        + random.nextInt(
                                                random.nextInt(9) == 0 ? 300 << 20 : 40_000));
                set.removeWhole(offset, end, length);
                final long behind = end == length ? blocks : end / BLOCK;
                final long first = (offset + BLOCK - 1) / BLOCK;
                if (first < behind) {
                    model.subSet(first, behind).clear();
                }
            } else if (random.nextBoolean()) {
                final long block = random.nextInt(blocks);
                set.add(block);
                model.add(block);
            } else {
                final long offset = (long) (random.nextDouble() * length);
                final long end = Math.min(length, offset + 1 + random.nextInt(3_000_000));
                set.add(offset, end);
                for (long block = offset / BLOCK; block * BLOCK < end; block++) {
                    model.add(block);
                }
            }
        }
        assertEquals(model.size() * BLOCK, set.length());
        final TreeSet<Long> found = new TreeSet<>();
        long block = set.next(0);
        while (block >= 0) {
            final long end =
                    set.runEnd(block, 1 + random.nextInt(random.nextBoolean() ? 100 : 100_000));
            while (block < end) {
                found.add(block++);
            }
            block = set.next(block);
        }
        assertEquals(model, found);
    }
}

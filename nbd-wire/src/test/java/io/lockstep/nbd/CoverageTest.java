package io.lockstep.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.BitSet;
import java.util.Random;
import java.util.stream.LongStream;

final class CoverageTest {
    private final Coverage coverage = new Coverage();

    @Test
    void chunks_in_order_and_backwards_are_all_taken() {
        for (int i = 0; i < 100; i++) {
            assertTrue(coverage.add(i * 10L, i * 10L + 10));
        }
        assertEquals(1000, coverage.covered());
        coverage.clear();
        for (int i = 99; i >= 0; i--) {
            assertTrue(coverage.add(i * 10L, i * 10L + 10));
        }
        assertEquals(1000, coverage.covered());
    }

    @Test
    void a_byte_in_common_is_an_overlap() {
        assertTrue(coverage.add(10, 20));
        assertTrue(coverage.add(30, 40));
        assertFalse(coverage.add(19, 25));
        coverage.clear();
        assertTrue(coverage.add(10, 20));
        assertFalse(coverage.add(5, 11));
    }

    @Test
    void beyond_the_runs_that_are_kept_bytes_are_counted() {
        for (int i = 0; i <= Coverage.RUNS_MAX; i++) {
            assertTrue(coverage.add(i * 10L, i * 10L + 1));
        }
        assertTrue(coverage.add(0, 1), "no longer noticed");
        assertEquals(Coverage.RUNS_MAX + 2, coverage.covered());
    }

    static LongStream seeds() {
        return LongStream.range(0, 300);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void agrees_with_a_set_of_bits(final long seed) {
        final Random random = new Random(seed);
        final BitSet model = new BitSet();
        for (int i = 0; i < Coverage.RUNS_MAX; i++) {
            final int start = random.nextInt(40);
            final int end = start + 1 + random.nextInt(8);
            final boolean overlaps = !model.get(start, end).isEmpty();
            assertEquals(!overlaps, coverage.add(start, end));
            if (overlaps) {
                return;
            }
            model.set(start, end);
            assertEquals(model.cardinality(), coverage.covered());
        }
    }
}

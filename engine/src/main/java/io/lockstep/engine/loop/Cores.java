package io.lockstep.engine.loop;

import io.lockstep.engine.memory.Posix;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;

/**
 * The cores that this process was allowed when it started, and which of them a thread may run on.
 * Each method speaks of the thread that calls it.
 *
 * <p>A thread begins with what the one that made it may use: one that a loop may have made calls
 * {@link #useAll} first. Source: {@code sched_setaffinity(2)}.
 */
public final class Cores {
    /** Room for 8192 cores; the kernel refuses a mask that is shorter than its own. In bytes. */
    private static final int MASK_LENGTH = 1024;

    private static final BitSet ALLOWED = allowed();

    /** Whether a thread was ever held to one. */
    private static volatile boolean held;

    private Cores() {}

    /** How many there are; 0 where the kernel doesn't tell. */
    public static int count() {
        return ALLOWED.cardinality();
    }

    /**
     * Holds the calling thread to one of them.
     *
     * @param index from 0 to below {@link #count}
     * @return whether the kernel did so
     */
    static boolean useOnly(final int index) {
        int core = ALLOWED.nextSetBit(0);
        for (int i = 0; i < index; i++) {
            core = ALLOWED.nextSetBit(core + 1);
        }
        final BitSet only = new BitSet();
        only.set(core);
        held = true;
        return use(only);
    }

    /** Lets the calling thread run on all of them, where there are threads that may not. */
    public static void useAll() {
        if (held) {
            use(ALLOWED);
        }
    }

    private static boolean use(final BitSet cores) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment mask = arena.allocate(MASK_LENGTH, Long.BYTES);
            mask.copyFrom(MemorySegment.ofArray(cores.toLongArray()));
            return Posix.setThreadAffinity(mask.address(), MASK_LENGTH) == 0;
        }
    }

    private static BitSet allowed() {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment mask = arena.allocate(MASK_LENGTH, Long.BYTES);
            final int result = Posix.threadAffinity(mask.address(), MASK_LENGTH);
            return result < 0 ? new BitSet() : BitSet.valueOf(mask.toArray(ValueLayout.JAVA_LONG));
        }
    }
}

package io.lockstep.engine.loop;

import io.lockstep.engine.memory.Posix;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;

/**
 * The cores that this process was allowed when it started, and which of them a thread may run on.
 * Each method speaks of the thread that calls it, and allocates nothing.
 *
 * <p>A thread begins with what the one that made it may use: one that a loop may have made calls
 * {@link #useAll} first. Source: {@code sched_setaffinity(2)}.
 */
public final class Cores {
    /** Room for 8192 cores; the kernel refuses a mask that is shorter than its own. In bytes. */
    private static final int MASK_LENGTH = 1024;

    private static final MemorySegment ALL = mask();

    /** One mask for each core. */
    private static final MemorySegment[] ONLY = split(ALL);

    /** Whether a thread was ever held to one. */
    private static volatile boolean held;

    private Cores() {}

    /** How many there are; 0 where the kernel doesn't tell. */
    public static int count() {
        return ONLY.length;
    }

    /**
     * Holds the calling thread to one of them, as far as the kernel does so.
     *
     * @param index from 0 to below {@link #count}
     */
    static void useOnly(final int index) {
        held = true;
        Posix.setThreadAffinity(ONLY[index].address(), MASK_LENGTH);
    }

    /** Lets the calling thread run on all of them, where there are threads that may not. */
    public static void useAll() {
        if (held) {
            Posix.setThreadAffinity(ALL.address(), MASK_LENGTH);
        }
    }

    private static MemorySegment mask() {
        final MemorySegment mask = Arena.global().allocate(MASK_LENGTH, Long.BYTES);
        if (Posix.threadAffinity(mask.address(), MASK_LENGTH) < 0) {
            mask.fill((byte) 0);
        }
        return mask;
    }

    private static MemorySegment[] split(final MemorySegment all) {
        return BitSet.valueOf(all.toArray(ValueLayout.JAVA_LONG)).stream()
                .mapToObj(
                        core -> {
                            final MemorySegment only =
                                    Arena.global().allocate(MASK_LENGTH, Long.BYTES);
                            only.setAtIndex(
                                    ValueLayout.JAVA_LONG,
                                    core / Long.SIZE,
                                    1L << core % Long.SIZE);
                            return only;
                        })
                .toArray(MemorySegment[]::new);
    }
}

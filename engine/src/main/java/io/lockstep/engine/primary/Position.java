package io.lockstep.engine.primary;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/**
 * A position that only grows, which one thread moves and another reads: what the one wrote before
 * it moved the position, the other sees behind it. The move is volatile, not merely ordered: who
 * moves it looks next whether somebody has to be woken, and that look must not come before the
 * move.
 */
final class Position {
    private static final VarHandle VALUE;

    static {
        try {
            VALUE = MethodHandles.lookup().findVarHandle(Position.class, "value", long.class);
        } catch (final ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    // Other data stays off its cache line.
    @SuppressWarnings("unused")
    private long before1, before2, before3, before4, before5, before6, before7;

    private long value;

    @SuppressWarnings("unused")
    private long behind1, behind2, behind3, behind4, behind5, behind6, behind7;

    /** Moves it; by its one writer. */
    void move(final long newValue) {
        VALUE.setVolatile(this, newValue);
    }

    /** Where it is, for its writer. */
    long own() {
        return value;
    }

    /** Where it is, for everybody else. */
    long get() {
        return (long) VALUE.getAcquire(this);
    }
}

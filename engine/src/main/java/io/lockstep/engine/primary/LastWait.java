package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;

import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * How long a process that will end waits for its secondary: as long as that answers something every
 * second, and five seconds in all. On the guest's loop.
 */
final class LastWait {
    /** So long a secondary may be silent. */
    static final long SILENCE_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** So long a secondary that answers is waited for; a service manager waits for us. */
    static final long ALL_NANOS = TimeUnit.SECONDS.toNanos(5);

    private static final long LOOK_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    private final IoLoop loop;
    private final LongSupplier answered;
    private final Runnable onOver;
    private long beginNanos;
    private long lastAnswered;
    private long lastNanos;
    private boolean isBegun;
    private boolean isOver;

    /**
     * One that has not begun.
     *
     * @param answered how much the secondary has answered; it only grows
     * @param onOver it is of no use to wait any longer
     */
    LastWait(final IoLoop loop, final LongSupplier answered, final Runnable onOver) {
        this.loop = loop;
        this.answered = answered;
        this.onOver = onOver;
    }

    /** The process will end; once more means nothing. */
    void begin() {
        if (isBegun) {
            return;
        }
        isBegun = true;
        beginNanos = loop.nanoTime();
        lastNanos = beginNanos;
        lastAnswered = answered.getAsLong();
        loop.schedule(LOOK_NANOS, this::look);
    }

    private void look() {
        final long now = loop.nanoTime();
        final long current = answered.getAsLong();
        if (current != lastAnswered) {
            lastAnswered = current;
            lastNanos = now;
        }
        isOver = now - lastNanos >= SILENCE_NANOS || now - beginNanos >= ALL_NANOS;
        if (isOver) {
            onOver.run();
        } else {
            loop.schedule(LOOK_NANOS, this::look);
        }
    }

    /** Whether nobody should wait any longer. */
    boolean isOver() {
        return isOver;
    }
}

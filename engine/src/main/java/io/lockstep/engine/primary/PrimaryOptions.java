package io.lockstep.engine.primary;

import io.lockstep.engine.node.Word;

import java.util.concurrent.TimeUnit;

/**
 * What a primary is made of.
 *
 * @param logLength bytes of the forward log; a power of two of at least 64 KiB
 * @param fullLog what to do when it is full
 * @param word what the user says of the two disks
 * @param lagNanosMax how old what the linked secondary has not answered may become before the
 *     guest's writes wait, so that a seal never has much before it; 0 for any age
 * @param patienceNanos how long who asks for a seal or a commit waits for a link that was cut
 */
public record PrimaryOptions(
        int logLength, FullLogPolicy fullLog, Word word, long lagNanosMax, long patienceNanos) {
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(2);

    /** With the usual patience: two seconds, in which a secondary is started again. */
    public PrimaryOptions(
            final int logLength,
            final FullLogPolicy fullLog,
            final Word word,
            final long lagNanosMax) {
        this(logLength, fullLog, word, lagNanosMax, PATIENCE_NANOS);
    }

    /** The same with any lag. */
    public PrimaryOptions(final int logLength, final FullLogPolicy fullLog, final Word word) {
        this(logLength, fullLog, word, 0);
    }
}

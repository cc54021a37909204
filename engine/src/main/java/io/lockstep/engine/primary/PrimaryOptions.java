package io.lockstep.engine.primary;

import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.group.PeerTimeout;
import io.lockstep.engine.node.Word;

import java.util.concurrent.TimeUnit;

/**
 * What a primary is made of.
 *
 * @param logLength bytes of the forward log; a power of two of at least 64 KiB
 * @param fullLog what to do when it is full
 * @param word what the user says of the two disks
 * @param lagNanosMax how old what the linked secondary has not answered may become before the
 *     guest's writes wait, so that a seal never has much before it; 0 for any age, {@link
 *     #LAG_LEARNED} for what the link does in a few milliseconds
 * @param patienceNanos how long who asks for a seal or a commit waits for a link that was cut
 * @param peerTimeout how long the secondary may say nothing
 * @param syncRate how fast a synchronisation or a verification is
 * @param ack what has to hold before the guest is answered
 * @param lostLink what to do when the link is lost
 * @param isShared whether the secondary sees the same disks: nothing is sent, but announced
 */
public record PrimaryOptions(
        int logLength,
        FullLogPolicy fullLog,
        Word word,
        long lagNanosMax,
        long patienceNanos,
        PeerTimeout peerTimeout,
        SyncRate syncRate,
        AckLevel ack,
        LostLinkPolicy lostLink,
        boolean isShared) {
    /** A lag: as {@link BacklogLimit} has it. */
    public static final long LAG_LEARNED = -1;

    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(2);

    /** With the usual timeout and rate. */
    public PrimaryOptions(
            final int logLength,
            final FullLogPolicy fullLog,
            final Word word,
            final long lagNanosMax,
            final long patienceNanos) {
        this(
                logLength,
                fullLog,
                word,
                lagNanosMax,
                patienceNanos,
                PeerTimeout.DEFAULT,
                SyncRate.DEFAULT,
                AckLevel.LOCAL,
                LostLinkPolicy.CONTINUE,
                false);
    }

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

    /** The same with another timeout. */
    public PrimaryOptions withPeerTimeout(final PeerTimeout timeout) {
        return new PrimaryOptions(
                logLength,
                fullLog,
                word,
                lagNanosMax,
                patienceNanos,
                timeout,
                syncRate,
                ack,
                lostLink,
                isShared);
    }

    /** The same with another rate. */
    public PrimaryOptions withSyncRate(final SyncRate rate) {
        return new PrimaryOptions(
                logLength,
                fullLog,
                word,
                lagNanosMax,
                patienceNanos,
                peerTimeout,
                rate,
                ack,
                lostLink,
                isShared);
    }

    /** The same with another level. */
    public PrimaryOptions withAck(final AckLevel level) {
        return new PrimaryOptions(
                logLength,
                fullLog,
                word,
                lagNanosMax,
                patienceNanos,
                peerTimeout,
                syncRate,
                level,
                lostLink,
                isShared);
    }

    /** The same with another policy where the link is lost. */
    public PrimaryOptions withLostLink(final LostLinkPolicy policy) {
        return new PrimaryOptions(
                logLength,
                fullLog,
                word,
                lagNanosMax,
                patienceNanos,
                peerTimeout,
                syncRate,
                ack,
                policy,
                isShared);
    }

    /**
     * The same of disks that the secondary sees as well. A full log never has the guest go on
     * without it; and no word is needed that they are equal.
     */
    public PrimaryOptions sharing() {
        return new PrimaryOptions(
                logLength,
                FullLogPolicy.BLOCK,
                Word.NONE,
                lagNanosMax,
                patienceNanos,
                peerTimeout,
                syncRate,
                ack,
                lostLink,
                true);
    }
}

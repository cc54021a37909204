package io.lockstep.engine.primary;

import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.loop.IoLoop;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/**
 * When the guest is answered. A change is not before this node may acknowledge what its peer may
 * lack ({@link PrimaryReign#isGated}). And as the level says: not before an epoch that has it, or
 * all before it, is committed at the secondary, and perhaps durable there. That is asked for as
 * soon as somebody waits: requests that come while one is under way share the next one.
 *
 * <p>The level is in force while the secondary gets what is written and is equal. Where it is not,
 * and the node may acknowledge what its peer may lack, the local disk alone counts.
 *
 * <p>A request's way is on its disk's loop, and the rest in the group's turn; nothing is allocated
 * for a request. See docs/acknowledgements.md.
 */
final class Acknowledgements {
    /** Of a request that waits for no epoch. */
    static final long NONE = -1;

    /** Of one that waits for an epoch that is not known yet. */
    private static final long UNKNOWN = 0;

    /** The pair, as far as answers are about it. */
    interface Pair {
        /** Whether the secondary gets what is written, and is equal but for that. */
        boolean isEqual();

        /** Ends the open epoch, which is committed when the secondary has it. */
        void sealNow();

        /** Has the secondary commit what somebody else has sealed. */
        void commitNow(long epoch);

        /** Has the secondary tell when an epoch is durable. */
        void askDurable(long epoch);

        /** Whether nothing has come into the log since the last epoch was ended. */
        boolean isOpenEpochEmpty();
    }

    private final IoLoop turn;
    private final Lanes lanes;
    private final PrimaryReign reign;
    private final PrimaryEpochs epochs;
    private final Pair pair;
    private final Runnable workTask = this::workSoon;
    private final WakeUp wakeUp = new WakeUp();
    private final Predicate<PrimaryOperation> mayAnswer = this::mayAnswer;
    private AckLevel level;

    /** Those that are done here, and wait; by lane. */
    private final List<HeldAnswers> all = new ArrayList<>();

    /** How each lane's that may be answered are. */
    private final List<Runnable> answerTasks = new ArrayList<>();

    /** Of the ways in which epochs were numbered: each has its own. */
    private int numbering;

    /** The newest epoch that somebody waits for. */
    private long wanted;

    private long commitAsked;
    private long durableAsked;

    /** Meetings that are being recorded: with that the node does not answer by itself any more. */
    private int meetings;

    private boolean isGateAsked;

    /** The newest epoch in which something lies that was answered here alone; 0 for none. */
    private long alone;

    /** Of a primary that has not met its peer yet. */
    Acknowledgements(
            final IoLoop turn,
            final Lanes lanes,
            final AckLevel level,
            final PrimaryReign reign,
            final PrimaryEpochs epochs,
            final Pair pair) {
        this.turn = turn;
        this.lanes = lanes;
        this.level = level;
        this.reign = reign;
        this.epochs = epochs;
        this.pair = pair;
        for (int i = 0; i < lanes.all().size(); i++) {
            final HeldAnswers held = new HeldAnswers();
            all.add(held);
            answerTasks.add(held::answer);
        }
        reign.onGated(this::wake);
    }

    AckLevel level() {
        return level;
    }

    /** Holds for requests that come from now on, and for those that wait where it is less. */
    void level(final AckLevel now) {
        level = now;
        wake();
    }

    /** Whether what is acknowledged now is what the level says. */
    boolean isInForce() {
        return !reign.isGated() && pair.isEqual();
    }

    // ---- A request's way.

    /**
     * Whether the secondary is told of flushes. It is not where an epoch says more, and a seal
     * behind it would wait until it is done there.
     */
    boolean forwardsFlushes() {
        return !level.isAboutSecondary() || !isInForce();
    }

    /** A request of the guest has its place in the log, if it needs one. */
    void enter(final PrimaryOperation operation) {
        if (!isAboutSecondary(operation)) {
            operation.epoch = NONE;
            return;
        }
        operation.epoch = UNKNOWN;
        if (isInForce()) {
            // What is in another lane's log its own loop alone knows.
            final boolean isCommitted = lanes.isOne() && pair.isOpenEpochEmpty();
            number(operation, isCommitted ? epochs.open() - 1 : epochs.open());
            wake();
        }
    }

    /** Whether its answer waits for the secondary at the level that there is now. */
    private boolean isAboutSecondary(final PrimaryOperation operation) {
        return operation.kind == ForwardLog.Kind.FLUSH
                ? level.isAboutSecondary()
                : level.level() == AckLevel.Level.WRITE;
    }

    private void number(final PrimaryOperation operation, final long epoch) {
        operation.epoch = epoch;
        operation.numbering = numbering;
        final HeldAnswers held = all.get(operation.lane);
        held.wanted = Math.max(held.wanted, epoch);
    }

    private boolean isNumbered(final PrimaryOperation operation) {
        return operation.epoch == NONE
                || operation.epoch != UNKNOWN && operation.numbering == numbering;
    }

    /** Whether a request that is done here is answered later: then it is told. */
    boolean holds(final PrimaryOperation operation) {
        if (mayAnswer(operation)) {
            return false;
        }
        all.get(operation.lane).hold(operation);
        wake();
        return true;
    }

    private boolean mayAnswer(final PrimaryOperation operation) {
        if (operation.epoch == NONE || !isAboutSecondary(operation)) {
            return !operation.isChangeOfGuest() || !reign.isGated();
        }
        if (isNumbered(operation)
                && operation.epoch <= (level.isDurable() ? epochs.durable() : epochs.committed())) {
            return true;
        }
        final boolean isAlone = !reign.isGated() && !pair.isEqual() && meetings == 0;
        if (isAlone) {
            all.get(operation.lane).alone = epochs.open();
        }
        return isAlone;
    }

    /**
     * Whether something that was answered here alone is in no checkpoint yet. A failover would undo
     * it, and that is found out as long as this node is recorded to be alone.
     */
    boolean isAlone() {
        gather();
        return alone > epochs.committed();
    }

    // ---- What is asked for.

    private void wake() {
        if (wakeUp.isNeeded()) {
            turn.execute(workTask);
        }
    }

    private void workSoon() {
        wakeUp.onAwake();
        look();
    }

    /** What was seen on the lanes' loops. */
    private void gather() {
        for (int i = 0; i < all.size(); i++) {
            wanted = Math.max(wanted, all.get(i).wanted);
            alone = Math.max(alone, all.get(i).alone);
            all.get(i).wanted = 0;
            all.get(i).alone = 0;
        }
    }

    private boolean isAnyHeld() {
        for (int i = 0; i < all.size(); i++) {
            if (!all.get(i).isEmpty()) {
                return true;
            }
        }
        return false;
    }

    /** Something that answers wait for may have changed. */
    void look() {
        gather();
        final boolean isAboutSecondary = level.isAboutSecondary() || alone > 0;
        if (!isAboutSecondary && !isAnyHeld()) {
            return;
        }
        if (isAboutSecondary && isInForce()) {
            numberThoseOfBefore();
            ask();
        } else if (isAnyHeld()) {
            askGate();
        }
        answerThoseThatMayBe();
    }

    private void numberThoseOfBefore() {
        for (int lane = 0; lane < all.size(); lane++) {
            final HeldAnswers held = all.get(lane);
            for (int i = 0; i < held.size(); i++) {
                if (!isNumbered(held.get(i))) {
                    number(held.get(i), epochs.open());
                }
            }
        }
        gather();
    }

    private void ask() {
        if (isAlone()) {
            wanted = Math.max(wanted, alone);
        } else if (alone > 0) {
            alone = 0;
            reign.onCaughtUp(epochs.committed());
        }
        if (wanted > epochs.committed()) {
            if (wanted >= epochs.open() && epochs.maySeal()) {
                pair.sealNow();
            } else if (epochs.sealed() > Math.max(epochs.committed(), commitAsked)) {
                commitAsked = epochs.sealed(); // of a manager, which may never come back to it
                pair.commitNow(commitAsked);
            }
        }
        if (level.isDurable() && wanted > Math.max(epochs.durable(), durableAsked)) {
            durableAsked = wanted;
            pair.askDurable(wanted);
        }
    }

    /** Before this node answers by itself it asks its peer, and records that it does. */
    private void askGate() {
        if (reign.isGated() && !isGateAsked) {
            isGateAsked = true;
            reign.acknowledge(
                    errno -> {
                        isGateAsked = false;
                        if (errno == 0) {
                            wake(); // the epochs may be numbered in this very turn
                        } else {
                            answerAll(errno);
                        }
                    });
        }
    }

    private void answerThoseThatMayBe() {
        for (int i = 0; i < all.size(); i++) {
            all.get(i).release(mayAnswer);
        }
        answer();
    }

    private void answerAll(final int errno) {
        all.forEach(held -> held.releaseAll(errno));
        answer();
    }

    /** Each lane's guests are answered on its loop. */
    private void answer() {
        for (int i = 0; i < all.size(); i++) {
            if (lanes.isOne()) {
                all.get(i).answer();
            } else if (all.get(i).hasReleased()) {
                lanes.all().get(i).loop().execute(answerTasks.get(i));
            }
        }
    }

    /** The link is made: what was asked of one before is asked again. */
    void onLinked() {
        durableAsked = 0;
        look();
    }

    /** Epochs are numbered anew: what was numbered before waits for the one that is open now. */
    void onNumbered() {
        gather();
        numbering++;
        wanted = 0;
        commitAsked = 0;
        durableAsked = 0;
        if (alone > 0) {
            alone = epochs.open();
        }
        wake();
    }

    /**
     * It is being recorded that the peer gets what is written from now on; what this node answered
     * by itself meanwhile would be lost with it in silence.
     *
     * @param isBegun whether it begins, or has been recorded, or could not be
     */
    void onMeeting(final boolean isBegun) {
        meetings += isBegun ? 1 : -1;
        wake();
    }
}

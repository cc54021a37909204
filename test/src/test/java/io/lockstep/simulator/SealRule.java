package io.lockstep.simulator;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A model of a group whose disks' guests are served on loops of their own, each with a log of its
 * own, and of how an epoch ends there: docs/loops.md. It knows writes, answers and seals, and
 * nothing of disks and links.
 *
 * <p>The rule: each loop changes its epoch by itself, when the message that tells it so is there
 * and its log has room for the seal. What it takes from then on is of the new epoch, and is
 * answered when all loops have changed. No write waits for longer, and none is refused.
 *
 * <p>What must hold: a write that was answered before another one begins is in no later epoch than
 * that. So what a failover goes back to has, with each write, all that its guest knew when it wrote
 * it.
 */
final class SealRule {
    /** What becomes of answers. */
    enum Variant {
        /** The rule. */
        RULE,
        /** Those of the new epoch are given at once. */
        HOLDS_NOTHING_BACK,
        /** They are given when the first loop has changed, which is then their own. */
        OPENS_WITH_THE_FIRST,
        /** They are given when all loops but one have changed. */
        OPENS_BEFORE_THE_LAST
    }

    private static final int LOOPS_MAX = 6;
    private static final int WRITES_MAX = 24;
    private static final int EVENTS = 600;
    private static final int REST_TURNS_MAX = 400;

    private final Dice dice;
    private final Variant variant;

    /** By loop: its epoch, and whether a message is on its way that ends it. */
    private final long[] epochs;

    private final boolean[] isTold;

    /** By loop: whether its log has no room for a seal. */
    private final boolean[] isFull;

    /** The newest epoch of which some loop has said that it has changed to it. */
    private long newest = 1;

    /** That to which all loops have changed, as each loop knows it: it is told by a message. */
    private final long[] known;

    private final List<Write> underWay = new ArrayList<>();

    /** The latest epoch of what was answered so far. */
    private long answered;

    private int heldCount;

    /** A write, from its beginning at its guest to its answer. */
    private static final class Write {
        private final int loop;

        /** The latest epoch of what was answered when it began. */
        private final long before;

        /** Its own; 0 while it is on its way to its loop. */
        private long epoch;

        private boolean isDone;

        Write(final int loop, final long before) {
            this.loop = loop;
            this.before = before;
        }
    }

    SealRule(final Dice dice, final Variant variant) {
        this.dice = dice;
        this.variant = variant;
        final int loops = dice.between(2, LOOPS_MAX);
        epochs = new long[loops];
        known = new long[loops];
        Arrays.fill(epochs, 1);
        Arrays.fill(known, 1);
        isTold = new boolean[loops];
        isFull = new boolean[loops];
    }

    /** Writes and seals in any order; then all that was begun comes to its end. */
    void play() {
        final double sealing = dice.oneOf(0.02, 0.1, 0.5);
        final double filling = dice.oneOf(0.0, 0.05);
        for (int event = 0; event < EVENTS; event++) {
            if (dice.chance(sealing)) {
                seal();
            }
            final int loop = dice.between(0, epochs.length - 1);
            isFull[loop] ^= dice.chance(filling);
            step(loop);
        }
        Arrays.fill(isFull, false);
        for (int rest = 0; rest < REST_TURNS_MAX && !isQuiet(); rest++) {
            for (int loop = 0; loop < epochs.length; loop++) {
                finish(loop);
                change(loop);
                hear(loop);
            }
        }
        if (!isQuiet()) {
            throw new AssertionError("writes wait, and all loops have changed: " + underWay.size());
        }
    }

    /** How many answers were held back. */
    int heldCount() {
        return heldCount;
    }

    private boolean isQuiet() {
        return underWay.isEmpty();
    }

    /** The group ends the epoch, if the one before has ended on all loops. */
    private void seal() {
        if (lowest() == newest && !isAnyTold()) {
            Arrays.fill(isTold, true);
        }
    }

    private boolean isAnyTold() {
        for (final boolean told : isTold) {
            if (told) {
                return true;
            }
        }
        return false;
    }

    private long lowest() {
        return Arrays.stream(epochs).min().orElseThrow();
    }

    private void step(final int loop) {
        switch (dice.between(0, 4)) {
            case 0 -> begin(loop);
            case 1 -> take(loop);
            case 2 -> finish(loop);
            case 3 -> change(loop);
            default -> hear(loop);
        }
    }

    /** A guest writes, knowing all that was answered. */
    private void begin(final int loop) {
        if (underWay.size() < WRITES_MAX) {
            underWay.add(new Write(loop, answered));
        }
    }

    /** A write has its place in the loop's log, and so its epoch. */
    private void take(final int loop) {
        for (final Write write : underWay) {
            if (write.loop == loop && write.epoch == 0) {
                write.epoch = epochs[loop];
                if (write.epoch < write.before) {
                    throw new AssertionError(
                            "a write of epoch "
                                    + write.before
                                    + " was answered before one of epoch "
                                    + write.epoch
                                    + " began");
                }
                return;
            }
        }
    }

    /** The local disk has a write: it is answered, or held back. */
    private void finish(final int loop) {
        take(loop);
        for (final Write write : List.copyOf(underWay)) {
            if (write.loop == loop && write.epoch != 0 && !write.isDone) {
                write.isDone = true;
                if (!answers(write)) {
                    heldCount++;
                }
                return;
            }
        }
    }

    private boolean answers(final Write write) {
        if (!mayAnswer(write)) {
            return false;
        }
        answered = Math.max(answered, write.epoch);
        underWay.remove(write);
        return true;
    }

    private boolean mayAnswer(final Write write) {
        return switch (variant) {
            case RULE -> write.epoch <= known[write.loop];
            case HOLDS_NOTHING_BACK -> true;
            case OPENS_WITH_THE_FIRST -> write.epoch <= newest;
            case OPENS_BEFORE_THE_LAST ->
                    Arrays.stream(epochs).filter(epoch -> epoch < write.epoch).count() <= 1;
        };
    }

    /** A loop changes its epoch, where it is told to and its log has room for the seal. */
    private void change(final int loop) {
        if (isTold[loop] && !isFull[loop]) {
            isTold[loop] = false;
            epochs[loop]++;
            newest = Math.max(newest, epochs[loop]);
        }
    }

    /** A loop hears to which epoch all have changed, and answers what it held back. */
    private void hear(final int loop) {
        known[loop] = lowest();
        List.copyOf(underWay).stream()
                .filter(write -> write.loop == loop && write.isDone)
                .forEach(this::answers);
        if (underWay.stream().anyMatch(this::isHeldForNothing)) {
            throw new AssertionError("an answer is held back, and all loops have changed");
        }
    }

    private boolean isHeldForNothing(final Write write) {
        return write.isDone && variant == Variant.RULE && write.epoch <= known[write.loop];
    }
}

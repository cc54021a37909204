package io.lockstep.engine.primary;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;

/**
 * The requests of a lane's guests that are done, and not answered yet. On the lane's loop; and in
 * the group's turn, in which it is seen which of them may be. Nothing is allocated for a request.
 */
final class HeldAnswers {
    private final List<PrimaryOperation> held = new ArrayList<>();
    private final List<PrimaryOperation> answered = new ArrayList<>();

    /** The newest epoch that one of them waits for; 0 for none. */
    long wanted;

    /** The newest in which something of them lies that was answered here alone; 0 for none. */
    long alone;

    private boolean isAnswering;

    /** One more is done. */
    void hold(final PrimaryOperation operation) {
        held.add(operation);
    }

    boolean isEmpty() {
        return held.isEmpty();
    }

    int size() {
        return held.size();
    }

    PrimaryOperation get(final int index) {
        return held.get(index);
    }

    /** Those that may be answered now are, at {@link #answer}. */
    void release(final Predicate<PrimaryOperation> mayAnswer) {
        int kept = 0;
        for (int i = 0; i < held.size(); i++) {
            final PrimaryOperation operation = held.get(i);
            if (mayAnswer.test(operation)) {
                operation.heldErrno = 0;
                answered.add(operation);
            } else {
                held.set(kept++, operation);
            }
        }
        for (int i = held.size() - 1; i >= kept; i--) {
            held.remove(i);
        }
    }

    /** All are, with an error. */
    void releaseAll(final int errno) {
        held.forEach(operation -> operation.heldErrno = errno);
        answered.addAll(held);
        held.clear();
    }

    /** Whether {@link #answer} has something to do. */
    boolean hasReleased() {
        return !answered.isEmpty();
    }

    /**
     * Answers those that were released. What an answer begins may come back here, and is answered
     * behind those before it. On the lane's loop.
     */
    void answer() {
        if (isAnswering) {
            return;
        }
        isAnswering = true;
        for (int i = 0; i < answered.size(); i++) {
            answered.get(i).answer();
        }
        answered.clear();
        isAnswering = false;
    }
}

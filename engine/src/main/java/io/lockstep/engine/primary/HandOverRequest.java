package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;

/**
 * Asks the secondary to take over, and finds out what became of that. An answer may be lost; then
 * only the next meeting tells: a secondary that lets the primary attach has not taken over, and
 * does not do so any more for what it was asked before. On the link's loop. See docs/protocol.md,
 * HAND_OVER.
 */
final class HandOverRequest {
    /** What is known of it. */
    enum Answer {
        /** It has taken over, and has recorded it. */
        TAKEN,
        /** It has not, and will not. */
        REFUSED,
        /** It may have taken over. */
        UNKNOWN
    }

    /** Hears it: once, or UNKNOWN and then another one. */
    interface Listener {
        /**
         * What is known now.
         *
         * @param reason a sentence; empty where it has taken over
         */
        void onAnswer(Answer answer, String reason);
    }

    private static final long AGAIN_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    private final IoLoop loop;
    private final SecondaryConnections connections;
    private final MemorySegment record = Arena.ofAuto().allocate(ControlRecord.LENGTH, 8);

    /** Who hears what became of it; null where nothing is open. */
    private Listener open;

    /** The connections that it was sent on. */
    private int askedGeneration;

    HandOverRequest(final IoLoop loop, final SecondaryConnections connections) {
        this.loop = loop;
        this.connections = connections;
    }

    /**
     * Asks for it.
     *
     * @param epoch a committed one, behind which nothing was sent
     * @param patienceNanos after which the link is cut, for the next meeting to tell
     */
    void ask(final long epoch, final long patienceNanos, final Listener listener) {
        open = listener;
        askedGeneration = connections.generation();
        if (!connections.isUp() || !write(epoch, (token, errno) -> onAnswer(listener, errno))) {
            close(Answer.REFUSED, "the link was cut before the secondary was asked");
            return;
        }
        connections.send();
        loop.schedule(patienceNanos, () -> cutUnlessAnswered(listener));
    }

    private boolean write(final long epoch, final Disk.Completion completion) {
        ControlRecord.write(record, 0, ControlRecord.HAND_OVER, epoch, 0, connections.session(), 0);
        return connections.client(0).writeControl(record, ControlRecord.LENGTH, completion, 0);
    }

    @SuppressWarnings("ReferenceEquality") // whether it is still this one
    private void cutUnlessAnswered(final Listener listener) {
        if (open == listener && askedGeneration == connections.generation()) {
            connections.sever("the secondary has not answered whether it takes over");
        }
    }

    @SuppressWarnings("ReferenceEquality") // whether it is still this one
    private void onAnswer(final Listener asked, final int errno) {
        if (open != asked) {
            return;
        }
        if (errno == 0) {
            close(Answer.TAKEN, "");
        } else if (errno == Errno.ESHUTDOWN) {
            asked.onAnswer(Answer.UNKNOWN, "the link was cut before the secondary had answered");
        } else {
            close(Answer.REFUSED, connections.client(0).errorText());
        }
    }

    /** The secondary is attached to, perhaps another time. */
    void onUp() {
        if (open != null && askedGeneration != connections.generation()) {
            close(Answer.REFUSED, "the link was cut, and the secondary had not taken over");
        }
    }

    private void close(final Answer answer, final String reason) {
        final Listener told = open;
        open = null;
        if (told != null) {
            told.onAnswer(answer, reason);
        }
    }

    /** Tells the secondary, whose user wants it to take over, that it will not be asked now. */
    void decline() {
        if (!connections.isUp() || connections.isForeign()) {
            return;
        }
        if (write(0, (token, errno) -> {})) {
            connections.send();
        } else {
            loop.schedule(AGAIN_NANOS, this::decline);
        }
    }
}

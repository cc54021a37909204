package io.lockstep.engine.primary;

import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.loop.IoLoop;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;

/**
 * The last thing that a primary says to its secondary: that it leaves in good order, or goes on
 * without it. It is said once, and waited for within a bound; heartbeats and commits are over then.
 * On the link's loop. See docs/protocol.md, "LEAVE" and "ALONE".
 */
final class Farewell {
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final long AGAIN_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

    private final IoLoop loop;
    private final SecondaryConnections connections;
    private final MemorySegment record = Arena.ofAuto().allocate(ControlRecord.LENGTH, 8);
    private boolean isBegun;
    private boolean isUnderWay;
    private int unanswered;
    private Runnable whenSaid = () -> {};

    Farewell(final IoLoop loop, final SecondaryConnections connections) {
        this.loop = loop;
        this.connections = connections;
    }

    /** Whether it is being said, or was. */
    boolean isBegun() {
        return isBegun;
    }

    /**
     * Says it.
     *
     * @param kind of the control record
     * @param count on so many connections, those of the first disks
     * @param whenHeard the secondary has answered on all of them
     * @param whenNot it can't be told, refuses, or does not answer in time
     */
    void say(final int kind, final int count, final Runnable whenHeard, final Runnable whenNot) {
        isBegun = true;
        if (!connections.isUp() || connections.isForeign()) {
            whenNot.run();
            return;
        }
        isUnderWay = true;
        unanswered = count;
        for (int i = 0; i < count; i++) {
            sayOn(i, kind, whenHeard, whenNot);
        }
        loop.schedule(PATIENCE_NANOS, () -> end(whenNot));
    }

    /** A connection with as many requests in flight as it takes gets it when some are answered. */
    private void sayOn(
            final int disk, final int kind, final Runnable whenHeard, final Runnable whenNot) {
        if (!isUnderWay) {
            return;
        }
        if (!connections.isUp()) {
            end(whenNot);
            return;
        }
        ControlRecord.write(record, 0, kind, 0, 0, connections.session(), 0);
        final boolean isTaken =
                connections
                        .client(disk)
                        .writeControl(
                                record,
                                ControlRecord.LENGTH,
                                (token, errno) -> onAnswer(errno, whenHeard, whenNot),
                                0);
        if (isTaken) {
            connections.send();
        } else {
            loop.schedule(AGAIN_NANOS, () -> sayOn(disk, kind, whenHeard, whenNot));
        }
    }

    private void onAnswer(final int errno, final Runnable whenHeard, final Runnable whenNot) {
        if (errno != 0) {
            end(whenNot);
        } else if (isUnderWay && --unanswered == 0) {
            end(whenHeard);
        }
    }

    private void end(final Runnable then) {
        if (isUnderWay) {
            isUnderWay = false;
            then.run();
            whenSaid.run();
        }
    }

    /** Runs an action when it is not under way any more: now, unless it is. */
    void whenSaid(final Runnable action) {
        if (isUnderWay) {
            whenSaid = action;
        } else {
            action.run();
        }
    }
}

package io.lockstep.engine.primary;

import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.group.ControlRecord;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * How long the disks could be at a secondary, as their files are now: asked on the connections of
 * all of them, while these stand. On the link's loop.
 */
final class LengthsThere {
    private final int generation;
    private final SecondaryConnections connections;
    private final Listener listener;
    private final Told[] told;
    private int unanswered;

    /**
     * What the secondary told of a disk.
     *
     * @param length in bytes
     * @param isHoleBehind whether it has nothing but a hole behind its end
     */
    record Told(long length, boolean isHoleBehind) {}

    /** Hears the answer. */
    interface Listener {
        /** What was told of each disk; empty where that could not be asked. */
        void onTold(Optional<Told[]> lengths);
    }

    private LengthsThere(
            final SecondaryConnections connections, final int count, final Listener listener) {
        this.connections = connections;
        this.listener = listener;
        generation = connections.generation();
        told = new Told[count];
        unanswered = count;
    }

    /** Asks. */
    static void ask(
            final SecondaryConnections connections, final int count, final Listener listener) {
        new LengthsThere(connections, count, listener).ask();
    }

    private void ask() {
        if (!connections.isUp() || connections.isForeign()) {
            end(Optional.empty());
            return;
        }
        for (int disk = 0; disk < told.length; disk++) {
            if (unanswered > 0) {
                ask(disk, connections.client(disk));
            }
        }
        connections.send();
    }

    private void ask(final int disk, final NbdClient client) {
        final MemorySegment into =
                Arena.ofAuto().allocate(ControlRecord.LENGTH_WITH_SUMMARY, Long.BYTES);
        final boolean isTaken =
                client.readControl(
                        into,
                        ControlRecord.LENGTH_WITH_SUMMARY,
                        (token, errno) -> onAnswer(disk, into, errno),
                        0);
        if (!isTaken) {
            end(Optional.empty());
        }
    }

    private void onAnswer(final int disk, final MemorySegment answer, final int errno) {
        if (errno != 0 || !connections.isUp() || generation != connections.generation()) {
            end(Optional.empty());
            return;
        }
        connections.onAnswer(disk);
        told[disk] =
                new Told(
                        ControlRecord.lengthThere(answer, 0),
                        (ControlRecord.flags(answer, 0) & ControlRecord.HOLE_BEHIND) != 0);
        if (--unanswered == 0) {
            listener.onTold(Optional.of(told));
        }
    }

    private void end(final Optional<Told[]> answer) {
        if (unanswered > 0) {
            unanswered = 0;
            listener.onTold(answer);
        }
    }
}

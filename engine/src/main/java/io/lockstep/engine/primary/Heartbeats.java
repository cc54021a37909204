package io.lockstep.engine.primary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.loop.IoLoop;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/**
 * What a primary and its secondary hear of each other whatever else there is: the secondary's state
 * is read twice a second, on the connection of each disk. On the link's loop.
 */
final class Heartbeats {
    private static final long INTERVAL_NANOS = TimeUnit.MILLISECONDS.toNanos(500);

    private final IoLoop loop;
    private final SecondaryConnections connections;
    private final Farewell farewell;
    private final LinkOwner owner;
    private final MemorySegment heard = Arena.ofAuto().allocate(ControlRecord.LENGTH, 8);
    private final Disk.Completion onHeard = this::onHeard;

    /** Those that were not answered yet, by disk. */
    private final boolean[] owed;

    /** The last epoch that is known to be durable there, since the link is up. */
    private long durable;

    private int flags;

    Heartbeats(
            final IoLoop loop,
            final SecondaryConnections connections,
            final Farewell farewell,
            final int disks,
            final LinkOwner owner) {
        this.loop = loop;
        this.connections = connections;
        this.farewell = farewell;
        this.owner = owner;
        owed = new boolean[disks];
    }

    /** The link is up. */
    void begin() {
        durable = 0;
        flags = 0;
        Arrays.fill(owed, false);
        beat(connections.generation());
    }

    private void beat(final int ofGeneration) {
        if (!connections.isUp() || ofGeneration != connections.generation() || farewell.isBegun()) {
            return;
        }
        for (int i = 0; i < owed.length; i++) {
            if (!owed[i]) {
                owed[i] =
                        connections.client(i).readControl(heard, ControlRecord.LENGTH, onHeard, i);
            }
        }
        connections.send();
        loop.schedule(INTERVAL_NANOS, () -> beat(ofGeneration));
    }

    private void onHeard(final long disk, final int errno) {
        owed[(int) disk] = false;
        if (errno != 0) {
            return; // of a connection that ends
        }
        connections.onAnswer((int) disk);
        final long epoch = ControlRecord.durableEpoch(heard, 0);
        if (epoch > durable) {
            durable = epoch;
            owner.onDurable(epoch);
        }
        final int now = ControlRecord.flags(heard, 0);
        if (now != flags) {
            flags = now;
            owner.onFlags(now);
        }
    }

    /** Whether a disk's connection owes an answer. */
    boolean isOwed(final int disk) {
        return owed[disk];
    }
}

package io.lockstep.engine.service;

import io.lockstep.engine.loop.Cores;
import io.lockstep.engine.loop.GroupTurn;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.loop.NioLoop;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * The loops of disks: of a secondary's streams, or of a primary's guests. The first disk is on the
 * engine's own, and each further one has one of its own, until there are half as many as cores;
 * then they share. Made when they are needed. In the group's turn.
 */
public final class DiskLoops {
    /** A group has no more. */
    private static final int COUNT_MAX = 16;

    private final NioLoop lead;
    private final GroupTurn turn;
    private final EngineOptions options;
    private final List<NioLoop> others = new ArrayList<>();
    private int countMax = Math.clamp(Cores.count() / 2, 1, COUNT_MAX);

    /** Whether a disk's guests are served on its own loop. */
    private boolean haveGuests;

    DiskLoops(final NioLoop lead, final GroupTurn turn, final EngineOptions options) {
        this.lead = lead;
        this.turn = turn;
        this.options = options;
    }

    /**
     * There are no more than so many, the engine's own included; before the first is needed. From a
     * thread that waits.
     *
     * @throws IOException where the engine's loop has ended
     */
    public void atMost(final int count) throws IOException {
        LoopCall.call(turn, () -> countMax = Math.min(count, COUNT_MAX));
    }

    /**
     * Guests are served on the loops of their disks: of a process that is a primary from its first
     * disk to its end. Before the first disk; from a thread that waits.
     *
     * @throws IOException where the engine's loop has ended
     */
    public void serveGuests() throws IOException {
        LoopCall.call(turn, () -> haveGuests = true);
    }

    /** That of the guests of a disk, by its number among those that are open. */
    IoLoop ofGuests(final int number) throws IOException {
        return haveGuests ? of(number) : lead;
    }

    /** The engine's own. */
    IoLoop lead() {
        return lead;
    }

    /** That of a disk, by its number in the group. */
    IoLoop of(final int number) throws IOException {
        final int index = number % countMax;
        if (index == 0) {
            return lead;
        }
        while (others.size() < index) {
            final NioLoop loop =
                    new NioLoop(
                            "lockstep-disk-" + (others.size() + 1),
                            options.spinNanos(),
                            options.errorHandler());
            turn.join(loop);
            others.add(loop);
            loop.start();
        }
        return others.get(index - 1);
    }

    /** Ends them, behind the lead: no turn waits for one any more. From the engine's thread. */
    void close() {
        others.forEach(NioLoop::close);
    }
}

package io.lockstep.engine.service;

import io.lockstep.engine.loop.Cores;
import io.lockstep.engine.loop.GroupTurn;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.loop.NioLoop;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * The loops that take the streams of a secondary's disks: the engine's own that of the first, and
 * each further disk one of its own, until there are half as many as cores; then they share. Made
 * when they are needed. In the group's turn.
 */
final class DiskLoops {
    private final NioLoop lead;
    private final GroupTurn turn;
    private final EngineOptions options;
    private final List<NioLoop> others = new ArrayList<>();
    private int countMax = Math.max(1, Cores.count() / 2);

    DiskLoops(final NioLoop lead, final GroupTurn turn, final EngineOptions options) {
        this.lead = lead;
        this.turn = turn;
        this.options = options;
    }

    /** There are no more than so many, the engine's own included; before the first is needed. */
    void atMost(final int count) {
        countMax = count;
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

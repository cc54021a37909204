package io.lockstep.engine.loop;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * The loop of a group whose disks have loops of their own. Each action of it is the group's turn:
 * while it runs all of those loops stand between two of their handlers, so that it may use what is
 * theirs, and what it has changed they see when they go on. What happens with every request is done
 * on a disk's own loop, and nobody stands for it; a turn is for the rest, such as a commit.
 *
 * <p>The turns run on one loop, the lead, which has handlers of its own beside: in those it has not
 * the turn. Without other loops a turn is a task of the lead like any other. An action begins
 * behind those that were given before it, whoever gave them.
 */
public final class GroupTurn implements IoLoop {
    private final IoLoop lead;

    /** Those that stand; changed in a turn. */
    private final List<IoLoop> others = new ArrayList<>();

    /** Written while the others stand, so that each of them reads that there is none. */
    private boolean isTurn;

    /** One of a lead that has nobody beside it yet. */
    public GroupTurn(final IoLoop lead) {
        this.lead = lead;
    }

    /** Another loop stands at each turn from now on; in a turn, before it has any work. */
    public void join(final IoLoop other) {
        others.add(other);
    }

    /** Whether this is a turn; for the lead and the loops that have joined. */
    @Override
    public boolean isHad() {
        return isTurn || others.isEmpty();
    }

    @Override
    public void execute(final Runnable action) {
        lead.execute(() -> run(action));
    }

    /** From the lead. */
    @Override
    public Timer schedule(final long delayNanos, final Runnable action) {
        return lead.schedule(delayNanos, () -> run(action));
    }

    private void run(final Runnable action) {
        if (others.isEmpty()) {
            have(action); // which may have others join
        } else {
            lead.whileStanding(others, () -> have(action));
        }
    }

    private void have(final Runnable action) {
        isTurn = true;
        try {
            action.run();
        } finally {
            isTurn = false;
        }
    }

    // ---- What belongs to the lead alone.

    @Override
    public Listener listen(final Endpoint endpoint, final AcceptHandler handler)
            throws IOException {
        return lead.listen(endpoint, handler);
    }

    @Override
    public void connect(final Endpoint endpoint, final ConnectHandler handler) {
        lead.connect(endpoint, handler);
    }

    @Override
    public void call(final DeviceCall call) {
        lead.call(call);
    }

    @Override
    public long nanoTime() {
        return lead.nanoTime();
    }
}

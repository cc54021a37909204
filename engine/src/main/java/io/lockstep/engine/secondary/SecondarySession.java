package io.lockstep.engine.secondary;

import io.lockstep.engine.epoch.GroupPage;

/**
 * Whose writes a secondary takes: those of one primary of our own kind, once that has presented
 * itself, and of anybody before. On the group's loop.
 */
final class SecondarySession {
    private final SecondaryGroup group;
    private final GroupPage page;
    private boolean isLinked;

    SecondarySession(final SecondaryGroup group, final GroupPage page) {
        this.group = group;
        this.page = page;
    }

    long high() {
        return group.hasBuffers() ? page.sessionHigh() : 0;
    }

    long low() {
        return group.hasBuffers() ? page.sessionLow() : 0;
    }

    /** Whether no primary of our own kind has presented itself: any client may write. */
    boolean takesAnyone() {
        return high() == 0;
    }

    /** Why a primary may not attach; null where it may. */
    String refuse(final long otherHigh, final long otherLow) {
        if (group.isOver()) {
            return "replication has ended: " + group.ending() + "; set the pair up anew";
        }
        if (!group.isReplicating()) {
            return "replication is not started on the secondary; start it there"
                    + " (xen-set-replication)";
        }
        if (otherHigh == 0) {
            return "a session's name must not be zero";
        }
        if (!takesAnyone() && (high() != otherHigh || low() != otherLow)) {
            return "another primary replicates to this secondary, or did; set the pair up anew,"
                    + " with copied disks and fresh buffers";
        }
        return null;
    }

    void adopt(final long newHigh, final long newLow) {
        page.session(newHigh, newLow);
    }

    /** Whether the primary is attached to every disk. */
    boolean isLinked() {
        return isLinked;
    }

    /** Now it is, or isn't; answers whether that is news. */
    boolean link(final boolean nowLinked) {
        final boolean isNews = nowLinked != isLinked;
        isLinked = nowLinked;
        return isNews;
    }

    @Override
    public String toString() {
        return "session " + Long.toHexString(high()) + Long.toHexString(low());
    }
}

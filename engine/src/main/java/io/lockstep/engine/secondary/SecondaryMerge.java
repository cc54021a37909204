package io.lockstep.engine.secondary;

import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.node.Node;

import java.util.concurrent.CompletableFuture;

/**
 * The merge behind a failover: what the buffers hold goes into the disks, which the guest uses
 * meanwhile; then the buffers go. On the group's loop.
 */
public final class SecondaryMerge {
    private final SecondaryGroup group;
    private final GroupPage page;
    private final Node node;
    private final SecondaryEvents events;
    private final CompletableFuture<Void> done = new CompletableFuture<>();

    /** All disks have everything: each tells of itself, and may be heard when all have. */
    private boolean isMerged;

    SecondaryMerge(
            final SecondaryGroup group,
            final GroupPage page,
            final Node node,
            final SecondaryEvents events) {
        this.group = group;
        this.page = page;
        this.node = node;
        this.events = events;
    }

    /**
     * Has it hurry to its end, if it goes on.
     *
     * @return done when nothing in the buffers belongs into a disk any more
     */
    public CompletableFuture<Void> finish() {
        if (!group.hasBuffers() || page.state() != GroupPage.FAILED_OVER) {
            return CompletableFuture.completedFuture(null);
        }
        group.disks().forEach(SecondaryDisk::hurryMerge);
        return done;
    }

    /** Stops it where it is: the next process over these buffers goes on with it. */
    public void giveUp() {
        group.disks().forEach(SecondaryDisk::giveUpMerge);
    }

    /** A disk has everything. */
    void onMerged() {
        if (!isMerged && group.disks().all(SecondaryDisk::isMerged)) {
            isMerged = true;
            // One that went back to its own way differs from its peer in more than is noted now.
            final boolean isKnown = node.record().concession().isNone();
            group.tracking()
                    .whenForgotten(() -> group.succession().merged(() -> onRecorded(isKnown)));
        }
    }

    private void onRecorded(final boolean isKnown) {
        if (!group.isClosed()) {
            if (isKnown) {
                group.tracking().knowWithoutTail(node.record().peer(), group.committedEpoch());
            }
            page.state(GroupPage.ALONE);
            group.disks().forEach(SecondaryDisk::settle);
            group.standAlone();
            events.merged();
            done.complete(null);
        }
    }

    /** A disk can't be written; it is tried again. */
    void onFailed(final String disk, final long offset, final int errno) {
        events.mergeFailed(disk, offset, errno);
    }
}

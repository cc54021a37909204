package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.PeerTimeout;
import io.lockstep.engine.group.RoomStatus;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeException;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.NodeRole;
import io.lockstep.engine.node.Reign;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Verdict;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * Whether a secondary may take over, and that it is recorded before it does: a reign of its own
 * (I11). And what its buffers come to where a process begins. On the group's loop.
 */
final class Succession {
    private static final long AGAIN_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final SecondaryGroup group;
    private final IoLoop loop;
    private final GroupPage page;
    private final Self self;
    private final PeerTimeout timeout;

    Succession(
            final SecondaryGroup group,
            final IoLoop loop,
            final GroupPage page,
            final Self self,
            final PeerTimeout timeout) {
        this.group = group;
        this.loop = loop;
        this.page = page;
        this.self = self;
        this.timeout = timeout;
    }

    private Node node() {
        return self.node();
    }

    // ---- Where a process begins.

    /**
     * Refuses a node that serves its guest by itself.
     *
     * @throws IOException with a sentence
     */
    static void requireNoPrimary(final NodeRecord record) throws IOException {
        if (NodeRole.of(record).equals(Optional.of(NodeRole.PRIMARY))) {
            throw new IOException(
                    "this node is a primary, as its state says: start it with 'lockstep node' or"
                            + " 'lockstep primary'; or take its disks out of the pair with"
                            + " 'lockstep state --forget'");
        }
    }

    /**
     * What lay in the buffers in another boot of the host may be lost in part: it all is, unless
     * that has closed them in good order. So it is where their page is gone, without which nobody
     * knows what they are.
     */
    static GroupPage openPage(
            final SecondaryOptions options, final List<Disk> disks, final Self self)
            throws IOException {
        if (GroupPage.isBlank(options.page())) {
            removeBuffers(options);
        }
        final NodeRecord record = self.node().record();
        final GroupPage page =
                GroupPage.open(
                        options.page(),
                        disks,
                        record.node(),
                        record.boot(),
                        record.committedEpoch());
        if (!page.isOfAnotherBoot(record.boot())) {
            return page;
        }
        removeBuffers(options); // and not opened: any part of them may be there
        page.delete();
        return openPage(options, disks, self);
    }

    /** What is beyond the buffers' memory, of the page that was opened. */
    static SpillFolder openSpill(
            final SecondaryOptions options, final GroupPage page, final Self self)
            throws IOException {
        SpillFolder folder = null;
        try {
            folder =
                    SpillFolder.open(
                            options, page, self.node().record().node(), self.reigns().name());
            return folder;
        } finally {
            if (folder == null) {
                page.close();
            }
        }
    }

    private static void removeBuffers(final SecondaryOptions options) throws IOException {
        for (final BufferFiles files : options.buffers()) {
            DiskBuffers.remove(files);
        }
    }

    /**
     * The process ends in good order: where the buffers outlive the boot, the next one has them.
     */
    void keepForNextBoot(
            final List<SecondaryDisk> disks,
            final SpillFolder spill,
            final SecondaryOptions options)
            throws IOException {
        if (options.outlivesBoot()) {
            for (final SecondaryDisk disk : disks) {
                disk.syncBuffers();
            }
            spill.sync();
            page.markClean();
        }
    }

    /** Brings page and record together: one of them may be older, or its storage lost. */
    void resume(final boolean isFormerPrimary) {
        final NodeRecord record = node().record();
        if (isFormerPrimary && record.standing() == Standing.REIGNING) {
            return; // nothing of it counts but the disks, until they are made equal
        }
        if (record.standing().isPrimary()) {
            if (!record.isMerging()) {
                page.state(GroupPage.ALONE); // the buffers, if there are any, are not needed
            } else if (isPageNew()) {
                settle(node().tear()); // the one before knew of buffers with what the disks lack
            } else if (page.state() == GroupPage.ALONE) {
                settle(node().merged());
            } else {
                page.state(GroupPage.FAILED_OVER); // killed when that was recorded
            }
        } else if (record.standing().isSecondary()
                && page.session().isNone()
                && record.leftSession().isNone()) {
            settle(node().tear());
        }
    }

    /** Whether nothing has come since it was made, though replication may have been started. */
    private boolean isPageNew() {
        return page.state() == GroupPage.IDLE
                || page.state() == GroupPage.RUNNING
                        && page.session().isNone()
                        && !page.isOfForeign();
    }

    /** It is done again when the next process begins. */
    private void settle(final CompletableFuture<Void> recorded) {
        recorded.exceptionally(
                thrown -> {
                    group.onNotRecorded(thrown.getMessage());
                    return null;
                });
    }

    // ---- Taking over.

    /** Whether nothing but a living primary would keep it from taking over. */
    boolean hasCheckpoint() {
        return node().standing() == Standing.FOLLOWING;
    }

    /** Whether it may take over now. */
    Verdict verdict() {
        final boolean isOfForeign =
                node().standing() == Standing.FRESH
                        && group.hasBuffers()
                        && (page.isOfForeign() || group.committedEpoch() > 0);
        final Standing standing =
                group.kept().isRecording()
                        ? Standing.INCONSISTENT // as its record says in a moment
                        : isOfForeign ? Standing.FOLLOWING : node().standing();
        final Verdict verdict =
                Verdict.of(standing, group.session().heardNanosAgo(), timeout.nanos());
        final RoomStatus room = group.kept().room();
        return room.isShort() ? verdict.warning(room.warning()) : verdict;
    }

    /**
     * Records that it takes over at the last checkpoint, with a merge before it.
     *
     * @param isForced wherever the node stands when that is recorded: something else may be under
     *     way
     */
    CompletableFuture<Void> takeOver(final boolean isForced) {
        final Reign reign = self.reigns().begin(group.committedEpoch());
        return node().standing() == Standing.FOLLOWING && !isForced
                ? node().promote(reign, true)
                : node().force(self.reigns().name(), reign);
    }

    /** Records that it goes on alone with what the disks hold. */
    CompletableFuture<Void> goAlone() {
        final Reign reign = self.reigns().begin(group.committedEpoch());
        return switch (node().standing()) {
            case FRESH -> CompletableFuture.completedFuture(null);
            case FOLLOWING -> node().promote(reign, false);
            case OUTDATED ->
                    node().force(self.reigns().name(), reign)
                            .thenCompose(forced -> node().merged());
            case INCONSISTENT ->
                    CompletableFuture.failedFuture(
                            new NodeException(
                                    "the disks stand between two checkpoints, and the pre-images to"
                                            + " go back are lost: as plain disks they would be"
                                            + " torn; copy the primary's disk"));
            case REIGNING, ALONE -> CompletableFuture.completedFuture(null);
        };
    }

    /** Records that the merge is done, as often as it takes; the buffers are needed until then. */
    void merged(final Runnable whenRecorded) {
        node().merged()
                .whenComplete(
                        (done, thrown) -> {
                            if (thrown == null) {
                                whenRecorded.run();
                            } else {
                                group.onNotRecorded(thrown.getMessage());
                                loop.schedule(AGAIN_NANOS, () -> merged(whenRecorded));
                            }
                        });
    }

    NodeStatus status(final long lostNanos, final long lostLength, final long lostWrites) {
        return new NodeStatus(
                node().record(),
                "",
                Optional.empty(),
                Optional.of(verdict()),
                new NodeStatus.Loss(lostNanos, lostLength, lostWrites),
                Optional.of(group.kept().room()));
    }
}

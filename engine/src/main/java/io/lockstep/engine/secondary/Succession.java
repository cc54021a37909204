package io.lockstep.engine.secondary;

import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.RoomStatus;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Meeting;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeException;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.NodeRole;
import io.lockstep.engine.node.Reign;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Verdict;
import io.lockstep.engine.tracking.PeerKnowledge;
import io.lockstep.engine.tracking.Tracking;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

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
    private final SecondaryOptions options;
    private final Sharing sharing;

    /** Whether the record does not say yet that the node has nothing to go back to. */
    private boolean isTearing;

    private boolean isTearLate;

    /** Whether a primary has asked for a disk that has data, before the node was in a pair. */
    private boolean isAskedForData;

    Succession(
            final SecondaryGroup group,
            final IoLoop loop,
            final GroupPage page,
            final Self self,
            final SecondaryOptions options) {
        this.group = group;
        this.loop = loop;
        this.page = page;
        this.self = self;
        this.options = options;
        sharing = new Sharing(options.shared(), page);
    }

    /** Whether its disks are its primary's, too, and what follows from that. */
    Sharing sharing() {
        return sharing;
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

    /**
     * The process ends in good order: where the buffers outlive the boot, the next one has them.
     */
    void keepForNextBoot(final List<SecondaryDisk> disks, final SpillFolder spill)
            throws IOException {
        if (options.outlivesBoot()) {
            for (final SecondaryDisk disk : disks) {
                disk.syncBuffers();
            }
            spill.sync();
            page.markClean();
        }
    }

    /** The page says how new the record is that belongs to the buffers. */
    void keepRecordNumber() {
        node().onStored(
                        number -> {
                            if (!group.isClosed() && group.hasBuffers()) {
                                page.recordNumber(number);
                            }
                        });
    }

    /** The node is another one, whose disks may be overwritten once; not while they are used. */
    CompletableFuture<Void> giveWay(final Tracking tracking, final SpillFolder spill) {
        if (group.isOver() || group.session().isLinked()) {
            return CompletableFuture.failedFuture(
                    new GroupException(
                            group.isOver()
                                    ? "replication has ended here, and the guest is served: "
                                            + group.ending()
                                            + "; to have its disks overwritten, "
                                            + Meeting.HOW_TO_GIVE_WAY
                                    : "a primary is linked: there is nothing to join"));
        }
        return node().join(self.reigns().name())
                .thenRun(
                        () -> {
                            tracking.forget();
                            if (group.hasBuffers()) {
                                page.node(node().record().node());
                                spill.node(node().record().node());
                            }
                        })
                .thenCompose(joined -> node().haveBuffers());
    }

    /**
     * Brings page and record together: one of them may be older, or its storage lost.
     *
     * @param isPutBack whether the record is the older one
     * @throws IOException where disks that it has taken over can't be written
     */
    void resume(final boolean isPutBack) throws IOException {
        bringTogether(isPutBack);
        if (page.state() == GroupPage.FAILED_OVER || page.state() == GroupPage.ALONE) {
            sharing.goOn();
        }
    }

    private void bringTogether(final boolean isPutBack) {
        final NodeRecord record = node().record();
        final boolean isDistrusted =
                isPutBack
                        && !isFormerPrimary()
                        && (record.standing().isSecondary() || record.isMerging());
        if (isDistrusted) {
            tear(node()::distrust); // until that is stored the page says that the record is older
        } else {
            page.recordNumber(node().number());
        }
        if (!record.former().isNone()) {
            settle(node().haveBuffers());
        }
        if (isFormerPrimary() || isDistrusted) {
            return; // nothing of it counts but the disks, until they are made equal
        }
        if (record.standing().isPrimary()) {
            if (!record.isMerging()) {
                page.state(GroupPage.ALONE); // the buffers, if there are any, are not needed
            } else if (isPageNew()) {
                tear(node()::tear); // the one before knew of buffers with what the disks lack
            } else if (page.state() == GroupPage.ALONE) {
                settle(node().merged());
            } else {
                page.state(GroupPage.FAILED_OVER); // killed when that was recorded
            }
        } else if (record.standing().isSecondary()
                && page.session().isNone()
                && record.leftSession().isNone()) {
            tear(node()::tear);
        }
    }

    /**
     * A secondary changes nothing by itself; but one that has given its own way up has, and its
     * primary reads what.
     */
    void forgetNotes() {
        if (node().standing().isConsistent() && node().record().concession().isNone()) {
            group.tracking().forget();
        }
    }

    /** Whether it was the primary, and waits to be made equal by the one that took over. */
    boolean isFormerPrimary() {
        return options.ofFormerPrimary() && node().standing() == Standing.REIGNING;
    }

    /**
     * The node has nothing to go back to, whatever its record says until that is stored; which is
     * tried until it is.
     */
    private void tear(final Supplier<CompletableFuture<Void>> happening) {
        isTearing = true;
        loop.after(
                happening.get(),
                (done, thrown) -> {
                    isTearing = thrown != null;
                    isTearLate = isTearing;
                    if (isTearing && !group.isClosed()) {
                        group.onNotRecorded(thrown.getMessage());
                        loop.schedule(AGAIN_NANOS, () -> tearAgain(happening));
                    }
                });
    }

    /**
     * Whether what the node is becomes known in a moment: its tear is being recorded, and nobody
     * knows yet that it can't be; or it has taken over, and handed over since.
     */
    boolean isChanging() {
        return isTearing && !isTearLate || group.isOver() && node().standing().isSecondary();
    }

    private void tearAgain(final Supplier<CompletableFuture<Void>> happening) {
        if (group.isClosed() || node().standing().isPrimary() && group.isOver()) {
            return; // it was forced to take over with what there is, which is recorded
        }
        if (group.isOver()) {
            loop.schedule(AGAIN_NANOS, () -> tearAgain(happening)); // somebody is about to
        } else {
            tear(happening);
        }
    }

    /**
     * Whether nothing has come to a node that was never in a pair, and its buffers, which are all
     * in a directory of their own, have nothing.
     */
    boolean isWithoutPast() {
        return options.ownDirectory()
                && group.hasBuffers()
                && !group.isOver()
                && node().standing() == Standing.FRESH
                && isPageNew()
                && group.sealedEpoch() == 0
                && group.status().bufferUsed() == 0;
    }

    /** Why no primary is taken yet; null where one is. */
    String refuseForNow() {
        return isTearLate
                ? "the secondary's state can't be recorded, and its disks need a record that says"
                        + " that they are no checkpoint: see to the storage of its state"
                : null;
    }

    /** What a node says of itself: that it has nothing to go back to, before that is stored. */
    Summary summary(final long committedEpoch, final Id session, final boolean isEmpty) {
        final Id peer = node().record().peer();
        final PeerKnowledge known = group.tracking().knowledge();
        final Summary said =
                Summary.of(
                                node().record(),
                                committedEpoch,
                                session,
                                known.trackedEpoch(peer),
                                isEmpty)
                        .trackedFrom(known.trackedFrom(peer))
                        .with(self.stance().now());
        isAskedForData |= node().standing() == Standing.FRESH && !isEmpty;
        return isTearing ? said.torn() : said;
    }

    /**
     * Why the primaries that ask are refused, where somebody has to say something on this side;
     * otherwise empty.
     */
    String refusalOfPrimaries() {
        final boolean isJoinAwaited =
                isAskedForData
                        && !group.isOver()
                        && node().standing() == Standing.FRESH
                        && !node().record().isJoining();
        return isJoinAwaited
                ? "a primary has asked for this node, and is not taken: "
                        + group.disks().namesWithData()
                        + " of its own; if that may be overwritten, say 'lockstep join' here, once:"
                        + " what is equal is not sent. A primary that has given up is started again"
                : "";
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

    /** Where it stands, though the record may say so in a moment only. */
    Standing standing() {
        return isTearing ? Standing.INCONSISTENT : node().standing();
    }

    /** Whether nothing but a living primary would keep it from taking over. */
    boolean hasCheckpoint() {
        return standing() == Standing.FOLLOWING;
    }

    /** Whether it may take over now. */
    Verdict verdict() {
        if (isFormerPrimary() && !group.isOver()) {
            return Verdict.ofFormerPrimary();
        }
        final boolean isOfForeign =
                node().standing() == Standing.FRESH
                        && group.hasBuffers()
                        && (page.isOfForeign() || group.committedEpoch() > 0);
        if (!node().record().concession().isNone() && standing().isConsistent()) {
            return Verdict.ofConceded();
        }
        final Standing standing =
                isTearing || group.kept().isRecording()
                        ? Standing.INCONSISTENT // as its record says in a moment
                        : isOfForeign ? Standing.FOLLOWING : node().standing();
        final Verdict verdict =
                Verdict.of(
                        standing, group.session().heardNanosAgo(), options.peerTimeout().nanos());
        final RoomStatus room = group.kept().room();
        return sharing.judge(standing, room.isShort() ? verdict.warning(room.warning()) : verdict);
    }

    /**
     * Records that it takes over at the last checkpoint, with a merge before it.
     *
     * @param isForced wherever the node stands when that is recorded: something else may be under
     *     way
     */
    CompletableFuture<Void> takeOver(final boolean isForced) {
        try {
            sharing.takeOver();
        } catch (final GroupException e) {
            return CompletableFuture.failedFuture(e);
        }
        final Reign begun = self.reigns().begin(group.committedEpoch());
        final Reign reign = isTearing ? begun.torn() : begun;
        return node().standing() == Standing.FOLLOWING && !isForced
                ? node().promote(reign, true)
                : node().force(self.reigns().name(), reign);
    }

    /** Records that it goes on alone with what the disks hold. */
    CompletableFuture<Void> goAlone() {
        final Reign reign = self.reigns().begin(group.committedEpoch());
        return switch (standing()) {
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
        loop.after(
                node().merged(),
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
                Optional.of(group.kept().room()),
                "");
    }
}

package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.server.ServedExport;

import java.util.Arrays;
import java.util.List;

/**
 * Judges what two nodes do to their guests' data, by what the guests were told and by what the
 * disks hold: I10 to I13; of a pair each of which has disks of its own. It trusts no record, but
 * where it judges that one was not obeyed.
 */
class LivesJudge {
    static AssertionError broken(final String invariant, final String sentence) {
        return new AssertionError(invariant + ": " + sentence);
    }

    static void judge(final String invariant, final Runnable check) {
        try {
            check.run();
        } catch (final AssertionError wrong) {
            throw new AssertionError(invariant + ": " + wrong.getMessage(), wrong);
        }
    }

    // ---- A process begins, and is looked at.

    /** A disk as a process has it open. */
    Disk opened(final LivesProcess process, final Disk disk) {
        return disk;
    }

    /** A secondary opens its disks again, to write. */
    void onReopened(final LivesSecondary secondary) {}

    /** The stream's end of a disk, which is listened to. */
    ServedExport heard(final ServedExport stream, final StreamTap tap) {
        return TappedControl.export(stream, tap);
    }

    /** After every event, as long as it follows. */
    void observe(final LivesSecondary secondary) {}

    /**
     * It may have taken over in another life, which was killed before anybody could look: the merge
     * is done, and the disks hold what a guest found.
     */
    void onPrimaryBegins(final LivesPrimary primary) {
        final LivesNode node = primary.node();
        if (primary.record().standing().isPrimary()
                && node.takeover().isPresent()
                && node.disks().getFirst().view() == null) {
            onTakenOverBefore(primary, node.disks().stream().map(LivesDisk::content).toList());
        }
        node.takeoverIsSettled();
    }

    // ---- A guest is served.

    /** Whatever the guest was told before is so. */
    void onPrimaryServes(final LivesPrimary primary) {
        if (primary.record().isMerging()) {
            throw broken(
                    "I13",
                    primary.node() + " serves a disk, and the buffers hold what belongs into it");
        }
        foundAgain(primary.node());
        for (final LivesDisk disk : primary.node().disks()) {
            if (disk.view() == null) {
                disk.view(disk.content());
            }
            judge("I12, a primary serves", () -> disk.view().checkCurrent(disk.medium().current()));
        }
    }

    /** What the loss of power left of a merge. */
    private static void foundAgain(final LivesNode node) {
        if (node.isMergeLost()) {
            for (final LivesDisk disk : node.disks()) {
                if (disk.view() != null) {
                    judge(
                            "I12, the merge was cut by the loss of power",
                            () -> disk.view().checkDurable(disk.medium().durable()));
                    disk.view().restart(disk.medium().current());
                }
            }
            node.mergeIsSettled();
        }
    }

    /** A node that took over in another life serves again. */
    void onPromotedServes(final LivesSecondary secondary) {
        final LivesNode node = secondary.node();
        if (!secondary.isMerging()) {
            foundAgain(node);
        }
    }

    /**
     * Whether what it answers by itself is promised: in a checkpoint, as {@link Promises} judges.
     */
    private static boolean isInCheckpoint(final LivesPrimary primary) {
        return primary.group().status().acknowledging().level().level() == AckLevel.Level.WRITE;
    }

    /** A primary has told its guest that a write is done. */
    void onAcknowledged(final LivesPrimary primary) {
        if (primary.knowsNewer()) {
            throw broken(
                    "I11", primary.node() + " acknowledges a write, and its peer has taken over");
        }
        if (primary.isRoleTaken() && !primary.node().peer().isRestored()) {
            throw broken(
                    "I11",
                    primary.node()
                            + " acknowledges a write, and its peer has taken over from it, as it"
                            + " asked");
        }
        final boolean isThere =
                isInCheckpoint(primary)
                        || primary.isLinked()
                        || primary.node()
                                .peer()
                                .secondary()
                                .filter(LivesSecondary::isLinked)
                                .isPresent(); // told before status says so
        if (!isThere && !primary.mayGoOnAlone()) {
            throw broken(
                    "I10",
                    primary.node()
                            + " acknowledges a write that its peer may not get, and nobody has said"
                            + " that it goes on alone");
        }
        final boolean isKnown =
                isThere
                        || primary.node()
                                .state()
                                .durableRecord()
                                .filter(record -> record.standing() == Standing.ALONE)
                                .isPresent();
        if (!isKnown) {
            throw broken(
                    "I10",
                    primary.node()
                            + " acknowledges a write that its peer may not get, and nothing that"
                            + " survives the loss of power says so");
        }
    }

    // ---- Two meet.

    /** The secondary takes the primary's writes from now on. */
    void onLinked(final LivesSecondary secondary, final boolean wasFresh) {
        final LivesNode node = secondary.node();
        final LivesPrimary primary =
                node.peer()
                        .lastPrimary()
                        .orElseThrow(() -> broken("I10", "nobody is the primary of " + node));
        node.isFollowing(primary.record().node());
        requireNothingUndone(node);
        node.promises().forget();
        node.peer().promises().onPeerFollows();
        final boolean isSame = node.isLinkedBefore(primary);
        if (primary.isSynchronising()) {
            beginsToBeEqual(secondary, wasFresh, isSame);
            return;
        }
        node.reached()
                .note(
                        wasFresh
                                ? LivesLine.PAIR
                                : isSame ? LivesLine.GO_ON_FROM_LOG : LivesLine.GO_ON);
        for (final LivesDisk disk : node.disks()) {
            disk.leave();
            if (wasFresh) {
                disk.tap().forget();
            }
            if (!isSame) {
                disk.tap().restart(disk.content());
            }
            if (wasFresh || disk.checkpoint() == null) {
                disk.checkpointHere();
            }
        }
    }

    /** I10: what a guest of it was told is there when it begins to follow. */
    final void requireNothingUndone(final LivesNode node) {
        if (node.acknowledged() > 0) {
            throw broken(
                    "I10",
                    node.acknowledged()
                            + " acknowledged writes of "
                            + node
                            + " are undone by a meeting");
        }
    }

    /**
     * It holds what it holds: a checkpoint stays, and there is none where it has none. What the
     * same primary has made one is one, also before that is recorded.
     */
    private static void beginsToBeEqual(
            final LivesSecondary secondary, final boolean wasFresh, final boolean isSame) {
        final LivesNode node = secondary.node();
        node.reached().note(wasFresh ? LivesLine.FIRST_SYNCHRONISATION : LivesLine.SYNCHRONISE);
        for (final LivesDisk disk : node.disks()) {
            disk.leave();
            disk.tap().restart(disk.content()); // also where it is the same: it may have crashed
            disk.tap().forgetSealsFrom(secondary.group().status().openEpoch());
            if (!isSame && secondary.record().standing() == Standing.INCONSISTENT) {
                disk.forgetCheckpoint();
            }
        }
    }

    /** The secondary has dropped the pre-images of an epoch. */
    void onCommitted(final LivesSecondary secondary, final long epoch) {
        final LivesNode node = secondary.node();
        for (int i = 0; i < node.disks().size(); i++) {
            final LivesDisk disk = node.disks().get(i);
            final DiskModel seal = node.peer().disks().get(i).seals().get(epoch);
            final byte[] content = disk.tap().sealed(epoch);
            if (seal == null || content == null) {
                throw broken("I10", node + " commits epoch " + epoch + ", which nobody has sealed");
            }
            judge("I10, commit of epoch " + epoch, () -> seal.checkContent(content));
            disk.checkpoint(seal, content);
        }
        judge("acknowledged", node.peer().promises()::onPeersCheckpoint);
    }

    /** Nothing is under way, and both are linked. */
    void checkEqual(final LivesNode primary, final LivesNode secondary) {
        for (int i = 0; i < primary.disks().size(); i++) {
            final LivesDisk one = primary.disks().get(i);
            judge("I10", () -> one.view().checkCurrent(one.medium().current()));
            final byte[] left = one.content();
            final byte[] right = secondary.disks().get(i).content();
            final int at = Arrays.mismatch(left, right);
            if (at >= 0) {
                throw broken(
                        "I10",
                        "the disks "
                                + one.name()
                                + " of two nodes that replicate differ at byte "
                                + at);
            }
        }
    }

    // ---- One takes over.

    /** A failover was accepted. */
    void onTakesOver(
            final LivesSecondary secondary,
            final NodeRecord before,
            final boolean isBesideLiving,
            final boolean isForced) {
        final LivesNode node = secondary.node();
        if (isForced) {
            return;
        }
        final boolean hasNone = // what was put back from a copy nobody here has seen
                !node.isRestored()
                        && node.disks().stream().anyMatch(disk -> disk.checkpoint() == null);
        if (before.standing() != Standing.FOLLOWING || hasNone) {
            throw broken(
                    "I11",
                    node
                            + " takes over as one that is "
                            + before.standing()
                            + (hasNone ? ", and has no checkpoint" : ""));
        }
        if (isBesideLiving) {
            throw broken("I11", node + " takes over beside a primary that is linked and alive");
        }
        if (!node.isRestored() && !node.peer().isRestored() && isLeftBehind(node, before)) {
            throw broken("I11", node + " takes over, and has told the primary that it will not");
        }
    }

    private static boolean isLeftBehind(final LivesNode node, final NodeRecord before) {
        return node.peer()
                .record()
                .filter(peer -> peer.isPeerOut() && peer.standing().isPrimary())
                .filter(peer -> peer.peer().equals(before.node()))
                .filter(peer -> peer.group().equals(before.group()))
                .isPresent();
    }

    /** A primary is one no more, as it has recorded: somebody else is, whatever is lost now. */
    void onHandedOver(final LivesPrimary primary) {
        final boolean isTaken =
                primary.isRoleTaken() // and whoever took it has perhaps lost it since
                        || primary.node()
                                .peer()
                                .state()
                                .durableRecord()
                                .filter(record -> record.standing().isPrimary())
                                .isPresent();
        if (!isTaken) {
            throw broken(
                    "I11",
                    primary.node() + " hands over to one that has not recorded that it takes over");
        }
    }

    /**
     * A secondary has taken what its primary has handed over: all that the primary's guest was told
     * is there, and what that has flushed is on stable storage.
     */
    void onRoleTaken(final LivesSecondary secondary) {
        final LivesNode node = secondary.node();
        node.reached().note(LivesLine.ROLE_TAKEN);
        for (int i = 0; i < node.disks().size(); i++) {
            final LivesDisk disk = node.disks().get(i);
            final LivesDisk before = node.peer().disks().get(i);
            final byte[] content = disk.content();
            judge("I11, switchover", () -> disk.checkpoint().checkContent(content));
            if (before.view() != null) {
                judge("I5, switchover", () -> before.view().checkContent(content));
                judge("I12, switchover", () -> before.view().checkDurable(disk.medium().durable()));
            }
            disk.view(content);
        }
        tookOver(node);
        node.peer().primary().ifPresent(LivesPrimary::roleIsTaken);
        node.peer().hasHandedOver();
    }

    /**
     * Looks whether what the guest finds has all that the former primary's was told: so it is where
     * that had just handed over, and whoever took it was killed, or ordered to.
     */
    private static void lookWhetherAll(final LivesNode node, final List<byte[]> contents) {
        if (!node.switchesRoles()) {
            return;
        }
        try {
            for (int i = 0; i < contents.size(); i++) {
                final LivesDisk before = node.peer().disks().get(i);
                if (before.view() != null) {
                    before.view().checkContent(contents.get(i));
                }
            }
            node.peer().hasHandedOver();
        } catch (final AssertionError somethingLacks) {
            return; // the former primary must not follow then
        }
    }

    /** This is what its guest finds. */
    void onTakenOver(
            final LivesSecondary secondary,
            final NodeRecord before,
            final boolean isForced,
            final List<byte[]> contents) {
        final List<LivesDisk> disks = secondary.node().disks();
        secondary.node().mergeIsSettled();
        secondary.node().keepsItsWay();
        lookWhetherAll(secondary.node(), contents);
        secondary.node().takeoverIsSettled();
        secondary
                .node()
                .peer()
                .promises()
                .onPeerTookOver(
                        contents, mayReturn(before) && hasCheckpoint(secondary.node()), isForced);
        for (int i = 0; i < disks.size(); i++) {
            final LivesDisk disk = disks.get(i);
            final byte[] content = contents.get(i);
            final boolean isCheckpoint =
                    before.standing() == Standing.FOLLOWING
                            || before.standing() == Standing.OUTDATED && disk.checkpoint() != null;
            if (isCheckpoint && disk.checkpoint() != null) {
                judge("I11, failover", () -> disk.checkpoint().checkContent(content));
            }
            disk.view(content);
        }
    }

    /** The same of one that was killed when that was recorded, and comes back. */
    void onTakenOverBefore(final LivesProcess process, final List<byte[]> contents) {
        final LivesNode node = process.node();
        node.mergeIsSettled();
        node.keepsItsWay();
        lookWhetherAll(node, contents);
        final boolean isForced =
                node.takeover()
                        .map(LivesNode.Takeover::isForced)
                        .orElse(process.record().isForced());
        final boolean isCheckpoint =
                node.takeover().map(LivesNode.Takeover::isReturn).orElse(!isForced);
        node.takeoverIsSettled();
        node.peer()
                .promises()
                .onPeerTookOver(contents, isCheckpoint && hasCheckpoint(node), isForced);
        for (int i = 0; i < contents.size(); i++) {
            final LivesDisk disk = node.disks().get(i);
            final byte[] content = contents.get(i);
            if (isCheckpoint && disk.checkpoint() != null) {
                judge("I11, failover", () -> disk.checkpoint().checkContent(content));
            }
            disk.view(content);
        }
    }

    /** Whether one with such a record returns to a checkpoint, if it has one. */
    static boolean mayReturn(final NodeRecord before) {
        return before.standing() == Standing.FOLLOWING || before.standing() == Standing.OUTDATED;
    }

    static boolean hasCheckpoint(final LivesNode node) {
        return node.disks().stream().allMatch(disk -> disk.checkpoint() != null);
    }

    private static void tookOver(final LivesNode node) {
        node.peer()
                .promises()
                .onPeerTookOver(
                        node.disks().stream().map(LivesDisk::content).toList(), true, false);
    }

    /** Replication was stopped on the secondary: its disks hold what the primary wrote last. */
    void onStopped(final LivesSecondary secondary) {
        secondary.node().mergeIsSettled();
        secondary.node().takeoverIsSettled();
        for (final LivesDisk disk : secondary.node().disks()) {
            disk.view(disk.content());
        }
        tookOver(secondary.node());
    }
}

package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.server.ServedExport;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The same of a pair whose disks both hosts see. What a checkpoint holds is what a failover would
 * leave when it is made, which must be possible for the primary's guest at the seal, and from then
 * on it must stay that, whatever is overwritten (I1, I3); one process at a time writes (I11); and
 * nothing of the disks ever comes over the link.
 */
final class SharedLivesJudge extends LivesJudge {
    /** How likely it is that a checkpoint is looked at when it is made. */
    private static final double JUDGED_AT_ONCE = 0.2;

    private final Dice dice;

    /** Which epoch's checkpoint is known, by node. */
    private final Map<LivesNode, Long> epochs = new HashMap<>();

    private final Set<LivesProcess> reopened = new HashSet<>();

    /** Those after which another one has written. */
    private final Set<LivesProcess> deposed = new HashSet<>();

    /** Who wrote last. */
    private LivesProcess writer;

    /** Whether somebody has said that the primary goes on alone, and the two have not met since. */
    private boolean isWordGiven;

    SharedLivesJudge(final Dice dice) {
        this.dice = dice;
    }

    // ---- Who writes.

    @Override
    Disk opened(final LivesProcess process, final Disk disk) {
        return new WatchedDisk(disk, what -> onChange(process, what));
    }

    @Override
    void onReopened(final LivesSecondary secondary) {
        reopened.add(secondary);
    }

    @SuppressWarnings("ReferenceEquality") // a process equals itself alone
    private void onChange(final LivesProcess process, final String what) {
        if (process instanceof LivesSecondary && !reopened.contains(process)) {
            throw broken(
                    "I3", "a " + what + " of " + process.node() + ", which has its disks to read");
        }
        if (process == writer) {
            return;
        }
        if (deposed.contains(process) || writer != null && !isOver(writer)) {
            throw broken(
                    "I11", "a " + what + " of " + process.node() + " while another one writes");
        }
        if (writer != null) {
            deposed.add(writer);
        }
        writer = process;
    }

    private static boolean isOver(final LivesProcess process) {
        return process.hasEnded()
                || process instanceof LivesPrimary primary
                        && (primary.isRoleTaken() || primary.isOver());
    }

    @Override
    ServedExport heard(final ServedExport stream, final StreamTap tap) {
        final Disk disk =
                new WatchedDisk(
                        stream.disk(),
                        what -> {
                            throw broken("shared", "a " + what + " comes over the link");
                        });
        return new ServedExport(
                stream.export(),
                disk,
                stream.loop(),
                stream.control(),
                stream.policy(),
                stream.counters());
    }

    /** What it found is not to be seen any more: its peer may have written the disks since. */
    @Override
    void onPrimaryBegins(final LivesPrimary primary) {}

    @Override
    void onPrimaryServes(final LivesPrimary primary) {
        if (primary.node().peer().isMergeLost() || primary.node().isMergeLost()) {
            throw broken("I11", primary.node() + " serves a disk that is rolled back in part");
        }
        super.onPrimaryServes(primary);
    }

    // ---- Checkpoints.

    /** Somebody says that a primary goes on alone: its secondary must not take over unforced. */
    void wordIsGiven() {
        isWordGiven = true;
    }

    @Override
    void onLinked(final LivesSecondary secondary, final boolean wasFresh) {
        final LivesNode node = secondary.node();
        requireNothingUndone(node);
        isWordGiven = false;
        node.reached().note(wasFresh ? LivesLine.PAIR : LivesLine.GO_ON);
        node.promises().forget();
        node.peer().promises().onPeerFollows();
        node.disks().forEach(LivesDisk::leave);
    }

    /** What it is is seen where the node stands at it. */
    @Override
    void onCommitted(final LivesSecondary secondary, final long epoch) {}

    @Override
    void observe(final LivesSecondary secondary) {
        final LivesNode node = secondary.node();
        if (secondary.record().standing() != Standing.FOLLOWING || !isAnnounced(node.peer())) {
            node.disks().forEach(LivesDisk::forgetCheckpoint);
            return;
        }
        final long epoch = secondary.group().status().committedEpoch();
        final boolean isKnown = hasCheckpoint(node) && epochs.getOrDefault(node, 0L) == epoch;
        if (epoch > 0 && !isKnown && secondary.isStandby() && !secondary.isTorn()) {
            epochs.put(node, epoch);
            secondary.judged(() -> onCheckpoint(secondary, epoch));
        }
    }

    /** Whether its primary overwrites nothing that it has not announced. */
    private boolean isAnnounced(final LivesNode primary) {
        return !isWordGiven
                && primary.lastPrimary()
                        .filter(
                                last ->
                                        last.record().standing() != Standing.ALONE
                                                || !last.mayGoOnAlone())
                        .isPresent();
    }

    private void onCheckpoint(final LivesSecondary secondary, final long epoch) {
        final LivesNode node = secondary.node();
        for (int i = 0; i < node.disks().size(); i++) {
            final DiskModel seal = node.peer().disks().get(i).seals().get(epoch);
            if (seal == null) {
                throw broken("I10", node + " commits epoch " + epoch + ", which nobody has sealed");
            }
            node.disks().get(i).checkpoint(seal, null);
        }
        if (node.peer().promises().areMade() || dice.chance(JUDGED_AT_ONCE)) {
            lookAt(secondary);
            judge("acknowledged", node.peer().promises()::onPeersCheckpoint);
        }
    }

    /** What a failover would leave is its checkpoint, from now on byte by byte. */
    private static void lookAt(final LivesSecondary secondary) {
        final List<byte[]> contents = secondary.imaginedFailover();
        for (int i = 0; i < contents.size(); i++) {
            final LivesDisk disk = secondary.node().disks().get(i);
            final byte[] content = contents.get(i);
            judge("I1, what if it were killed", () -> disk.checkpoint().checkContent(content));
            disk.checkpoint(new DiskModel(disk.name(), content, 0), content);
        }
    }

    /** What if it were killed at this instant? */
    void checkWhatIfKilled(final LivesNode node) {
        node.secondary().ifPresent(this::observe);
        node.secondary()
                .filter(secondary -> secondary.isStandby() && hasCheckpoint(node))
                .ifPresent(SharedLivesJudge::lookAt);
    }

    // ---- One takes over.

    @Override
    void onTakesOver(
            final LivesSecondary secondary,
            final NodeRecord before,
            final boolean isBesideLiving,
            final boolean isForced) {
        super.onTakesOver(secondary, before, isBesideLiving, isForced);
        if (!isForced && !secondary.isPeerFenced()) {
            throw broken(
                    "I11", secondary.node() + " takes over, and its primary may write its disks");
        }
    }

    /** What its guest finds nobody else's may change. */
    @Override
    void onRoleTaken(final LivesSecondary secondary) {
        super.onRoleTaken(secondary);
        final LivesNode former = secondary.node().peer();
        former.primary().flatMap(LivesProcess::guest).ifPresent(LivesGuest::rest);
        former.disks().forEach(LivesDisk::leave);
    }

    /** One that is forced to, against its verdict, finds what the primary has left. */
    @Override
    void onTakenOver(
            final LivesSecondary secondary,
            final NodeRecord before,
            final boolean isForced,
            final List<byte[]> contents) {
        final LivesNode node = secondary.node();
        if (isForced) {
            node.disks().forEach(LivesDisk::forgetCheckpoint);
            for (int i = 0; i < contents.size(); i++) {
                final DiskModel left = node.peer().disks().get(i).view();
                final byte[] content = contents.get(i);
                if (left != null) {
                    judge("I5, a forced failover", () -> left.checkContent(content));
                }
            }
        }
        super.onTakenOver(secondary, before, isForced, contents);
        node.peer().isRolledBack();
    }

    @Override
    void onTakenOverBefore(final LivesProcess process, final List<byte[]> contents) {
        super.onTakenOverBefore(process, contents);
        process.node().peer().isRolledBack();
    }
}

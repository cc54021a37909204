package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Meeting;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Word;

import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * What a node has promised to its guest while it was a primary, through all of its lives; its peer
 * has to keep it. See {@link Promises}.
 */
final class LivesPromises implements Promises.Keeper {
    private final LivesNode node;
    private final Promises promises;

    /** Of the stories in which levels are chosen; null in others. */
    private LivesLevels levels;

    LivesPromises(final LivesNode node) {
        this.node = node;
        promises = new Promises(node.reached().promises(), this);
    }

    /** Levels are chosen from now on. */
    void choose(final LivesLevels ofStory) {
        levels = ofStory;
    }

    boolean areMade() {
        return levels != null;
    }

    // ---- The node as a primary.

    /** A process begins; answers at which level. */
    AckLevel begin(final LivesPrimary primary) {
        if (levels == null) {
            return AckLevel.LOCAL;
        }
        final Promises.Giver giver =
                new Promises.Giver() {
                    @Override
                    public GroupStatus.Acknowledging acknowledging() {
                        return primary.group().status().acknowledging();
                    }

                    @Override
                    public boolean isRecordedAlone() {
                        return node.state()
                                .durableRecord()
                                .filter(record -> record.standing() == Standing.ALONE)
                                .isPresent();
                    }

                    @Override
                    public boolean hasEnded() {
                        return primary.hasEnded();
                    }

                    @Override
                    public void judged(final Runnable judgement) {
                        primary.judged(judgement);
                    }
                };
        promises.begin(giver, levels.ofUnits());
        return levels.ofUnits();
    }

    /** Another one holds from now on. */
    void level(final AckLevel level) {
        if (levels != null) {
            promises.level(level);
        }
    }

    /** Its guest is served these. */
    List<Disk> serve(final List<Disk> disks) {
        if (levels == null) {
            return disks;
        }
        promises.serve(node.disks().stream().map(LivesDisk::name).toList(), contents(node));
        return IntStream.range(0, disks.size())
                .<Disk>mapToObj(i -> new PromisedDisk(disks.get(i), promises, i))
                .toList();
    }

    /** Its process or its host has ended. */
    void onEnded() {
        promises.end(contents(node));
    }

    /** What its disks hold is of no meaning for what was promised before, nor its peer's. */
    void forget() {
        promises.forget();
    }

    private static List<byte[]> contents(final LivesNode of) {
        return of.disks().stream().map(LivesDisk::content).toList();
    }

    // ---- Its peer, which keeps them.

    @Override
    public Optional<List<byte[]>> checkpoint() {
        final List<LivesDisk> disks = node.peer().disks();
        return disks.stream().allMatch(disk -> disk.checkpointContent() != null)
                ? Optional.of(disks.stream().map(LivesDisk::checkpointContent).toList())
                : Optional.empty();
    }

    @Override
    public List<byte[]> onStableStorage() {
        return node.peer().disks().stream().map(LivesDisk::durable).toList();
    }

    @Override
    public boolean isFoundOut() {
        final Optional<NodeRecord> own = node.state().durableRecord();
        final Optional<NodeRecord> newer = node.peer().state().durableRecord();
        return own.isEmpty()
                || newer.isEmpty()
                || !Meeting.of(summary(newer.get()), summary(own.get()), Word.NONE).isAgreed();
    }

    private static Summary summary(final NodeRecord record) {
        return Summary.of(record, record.committedEpoch(), Id.NONE, -1, false);
    }

    /** The peer has made a checkpoint. */
    void onPeersCheckpoint() {
        checkpoint().ifPresent(promises::onCheckpoint);
    }

    /** The peer has lost its power. */
    void onPeerLostPower() {
        promises.onPowerLost(onStableStorage());
    }

    /** The peer has taken over, and its guest finds this. */
    void onPeerTookOver(
            final List<byte[]> contents, final boolean isCheckpoint, final boolean isForced) {
        promises.onTakenOver(contents, isCheckpoint, isForced);
    }

    /** The peer follows. */
    void onPeerFollows() {
        promises.onFollowed();
    }
}

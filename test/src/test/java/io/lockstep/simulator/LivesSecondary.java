package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.secondary.SecondaryGroup;
import io.lockstep.engine.secondary.SecondaryOptions;
import io.lockstep.engine.secondary.StreamPlace;
import io.lockstep.engine.server.ConnectionLimit;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.server.ServerEvents;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** A process of {@code lockstep secondary}. */
final class LivesSecondary extends LivesProcess implements ServerEvents {
    private static final int CONNECTIONS_MAX = 20;
    private static final long MERGE_NANOS_MAX = 30 * Simulation.SECOND;

    private SecondaryGroup group;
    private LivesNode.Arguments begunWith;
    private boolean wasFresh;
    private boolean isAsked;

    /** Whether somebody has said so, and nothing has come since that takes it back. */
    private boolean isPeerFenced;

    private boolean wasLinked;

    private boolean hasTakenOver;

    /** How often its primary was lost. */
    private int unlinkedCount;

    LivesSecondary(final LivesNode node) {
        super(node);
    }

    @Override
    void openGroup(final LivesNode.Arguments arguments) throws IOException {
        begunWith = arguments;
        wasFresh = record().standing() == Standing.FRESH;
        group =
                SecondaryGroup.open(
                        loop(),
                        media(),
                        StreamPlace.on(loop(), media()),
                        self(),
                        node().tracking(),
                        options(arguments),
                        (event, disk, epoch, sentence) -> {
                            if (!hasEnded()) {
                                onEvent(event, sentence);
                                hear(event, epoch);
                            }
                        });
        if (node().switchesRoles()) {
            group.allowRoleTaking();
        }
        if (group.status().state() == GroupStatus.State.IDLE) {
            group.start();
        }
        final List<ServedExport> streams = new ArrayList<>();
        for (int i = 0; i < media().size(); i++) {
            streams.add(
                    node().judge()
                            .heard(group.streamExports().get(i), node().disks().get(i).tap()));
        }
        final NbdServer server =
                new NbdServer(loop(), streams, new ConnectionLimit(CONNECTIONS_MAX), this);
        node().host().onStop(server::abort);
        loop().listen(node().endpoint(), connection -> connection.open(loop(), server::connect));
    }

    private SecondaryOptions options(final LivesNode.Arguments arguments) {
        final SecondaryOptions own = node().options(arguments);
        final SecondaryOptions options =
                node().shares() ? own.sharing(() -> node().judge().onReopened(this)) : own;
        return arguments.isFormer() ? options.formerPrimary() : options;
    }

    private void hear(final GroupEvents.Event event, final long epoch) {
        switch (event) {
            case LINK_UP -> {
                isPeerFenced = false;
                wasLinked = true;
                judged(() -> node().judge().onLinked(this, wasFresh));
                wasFresh = false;
            }
            case LINK_DOWN -> unlinkedCount++;
            case CHECKPOINT -> judged(() -> node().judge().onCommitted(this, epoch));
            case CHECKPOINT_GIVEN_UP -> node().disks().forEach(LivesDisk::forgetCheckpoint);
            default -> {}
        }
    }

    @Override
    void onOpened() {
        hasTakenOver = group.hasFailedOver();
        if (!isPromoted()) {
            node().takeoverIsSettled(); // nothing came of it
        } else {
            node().judge().onPromotedServes(this);
            final LivesGuest guest = serve(guestDisks());
            if (node().disks().getFirst().view() == null) {
                // Killed when it was recorded, before anybody could look.
                guest.readAll(
                        contents -> judged(() -> node().judge().onTakenOverBefore(this, contents)));
            }
        }
    }

    /** Whether its guest is served from what it took over. */
    boolean isPromoted() {
        return switch (group.status().state()) {
            case MERGING -> true;
            case ALONE -> record().standing().isPrimary();
            default -> false;
        };
    }

    List<Disk> guestDisks() {
        return group.guestExports().stream().map(ServedExport::disk).toList();
    }

    @Override
    ReplicationGroup group() {
        return group;
    }

    @Override
    boolean isMerging() {
        return group.status().state() == GroupStatus.State.MERGING;
    }

    @Override
    boolean isLinked() {
        return group.status().linked();
    }

    /** Whether it takes a primary, and may be asked to take over. */
    boolean isStandby() {
        return switch (group.status().state()) {
            case RUNNING, BROKEN -> true;
            default -> false;
        };
    }

    /** Whether somebody has it end replication, which is not recorded yet. */
    boolean isAsked() {
        return isAsked;
    }

    /** Somebody knows that its primary, whose disks are its own, writes no more. On its loop. */
    void primaryIsFenced() {
        isPeerFenced = true;
        group.fenced();
    }

    /** Whether a primary was linked in this process. */
    boolean wasLinked() {
        return wasLinked;
    }

    boolean isPeerFenced() {
        return isPeerFenced;
    }

    /** Whether it knows that it can't go back to a checkpoint, whatever its record says as yet. */
    boolean isTorn() {
        return group.node()
                .flatMap(NodeStatus::verdict)
                .filter(verdict -> LivesLine.VERDICT_TORN.isIn(verdict.reason()))
                .isPresent();
    }

    /** What its disks would hold if it were killed now, and another process told to take over. */
    List<byte[]> imaginedFailover() {
        return ImaginedFailover.of(
                        node().simulation().seed(),
                        node().disks().stream().map(LivesDisk::medium).toList(),
                        new SimulatedNode(record(), self().node().number()).self(),
                        node().optionsOfCopy(begunWith),
                        copy -> copy.failOver(true))
                .stream()
                .map(ReplicatedDisk::contentOf)
                .toList();
    }

    /** Somebody orders a failover; answers whether it came about. */
    CompletableFuture<Boolean> failOver(final boolean isForced, final boolean isBesideLiving) {
        final CompletableFuture<Boolean> answer = new CompletableFuture<>();
        if (!isStandby() || isAsked) {
            answer.complete(false);
            return answer;
        }
        isAsked = true;
        final NodeRecord before = record();
        node().takeoverIsAsked(new LivesNode.Takeover(LivesJudge.mayReturn(before), isForced));
        final int unlinkedBefore = unlinkedCount;
        group.failOver(isForced)
                .whenComplete(
                        (done, thrown) -> {
                            isAsked = false;
                            if (hasEnded()) {
                                return;
                            }
                            if (thrown != null) {
                                isPeerFenced = false;
                                node().takeoverIsSettled();
                                node().reached().note(thrown.getMessage());
                                answer.complete(false);
                                return;
                            }
                            if (isRoleTaken()) {
                                node().takeoverIsSettled();
                                answer.complete(true); // its primary was quicker
                                return;
                            }
                            // It waits for a sign: the end of the link is one.
                            final boolean isLinked = unlinkedCount == unlinkedBefore;
                            takeOver(before, isBesideLiving && isLinked, isForced, answer);
                        });
        return answer;
    }

    private void takeOver(
            final NodeRecord before,
            final boolean isBesideLiving,
            final boolean isForced,
            final CompletableFuture<Boolean> answer) {
        hasTakenOver = true;
        node().disks().forEach(LivesDisk::leave); // nobody uses what it has not found yet
        final LivesGuest guest = serve(guestDisks());
        judged(() -> node().judge().onTakesOver(this, before, isBesideLiving, isForced));
        guest.readAll(
                contents -> {
                    judged(() -> node().judge().onTakenOver(this, before, isForced, contents));
                    answer.complete(true);
                });
    }

    private boolean isRoleTaken() {
        return group.ending().contains("handed over");
    }

    /** Looks whether it has taken over what its primary has handed over; after every event. */
    void observe() {
        if (!hasTakenOver && group.hasFailedOver()) {
            hasTakenOver = true;
            if (isRoleTaken()) {
                node().judge().onRoleTaken(this);
                serve(guestDisks());
            }
        }
        if (!hasTakenOver) {
            node().judge().observe(this);
        }
    }

    /** Orders a switch of roles; answers whether it came about. On its loop. */
    CompletableFuture<Boolean> switchOver() {
        return group.switchOver()
                .handle(
                        (epoch, thrown) -> {
                            if (thrown != null) {
                                node().reached().note(thrown.getMessage());
                            }
                            return thrown == null;
                        });
    }

    /** Ends replication on this side; on its loop. */
    void stopReplication() {
        if (isStandby() && !isAsked) {
            isAsked = true;
            node().takeoverIsAsked(new LivesNode.Takeover(false, false));
            group.stop(false)
                    .whenComplete(
                            (done, thrown) -> {
                                isAsked = false;
                                if (hasEnded()) {
                                    return;
                                }
                                if (thrown == null) {
                                    judged(() -> node().judge().onStopped(this));
                                    serve(guestDisks());
                                } else {
                                    node().takeoverIsSettled();
                                    node().reached().note(thrown.getMessage());
                                }
                            });
        }
    }

    @Override
    void leave(final Runnable whenLeft) {
        final boolean[] hasLeft = new boolean[1];
        final Runnable once =
                () -> {
                    if (!hasLeft[0] && !hasEnded()) {
                        hasLeft[0] = true;
                        whenLeft.run();
                    }
                };
        group.merge().finish().thenRun(once);
        loop().schedule(
                        MERGE_NANOS_MAX,
                        () -> {
                            if (!hasLeft[0]) {
                                group.merge().giveUp();
                                once.run();
                            }
                        });
    }

    @Override
    void close() {
        group.close();
    }

    @Override
    public void onDiskError(final String sentence) {}

    @Override
    public void onClientProblem(final String peer, final String sentence) {}
}

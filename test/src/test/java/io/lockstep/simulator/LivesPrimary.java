package io.lockstep.simulator;

import io.lockstep.engine.disk.SwitchDisk;
import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.loop.GroupTurn;
import io.lockstep.engine.node.Meeting;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.HeldGuests;
import io.lockstep.engine.primary.LostLinkPolicy;
import io.lockstep.engine.primary.Peer;
import io.lockstep.engine.primary.PrimaryGroup;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.primary.PrimaryPlace;
import io.lockstep.engine.primary.PrimaryStart;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Supplier;

/** A process of {@code lockstep primary}. */
final class LivesPrimary extends LivesProcess {
    private static final int LOG_LENGTH = 256 << 10;
    private static final int SMALL_LOG_LENGTH = 64 << 10;

    /** A secondary that refuses sooner ends the process, unless its guest waits. */
    private static final long FIRST_ATTACH_NANOS = 2 * Simulation.SECOND;

    private PrimaryGroup group;
    private List<SwitchDisk> switches = List.of();
    private boolean isRoleTaken;
    private boolean isHandedOver;
    private CompletableFuture<Void> started;
    private Word word;
    private boolean isRefused;
    private boolean isLeftBehind;
    private boolean isBegun;

    /** Whether somebody has said, since the link was there, that it goes on alone. */
    private boolean isWordGiven;

    private boolean isNumbered;
    private int asked;
    private long openEpoch;

    LivesPrimary(final LivesNode node) {
        super(node);
    }

    @Override
    void openGroup(final LivesNode.Arguments arguments) throws IOException {
        PrimaryStart.requireMerged(record());
        word = arguments.word();
        if (record().standing() == Standing.FRESH) {
            node().peer().promises().forget(); // another history begins with its disks
        }
        final SimulatedLoop linkLoop =
                node().dice().chance(0.5) ? node().host().loop("link") : loop();
        group =
                PrimaryGroup.open(
                        loop(),
                        linkLoop,
                        places(options(arguments)),
                        media().stream()
                                .map(disk -> new Peer(node().peer().endpoint(), disk.name()))
                                .toList(),
                        self(),
                        node().tracking(),
                        options(arguments),
                        new Ear());
        if (node().switchesRoles()) {
            allowHandOver();
        }
        started = group.start();
    }

    /** In every third story each disk has a lane of its own, as if its loop were another one. */
    private List<PrimaryPlace> places(final PrimaryOptions options) {
        final boolean hasLanes = node().simulation().seed() % 3 == 0 && !options.isShared();
        return media().stream()
                .map(disk -> new PrimaryPlace(disk, hasLanes ? new GroupTurn(loop()) : loop()))
                .toList();
    }

    private PrimaryOptions options(final LivesNode.Arguments arguments) {
        final PrimaryOptions options =
                new PrimaryOptions(
                                arguments.isSmall() ? SMALL_LOG_LENGTH : LOG_LENGTH,
                                arguments.log(),
                                arguments.word(),
                                PrimaryOptions.LAG_LEARNED)
                        .withLostLink(node().lostLink())
                        .withAck(node().promises().begin(this));
        return node().shares() ? options.sharing() : options;
    }

    private void allowHandOver() {
        switches =
                group.guestDisks().stream()
                        .map(
                                disk -> {
                                    final SwitchDisk guest =
                                            new SwitchDisk(disk.name(), disk, loop());
                                    guest.switchTo(disk, () -> {});
                                    return guest;
                                })
                        .toList();
        final HeldGuests guests =
                new HeldGuests() {
                    @Override
                    public void hold(final Runnable whenQuiet) {
                        final int[] left = {switches.size()};
                        for (final SwitchDisk disk : switches) {
                            disk.hold(
                                    () -> {
                                        if (--left[0] == 0) {
                                            whenQuiet.run();
                                        }
                                    });
                        }
                    }

                    @Override
                    public void letGo() {
                        for (int i = 0; i < switches.size(); i++) {
                            switches.get(i).switchTo(group.guestDisks().get(i), () -> {});
                        }
                    }
                };
        group.allowHandOver(guests);
        group.guests(guests);
    }

    @Override
    void onOpened() {
        node().judge().onPrimaryBegins(this);
        openEpoch = group.status().openEpoch();
        final CompletableFuture<Void> looked = new CompletableFuture<>();
        started.whenComplete(
                (done, thrown) -> {
                    if (hasEnded()) {
                        return;
                    }
                    if (thrown != null) {
                        node().reached().note(thrown.getMessage());
                        isRefused =
                                group.node().map(NodeStatus::waiting).orElse("").isEmpty()
                                        && !looked.isDone();
                    }
                    looked.complete(null);
                });
        loop().run(() -> loop().schedule(FIRST_ATTACH_NANOS, () -> looked.complete(null)));
        CompletableFuture.allOf(looked, group.whenServing()).thenRun(this::serveGuest);
    }

    private void serveGuest() {
        if (hasEnded() || isRefused) {
            return;
        }
        isBegun = true;
        node().judge().onPrimaryServes(this);
        serve(
                node().promises()
                        .serve(switches.isEmpty() ? group.guestDisks() : List.copyOf(switches)));
    }

    /** Its peer has recorded that it takes over, as this one has asked; it may not know that. */
    void roleIsTaken() {
        isRoleTaken = true;
    }

    /** Whether its guest is the peer's, unless somebody has said that it is not. */
    boolean isRoleTaken() {
        return isRoleTaken;
    }

    /** Whether it knows, and has recorded it. */
    boolean isHandedOver() {
        return isHandedOver;
    }

    /** Whether it is a primary no more: it has handed over, or given way. */
    boolean isOver() {
        return group.hasHandedOver();
    }

    /** Whether it waits, and has heard that its peer has taken over. */
    boolean isOvertaken() {
        return group.node().filter(node -> node.isWaiting() && node.isPeerNewer()).isPresent();
    }

    /** Whether it has heard so, and nobody has said that it goes on. */
    boolean knowsNewer() {
        return word != Word.NOW
                && record().standing() == Standing.REIGNING
                && group.node().filter(NodeStatus::isPeerNewer).isPresent();
    }

    /** Somebody says that its peer has not taken over. On its loop. */
    void promote() {
        isRoleTaken &= isOver(); // then it is refused
        give(group::promote);
    }

    /**
     * Somebody orders it to go on alone on disks that its peer sees, too. On its loop.
     *
     * @param isStop whether replication is to end as well
     * @param isPeerFenced whether that is said
     */
    void goAlone(final boolean isStop, final boolean isPeerFenced) {
        final Supplier<CompletableFuture<Void>> order =
                isStop ? () -> group.stop(node().dice().chance(0.5)) : group::promote;
        if (isPeerFenced) {
            group.fenced();
            give(order);
        } else {
            ask(order.get()); // what it answers tells that its peer knows, or that it waits
        }
    }

    /** Somebody's word, where it is not refused. */
    private void give(final Supplier<CompletableFuture<Void>> word) {
        final boolean before = isWordGiven;
        isWordGiven = true; // the guest may hear of it at once
        final CompletableFuture<Void> answer = word.get();
        isWordGiven = before || !answer.isCompletedExceptionally();
        ask(answer);
    }

    /** Orders a switch of roles; answers whether it came about. On its loop. */
    CompletableFuture<Boolean> switchOver() {
        asked++; // it makes a checkpoint
        final CompletableFuture<Long> answer = group.switchOver();
        observe();
        return answer.handle(
                (epoch, thrown) -> {
                    asked--;
                    if (thrown != null) {
                        node().reached().note(thrown.getMessage());
                    }
                    return thrown == null;
                });
    }

    /** Whether what it would acknowledge waits for its peer, or for somebody's word. */
    boolean isHolding() {
        return group.leavesUnanswered() && !isOver();
    }

    /** Whether it may acknowledge what its peer, which is not linked, will not get. */
    boolean mayGoOnAlone() {
        return node().lostLink().kind() == LostLinkPolicy.Kind.CONTINUE
                || isWordGiven
                || record().peer().isNone()
                || record().isPeerOut();
    }

    /** Whether it has found that its peer went another way. */
    boolean knowsOtherWay() {
        return group.node()
                .flatMap(NodeStatus::refusal)
                .filter(found -> found == Meeting.Answer.SPLIT_BRAIN)
                .isPresent();
    }

    /** Somebody says that it gives its own way up; answers whether it does. On its loop. */
    CompletableFuture<Boolean> resolve() {
        return group.healing()
                .resolve(true)
                .handle(
                        (discarded, thrown) -> {
                            if (thrown != null) {
                                node().reached().note(thrown.getMessage());
                            }
                            return thrown == null;
                        });
    }

    /** Whether it has ended by itself, as the secondary or its own state refuses it. */
    boolean isRefused() {
        return isRefused;
    }

    /** Whether its guest is served. */
    boolean isServing() {
        return isBegun;
    }

    /** Whether the secondary may have been told that it is left behind. */
    boolean isLeftBehind() {
        return isLeftBehind;
    }

    /** Whether it goes on without a secondary that does not know it, and could take over. */
    boolean isFollowedInVain() {
        final NodeRecord own = record();
        return isLeftBehind
                && !isRunning()
                && own.standing().isPrimary()
                && node().peer()
                        .secondary()
                        .filter(LivesSecondary::isStandby)
                        .map(LivesProcess::record)
                        .filter(peer -> peer.standing() == Standing.FOLLOWING)
                        .filter(peer -> peer.peer().equals(own.node()))
                        .filter(peer -> own.lineage().has(peer.lineage().newest()))
                        .isPresent();
    }

    @Override
    PrimaryGroup group() {
        return group;
    }

    @Override
    boolean isMerging() {
        return false;
    }

    @Override
    boolean isLinked() {
        return group.status().linked();
    }

    /** Whether it replicates, as far as it knows. */
    boolean isRunning() {
        return group.status().state() == GroupStatus.State.RUNNING;
    }

    /** Whether somebody has ended its replication. */
    boolean isStopped() {
        return group.status().state() == GroupStatus.State.ALONE && !isOver();
    }

    /** Whether its replication has ended with an error. */
    boolean isBroken() {
        return group.error().isPresent();
    }

    /** Whether it makes its secondary equal. */
    boolean isSynchronising() {
        return group.healing().synchronisation().isPresent();
    }

    // ---- What a manager does.

    /** Makes a checkpoint, or a half of one, if it can. */
    void checkpoint() {
        if (isRunning()) {
            asked++;
            final CompletableFuture<?> answer =
                    node().dice().chance(0.8) ? group.checkpoint() : group.seal();
            observe();
            answer.whenComplete((done, thrown) -> asked--);
        }
    }

    /** Looks whether an epoch has ended: after every event while somebody has asked for that. */
    void observe() {
        if (group.hasHandedOver() && !isHandedOver && !isOvertaken()) {
            isHandedOver = true;
            if (record().concession().isNone()) { // nobody took over from one that gave way
                node().judge().onHandedOver(this);
            }
            node().disks().forEach(LivesDisk::leave);
        }
        if (node().shares()) {
            return;
        }
        if (asked == 0
                && openEpoch > 0
                && !isSynchronising()
                && !node().switchesRoles()
                && !node().promises().areMade()) {
            return;
        }
        final GroupStatus status = group.status();
        while (openEpoch < status.openEpoch()) {
            seal(openEpoch++);
        }
    }

    private void seal(final long epoch) {
        node().simulation().trace(node().toString(), "has sealed", epoch, 0);
        for (final LivesDisk disk : node().disks()) {
            disk.seals().put(epoch, sealOf(disk));
        }
    }

    /** What the group tells. */
    private final class Ear implements GroupEvents {
        @Override
        public void onEvent(
                final Event event, final String disk, final long epoch, final String sentence) {
            if (hasEnded()) {
                return;
            }
            LivesPrimary.this.onEvent(event, sentence);
            if (event == Event.DETACHED) {
                isLeftBehind = true;
            } else if (event == Event.LINK_UP) {
                isWordGiven = false;
                goOnBehind();
            } else if (event == Event.SYNCHRONISING) {
                openEpoch = group.status().openEpoch();
            }
        }

        /** What is answered later in this very event is not of the epoch before. */
        @Override
        public void onOpened(final long epoch) {
            if (hasEnded()) {
                return;
            }
            if (node().shares()) {
                seal(epoch - 1); // whatever number it is: the first one comes behind no other
            } else if (isNumbered && epoch == openEpoch + 1) {
                seal(openEpoch++);
            }
        }
    }

    /** Where no guest is served yet the disk is what it is. */
    private static DiskModel sealOf(final LivesDisk disk) {
        return disk.view() == null
                ? new DiskModel(disk.name(), disk.content(), 0)
                : disk.view().snapshot();
    }

    /** Epochs are numbered on behind those that were sealed before. */
    private void goOnBehind() {
        if (!isNumbered) {
            isNumbered = true;
            openEpoch = group.status().openEpoch();
        }
    }

    /** Has it answer its guest at another level; on its loop. */
    void acknowledgeAt(final AckLevel level) {
        node().promises().level(level);
        ask(group.acknowledgeAt(level));
    }

    /** Ends replication; on its loop. */
    void stopReplication(final boolean isFailover) {
        isLeftBehind = true;
        give(() -> group.stop(isFailover));
    }

    @Override
    void leave(final Runnable whenLeft) {
        group.prepareToStop();
        group.drain(() -> group.leave(whenLeft));
    }

    @Override
    void close() {
        group.close();
    }
}

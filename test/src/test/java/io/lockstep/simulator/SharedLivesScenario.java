package io.lockstep.simulator;

import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.NodeRole;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.Fencing;
import io.lockstep.engine.primary.LostLinkPolicy;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.stream.IntStream;

/**
 * Two hosts that see the same disks, through several lives: roles are switched there and back,
 * fenced primaries are followed and come back as secondaries, processes die, hosts and the storage
 * lose their power, the network is cut. {@link SharedLivesJudge} looks at what comes of it.
 * Whatever happens the pair replicates again, without a byte of the disks on the link; only where a
 * host loses its power in the midst of a merge nobody may go on by himself.
 */
final class SharedLivesScenario extends LivesPair {
    /** How likely it is, whenever somebody submits an operation, that it is looked at a kill. */
    private static final double CHECK_AT_SUBMIT = 0.004;

    private final SharedLivesJudge judge;
    private final List<SimulatedMedium> media;
    private final LostLinkPolicy.Kind policy;

    /** The story: nothing more is looked at. */
    private boolean isOver;

    SharedLivesScenario(final Simulation simulation, final LivesReached reached) {
        super(simulation, reached);
        judge = new SharedLivesJudge(dice.split());
        policy =
                dice.oneOf(
                        LostLinkPolicy.Kind.SUSPEND,
                        LostLinkPolicy.Kind.SUSPEND,
                        LostLinkPolicy.Kind.FENCE,
                        LostLinkPolicy.Kind.CONTINUE);
        final long length = dice.between(1, 60_000);
        media =
                IntStream.range(0, dice.chance(0.7) ? 1 : 2)
                        .mapToObj(i -> medium("disk" + i, length))
                        .toList();
        begin(node("a"), node("b"));
    }

    private SimulatedMedium medium(final String name, final long length) {
        final SimulatedMedium medium =
                new SimulatedMedium(simulation, name, length, DiskFaults.NONE).elsewhere();
        final byte[] content = new byte[(int) length];
        dice.fill(content);
        medium.fill(0, content);
        medium.onSubmit(this::onSubmit);
        return medium;
    }

    private LivesNode node(final String name) {
        final LivesNode node = new LivesNode(network, name, media, directories, reached, judge);
        node.share();
        node.switchRoles();
        node.lostLink(
                switch (policy) {
                    case SUSPEND -> LostLinkPolicy.SUSPEND;
                    case CONTINUE -> LostLinkPolicy.CONTINUE;
                    case FENCE -> LostLinkPolicy.fence(loss -> fence(node));
                });
        return node;
    }

    private void onSubmit() {
        if (!isOver && dice.chance(CHECK_AT_SUBMIT)) {
            nodes.forEach(judge::checkWhatIfKilled);
        }
    }

    void play() {
        beginTogether();
        for (int i = dice.between(3, 8); i > 0 && !isTorn(); i--) {
            changeLevels();
            if (dice.chance(0.35)) {
                switchOver();
            } else {
                act();
            }
            pause();
            goOn();
        }
        if (isTorn()) {
            endTorn();
        } else {
            settle();
        }
        isOver = true;
        reached.endStory();
    }

    private void beginTogether() {
        start(lead.peer(), LivesNode.Arguments.SECONDARY);
        start(lead, usual(lead));
        expectLinked("a new pair replicates");
        expectServing(lead);
    }

    /** As what {@code lockstep node} begins. */
    @Override
    LivesNode.Arguments usual(final LivesNode node) {
        final boolean isPrimary =
                node.record()
                        .flatMap(NodeRole::of)
                        .map(role -> role == NodeRole.PRIMARY)
                        .orElse(node == lead);
        return isPrimary ? asPrimary() : LivesNode.Arguments.SECONDARY;
    }

    @Override
    LivesNode.Arguments asPrimary() {
        return LivesNode.Arguments.primary(Word.NONE);
    }

    @Override
    Optional<String> start(final LivesNode node, final LivesNode.Arguments arguments) {
        return node.start(arguments);
    }

    /** What each of the two becomes by itself. */
    private void goOn() {
        nodes.forEach(this::endWhatIsRefused);
        if (dice.chance(0.4)) {
            endWhatIsStopped();
        }
        nodes.forEach(this::becomeSecondary);
        nodes.stream()
                .filter(node -> node.primary().filter(LivesPrimary::knowsOtherWay).isPresent())
                .forEach(this::giveWay);
        nodes.stream().filter(SharedLivesScenario::isToldAtTheDoor).forEach(this::follow);
        if (lead.secondary().filter(secondary -> !secondary.isPromoted()).isPresent()) {
            lead = lead.peer(); // it was started as what it is by now
        }
    }

    /** Its replication is begun again by another process. */
    private void endWhatIsStopped() {
        nodes.stream()
                .filter(node -> node.primary().filter(LivesPrimary::isStopped).isPresent())
                .forEach(LivesNode::kill);
    }

    /** Whether it waits, and its peer, which took over from it, is a primary by now. */
    private static boolean isToldAtTheDoor(final LivesNode node) {
        return node.primary().filter(primary -> !primary.isServing()).isPresent()
                && node.record().get().standing() == Standing.REIGNING
                && node.peer().primary().filter(LivesPrimary::isServing).isPresent()
                && node.peer().record().filter(NodeRecord::isPeerOut).isPresent();
    }

    /**
     * It died when its peer had the first checkpoint, and it had not recorded yet that it is alone
     * no more: what it wrote behind that is rolled back, and somebody says so.
     */
    private void giveWay(final LivesNode node) {
        final List<Boolean> answer = new ArrayList<>();
        final LivesPrimary primary = node.primary().orElseThrow();
        primary.loop().execute(() -> primary.resolve().thenAccept(answer::add));
        simulation.runUntil("it gives way", LATER, () -> !answer.isEmpty() || primary.hasEnded());
        if (node.record().filter(now -> !now.concession().isNone()).isPresent()) {
            reached.note(LivesLine.GAVE_WAY);
            node.kill();
            lead = node.peer();
            start(node, LivesNode.Arguments.SECONDARY);
            becomePrimary(lead);
        }
    }

    private void follow(final LivesNode node) {
        node.kill();
        start(node, LivesNode.Arguments.FORMER_PRIMARY);
    }

    // ---- One thing after another.

    private void act() {
        final int choice = dice.between(0, 99);
        final LivesNode one = dice.oneOf(nodes.get(0), nodes.get(1));
        simulation.trace("story", "turns to " + one, choice, 0);
        if (choice < 15) {
            work();
        } else if (choice < 40) {
            failOver();
        } else if (choice < 45) {
            network.cut(one.host(), one.peer().host());
            work();
        } else if (choice < 53) {
            part();
        } else if (choice < 63) {
            work();
            one.kill();
            comeBack();
        } else if (choice < 73) {
            work();
            one.crash();
            comeBack();
        } else if (choice < 80) {
            losePower();
        } else if (choice < 85) {
            stop(one);
            comeBack();
        } else if (choice < 88) {
            one.failing(dice.oneOf(0.3, 1.0));
            work();
        } else if (choice < 91) {
            giveAnotherOrder(true);
        } else if (choice < 98) {
            goAlone();
        } else {
            nodes.forEach(this::startAsUsual);
        }
    }

    private void comeBack() {
        if (dice.chance(0.8)) {
            nodes.forEach(this::startAsUsual);
        }
    }

    /** Both hosts do, and the storage: what it had not flushed may be lost. */
    private void losePower() {
        work();
        simulation.runFor(dice.between(0, 20 * Simulation.MILLISECOND));
        nodes.forEach(LivesNode::crash);
        if (isTorn()) {
            return;
        }
        media.forEach(SimulatedMedium::crash);
        reached.note(LivesLine.POWER_LOST);
        for (final LivesNode node : nodes) {
            node.disks().stream()
                    .filter(disk -> disk.view() != null)
                    .forEach(LivesDisk::findDurable);
            node.promises().onPeerLostPower();
        }
        nodes.forEach(this::startAsUsual);
    }

    /**
     * Somebody says that the primary goes on alone: either the secondary is fenced, and that is
     * said, or the order has to be refused, or told to the secondary, wherever that is.
     */
    private void goAlone() {
        if (lead.primary().isEmpty() || !lead.isSound()) {
            return;
        }
        final LivesNode peer = lead.peer();
        final boolean isFenced = dice.chance(0.6);
        final boolean isStop = dice.chance(0.5);
        if (isFenced) {
            fence(peer, dice.chance(0.2));
        } else if (dice.chance(0.3)) {
            peer.kill();
        } else if (dice.chance(0.4)) {
            part();
        }
        simulation.runFor(dice.between(0, 4 * Simulation.SECOND));
        if (isFenced && peer.record().filter(now -> now.standing().isPrimary()).isPresent()) {
            return; // it had just been handed the role, and that it was not nobody may say
        }
        if (isFenced) {
            judge.wordIsGiven();
        }
        lead.primary()
                .ifPresent(
                        primary -> primary.loop().execute(() -> primary.goAlone(isStop, isFenced)));
        work();
        pause();
        comeBack();
    }

    private void fence(final LivesNode node, final boolean isOff) {
        if (isOff) {
            node.crash();
        } else {
            node.kill();
        }
    }

    @Override
    void giveAnotherOrder(final boolean isFailover) {
        final LivesNode node = lead.peer();
        if (isFailover && node.secondary().isPresent()) {
            order(node, false, false); // nobody has said that the primary is fenced
        } else {
            work();
        }
    }

    // ---- One takes over from a primary that is fenced, which comes back.

    private void failOver() {
        final LivesNode node = lead.peer();
        if (node.secondary().filter(LivesSecondary::isStandby).isEmpty()) {
            nodes.forEach(this::startAsUsual);
            return;
        }
        work();
        simulation.runFor(dice.between(0, 20 * Simulation.MILLISECOND));
        if (dice.chance(0.3) && !isParted) {
            part();
        }
        if (dice.chance(0.5)) {
            lead.kill();
        } else {
            lead.crash();
        }
        if (dice.chance(0.3)) {
            node.kill();
        }
        startAsUsual(node);
        simulation.runFor(3 * Simulation.SECOND);
        if (node.secondary().filter(LivesSecondary::isStandby).isEmpty()) {
            return;
        }
        final boolean isTrusted =
                policy != LostLinkPolicy.Kind.CONTINUE
                        && node.secondary().filter(LivesSecondary::wasLinked).isPresent();
        final boolean mustBeTaken =
                node.isSound()
                        && isTrusted
                        && node.process().record().standing() == Standing.FOLLOWING
                        && LivesJudge.hasCheckpoint(node);
        if (dice.chance(0.3)) {
            order(node, false, false);
        }
        final boolean isTaken = order(node, true, false);
        if (mustBeTaken && !isTaken) {
            throw new AssertionError(node + " has a checkpoint, and does not take over");
        }
        final boolean isPeerNoMore = // else the two go different ways
                lead.record().filter(now -> now.standing() == Standing.REIGNING).isPresent()
                        && node.process().record().standing() == Standing.FOLLOWING;
        if (!isTaken && isPeerNoMore && !isTrusted && dice.chance(0.5)) {
            order(node, true, true);
        }
        if (isTaken) {
            reached.note(LivesLine.TAKEN_OVER);
        }
        interruptMerge(node);
        if (!isTorn()) {
            failBack();
        }
    }

    /** Orders a failover; answers whether it came about. */
    private boolean order(final LivesNode node, final boolean isFenced, final boolean isForced) {
        final List<Boolean> answer = new ArrayList<>();
        final LivesSecondary secondary = node.secondary().orElseThrow();
        secondary
                .loop()
                .execute(
                        () -> {
                            if (isFenced) {
                                secondary.primaryIsFenced();
                            }
                            secondary.failOver(isForced, false).thenAccept(answer::add);
                        });
        simulation.runUntil(
                "a failover is answered", SOON, () -> !answer.isEmpty() || secondary.hasEnded());
        return !answer.isEmpty() && answer.getFirst();
    }

    private void interruptMerge(final LivesNode node) {
        if (dice.chance(0.6)) {
            return;
        }
        work();
        simulation.runFor(dice.between(0, 15 * Simulation.MILLISECOND));
        if (dice.chance(0.8)) {
            node.kill();
            start(node, LivesNode.Arguments.SECONDARY);
        } else {
            node.crash();
        }
    }

    /** Whoever was the primary hears that it is not, and follows. */
    private void failBack() {
        if (isParted) {
            part();
        }
        nodes.forEach(this::startAsUsual);
        final LivesNode former = lead;
        work();
        simulation.runUntil(
                "who was the primary knows what it is",
                LATER,
                () -> !former.isUp() || !areSound() || isKnown(former));
        goOn();
        if (dice.chance(0.5) && areSound()) {
            settleRoles();
            expectLinked("who comes back follows");
            reached.note(LivesLine.CAME_BACK);
        }
    }

    private boolean areSound() {
        return nodes.stream().allMatch(LivesNode::isSound);
    }

    private static boolean isKnown(final LivesNode node) {
        return node.secondary().isPresent()
                || node.primary().filter(LivesPrimary::isOvertaken).isPresent()
                || node.primary().filter(LivesPrimary::knowsOtherWay).isPresent()
                || isToldAtTheDoor(node)
                || node.process().isLinked();
    }

    // ---- The command of a primary that has one.

    private CompletableFuture<Fencing.Answer> fence(final LivesNode node) {
        final LivesProcess asking = node.process();
        final CompletableFuture<Fencing.Answer> answer = new CompletableFuture<>();
        simulation.schedule(
                dice.between(0, 2 * Simulation.SECOND),
                () ->
                        answer.complete(
                                new Fencing.Answer(
                                        asking.hasEnded() || isOver || dice.chance(0.2)
                                                ? Fencing.Outcome.NOT_FENCED
                                                : fenceNow(node.peer()),
                                        "as it was played")));
        return answer;
    }

    private static Fencing.Outcome fenceNow(final LivesNode node) {
        node.kill();
        return node.record().filter(record -> record.standing().isPrimary()).isPresent()
                ? Fencing.Outcome.TAKEN_OVER
                : Fencing.Outcome.FENCED;
    }

    // ---- The end.

    private boolean isTorn() {
        return nodes.stream().anyMatch(LivesNode::isMergeLost);
    }

    /** A host has lost its power in the midst of a merge: nobody serves these disks. */
    private void endTorn() {
        reached.note(LivesLine.TORN);
        nodes.forEach(node -> node.failing(0));
        nodes.forEach(this::startAsUsual);
        simulation.runFor(10 * Simulation.SECOND);
        for (final LivesNode node : nodes) {
            if (node.secondary().filter(LivesSecondary::isStandby).isPresent()
                    && order(node, true, false)) {
                throw new AssertionError("I11: " + node + " takes over with torn disks");
            }
        }
    }

    private void settle() {
        if (isParted) {
            part();
        }
        nodes.forEach(node -> node.failing(0));
        settleRoles();
        expectLinked("the pair replicates again");
        expectServing(lead);
        work();
        simulation.runFor(Simulation.SECOND);
        compare();
        nodes.forEach(judge::checkWhatIfKilled);
        losePower();
    }

    private boolean areLinked() {
        return nodes.stream().allMatch(node -> node.isUp() && node.process().isLinked());
    }

    /** Until each of the two is what its record says, whatever it is that waits for its turn. */
    private void settleRoles() {
        for (int i = 0; i < 4 || i < 12 && !areLinked(); i++) {
            nodes.forEach(this::startAsUsual);
            simulation.runFor(3 * Simulation.SECOND);
            goOn();
            endWhatIsStopped();
            becomePrimary(lead);
            if (lead.primary().filter(LivesPrimary::isBroken).isPresent()) {
                lead.kill(); // its link is made by another process
            }
        }
    }
}

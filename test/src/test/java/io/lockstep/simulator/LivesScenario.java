package io.lockstep.simulator;

import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.LostLinkPolicy;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * Two hosts and a pair on them, through several lives: processes and hosts die at any moment, come
 * back with the same and with other arguments, are parted, promoted, put back from copies; and
 * those who run them do what they are told to do, and what they should not. {@link LivesJudge}
 * looks at what comes of it. Where nothing stands in the way a node must get to serve, and a pair
 * to replicate: to refuse everything is no answer.
 *
 * <p>A pair that differs heals by itself, and is equal after a while; what nobody may heal, such as
 * a split brain, is repaired by hand ({@link #repair}).
 */
final class LivesScenario extends LivesPair {
    /** What stands in the units' command line for good. */
    private final Word word;

    private final Beginning beginning;
    private final boolean switchesRoles;

    /** Whether the two go different ways in it, and one gives its own up. */
    private final boolean resolves;

    /** How often one did; and how often it went back to it before it was equal. */
    private int resolved;

    private int wentBack;

    /** Whether what comes is about the room for pre-images. */
    private final boolean isTight;

    private Copy copy;

    /** What the disks hold when the story begins. */
    private enum Beginning {
        BOTH_EMPTY(true),
        BOTH_EQUAL(true),
        BOTH_EQUAL_AGAIN(true),
        BOTH_EQUAL_MOST_OFTEN(true),
        SECONDARY_EMPTY(false),
        PRIMARY_EMPTY(false);

        private final boolean isEqual;

        Beginning(final boolean isEqual) {
            this.isEqual = isEqual;
        }
    }

    /** An old copy of a node. */
    private record Copy(
            LivesNode node,
            List<SimulatedMedium> disks,
            SimulatedState state,
            SimulatedTracking notes) {}

    /**
     * A story.
     *
     * @param isTight whether the secondaries' buffers may be too small for what is to be saved
     */
    LivesScenario(final Simulation simulation, final LivesReached reached, final boolean isTight) {
        this(simulation, reached, isTight, false);
    }

    /**
     * The same.
     *
     * @param switchesRoles whether the two nodes switch their roles in it, again and again
     */
    LivesScenario(
            final Simulation simulation,
            final LivesReached reached,
            final boolean isTight,
            final boolean switchesRoles) {
        this(simulation, reached, isTight, switchesRoles, false);
    }

    /**
     * The same.
     *
     * @param resolves whether the two go different ways in it, again and again, and one of them
     *     gives its own up; of nodes that switch their roles
     */
    LivesScenario(
            final Simulation simulation,
            final LivesReached reached,
            final boolean isTight,
            final boolean switchesRoles,
            final boolean resolves) {
        super(simulation, reached);
        this.switchesRoles = switchesRoles;
        this.resolves = resolves;
        beginning = dice.oneOf(Beginning.values());
        word = beginning.isEqual && dice.chance(0.8) ? Word.AT_FIRST : Word.NONE;
        final int count = dice.chance(0.7) ? 1 : 2;
        final long length = dice.between(1, 40_000);
        begin(node("a", count, length), node("b", count, length));
        if (switchesRoles) {
            nodes.forEach(LivesNode::switchRoles);
        }
        this.isTight = isTight;
        if (isTight) {
            nodes.forEach(node -> node.room(dice.oneOf(LivesNode.Arguments.Room.values())));
        }
    }

    private LivesNode node(final String name, final int count, final long length) {
        final List<SimulatedMedium> media = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            media.add(new SimulatedMedium(simulation, "disk" + i, length, DiskFaults.NONE));
        }
        return new LivesNode(network, name, media, directories, reached, new LivesJudge());
    }

    /** As primaries they do not go on alone. */
    LivesScenario suspending() {
        nodes.forEach(node -> node.lostLink(LostLinkPolicy.SUSPEND));
        return this;
    }

    void play() {
        begin();
        for (int i = dice.between(3, 9); i > 0; i--) {
            changeLevels();
            if (resolves && dice.chance(0.6)) {
                goDifferentWays();
            } else if (switchesRoles && dice.chance(0.5)) {
                switchOver();
            } else {
                act();
            }
            pause();
            nodes.forEach(this::endWhatIsRefused);
            if (switchesRoles) {
                nodes.forEach(this::becomeSecondary);
            }
        }
        settle();
        reached.endStory();
    }

    // ---- The beginning.

    private void begin() {
        if (beginning == Beginning.PRIMARY_EMPTY) {
            fill(lead.peer());
        } else if (beginning != Beginning.BOTH_EMPTY) {
            fill(lead);
        }
        final boolean hasCopy = beginning.isEqual && beginning != Beginning.BOTH_EMPTY;
        if (hasCopy) {
            lead.peer().takeDisks(lead.disks().stream().map(LivesDisk::medium).toList());
        }
        start(lead.peer(), LivesNode.Arguments.SECONDARY);
        start(lead, LivesNode.Arguments.primary(word));
        if (beginning.isEqual && (!hasCopy || word == Word.AT_FIRST)) {
            expectLinked("a new pair replicates");
            simulation.runUntil("its guest is served", SOON, () -> isServing(lead));
        } else {
            pause();
        }
    }

    private void fill(final LivesNode node) {
        for (final LivesDisk disk : node.disks()) {
            final byte[] content = new byte[(int) disk.medium().length()];
            dice.fill(content);
            disk.medium().fill(0, content);
        }
    }

    // ---- One thing after another.

    private void act() {
        final LivesNode one = dice.oneOf(nodes.get(0), nodes.get(1));
        simulation.trace("story", "turns to " + one, 0, 0);
        if (nodes.stream().noneMatch(node -> node.isUp() && node.process().isLinked())
                && dice.chance(0.2)) {
            repair(one); // where nobody follows, little can happen
            return;
        }
        if (isTight && dice.chance(0.4)) {
            fallBehind();
            return;
        }
        final int choice = dice.between(0, 99);
        if (choice < 14) {
            work();
        } else if (choice < 19) {
            one.kill();
        } else if (choice < 24) {
            one.crash();
        } else if (choice < 28) {
            nodes.forEach(dice.chance(0.3) ? LivesNode::kill : LivesNode::crash);
            nodes.forEach(this::startAsUsual);
        } else if (choice < 38) {
            nodes.forEach(this::startAsUsual);
        } else if (choice < 42) {
            startOtherwise(one);
        } else if (choice < 54) {
            failOver(lead.peer(), false);
        } else if (choice < 58) {
            failOver(lead.peer(), true);
        } else if (choice < 62) {
            nodes.forEach(this::promote);
        } else if (choice < 67) {
            part();
        } else if (choice < 71) {
            network.cut(one.host(), one.peer().host());
            work();
        } else if (choice < 75) {
            stop(one);
        } else if (choice < 80) {
            cleanTurn();
        } else if (choice < 83) {
            stopReplication(one);
        } else if (choice < 84) {
            forgetTheSecondary();
        } else if (choice < 86) {
            repair(one);
        } else if (choice < 88) {
            copyOrRestore(one);
        } else if (choice < 90) {
            rollBack();
        } else if (choice < 91) {
            duplicate(one);
        } else if (choice < 93) {
            changeRoles();
        } else if (choice < 95) {
            handOver();
        } else if (choice < 97) {
            one.failing(dice.oneOf(0.3, 1.0));
            work();
        } else if (choice < 98) {
            forceTheTorn();
        } else {
            compare();
        }
    }

    /**
     * The secondary is away for long, and is made equal: there may be no room for its pre-images.
     */
    private void fallBehind() {
        final LivesNode secondary = lead.peer();
        if (!isServing(lead) || secondary.secondary().isEmpty()) {
            nodes.forEach(this::startAsUsual);
            return;
        }
        secondary.kill();
        lead.process().guest().orElseThrow().work(20);
        simulation.runFor(Simulation.SECOND);
        lead.kill();
        nodes.forEach(this::startAsUsual);
        pause();
        if (dice.chance(0.4)) {
            failOver(secondary, false);
        } else if (dice.chance(0.4)) {
            secondary.kill();
            startAsUsual(secondary);
        }
    }

    @Override
    LivesNode.Arguments usual(final LivesNode node) {
        return node == lead ? asPrimary() : LivesNode.Arguments.SECONDARY;
    }

    @Override
    LivesNode.Arguments asPrimary() {
        return LivesNode.Arguments.primary(word);
    }

    /** With arguments that were not there before. */
    private void startOtherwise(final LivesNode node) {
        node.kill();
        final LivesNode.Arguments usual = usual(node);
        switch (dice.between(0, 3)) {
            case 0 -> start(node, usual.small());
            case 1 -> {
                if (node.record().filter(record -> record.standing() != Standing.FRESH).isPresent()
                        && start(node, usual.onOtherDisk()).isEmpty()) {
                    throw new AssertionError("I13: " + node + " takes another disk for its own");
                }
            }
            default ->
                    start(
                            node,
                            usual.isPrimary()
                                    ? LivesNode.Arguments.SECONDARY
                                    : LivesNode.Arguments.primary(word));
        }
    }

    /** Starts a node; where nothing stands in the way it gets to serve. */
    @Override
    Optional<String> start(final LivesNode node, final LivesNode.Arguments arguments) {
        final Optional<NodeRecord> before = node.record();
        final Optional<String> refusal = node.start(arguments);
        final boolean isEntitled =
                before.filter(record -> record.isPeerOut() && !record.isMerging()).isPresent();
        if (isEntitled && refusal.isEmpty() && node.isSound() && dice.chance(0.5)) {
            simulation.runUntil(
                    node + ", whose peer can't have taken over, serves",
                    SOON,
                    () ->
                            isServing(node)
                                    || node.primary().filter(LivesPrimary::isRefused).isPresent()
                                    || node.secondary().isPresent());
            if (node.secondary().isPresent() && !isServing(node)) {
                expectServing(node);
            }
        }
        return refusal;
    }

    @Override
    void giveAnotherOrder(final boolean isFailover) {
        if (isFailover) {
            failOver(lead.peer(), dice.chance(0.5));
        } else {
            promote(lead);
        }
    }

    private void failOver(final LivesNode node, final boolean isForced) {
        if (node.secondary().isEmpty()) {
            return;
        }
        final LivesSecondary secondary = node.secondary().get();
        if (dice.chance(0.6)) {
            work();
            simulation.runFor(dice.between(0, 10 * Simulation.MILLISECOND));
        }
        if (!isForced && dice.chance(0.6)) {
            if (dice.chance(0.5)) {
                node.peer().crash();
            } else {
                node.peer().kill();
            }
            simulation.runFor(3 * Simulation.SECOND);
        }
        final boolean mustBeTaken = !isForced && mayTakeOver(node);
        final List<Boolean> answer = new ArrayList<>();
        secondary
                .loop()
                .execute( // before the order is heard a link that was cut may be lost
                        () ->
                                secondary
                                        .failOver(isForced, isBesideLiving(node))
                                        .thenAccept(answer::add));
        if (mustBeTaken) {
            simulation.runUntil("a failover is answered", SOON, () -> !answer.isEmpty());
            if (!answer.getFirst()) {
                throw new AssertionError(node + " has a checkpoint, and does not take over");
            }
        }
        if (dice.chance(0.5)) {
            simulation.runFor(dice.between(0, 20 * Simulation.MILLISECOND));
            work();
        }
        if (dice.chance(0.5)) {
            interruptMerge(node);
        }
    }

    /** The process ends, or the host does, before the disks have what belongs into them. */
    private void interruptMerge(final LivesNode node) {
        simulation.runFor(dice.between(0, 15 * Simulation.MILLISECOND));
        switch (dice.between(0, 4)) {
            case 0 -> node.crash();
            case 1 -> {
                node.kill();
                start(node, LivesNode.Arguments.primary(word));
            }
            case 2 -> {
                if (node.isUp()) {
                    node.process().stop(() -> {});
                    pause();
                    node.kill();
                }
            }
            default -> node.kill();
        }
    }

    private boolean isBesideLiving(final LivesNode node) {
        return !isParted
                && node.process().isLinked()
                && node.peer()
                        .primary()
                        .filter(primary -> primary.isLinked() && primary.isRunning())
                        .isPresent();
    }

    /** As far as is known without asking its record: it has a checkpoint, and nobody to fear. */
    private static boolean mayTakeOver(final LivesNode node) {
        return !node.peer().isUp()
                && node.peer().lastPrimary().filter(last -> !last.isLeftBehind()).isPresent()
                && node.isSound()
                && !node.process().isLinked()
                && node.secondary()
                        .filter(secondary -> secondary.isStandby() && !secondary.isAsked())
                        .isPresent()
                && node.process().record().standing() == Standing.FOLLOWING
                && node.disks().stream().allMatch(disk -> disk.checkpoint() != null);
    }

    private void promote(final LivesNode node) {
        node.primary().ifPresent(primary -> primary.loop().execute(primary::promote));
        if (node.primary().isPresent() && node.isSound()) {
            simulation.runUntil(
                    node + " was promoted and serves",
                    SOON,
                    () ->
                            isServing(node)
                                    || node.primary().filter(LivesPrimary::isOver).isPresent()
                                    || node.primary().filter(LivesPrimary::isRefused).isPresent());
        }
    }

    /** Both are stopped in good order and started again, with whatever between: they go on. */
    private void cleanTurn() {
        // A checkpoint that is asked for while it stops would be one more thing to be answered.
        simulation.runFor(50 * Simulation.MILLISECOND);
        if (simulation.now() < quietAt || !lead.peer().isSound() || !compare()) {
            return;
        }
        final LivesNode secondary = lead.peer();
        stopWell(lead);
        if (dice.chance(0.3)) {
            secondary.crash();
        } else {
            stopWell(secondary);
            if (dice.chance(0.5)) {
                secondary.crash();
            }
        }
        if (dice.chance(0.3)) {
            lead.crash();
        }
        nodes.forEach(this::startAsUsual);
        expectLinked("a pair that was stopped in good order goes on");
        compare();
    }

    private void stopReplication(final LivesNode node) {
        node.primary()
                .ifPresent(
                        primary ->
                                primary.loop()
                                        .execute(() -> primary.stopReplication(dice.chance(0.5))));
        node.secondary()
                .ifPresent(secondary -> secondary.loop().execute(secondary::stopReplication));
    }

    /**
     * Somebody makes a pair of what there is, as the refusals say: the disk that counts is copied,
     * both are forgotten, and the primary is started with the word that the disks are equal.
     */
    private void repair(final LivesNode source) {
        nodes.forEach(LivesNode::kill);
        nodes.forEach(node -> node.failing(0));
        if (source.forget().isPresent()) {
            start(source, LivesNode.Arguments.SECONDARY); // and let it end, as it says
            simulation.runUntil(
                    "the merge is done",
                    LATER,
                    () -> !source.isUp() || !source.process().isMerging());
            return;
        }
        final boolean isStranger =
                source.peer().record().filter(record -> !record.peer().isNone()).isPresent();
        if (isStranger && dice.chance(0.1)) {
            nodes.forEach(this::startAsUsual); // one is forgotten, and not the other
            return;
        }
        if (source.peer().forget().isPresent()) {
            return;
        }
        source.peer().takeDisks(source.disks().stream().map(LivesDisk::medium).toList());
        source.startsAnew();
        if (dice.chance(0.9)) {
            nodes.forEach(LivesNode::removeBuffers);
        }
        if (isParted) {
            part();
        }
        lead = source;
        final boolean isRefused = start(source.peer(), LivesNode.Arguments.SECONDARY).isPresent();
        start(source, LivesNode.Arguments.primary(Word.AT_FIRST));
        if (!isRefused) {
            expectLinked("a pair that was made anew replicates");
        }
    }

    private void copyOrRestore(final LivesNode node) {
        nodes.forEach(node == lead ? LivesNode::kill : other -> {});
        node.kill();
        if (copy == null) {
            copy =
                    new Copy(
                            node,
                            node.copyDisks(),
                            new SimulatedState(node.state(), "copy"),
                            node.copyNotes());
        } else {
            copy.node.kill();
            copy.node.restore(copy.disks, copy.state, copy.notes, dice.chance(0.5));
        }
        nodes.forEach(this::startAsUsual);
    }

    /** The secondary is what it was some checkpoints ago: its disk and its state are put back. */
    private void rollBack() {
        if (!compare() || !lead.peer().isSound()) {
            return;
        }
        final LivesNode secondary = lead.peer();
        secondary.kill();
        final Copy old =
                new Copy(
                        secondary,
                        secondary.copyDisks(),
                        new SimulatedState(secondary.state(), "old"),
                        secondary.copyNotes());
        start(secondary, LivesNode.Arguments.SECONDARY);
        work();
        simulation.runFor(dice.between(0, 2 * Simulation.SECOND));
        if (dice.chance(0.5)) {
            stop(lead);
        }
        secondary.kill();
        secondary.restore(old.disks, old.state, old.notes, dice.chance(0.5));
        nodes.forEach(this::startAsUsual);
    }

    /**
     * Both die in mid-epoch, the secondary without its buffers; somebody insists on it, and the
     * primary comes back.
     */
    private void forceTheTorn() {
        if (!compare() || !lead.peer().isSound()) {
            return;
        }
        work();
        simulation.runFor(dice.between(0, 10 * Simulation.MILLISECOND));
        nodes.forEach(LivesNode::kill);
        lead.peer().removeBuffers();
        lead.peer().disks().forEach(LivesDisk::forgetCheckpoint);
        start(lead.peer(), LivesNode.Arguments.SECONDARY);
        simulation.runFor(Simulation.SECOND);
        failOver(lead.peer(), true);
        simulation.runFor(2 * Simulation.SECOND);
        nodes.forEach(this::startAsUsual);
        simulation.runFor(2 * Simulation.SECOND);
    }

    /** The secondary alone is forgotten, and the primary was stopped in good order. */
    private void forgetTheSecondary() {
        if (!compare() || !lead.peer().isSound()) {
            return;
        }
        stopWell(lead);
        stopWell(lead.peer());
        lead.peer().forget();
        lead.peer().takeDisks(lead.disks().stream().map(LivesDisk::medium).toList());
        lead.peer().removeBuffers();
        nodes.forEach(this::startAsUsual);
        pause();
    }

    /** Whose unit started a primary has one that starts a secondary, and the reverse. */
    private void changeRoles() {
        lead = lead.peer();
        nodes.forEach(LivesNode::kill);
        nodes.forEach(this::startAsUsual);
    }

    /** Somebody has the primary go on alone, and makes the secondary one all the same. */
    private void handOver() {
        if (!compare()) {
            return;
        }
        stopReplication(lead);
        simulation.runFor(Simulation.SECOND);
        failOver(lead.peer(), true);
        simulation.runFor(2 * Simulation.SECOND);
        if (dice.chance(0.3)) {
            work();
            pause();
        }
        changeRoles();
    }

    /** A disk goes to the other host, and its state with it. */
    private void duplicate(final LivesNode node) {
        nodes.forEach(LivesNode::kill);
        node.peer().restore(node.copyDisks(), node.state(), node.notes(), dice.chance(0.1));
        nodes.forEach(this::startAsUsual);
    }

    // ---- Two ways, of which one is given up.

    /** How often one was, and how often somebody went back to it. */
    List<Integer> resolved() {
        return List.of(resolved, wentBack);
    }

    /** Both serve their guests, parted; then they meet, and somebody decides. */
    private void goDifferentWays() {
        if (!isParted && compare()) {
            part();
            work();
            simulation.runFor(dice.between(6, 20) * Simulation.SECOND);
            failOver(lead.peer(), false);
            simulation.runFor(Simulation.SECOND);
            work();
            simulation.runFor(Simulation.SECOND);
        }
        if (isParted) {
            part();
        }
        nodes.forEach(this::startAsUsual);
        simulation.runFor(4 * Simulation.SECOND);
        if (lead.primary().filter(LivesPrimary::knowsOtherWay).isPresent()) {
            resolve(lead);
        } else {
            becomePrimary(lead);
        }
    }

    /** The lead gives way, whatever happens to it meanwhile. */
    private void resolve(final LivesNode node) {
        final LivesPrimary primary = node.primary().orElseThrow();
        if (dice.chance(0.5)) {
            work(); // it has begun when its guests are held
        }
        final List<Boolean> answer = new ArrayList<>();
        primary.loop().execute(() -> primary.resolve().thenAccept(answer::add));
        final boolean isQuiet = dice.chance(0.6);
        if (!isQuiet) {
            final boolean[] isTime = new boolean[1];
            simulation.scheduleAfterEvents(dice.between(0, 60), () -> isTime[0] = true);
            simulation.schedule(Simulation.SECOND, () -> isTime[0] = true);
            simulation.runUntil("it is time", SOON, () -> isTime[0]);
            if (dice.chance(0.7)) {
                node.kill();
            } else {
                node.crash();
            }
        } else {
            simulation.runUntil("it is answered", LATER, () -> !answer.isEmpty());
        }
        final Optional<NodeRecord> record = node.record();
        if (record.filter(now -> !now.concession().isNone()).isEmpty()) {
            if (!answer.isEmpty() && answer.getFirst()) {
                throw new AssertionError("I10: it gave way, and nothing that is stored says so");
            }
            return; // it was refused, or died before
        }
        resolved++;
        node.kill();
        node.giveUpFor(record.get().concession().peer());
        lead = node.peer();
        start(node, LivesNode.Arguments.SECONDARY);
        if (dice.chance(0.3)) {
            simulation.runFor(dice.between(0, 20 * Simulation.MILLISECOND));
            goBack(node);
        } else {
            becomePrimary(lead);
            if (dice.chance(0.3)) {
                simulation.runFor(dice.between(0, 300 * Simulation.MILLISECOND));
                goBack(node); // in the midst of being made equal, perhaps
            } else if (lead.primary().isPresent()
                    && node.secondary().isPresent()
                    && nodes.stream().allMatch(LivesNode::isSound)) {
                expectLinked("who gave way is made equal");
                compare();
            }
        }
    }

    /** Somebody insists on what it had. */
    private void goBack(final LivesNode node) {
        if (node.secondary().isPresent()) {
            wentBack++;
            failOver(node, true);
        }
    }

    // ---- The end.

    private void settle() {
        if (isParted) {
            part();
        }
        nodes.forEach(node -> node.failing(0));
        nodes.forEach(this::startAsUsual);
        simulation.runFor(2 * Simulation.SECOND);
        work();
        simulation.runFor(Simulation.SECOND);
        simulation.runUntil(
                "who is left behind knows it",
                LATER,
                () ->
                        nodes.stream()
                                .flatMap(node -> node.primary().stream())
                                .noneMatch(LivesPrimary::isFollowedInVain));
        compare();
        for (final LivesNode node : nodes) {
            if (node.isUp() && node.process().isMerging()) {
                simulation.runUntil("the merge is done", LATER, () -> !node.process().isMerging());
            }
        }
        nodes.forEach(LivesNode::crash);
    }
}

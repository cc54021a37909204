package io.lockstep.simulator;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * Two hosts and a pair on them, and what happens to every such pair through its lives, whatever
 * else a story tells: guests work, processes stop and are started, the network is parted, roles are
 * switched.
 */
abstract class LivesPair implements AutoCloseable {
    protected static final long SOON = 10 * Simulation.SECOND;
    protected static final long LATER = 300 * Simulation.SECOND;
    private static final long SILENCE = 30 * Simulation.SECOND;

    protected final Simulation simulation;
    protected final Dice dice;
    protected final SimulatedNetwork network;
    protected final BufferDirectories directories = new BufferDirectories();
    protected final LivesReached reached;
    protected final List<LivesNode> nodes = new ArrayList<>();

    /** Whose unit starts a primary; the other one's a secondary. */
    protected LivesNode lead;

    protected boolean isParted;

    /** When connections from before a partition are known to be dead. */
    protected long quietAt;

    /** At which levels primaries answer; null where that is never said. */
    private LivesLevels levels;

    LivesPair(final Simulation simulation, final LivesReached reached) {
        this.simulation = simulation;
        this.reached = reached;
        dice = simulation.dice().split();
        network = new SimulatedNetwork(simulation, NetworkFaults.NONE);
    }

    /** The story is about these. */
    final void begin(final LivesNode one, final LivesNode other) {
        nodes.add(one);
        nodes.add(other);
        one.peer(other);
        other.peer(one);
        lead = one;
        simulation.observe(() -> nodes.forEach(LivesPair::observe));
    }

    /** With what its unit starts a node. */
    abstract LivesNode.Arguments usual(LivesNode node);

    /** With what a node is started that is to replicate. */
    abstract LivesNode.Arguments asPrimary();

    /** Starts a node; answers why it refuses, or nothing. */
    abstract Optional<String> start(LivesNode node, LivesNode.Arguments arguments);

    /** In the midst of a switch of roles somebody orders a failover, or promotes the primary. */
    abstract void giveAnotherOrder(boolean isFailover);

    /** Another level may hold from now on, where any was chosen. */
    final void changeLevels() {
        if (levels != null) {
            levels.change(simulation, nodes);
        }
    }

    /** Has its primaries answer at levels that are chosen, and change. */
    final void chooseLevels() {
        levels = new LivesLevels(simulation.dice().split());
        nodes.forEach(node -> node.promises().choose(levels));
    }

    private static void observe(final LivesNode node) {
        node.primary().ifPresent(LivesPrimary::observe);
        node.secondary().ifPresent(LivesSecondary::observe);
    }

    final void pause() {
        final int choice = dice.between(0, 9);
        if (choice < 4) {
            final boolean[] isTime = new boolean[1];
            simulation.scheduleAfterEvents(dice.between(1, 60), () -> isTime[0] = true);
            final long end = simulation.now() + Simulation.SECOND;
            simulation.schedule(Simulation.SECOND, () -> {});
            simulation.runUntil("it is time", SOON, () -> isTime[0] || simulation.now() >= end);
        } else if (choice < 7) {
            simulation.runFor(dice.between(0, 30 * Simulation.MILLISECOND));
        } else {
            simulation.runFor(dice.between(0, 4 * Simulation.SECOND));
        }
        nodes.forEach(
                node -> {
                    if (node.isUp()) {
                        node.process().look();
                    }
                });
    }

    /** Guests make requests, and somebody checkpoints. */
    final void work() {
        for (final LivesNode node : nodes) {
            if (isServing(node)) {
                node.process().guest().ifPresent(guest -> guest.work(dice.between(3, 20)));
            }
        }
        for (int i = dice.between(0, 3); i > 0; i--) {
            simulation.schedule(
                    dice.between(0, 20 * Simulation.MILLISECOND),
                    () ->
                            nodes.forEach(
                                    node ->
                                            node.primary()
                                                    .ifPresent(
                                                            primary ->
                                                                    primary.loop()
                                                                            .execute(
                                                                                    primary
                                                                                            ::checkpoint))));
        }
    }

    static boolean isServing(final LivesNode node) {
        return node.isUp()
                && node.process().guest().isPresent()
                && node.disks().stream().allMatch(disk -> disk.view() != null);
    }

    final void startAsUsual(final LivesNode node) {
        if (!node.isUp()) {
            start(node, usual(node));
        }
    }

    final void expectServing(final LivesNode node) {
        simulation.runUntil(node + " serves", SOON, () -> isServing(node));
    }

    final void endWhatIsRefused(final LivesNode node) {
        if (node.primary().filter(LivesPrimary::isRefused).isPresent()) {
            node.kill();
        }
    }

    final void part() {
        if (isParted) {
            network.heal(nodes.get(0).host(), nodes.get(1).host());
        } else {
            network.partition(nodes.get(0).host(), nodes.get(1).host());
            if (dice.chance(0.6)) {
                work();
                simulation.runFor(dice.between(0, 25 * Simulation.SECOND));
            }
        }
        isParted = !isParted;
        quietAt = simulation.now() + SILENCE;
    }

    final void stop(final LivesNode node) {
        if (!node.isUp()) {
            return;
        }
        final boolean[] isStopped = new boolean[1];
        final LivesProcess process = node.process();
        process.stop(() -> isStopped[0] = true);
        if (dice.chance(0.3)) {
            pause(); // and it is killed in the midst of that
        } else {
            final long end = simulation.now() + 60 * Simulation.SECOND;
            simulation.schedule(60 * Simulation.SECOND, () -> {});
            simulation.runUntil(
                    "a process stops", LATER, () -> isStopped[0] || simulation.now() >= end);
        }
        node.kill();
    }

    final void stopWell(final LivesNode node) {
        final boolean[] isStopped = new boolean[1];
        node.process().stop(() -> isStopped[0] = true);
        simulation.runUntil(node + " stops", LATER, () -> isStopped[0]);
        node.kill();
    }

    /** On either side, and whatever happens to the two and what is between them meanwhile. */
    final void switchOver() {
        boolean isSound = compare() && nodes.stream().allMatch(LivesNode::isSound) && isThrough();
        if (!isSound && dice.chance(0.7)) {
            nodes.forEach(this::startAsUsual);
        }
        if (lead.primary().isEmpty()) {
            becomePrimary(lead);
            return;
        }
        if (dice.chance(0.7)) {
            work();
            simulation.runFor(dice.between(0, 5 * Simulation.MILLISECOND));
        }
        final List<Boolean> answer = new ArrayList<>();
        final LivesProcess ordered =
                dice.chance(0.7) || lead.peer().secondary().isEmpty()
                        ? lead.process()
                        : lead.peer().process();
        final boolean isQuiet = dice.chance(0.3);
        if (isSound && isQuiet) {
            simulation.runFor(Simulation.SECOND); // the primary has heard of its peer by then
            // An order of before may have come true.
            isSound = compare() && !ordered.hasEnded() && isThrough();
        }
        ordered.loop().execute(() -> switchOver(ordered).thenAccept(answer::add));
        if (!isQuiet) {
            disturb();
        }
        final long end = simulation.now() + 20 * Simulation.SECOND;
        simulation.schedule(20 * Simulation.SECOND, () -> {});
        simulation.runUntil(
                "a switch of roles is answered",
                LATER,
                () -> !answer.isEmpty() || simulation.now() >= end || ordered.hasEnded());
        if (isSound && isQuiet && (answer.isEmpty() || !answer.getFirst())) {
            throw new AssertionError("the roles of a sound pair are not switched");
        }
    }

    private static CompletableFuture<Boolean> switchOver(final LivesProcess process) {
        return switch (process) {
            case final LivesPrimary primary -> primary.switchOver();
            case final LivesSecondary secondary -> secondary.switchOver();
            default -> throw new AssertionError(process);
        };
    }

    /** Something happens in the midst of it. */
    private void disturb() {
        final boolean[] isTime = new boolean[1];
        simulation.scheduleAfterEvents(dice.between(0, 150), () -> isTime[0] = true);
        final long end = simulation.now() + Simulation.SECOND;
        simulation.schedule(Simulation.SECOND, () -> {});
        simulation.runUntil("it is time", SOON, () -> isTime[0] || simulation.now() >= end);
        final LivesNode one = dice.oneOf(nodes.get(0), nodes.get(1));
        switch (dice.between(0, 9)) {
            case 0, 1 -> one.kill();
            case 2 -> one.crash();
            case 3 -> nodes.forEach(LivesNode::kill);
            case 4, 5 -> network.cut(one.host(), one.peer().host());
            case 6 -> part();
            case 7 -> one.state().failing(dice.oneOf(0.3, 1.0));
            case 8 -> giveAnotherOrder(true);
            default -> giveAnotherOrder(false);
        }
    }

    /** What `lockstep node` becomes in the same process, or when it is started again. */
    final void becomeSecondary(final LivesNode node) {
        final boolean hasHandedOver = node.primary().filter(LivesPrimary::isHandedOver).isPresent();
        final boolean isRecorded =
                !node.isUp()
                        && node == lead
                        && node.record().filter(now -> now.standing().isSecondary()).isPresent();
        final boolean isOvertaken =
                node.acknowledged() == 0
                        && node.primary().filter(LivesPrimary::isOvertaken).isPresent();
        if (!hasHandedOver && !isRecorded && !isOvertaken) {
            return;
        }
        final LivesNode.Arguments arguments =
                isOvertaken ? LivesNode.Arguments.FORMER_PRIMARY : LivesNode.Arguments.SECONDARY;
        node.kill();
        node.disks().forEach(LivesDisk::leave);
        lead = node.peer();
        start(node, arguments);
        becomePrimary(lead);
    }

    /** Who has taken over replicates back: here as another process. */
    final void becomePrimary(final LivesNode node) {
        if (!node.isUp()) {
            startAsUsual(node);
        }
        final boolean isPromoted =
                node.secondary()
                        .filter(secondary -> secondary.isPromoted() && !secondary.isAsked())
                        .isPresent();
        if (!isPromoted || dice.chance(0.2)) {
            return;
        }
        simulation.runUntil(
                "the merge is done",
                LATER,
                () -> !node.isUp() || !node.isSound() || !node.process().isMerging());
        if (node.isUp() && !node.process().isMerging()) {
            node.kill();
            start(node, asPrimary());
            simulation.runFor(dice.between(0, 2 * Simulation.SECOND));
        }
    }

    /** Nothing is under way: two that are linked hold the same. Answers whether they are. */
    final boolean compare() {
        return !isParted && isServing(lead) && LivesComparison.compare(lead);
    }

    /**
     * Whether what either says reaches the other. A partition leaves connections that stand and are
     * silent, also when it is over: both take themselves for linked until they miss each other.
     */
    private boolean isThrough() {
        return !network.isSilent(nodes.get(0).host(), nodes.get(1).host());
    }

    final void expectLinked(final String what) {
        simulation.runUntil(
                what,
                LATER,
                () -> nodes.stream().allMatch(node -> node.isUp() && node.process().isLinked()));
    }

    /** Gives back memory and files, however the story ended. */
    @Override
    public final void close() {
        simulation.observe(() -> {});
        try {
            nodes.forEach(LivesNode::close);
        } finally {
            directories.close();
        }
    }
}

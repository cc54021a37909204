package io.lockstep.cli.run;

import io.lockstep.cli.argument.StateOptions;
import io.lockstep.cli.control.ControlAddress;
import io.lockstep.cli.control.ControlService;
import io.lockstep.cli.control.ControlledGroup;
import io.lockstep.cli.control.MonitoredGroup;
import io.lockstep.cli.control.PeerMonitor;
import io.lockstep.cli.graph.BlockExports;
import io.lockstep.cli.graph.BlockGraph;
import io.lockstep.engine.disk.DiskAccess;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.Job;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.node.AfterSplitBrain;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.service.Engine;
import io.lockstep.engine.service.EngineOptions;
import io.lockstep.engine.service.LoopCall;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * A process that replicates, as all of its commands run it: an engine, the graph of its block
 * nodes, their exports, and the control socket. Set up by one thread, and stopped by one.
 */
public final class EngineRun {
    /** The answer to a command that ends the process should be read before that is gone. */
    private static final long ANSWER_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    private final Console console;
    private final Engine engine;
    private final BlockGraph graph;
    private final BlockExports exports;
    private PeerMonitor peerMonitor;
    private String name;
    private ControlService controlService;
    private Rehearsal rehearsal;
    private final CompletableFuture<Void> handedOver = new CompletableFuture<>();

    /** Whether the process becomes what the pair makes of its node. */
    private boolean switchesRoles;

    /** To whom it replicates when it has taken over; null for nobody. */
    private Endpoint back;

    /** What is done then. */
    private Runnable whenBack = () -> {};

    private EngineRun(final Console console, final Engine engine) {
        this.console = console;
        this.engine = engine;
        graph = new BlockGraph(engine);
        exports = new BlockExports(graph);
    }

    /**
     * Starts an engine without a disk.
     *
     * @param attachNanos as in {@link EngineOptions}, as are those that follow
     * @param state where the node keeps what it remembers
     */
    public static EngineRun start(
            final Console console,
            final int connectionsMax,
            final PrimaryOptions primary,
            final long attachNanos,
            final long bufferLimit,
            final Path ownBuffers,
            final StateOptions state,
            final boolean newGeneration)
            throws IOException {
        return start(
                console,
                connectionsMax,
                primary,
                attachNanos,
                bufferLimit,
                ownBuffers,
                state,
                newGeneration,
                DiskAccess.PLAIN);
    }

    /** The same with files of disks that are used in another way. */
    public static EngineRun start(
            final Console console,
            final int connectionsMax,
            final PrimaryOptions primary,
            final long attachNanos,
            final long bufferLimit,
            final Path ownBuffers,
            final StateOptions state,
            final boolean newGeneration,
            final DiskAccess access)
            throws IOException {
        QuietCompiler.begin();
        return new EngineRun(
                console,
                Engine.start(
                        new EngineOptions(
                                connectionsMax,
                                ServerRun.SPIN_NANOS,
                                primary,
                                attachNanos,
                                bufferLimit,
                                ownBuffers,
                                state.directory(),
                                state.mayVanish(),
                                newGeneration,
                                access,
                                console,
                                console,
                                console)));
    }

    /** The engine, whose methods wait for its loops. */
    public Engine engine() {
        return engine;
    }

    /** Its block nodes; a thread's of the control sockets once there are any. */
    public BlockGraph graph() {
        return graph;
    }

    BlockExports exports() {
        return exports;
    }

    /**
     * Has a secondary that knows no epochs checkpointed there. Before {@link #control}.
     *
     * @throws IOException where this host can't use such an address
     */
    public void checkpointPeerAt(final PeerMonitor.Address address) throws IOException {
        address.requireUsable();
        peerMonitor = new PeerMonitor(address, engine.loop());
    }

    /** What managers are told that the virtual machine is called. Before {@link #control}. */
    public void name(final String machine) {
        name = machine;
    }

    /**
     * Has a secondary that takes over replicate to its former primary, once it is done with the
     * merge. Before {@link #control}.
     *
     * @param whenBegun runs then, on the engine's loop
     */
    public void replicateBackTo(final Endpoint peer, final Runnable whenBegun) {
        back = peer;
        whenBack = whenBegun;
    }

    /** The same for one that took over before this process; behind {@link #control}. */
    public void replicateBack() {
        engine.loop().execute(this::replicateBackNow);
    }

    private void replicateBackNow() {
        if (back != null) {
            whenBack.run();
            engine.replicateTo(back)
                    .exceptionally(
                            thrown -> {
                                console.say(
                                        "the former primary at "
                                                + back
                                                + " is not replicated to: "
                                                + thrown.getMessage());
                                return null;
                            });
        }
    }

    /**
     * Has the process become the other half of the pair where the two switch their roles, or its
     * peer has taken over meanwhile. Before the first disk.
     */
    public void switchRoles() throws IOException {
        engine.switchRoles();
        switchesRoles = true;
    }

    /**
     * What becomes of the node where it finds itself in a split brain. Before the first disk.
     *
     * @throws IOException where the engine has ended
     */
    public void afterSplitBrain(final AfterSplitBrain policy) throws IOException {
        engine.afterSplitBrain(policy);
    }

    /** Done when the peer has taken over what this process had as a primary. */
    public CompletableFuture<Void> whenHandedOver() {
        return handedOver;
    }

    /** A primary that has given its own way up is none any more, and can't be a secondary here. */
    private void endWhereItConceded() {
        final boolean hasConceded =
                !switchesRoles
                        && engine.group()
                                .node()
                                .filter(node -> !node.record().concession().isNone())
                                .isPresent();
        if (hasConceded) {
            console.say(
                    "this process ends, as its node is a secondary now: start it as one, with"
                            + " 'lockstep node' or 'lockstep secondary', on the address that is the"
                            + " other one's --peer");
            engine.loop().schedule(ANSWER_NANOS, () -> ServerRun.quit(1));
        }
    }

    /**
     * A primary whose disks somebody has overwritten is one no more; whoever said so hears that.
     */
    private void endWhereItGivesWay() {
        final boolean givesWay =
                engine.group().role() == ReplicationGroup.Role.PRIMARY
                        && engine.group()
                                .node()
                                .filter(node -> node.record().isJoining())
                                .isPresent();
        if (givesWay) {
            engine.loop().schedule(ANSWER_NANOS, () -> ServerRun.quit(1));
        }
    }

    private ReplicationGroup controlledGroup() {
        if (peerMonitor == null) {
            return engine.group();
        }
        peerMonitor
                .check()
                .exceptionally(
                        thrown -> {
                            console.say(thrown.getMessage());
                            return null;
                        });
        return new MonitoredGroup(engine.group(), peerMonitor);
    }

    /** Opens the control socket, a thread of which has graph and exports from now on. */
    public void control(final Path socket) throws IOException {
        control(List.of(ControlAddress.at(socket)));
    }

    /** The same for several. */
    public void control(final List<ControlAddress> addresses) throws IOException {
        controlService =
                ControlService.start(
                        addresses,
                        new ControlledGroup(
                                controlledGroup(), engine.loop(), ServerRun::quit, name),
                        graph,
                        exports,
                        console);
        console.forwardTo(new Follower());
    }

    /** Tells managers, and does what follows from an event. */
    private final class Follower implements GroupEvents {
        @Override
        public void onEvent(
                final Event event, final String disk, final long epoch, final String sentence) {
            controlService.onEvent(event, disk, epoch, sentence);
            if (event == Event.REPLICATION_ERROR || event == Event.DETACHED) {
                tellChildrenGivenUp(sentence);
            }
            switch (event) {
                case REPLICATION_ERROR -> endWhereItGivesWay();
                case SPLIT_BRAIN_RESOLVED -> endWhereItConceded();
                case HANDED_OVER -> handedOver.complete(null);
                case MERGE_COMPLETED -> engine.loop().execute(EngineRun.this::replicateBackNow);
                default -> {}
            }
        }

        @Override
        public void onEpoch(final Event event, final long epoch) {
            controlService.onEpoch(event, epoch);
        }

        @Override
        public void onOpened(final long epoch) {
            controlService.onOpened(epoch);
        }

        /** Where the secondary is asked again they are not. */
        private void tellChildrenGivenUp(final String sentence) {
            final ReplicationGroup group = engine.group();
            if (group.role() == ReplicationGroup.Role.PRIMARY
                    && group.status().state() == GroupStatus.State.BROKEN) {
                graph.onReplicationGivenUp(sentence);
            }
        }

        @Override
        public void onJob(final Job.Report report) {
            controlService.onJob(report);
        }
    }

    /** Opens the secondary of the graph's disks, and starts it where it was not started before. */
    public void startSecondary() throws IOException {
        engine.openSecondary();
        startOpened();
    }

    /** The same of a node that was the primary until its peer took over. */
    public void startFormerPrimary() throws IOException {
        engine.openFormerPrimary();
        startOpened();
    }

    private void startOpened() throws IOException {
        final CompletableFuture<Void> started =
                LoopCall.call(engine.loop(), () -> startUnlessStarted(engine.group()));
        LoopCall.call(engine.loop(), () -> null); // what the disks answer at once has come
        started.join();
    }

    private static CompletableFuture<Void> startUnlessStarted(final ReplicationGroup group) {
        return group.status().state() == GroupStatus.State.IDLE
                ? group.start()
                : CompletableFuture.completedFuture(null);
    }

    /** Lets the primary in, to write to these disks, and guests. */
    public void serveSecondary(
            final List<String> names,
            final int connectionsMax,
            final List<Endpoint> streams,
            final List<Endpoint> guests)
            throws IOException {
        exports.start(List.of(), connectionsMax);
        for (final String name : names) {
            exports.addDisk(name, "replication");
        }
        // Only now: a primary that connects again must not find a part of it.
        exports.listen(streams);
        serveGuests(guests);
    }

    /** Lets another primary, which looks for its secondary here, find that this is one. */
    public void meetPrimaries(final int connectionsMax, final List<Endpoint> streams)
            throws IOException {
        exports.start(List.of(), connectionsMax);
        engine.exportMeetings();
        exports.listen(streams);
    }

    /**
     * Has a pair's load played beside the group, and failovers while this is a standby, for the
     * real ones to be quick. Waits for nothing. Behind {@link #control}: what it needs lies beside
     * the first Unix socket there, and without one it is left out.
     */
    public void rehearse() {
        controlService
                .socket()
                .ifPresent(
                        socket ->
                                rehearsal =
                                        Rehearsal.start(
                                                socket.resolveSibling(
                                                        socket.getFileName() + ".rehearsal"),
                                                this::isStandby,
                                                this::isMadeEqual));
    }

    /** Waits for the load that {@link #rehearse} plays, at most for half a second. */
    public void awaitRehearsedLoad() {
        if (rehearsal != null) {
            rehearsal.awaitLoad();
        }
    }

    /** Whether a primary makes its disks equal, and there is no checkpoint meanwhile. */
    private boolean isMadeEqual() {
        try {
            return LoopCall.call(engine.loop(), () -> engine.group().node())
                    .filter(node -> node.record().standing() == Standing.INCONSISTENT)
                    .isPresent();
        } catch (final IOException e) {
            return false; // it does not even answer
        }
    }

    private boolean isStandby() {
        try {
            return engine.isStandby();
        } catch (final IOException e) {
            return false; // it does not even answer
        }
    }

    /** The control socket; null until there is one. */
    public ControlService controlService() {
        return controlService;
    }

    /** Lets guests in. */
    public void serveGuests(final List<Endpoint> endpoints) throws IOException {
        for (final Endpoint endpoint : endpoints) {
            engine.guests().listen(endpoint);
        }
    }

    /** Answers whether the disks could be flushed. */
    public boolean stop() {
        if (rehearsal != null) {
            rehearsal.end();
        }
        if (controlService != null) {
            controlService.close();
        }
        if (peerMonitor != null) {
            peerMonitor.close();
        }
        graph.liftLimits();
        return engine.stop();
    }
}

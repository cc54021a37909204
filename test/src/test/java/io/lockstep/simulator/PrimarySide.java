package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.GroupTurn;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.primary.Peer;
import io.lockstep.engine.primary.PrimaryGroup;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.primary.PrimaryPlace;
import io.lockstep.engine.server.ConnectionLimit;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.engine.tracking.Tracking;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;

/** The primary host's processes, one after the other: a group, and the guests' server. */
final class PrimarySide implements ServerEvents {
    private static final int PORT = 10809;
    private static final int CONNECTIONS_MAX = 100;

    private final Simulation simulation;
    private final SimulatedHost host;
    private final List<ReplicatedDisk> disks;
    private final PrimaryOptions options;
    private final boolean hasLinkLoop;
    private final boolean isCalm;
    private final List<PrimaryGroup> gone = new ArrayList<>();
    private final Set<GroupEvents.Event> heard = EnumSet.noneOf(GroupEvents.Event.class);
    private final SimulatedNode node;
    private SimulatedLoop loop;
    private PrimaryGroup group;
    private IoLoop.Listener listener;

    /** Whether disks have loops of their own. */
    private boolean isOnLoops;

    /** The present process's, but for its first disk's. */
    private List<SimulatedLoop> others = List.of();

    private IoLoop turn;

    /** Where its guests are promised something. */
    private Optional<PairPromises> promises = Optional.empty();

    /**
     * A host on which nothing runs.
     *
     * @param hasLinkLoop whether the link has a loop of its own
     * @param isCalm whether nothing is expected to go wrong
     */
    PrimarySide(
            final SimulatedNetwork network,
            final String name,
            final List<ReplicatedDisk> disks,
            final PrimaryOptions options,
            final boolean hasLinkLoop,
            final boolean isCalm) {
        this.simulation = network.simulation();
        this.disks = disks;
        this.options = options;
        this.hasLinkLoop = hasLinkLoop;
        this.isCalm = isCalm;
        host = new SimulatedHost(network, name);
        node = new SimulatedNode(2 * simulation.seed() + name.hashCode());
    }

    /** Its guests are promised what its level says. */
    void promise(final PairPromises made) {
        promises = Optional.of(made);
    }

    /** Disks have loops of their own. */
    void beOnLoops() {
        isOnLoops = true;
    }

    SimulatedNode node() {
        return node;
    }

    SimulatedHost host() {
        return host;
    }

    /** Where its guests connect. */
    Endpoint guestEndpoint() {
        return new Endpoint.Tcp(host.name(), PORT);
    }

    boolean isUp() {
        return group != null;
    }

    /** Whether an event was heard of the present process. */
    boolean hasHeard(final GroupEvents.Event event) {
        return heard.contains(event);
    }

    GroupStatus status() {
        return group.status();
    }

    /** Why replication does not hold; empty where it does. */
    Optional<ReplicationError> error() {
        return group.error();
    }

    /** Starts a process, which does not replicate yet. */
    void start() {
        heard.clear();
        loop = host.loop("guest-loop");
        final SimulatedLoop linkLoop = hasLinkLoop ? host.loop("link-loop") : loop;
        others = List.of();
        turn = loop;
        if (isOnLoops && disks.size() > 1) {
            openOnLoops(linkLoop);
        } else {
            loop.run(() -> open(linkLoop));
        }
    }

    /** Each disk but the first has a loop of its own, or all of those have one. */
    private void openOnLoops(final SimulatedLoop linkLoop) {
        final GroupTurn ofAll = new GroupTurn(loop);
        turn = ofAll;
        final List<SimulatedLoop> more = new ArrayList<>();
        for (int i = simulation.dice().between(1, disks.size() - 1); i > 0; i--) {
            more.add(host.loop("disks" + i));
        }
        others = more;
        loop.run(
                () ->
                        loop.whileStanding(
                                List.copyOf(more),
                                () -> {
                                    open(linkLoop);
                                    more.forEach(ofAll::join);
                                }));
    }

    private PrimaryPlace place(final int number, final SimulatedLoop own) {
        final SimulatedLoop its =
                number == 0 || others.isEmpty() ? own : others.get((number - 1) % others.size());
        return new PrimaryPlace(host.open(disks.get(number).primary().medium(), its), its);
    }

    private void open(final SimulatedLoop linkLoop) {
        final SimulatedLoop own = loop;
        final List<PrimaryPlace> places = new ArrayList<>();
        disks.forEach(disk -> places.add(place(places.size(), own)));
        final List<Disk> media = places.stream().map(PrimaryPlace::disk).toList();
        try {
            group =
                    PrimaryGroup.open(
                            turn,
                            linkLoop,
                            places,
                            media.stream()
                                    .map(disk -> new Peer(SecondarySide.STREAM, disk.name()))
                                    .toList(),
                            node.self(),
                            Tracking.inMemory(media.stream().map(Disk::length).toList()),
                            options,
                            new GroupEvents() {
                                @Override
                                public void onEvent(
                                        final Event event,
                                        final String disk,
                                        final long epoch,
                                        final String sentence) {
                                    if (isLoop(own)) {
                                        PrimarySide.this.onEvent(event, disk, epoch, sentence);
                                    }
                                }

                                @Override
                                public void onOpened(final long epoch) {
                                    if (isLoop(own)) {
                                        PrimarySide.this.onOpened(epoch);
                                    }
                                }
                            });
            final ConnectionLimit limit = new ConnectionLimit(CONNECTIONS_MAX);
            final List<ServedExport> exports = exports(own);
            final NbdServer server = new NbdServer(own, exports, limit, this);
            host.onStop(server::abort);
            for (final SimulatedLoop other : others) {
                final NbdServer its = new NbdServer(other, exports, limit, this);
                host.onStop(its::abort);
            }
            listener =
                    own.listen(
                            guestEndpoint(), connection -> connection.open(own, server::connect));
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private List<ServedExport> exports(final SimulatedLoop own) {
        final List<ServedExport> exports = group.guestExports();
        final PrimaryGroup present = group;
        return promises.map(
                        made ->
                                made.serve(
                                        new Promises.Giver() {
                                            @Override
                                            public GroupStatus.Acknowledging acknowledging() {
                                                return present.status().acknowledging();
                                            }

                                            @Override
                                            public boolean isRecordedAlone() {
                                                return node.standing() == Standing.ALONE;
                                            }

                                            @Override
                                            public boolean hasEnded() {
                                                return !isLoop(own);
                                            }

                                            @Override
                                            public void judged(final Runnable judgement) {
                                                judgement.run();
                                            }
                                        },
                                        options.ack(),
                                        exports))
                .orElse(exports);
    }

    @SuppressWarnings("ReferenceEquality") // a loop equals itself alone
    private boolean isLoop(final SimulatedLoop own) {
        return loop == own;
    }

    /** Has something done on the group's loop, if it runs. */
    void execute(final Consumer<PrimaryGroup> action) {
        if (isUp()) {
            final PrimaryGroup present = group;
            turn.execute(() -> action.accept(present));
        }
    }

    /** {@code kill -9}. */
    void kill() {
        end();
        host.kill();
        disks.forEach(disk -> disk.primary().onRest());
        promises.ifPresent(PairPromises::onEnded);
    }

    /** The power fails. */
    void crash() {
        end();
        host.crash();
        disks.forEach(disk -> disk.primary().onCrash());
        promises.ifPresent(PairPromises::onEnded);
    }

    private void end() {
        listener.close();
        gone.add(group);
        group = null;
        loop = null;
    }

    /**
     * An epoch was sealed. Noted at once: replication may end in this very event, and what is
     * answered later in it is not of the epoch.
     */
    private void onOpened(final long epoch) {
        simulation.trace(host.name(), "has sealed", epoch - 1, 0);
        disks.forEach(disk -> disk.onSeal(epoch - 1));
    }

    /** Gives back what the processes hold, when the story is over. */
    void close() {
        if (isUp()) {
            end();
            host.kill();
        }
        gone.forEach(PrimaryGroup::close);
    }

    private void onEvent(
            final GroupEvents.Event event,
            final String disk,
            final long epoch,
            final String sentence) {
        heard.add(event);
        simulation.trace(host.name(), event.name(), epoch, 0);
        if (isCalm
                && switch (event) {
                    case GUEST_IO_ERROR, DETACHED -> true;
                    default -> false;
                }) {
            throw new AssertionError(event + ": " + sentence);
        }
    }

    @Override
    public void onDiskError(final String sentence) {
        if (isCalm) {
            throw new AssertionError(sentence);
        }
    }

    @Override
    public void onClientProblem(final String peer, final String sentence) {}
}

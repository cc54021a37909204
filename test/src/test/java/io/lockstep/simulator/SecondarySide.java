package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.GroupTurn;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.secondary.SecondaryGroup;
import io.lockstep.engine.secondary.SecondaryOptions;
import io.lockstep.engine.secondary.StreamPlace;
import io.lockstep.engine.server.ConnectionLimit;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.engine.tracking.Tracking;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * The secondary host's processes, one after the other: a group, the stream's server, the guest's.
 */
class SecondarySide implements ServerEvents {
    static final Endpoint STREAM = new Endpoint.Tcp("secondary", 10810);
    static final Endpoint GUEST = new Endpoint.Tcp("secondary", 10811);
    private static final int CONNECTIONS_MAX = 100;

    private final Simulation simulation;
    private final Dice dice;
    private final SimulatedHost host;
    private final List<ReplicatedDisk> disks;
    private final BufferDirectories directories;
    private final long bufferLimit;
    private final boolean isCalm;
    private final boolean isOnLoops;
    private final List<SecondaryGroup> killed = new ArrayList<>();
    private final Set<GroupEvents.Event> heard = EnumSet.noneOf(GroupEvents.Event.class);
    private final SimulatedNode node;
    private Path buffers;
    private SimulatedLoop loop;

    /** The group's: the loop itself, or its turn where streams have loops of their own. */
    private IoLoop turn;

    /** All of the process. */
    private List<SimulatedLoop> loops = List.of();

    private SecondaryGroup group;
    private List<IoLoop.Listener> listeners = List.of();
    private long committed;
    private boolean wantsFailover;
    private long checkedAt;

    /**
     * A host on which nothing runs.
     *
     * @param isCalm whether nothing is expected to go wrong
     * @param isOnLoops whether its disks' streams have loops of their own
     */
    SecondarySide(
            final SimulatedNetwork network,
            final List<ReplicatedDisk> disks,
            final BufferDirectories directories,
            final long bufferLimit,
            final boolean isCalm,
            final boolean isOnLoops) {
        this.simulation = network.simulation();
        dice = simulation.dice().split();
        this.disks = disks;
        this.directories = directories;
        this.bufferLimit = bufferLimit;
        this.isCalm = isCalm;
        this.isOnLoops = isOnLoops;
        host = new SimulatedHost(network, "secondary");
        node = new SimulatedNode(2 * simulation.seed());
        buffers = directories.fresh();
    }

    SimulatedHost host() {
        return host;
    }

    boolean isUp() {
        return group != null;
    }

    /** Whether an event was ever heard. */
    boolean hasHeard(final GroupEvents.Event event) {
        return heard.contains(event);
    }

    GroupStatus status() {
        return group.status();
    }

    /** The last committed epoch, of whichever process. */
    long committed() {
        return committed;
    }

    /** Starts a process; it goes on where the one before was killed. */
    void start() {
        loop = host.loop("loop");
        loops = List.of(loop);
        turn = loop;
        if (isOnLoops && disks.size() > 1) {
            openOnLoops();
        } else {
            loop.run(() -> open(List.of()));
        }
        if (wantsFailover) {
            failOver();
        }
    }

    /** The stream of each disk but the first has a loop of its own, or all of those have one. */
    private void openOnLoops() {
        final GroupTurn ofAll = new GroupTurn(loop);
        turn = ofAll;
        final List<SimulatedLoop> others = new ArrayList<>();
        for (int i = dice.between(1, disks.size() - 1); i > 0; i--) {
            others.add(host.loop("disks" + i));
        }
        loop.run(
                () -> {
                    open(others);
                    others.forEach(ofAll::join);
                });
        loops = new ArrayList<>(others);
        loops.add(loop);
    }

    private StreamPlace place(
            final int number, final Disk medium, final List<SimulatedLoop> others) {
        if (number == 0 || others.isEmpty()) {
            return new StreamPlace(loop, medium, loop);
        }
        final SimulatedLoop its = others.get((number - 1) % others.size());
        final ReplicatedDisk disk = disks.get(number);
        final Disk there = disk.openedBySecondary(host.open(disk.secondaryMedium(), its));
        return new StreamPlace(its, there, loop);
    }

    private void open(final List<SimulatedLoop> others) {
        final SimulatedLoop own = loop;
        final List<Disk> media =
                disks.stream()
                        .map(disk -> disk.openedBySecondary(host.open(disk.secondaryMedium(), own)))
                        .toList();
        final List<StreamPlace> places = new ArrayList<>();
        media.forEach(medium -> places.add(place(places.size(), medium, others)));
        final List<Long> lengths = media.stream().map(Disk::length).toList();
        try {
            group =
                    SecondaryGroup.open(
                            turn,
                            media,
                            places,
                            node.self(),
                            Tracking.inMemory(lengths),
                            options(buffers),
                            (event, disk, epoch, sentence) -> {
                                if (loop == own) {
                                    onEvent(event, disk, epoch, sentence);
                                }
                            });
            if (group.status().state() == GroupStatus.State.IDLE && !wantsFailover) {
                group.start();
            }
            final List<ServedExport> stream = new ArrayList<>();
            for (int i = 0; i < disks.size(); i++) {
                stream.add(disks.get(i).streamExport(group.streamExports().get(i)));
            }
            listeners = List.of(serveOneByOne(stream, others), serve(GUEST, group.guestExports()));
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What a group is made of that has its buffers there. */
    SecondaryOptions options(final Path directory) {
        return SecondaryOptions.in(directory, disks.size(), bufferLimit);
    }

    /** The same for a copy in a world of its own. */
    SecondaryOptions optionsOfCopy(final Path directory) {
        return options(directory);
    }

    SimulatedNode node() {
        return node;
    }

    private IoLoop.Listener serve(final Endpoint endpoint, final List<ServedExport> exports)
            throws IOException {
        return listen(
                endpoint, new NbdServer(loop, exports, new ConnectionLimit(CONNECTIONS_MAX), this));
    }

    /** As a manager does over QMP: the server is there before its exports are. */
    private IoLoop.Listener serveOneByOne(
            final List<ServedExport> exports, final List<SimulatedLoop> others) throws IOException {
        final ConnectionLimit limit = new ConnectionLimit(CONNECTIONS_MAX);
        final NbdServer server = new NbdServer(loop, List.of(), limit, this);
        final List<NbdServer> all = new ArrayList<>();
        all.add(server);
        for (final SimulatedLoop other : others) {
            final NbdServer its = new NbdServer(other, List.of(), limit, this);
            all.add(its);
            host.onStop(its::abort);
        }
        for (final ServedExport export : exports) {
            turn.schedule(
                    dice.between(0, 2 * Simulation.MILLISECOND),
                    () -> all.forEach(one -> one.add(export)));
        }
        return listen(STREAM, server);
    }

    private IoLoop.Listener listen(final Endpoint endpoint, final NbdServer server)
            throws IOException {
        final SimulatedLoop own = loop;
        host.onStop(server::abort);
        return own.listen(endpoint, connection -> connection.open(own, server::connect));
    }

    /** {@code kill -9}: what is in the mapped files at this instant is there for the next one. */
    void kill() {
        listeners.forEach(IoLoop.Listener::close);
        if (Files.exists(buffers)) {
            buffers = directories.copy(buffers);
        }
        killed.add(group);
        group = null;
        loop = null;
        host.kill();
    }

    /** A manager tells it to take over; again, where its process was killed before it had. */
    void failOver() {
        wantsFailover = true;
        if (isUp()) {
            final SecondaryGroup present = group;
            turn.execute(
                    () -> {
                        final GroupStatus.State state = present.status().state();
                        if (state != GroupStatus.State.IDLE) {
                            takeOver(present).exceptionally(this::failed);
                        }
                    });
        }
    }

    /** As its manager does: whatever its verdict, the primary may live on. */
    CompletableFuture<Void> takeOver(final SecondaryGroup present) {
        return present.failOver(true);
    }

    /** The same of a copy in a world of its own. */
    void takeOverCopy(final SecondaryGroup copy) {
        copy.failOver(true);
    }

    private Void failed(final Throwable why) {
        simulation.fail(why);
        return null;
    }

    /** A manager on this side commits what is sealed. */
    void commitWhatIsSealed() {
        if (isUp()) {
            final SecondaryGroup present = group;
            turn.execute(present::checkpoint);
        }
    }

    /** Has something done on the group's loop, if it runs. */
    void execute(final Consumer<SecondaryGroup> action) {
        if (isUp()) {
            final SecondaryGroup present = group;
            loop.execute(() -> action.accept(present));
        }
    }

    /** Whether the guest is served from the last checkpoint. */
    boolean hasFailedOver() {
        return isUp()
                && wantsFailover
                && switch (group.status().state()) {
                    case MERGING, ALONE -> true;
                    default -> false;
                };
    }

    /** Whether a primary is attached. */
    boolean isLinked() {
        return group.status().linked();
    }

    /** Whether it takes a primary. */
    boolean isRunning() {
        return isUp() && group.status().state() == GroupStatus.State.RUNNING;
    }

    boolean isAlone() {
        return isUp() && group.status().state() == GroupStatus.State.ALONE;
    }

    /** Looks whether an epoch was committed; after every event. */
    void observe() {
        if (!isUp()) {
            return;
        }
        final long now = group.status().committedEpoch();
        if (now < committed) {
            if (now == 0
                    && wantsFailover
                    && !group.status().state().equals(GroupStatus.State.MERGING)) {
                return; // the disks are plain ones, and another process knows nothing of epochs
            }
            throw new AssertionError("epoch " + committed + " was committed; now it is " + now);
        }
        if (committed < now) {
            // Not one by one: a primary that was killed may have taken a number with it.
            committed = now;
            simulation.trace("secondary", "has committed", now, now);
            onCommitted(now);
        }
    }

    /** This is the last committed epoch now. */
    void onCommitted(final long epoch) {
        disks.forEach(disk -> disk.onCommit(epoch));
    }

    /** The same, unless nothing has changed since it was called last. */
    void checkWhatIfKilledNow() {
        if (isUp()) {
            long count = loops.stream().mapToLong(SimulatedLoop::turnCount).sum();
            for (final ReplicatedDisk disk : disks) {
                count += disk.secondaryMedium().changeCount();
            }
            if (count != checkedAt) {
                checkedAt = count;
                checkWhatIfKilled();
            }
        }
    }

    /**
     * What if it were killed at this instant, and another process told to take over? Plays that in
     * a world of its own: every disk must return to the last committed epoch.
     */
    void checkWhatIfKilled() {
        if (!isUp() || !Files.exists(buffers)) {
            return;
        }
        observe();
        final GroupStatus.State state = group.status().state();
        if (state == GroupStatus.State.IDLE || state == GroupStatus.State.ALONE) {
            return;
        }
        final List<SimulatedMedium> media = whatIfKilled();
        for (int i = 0; i < media.size(); i++) {
            disks.get(i).checkFailedOver(media.get(i));
        }
    }

    /** What the disks would hold then. */
    List<SimulatedMedium> whatIfKilled() {
        simulation.trace("secondary", "might be killed", committed, 0);
        return ImaginedFailover.of(
                simulation.seed(),
                disks.stream().map(ReplicatedDisk::secondaryMedium).toList(),
                node.copy().self(),
                optionsOfCopy(directories.copy(buffers)),
                this::takeOverCopy);
    }

    /** Gives back what the processes hold, when the story is over. */
    void close() {
        if (isUp()) {
            kill();
        }
        killed.forEach(SecondaryGroup::close);
    }

    private void onEvent(
            final GroupEvents.Event event,
            final String disk,
            final long epoch,
            final String sentence) {
        heard.add(event);
        simulation.trace("secondary", event.name(), epoch, 0);
        if (isCalm
                && switch (event) {
                    case GUEST_IO_ERROR, REPLICATION_ERROR, MERGE_FAILED -> true;
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

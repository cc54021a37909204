package io.lockstep.cli.control;

import com.google.gson.JsonObject;

import io.lockstep.cli.graph.BlockExports;
import io.lockstep.cli.graph.BlockGraph;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.Job;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.node.Standing;

import org.agrona.ErrorHandler;

import java.io.FileDescriptor;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * The control sockets of a group: a QMP server on a loop of its own, and counters and epochs beside
 * the first. Made and closed by one thread; hears of events from the group's loop.
 */
public final class ControlService implements GroupEvents, AutoCloseable {
    private static final long COUNTERS_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

    private final NioLoop loop;
    private final ControlledGroup controlled;
    private final Checkpoints checkpoints;
    private final QmpServer server;
    private final Jobs jobs = new Jobs();
    private final MirrorJobs mirrors;
    private final JobEvents jobEvents = new JobEvents();
    private final EpochEvents epochEvents;
    private final Runnable refreshTask = this::refreshEpochs;
    private final ErrorHandler errorHandler;

    /** Has the graph, if there is one: its commands may take a while. */
    private final ExecutorService graphThread =
            Executors.newSingleThreadExecutor(
                    Thread.ofPlatform().daemon().name("lockstep-graph").factory());

    private final List<ControlAddress> opened = new ArrayList<>();
    private CounterFile counters;

    /** Beside the counters; made on this loop, and written on the group's. */
    private volatile EpochFile epochs;

    private boolean closed;

    private ControlService(
            final ControlledGroup controlled, final NioLoop loop, final ErrorHandler errorHandler) {
        this.controlled = controlled;
        this.loop = loop;
        this.errorHandler = errorHandler;
        checkpoints = new Checkpoints(controlled.group(), controlled.loop());
        server = new QmpServer(loop, errorHandler);
        epochEvents = new EpochEvents(loop, this::tellEpoch);
        GroupCommands.addTo(server, loop, controlled, checkpoints);
        mirrors = new MirrorJobs(server);
        jobs.add(() -> GroupCommands.jobs(controlled.group()));
        jobs.add(mirrors);
        JobCommands.addTo(server, controlled.loop(), jobs);
    }

    /**
     * Starts it.
     *
     * @param addresses where clients come; counters and epochs lie beside the first Unix socket, at
     *     {@code PATH.counters} and {@code PATH.epochs}
     * @throws IOException where somebody else listens there, or it can't be had
     */
    public static ControlService start(
            final List<ControlAddress> addresses,
            final ControlledGroup controlled,
            final ErrorHandler errorHandler)
            throws IOException {
        return start(addresses, controlled, service -> {}, errorHandler);
    }

    /**
     * The same for a group whose disks and exports can be changed.
     *
     * @param graph from now on used by a thread of the control sockets' alone
     * @param exports of the graph
     */
    public static ControlService start(
            final List<ControlAddress> addresses,
            final ControlledGroup controlled,
            final BlockGraph graph,
            final BlockExports exports,
            final ErrorHandler errorHandler)
            throws IOException {
        return start(
                addresses,
                controlled,
                service -> {
                    GraphCommands.addTo(service.server, graph, exports, service.graphThread);
                    YankCommands.addTo(service.server, graph);
                    final GraphThread thread = new GraphThread(service.graphThread);
                    RunCommands.addTo(service.server, graph, thread);
                    ObjectCommands.addTo(service.server, graph.objects(), thread);
                    MirrorCommands.addTo(service.server, graph, thread, service.mirrors);
                    ResizeCommands.addTo(service.server, controlled, graph, thread);
                },
                errorHandler);
    }

    private static ControlService start(
            final List<ControlAddress> addresses,
            final ControlledGroup controlled,
            final Consumer<ControlService> moreCommands,
            final ErrorHandler errorHandler)
            throws IOException {
        final NioLoop loop = new NioLoop("lockstep-control", 0, errorHandler);
        loop.start();
        final ControlService service = new ControlService(controlled, loop, errorHandler);
        moreCommands.accept(service);
        try {
            service.onLoop(() -> service.open(addresses));
            return service;
        } catch (final IOException e) {
            service.close();
            throw e;
        }
    }

    private void open(final List<ControlAddress> addresses) throws IOException {
        for (final ControlAddress address : addresses) {
            // No pattern switch: linking one takes longer than the rest of a start.
            if (address instanceof ControlAddress.Socket(Endpoint endpoint)) {
                final Endpoint bound = server.listen(endpoint);
                opened.add(new ControlAddress.Socket(bound));
                if (counters == null && bound instanceof Endpoint.Unix(Path path)) {
                    counters = makeCounters(path);
                    epochs = makeEpochs(path);
                }
            } else {
                opened.add(address);
                StdioConnection.open(
                        loop,
                        new FileInputStream(FileDescriptor.in),
                        new FileOutputStream(FileDescriptor.out),
                        errorHandler,
                        server::serve);
            }
        }
        if (counters != null) {
            updateCounters();
        }
    }

    private static CounterFile makeCounters(final Path socket) throws IOException {
        try {
            return CounterFile.create(socket);
        } catch (final IOException e) {
            throw new IOException(
                    "cannot keep counters beside the control socket: "
                            + QmpFailure.of(e).sentence(),
                    e);
        }
    }

    private static EpochFile makeEpochs(final Path socket) throws IOException {
        try {
            return EpochFile.create(socket);
        } catch (final IOException e) {
            throw new IOException(
                    "cannot keep epochs beside the control socket: " + QmpFailure.of(e).sentence(),
                    e);
        }
    }

    /** The first Unix socket, beside which its files lie; empty where there is none. */
    public Optional<Path> socket() {
        for (final ControlAddress address : opened) {
            if (address instanceof ControlAddress.Socket(Endpoint.Unix(Path path))) {
                return Optional.of(path);
            }
        }
        return Optional.empty();
    }

    /** Where it is found, with the ports that were chosen. */
    public List<ControlAddress> addresses() {
        return List.copyOf(opened);
    }

    /** The group's checkpoints; to be used on the group's loop. */
    public Checkpoints checkpoints() {
        return checkpoints;
    }

    /** Where the counters of a control socket are. */
    public static Path countersPath(final Path socket) {
        return CounterFile.pathFor(socket);
    }

    /** Asks the group's loop, and asks again only when it has answered. */
    private void updateCounters() {
        controlled
                .loop()
                .execute(
                        () -> {
                            final JsonObject status =
                                    StatusReport.of(controlled.group(), checkpoints);
                            refreshEpochs();
                            loop.execute(() -> writeCounters(status));
                        });
    }

    private void refreshEpochs() {
        final ReplicationGroup group = controlled.group();
        final boolean isWithoutCheckpoint =
                group.node()
                        .filter(node -> node.record().standing() == Standing.INCONSISTENT)
                        .isPresent();
        epochs.refresh(group.status(), !isWithoutCheckpoint);
    }

    private void writeCounters(final JsonObject status) {
        if (!closed) {
            counters.write(status);
            loop.schedule(COUNTERS_NANOS, this::updateCounters);
        }
    }

    @Override
    public void onEvent(
            final Event event, final String disk, final long epoch, final String sentence) {
        if (event == Event.CHECKPOINT || event == Event.DURABLE) {
            onEpoch(event, epoch);
            return;
        }
        if (epochs != null) {
            controlled.loop().execute(refreshTask); // when what has happened is done
        }
        if (!server.hasClients()) {
            return; // it wakes no thread for nobody
        }
        final EventReport report = EventReport.of(event, disk, epoch, sentence, controlled.group());
        final Runnable epochsBefore = epochEvents.thoseBefore();
        loop.execute(
                () -> {
                    if (!closed) {
                        epochsBefore.run();
                        report.sendTo(server);
                    }
                });
    }

    /** Makes no object, and wakes nobody where nobody is there. */
    @Override
    public void onEpoch(final Event event, final long epoch) {
        final EpochFile file = epochs;
        if (file != null) {
            if (event == Event.DURABLE) {
                file.durable(epoch);
            } else {
                file.committed(epoch);
            }
        }
        if (server.hasClients()) {
            epochEvents.onEpoch(event, epoch);
        }
    }

    @Override
    public void onOpened(final long epoch) {
        final EpochFile file = epochs;
        if (file != null) {
            file.opened(epoch);
        }
    }

    private void tellEpoch(final Event event, final long epoch) {
        if (!closed) {
            EventReport.of(
                            event,
                            "",
                            epoch,
                            GroupEvents.sentenceOf(event, epoch),
                            controlled.group())
                    .sendTo(server);
        }
    }

    @Override
    public void onJob(final Job.Report report) {
        final List<JobEvents.Event> events = jobEvents.of(report);
        final Runnable epochsBefore = epochEvents.thoseBefore();
        loop.execute(
                () -> {
                    if (!closed) {
                        epochsBefore.run();
                        events.forEach(event -> server.sendEvent(event.name(), event.data()));
                    }
                });
    }

    private interface Action {
        void run() throws IOException;
    }

    private void onLoop(final Action action) throws IOException {
        final CompletableFuture<Void> done = new CompletableFuture<>();
        loop.execute(
                () -> {
                    try {
                        action.run();
                        done.complete(null);
                    } catch (final IOException e) {
                        done.completeExceptionally(e);
                    } catch (final RuntimeException | Error e) {
                        done.completeExceptionally(e);
                        throw e; // the loop reports what should not happen
                    }
                });
        try {
            done.join();
        } catch (final CompletionException e) {
            throw e.getCause() instanceof final IOException cause
                    ? cause
                    : new IOException(e.getCause());
        }
    }

    /** Ends all clients, and removes sockets, counters and epochs. */
    @Override
    public void close() {
        try {
            onLoop(this::end);
        } catch (final IOException e) {
            throw new IllegalStateException(e);
        } finally {
            loop.close();
            graphThread.shutdownNow();
        }
    }

    private void end() {
        if (closed) {
            return;
        }
        closed = true;
        server.close();
        if (counters != null) {
            counters.close();
        }
        final EpochFile file = epochs;
        if (file != null) {
            file.end();
            controlled.loop().execute(file::unmap); // whose last word may be on its way there
        }
    }
}

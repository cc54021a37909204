package io.lockstep.cli.control;

import com.google.gson.JsonObject;

import io.lockstep.cli.graph.BlockExports;
import io.lockstep.cli.graph.BlockGraph;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.loop.NioLoop;

import org.agrona.ErrorHandler;

import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * The control socket of a group: a QMP server on a loop of its own, and the counters beside it.
 * Made and closed by one thread; hears of events from the group's loop.
 */
public final class ControlService implements GroupEvents, AutoCloseable {
    private static final long COUNTERS_NANOS = TimeUnit.MILLISECONDS.toNanos(250);

    private final NioLoop loop;
    private final ControlledGroup controlled;
    private final Checkpoints checkpoints;
    private final QmpServer server;
    private CounterFile counters;
    private boolean closed;

    private ControlService(final ControlledGroup controlled, final NioLoop loop) {
        this.controlled = controlled;
        this.loop = loop;
        checkpoints = new Checkpoints(controlled.group(), controlled.loop());
        server = new QmpServer(loop);
        GroupCommands.addTo(server, loop, controlled, checkpoints);
    }

    /**
     * Starts it.
     *
     * @param socket the Unix socket's path; the counters lie beside it, at {@code PATH.counters}
     * @throws IOException where somebody else listens there, or it can't be had
     */
    public static ControlService start(
            final Path socket, final ControlledGroup controlled, final ErrorHandler errorHandler)
            throws IOException {
        return start(socket, controlled, service -> {}, errorHandler);
    }

    /**
     * The same for a group whose disks and exports can be changed.
     *
     * @param graph from now on used by the control socket's loop alone
     * @param exports of the graph
     */
    public static ControlService start(
            final Path socket,
            final ControlledGroup controlled,
            final BlockGraph graph,
            final BlockExports exports,
            final ErrorHandler errorHandler)
            throws IOException {
        return start(
                socket,
                controlled,
                service -> GraphCommands.addTo(service.server, graph, exports),
                errorHandler);
    }

    private static ControlService start(
            final Path socket,
            final ControlledGroup controlled,
            final Consumer<ControlService> moreCommands,
            final ErrorHandler errorHandler)
            throws IOException {
        final NioLoop loop = new NioLoop("lockstep-control", 0, errorHandler);
        loop.start();
        final ControlService service = new ControlService(controlled, loop);
        moreCommands.accept(service);
        try {
            service.onLoop(
                    () -> {
                        service.server.listen(socket);
                        service.counters = CounterFile.create(socket);
                        service.updateCounters();
                    });
            return service;
        } catch (final IOException e) {
            service.close();
            throw e;
        }
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
                            loop.execute(() -> writeCounters(status));
                        });
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
        if (!server.hasClients()) {
            return; // a checkpoint wakes no thread for nobody
        }
        final EventReport report = EventReport.of(event, disk, epoch, sentence, controlled.group());
        loop.execute(
                () -> {
                    if (!closed) {
                        report.sendTo(server);
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
                    } catch (final IOException | RuntimeException | Error e) {
                        done.completeExceptionally(e);
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

    /** Ends all clients, and removes socket and counters. */
    @Override
    public void close() {
        try {
            onLoop(this::end);
        } catch (final IOException e) {
            throw new IllegalStateException(e);
        } finally {
            loop.close();
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
    }
}

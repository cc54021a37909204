package io.lockstep.engine.service;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.server.ConnectionLimit;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.server.ServerEvents;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * An NBD server of an engine that can be started and stopped while the engine runs, and whose
 * exports come and go. Used by one thread, which waits for the engine's loop.
 */
public final class ExportServer {
    private static final long SHUTDOWN_SECONDS = 5;

    private final NioLoop loop;
    private final ServerEvents events;
    private final List<IoLoop.Listener> listeners = new ArrayList<>();
    private NbdServer server;

    ExportServer(final NioLoop loop, final ServerEvents events) {
        this.loop = loop;
        this.events = events;
    }

    /** Whether it is started. */
    public boolean isRunning() {
        return server != null;
    }

    /** Starts it, without an export and listening nowhere. It must not be running. */
    public void start(final int connectionsMax) {
        server = new NbdServer(loop, List.of(), new ConnectionLimit(connectionsMax), events);
    }

    /**
     * Listens at one more endpoint.
     *
     * @throws IOException where it can't be had
     */
    public void listen(final Endpoint endpoint) throws IOException {
        final NbdServer current = server;
        listeners.add(
                LoopCall.call(
                        loop,
                        () ->
                                loop.listen(
                                        endpoint,
                                        accepted -> accepted.open(loop, current::connect))));
    }

    /** Where it listens. */
    public List<Endpoint> endpoints() {
        return listeners.stream().map(IoLoop.Listener::endpoint).toList();
    }

    /** Offers one export more; its name must be free. */
    void add(final ServedExport export) throws IOException {
        LoopCall.call(
                loop,
                () -> {
                    server.add(export);
                    return null;
                });
    }

    /** How many clients use an export. */
    public long clientsOf(final String name) throws IOException {
        return LoopCall.call(loop, () -> server.clientsOf(name));
    }

    /** Whether anybody uses one of its exports. On the loop. */
    boolean hasClients() {
        return server != null && server.hasClients();
    }

    /** Offers an export no more, and closes the connections of its clients. */
    public void remove(final String name) throws IOException {
        LoopCall.call(
                loop,
                () -> {
                    server.remove(name);
                    return null;
                });
    }

    /** Stops listening, and closes all connections at once. Its exports are gone. */
    public void stop() throws IOException {
        final NbdServer stopped = server;
        server = null;
        LoopCall.call(
                loop,
                () -> {
                    listeners.forEach(IoLoop.Listener::close);
                    stopped.shutDown(() -> {});
                    stopped.abort();
                    return null;
                });
        listeners.clear();
    }

    /** Has what clients have sent neither answered nor refused: their connections end. */
    void abort() {
        loop.execute(
                () -> {
                    listeners.forEach(IoLoop.Listener::close);
                    server.abort();
                });
    }

    /** Stops listening, and answers or refuses what clients have sent; waits some seconds. */
    void shutDown() {
        if (server == null) {
            return;
        }
        final CountDownLatch quiet = new CountDownLatch(1);
        loop.execute(
                () -> {
                    listeners.forEach(IoLoop.Listener::close);
                    server.shutDown(quiet::countDown);
                });
        try {
            if (!quiet.await(SHUTDOWN_SECONDS, TimeUnit.SECONDS)) {
                loop.execute(server::abort);
                quiet.await(1, TimeUnit.SECONDS);
            }
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}

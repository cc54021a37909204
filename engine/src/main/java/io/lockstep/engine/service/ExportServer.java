package io.lockstep.engine.service;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.GroupTurn;
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
 * exports come and go. Clients come to the engine's loop; those of an export that has a loop of its
 * own go there when they have chosen it. Used by one thread, which waits for the group's turn.
 */
public final class ExportServer {
    private static final long SHUTDOWN_SECONDS = 5;

    private final NioLoop loop;
    private final GroupTurn turn;
    private final ServerEvents events;
    private final List<IoLoop.Listener> listeners = new ArrayList<>();

    /** That of the loop, to which clients come, and behind it those of exports' own loops. */
    private List<NbdServer> servers = List.of();

    private ConnectionLimit limit;

    ExportServer(final NioLoop loop, final GroupTurn turn, final ServerEvents events) {
        this.loop = loop;
        this.turn = turn;
        this.events = events;
    }

    /** Whether it is started. */
    public boolean isRunning() {
        return !servers.isEmpty();
    }

    /** Starts it, without an export and listening nowhere. It must not be running. */
    public void start(final int connectionsMax) {
        limit = new ConnectionLimit(connectionsMax);
        servers = List.of(new NbdServer(loop, List.of(), limit, events));
    }

    /**
     * Listens at one more endpoint.
     *
     * @throws IOException where it can't be had
     */
    public void listen(final Endpoint endpoint) throws IOException {
        final NbdServer current = servers.getFirst();
        listeners.add(
                LoopCall.call(
                        turn,
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
        servers = LoopCall.call(turn, () -> added(export));
    }

    /**
     * The export's own loop, where it has one, needs a server; each knows all that it may serve.
     */
    private List<NbdServer> added(final ServedExport export) {
        final NbdServer first = servers.getFirst();
        first.add(export);
        final IoLoop home = export.loop();
        if (home == null || first.isOn(home)) {
            return servers;
        }
        for (final NbdServer server : servers) {
            if (server.isOn(home)) {
                server.add(export);
                return servers;
            }
        }
        final List<NbdServer> more = new ArrayList<>(servers);
        more.add(new NbdServer(home, List.of(export), limit, events));
        return List.copyOf(more);
    }

    /** How many clients use an export. */
    public long clientsOf(final String name) throws IOException {
        return LoopCall.call(
                turn, () -> servers.stream().mapToLong(server -> server.clientsOf(name)).sum());
    }

    /** Whether anybody uses one of its exports. In the group's turn. */
    boolean hasClients() {
        return servers.stream().anyMatch(NbdServer::hasClients);
    }

    /** Offers an export no more, and closes the connections of its clients. */
    public void remove(final String name) throws IOException {
        LoopCall.call(
                turn,
                () -> {
                    servers.forEach(server -> server.remove(name));
                    return null;
                });
    }

    /** Stops listening, and closes all connections at once. Its exports are gone. */
    public void stop() throws IOException {
        final List<NbdServer> stopped = servers;
        servers = List.of();
        LoopCall.call(
                turn,
                () -> {
                    listeners.forEach(IoLoop.Listener::close);
                    stopped.forEach(server -> server.shutDown(() -> {}));
                    stopped.forEach(NbdServer::abort);
                    return null;
                });
        listeners.clear();
    }

    /** Has what clients have sent neither answered nor refused: their connections end. */
    void abort() {
        turn.execute(
                () -> {
                    listeners.forEach(IoLoop.Listener::close);
                    servers.forEach(NbdServer::abort);
                });
    }

    /** Stops listening, and answers or refuses what clients have sent; waits some seconds. */
    void shutDown() {
        if (servers.isEmpty()) {
            return;
        }
        final List<NbdServer> all = servers;
        final CountDownLatch quiet = new CountDownLatch(all.size());
        turn.execute(
                () -> {
                    listeners.forEach(IoLoop.Listener::close);
                    all.forEach(server -> server.shutDown(quiet::countDown));
                });
        try {
            if (!quiet.await(SHUTDOWN_SECONDS, TimeUnit.SECONDS)) {
                turn.execute(() -> all.forEach(NbdServer::abort));
                quiet.await(1, TimeUnit.SECONDS);
            }
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}

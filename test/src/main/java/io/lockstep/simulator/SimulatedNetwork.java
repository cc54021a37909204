package io.lockstep.simulator;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.loop.NobodyListensException;

import java.io.IOException;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;

/**
 * Who listens where, and the connections between hosts. A TCP endpoint's host is a {@link
 * SimulatedHost}'s name; an empty one, and {@code localhost}, mean the host that says it. Unix
 * sockets are seen by all hosts.
 */
public final class SimulatedNetwork {
    private static final String REFUSED = "connection refused";
    private static final long CONNECT_TIMEOUT_NANOS = 130 * Simulation.SECOND;
    private static final int FREE_PORT_FIRST = 40_000;

    private final Simulation simulation;
    private final Dice dice;
    private final Map<Endpoint, SimulatedListener> listeners = new HashMap<>();
    private final Set<SimulatedConnection> connections = new LinkedHashSet<>();
    private final Set<Set<String>> partitions = new HashSet<>();
    private NetworkFaults faults;
    private int freePort = FREE_PORT_FIRST;
    private int connectionCount;

    /** A network on which nobody listens yet. */
    public SimulatedNetwork(final Simulation simulation, final NetworkFaults faults) {
        this.simulation = simulation;
        this.dice = simulation.dice().split();
        this.faults = faults;
    }

    /** Changes what goes wrong from now on; the buffers of connections that stand remain. */
    public void faults(final NetworkFaults newFaults) {
        faults = newFaults;
    }

    /** Cuts every connection between two hosts. */
    public void cut(final SimulatedHost one, final SimulatedHost other) {
        between(one.name(), other.name()).forEach(SimulatedConnection::cut);
    }

    /** Lets nothing through between two hosts from now on, and tells neither. */
    public void partition(final SimulatedHost one, final SimulatedHost other) {
        simulation.trace(one.name(), "parted from " + other.name(), 0, 0);
        partitions.add(pair(one.name(), other.name()));
        between(one.name(), other.name()).forEach(SimulatedConnection::silence);
    }

    /**
     * Ends a partition: new connections come through. Those from before stay as silent as they are.
     */
    public void heal(final SimulatedHost one, final SimulatedHost other) {
        simulation.trace(one.name(), "joined with " + other.name(), 0, 0);
        partitions.remove(pair(one.name(), other.name()));
    }

    /** Whether a connection between two hosts is silent that both its ends take for standing. */
    public boolean isSilent(final SimulatedHost one, final SimulatedHost other) {
        return between(one.name(), other.name()).stream().anyMatch(SimulatedConnection::isSilent);
    }

    Simulation simulation() {
        return simulation;
    }

    Dice dice() {
        return dice;
    }

    NetworkFaults faults() {
        return faults;
    }

    /** The time of a segment, or of anything else that travels. */
    long latency() {
        return dice.between(
                faults.latencyMin(),
                dice.chance(faults.slow()) ? faults.slowLatencyMax() : faults.latencyMax());
    }

    IoLoop.Listener listen(
            final SimulatedLoop loop, final Endpoint endpoint, final IoLoop.AcceptHandler handler)
            throws IOException {
        Endpoint bound = endpoint;
        if (endpoint instanceof Endpoint.Tcp(String host, int port) && port == 0) {
            bound = new Endpoint.Tcp(host, freePort++);
        }
        final SimulatedListener listener = new SimulatedListener(bound, loop, handler);
        if (listeners.putIfAbsent(listener.address, listener) != null) {
            throw new IOException("cannot listen on " + endpoint + ": somebody else listens there");
        }
        return listener;
    }

    void connect(
            final SimulatedLoop loop,
            final Endpoint endpoint,
            final IoLoop.ConnectHandler handler) {
        if (dice.chance(faults.refuse())) {
            failConnect(latency(), loop, endpoint, REFUSED, handler);
        } else {
            simulation.schedule(latency(), () -> arrive(loop, endpoint, handler));
        }
    }

    private void arrive(
            final SimulatedLoop loop,
            final Endpoint endpoint,
            final IoLoop.ConnectHandler handler) {
        final Endpoint address = address(loop.host(), endpoint);
        if (address instanceof Endpoint.Tcp(String to, int _)
                && partitions.contains(pair(loop.host().name(), to))) {
            failConnect(CONNECT_TIMEOUT_NANOS, loop, endpoint, "connection timed out", handler);
            return;
        }
        final SimulatedListener listener = listeners.get(address);
        if (listener == null) {
            failConnect(latency(), loop, endpoint, REFUSED, handler);
            return;
        }
        final String client = loop.host().name();
        final String server = listener.loop.host().name();
        final String name = client + "#" + connectionCount++;
        final SimulatedConnection near =
                new SimulatedConnection(this, client, name, endpoint.toString());
        final SimulatedConnection far = new SimulatedConnection(this, server, name + "'", name);
        near.join(far, dice.between(faults.bufferMin(), faults.bufferMax()));
        connections.add(near);
        connections.add(far);
        simulation.schedule(latency(), () -> near.start(loop, handler::onConnected));
        far.own(listener.loop);
        listener.loop.soon(
                () -> {
                    final AcceptedConnection accepted = new AcceptedConnection(far);
                    listener.handler.onAccept(accepted);
                    if (!accepted.isSettled) {
                        throw new AssertionError(name + " was neither opened nor refused");
                    }
                });
    }

    private void failConnect(
            final long delayNanos,
            final SimulatedLoop loop,
            final Endpoint endpoint,
            final String reason,
            final IoLoop.ConnectHandler handler) {
        final String sentence = "cannot connect to " + endpoint + ": " + reason;
        final IOException cause =
                reason.equals(REFUSED)
                        ? new NobodyListensException(sentence, null)
                        : new IOException(sentence);
        simulation.schedule(delayNanos, () -> loop.run(() -> handler.onConnectFailed(cause)));
    }

    /** A connection has nothing left to lose. */
    void forget(final SimulatedConnection connection) {
        connections.remove(connection);
    }

    private List<SimulatedConnection> between(final String one, final String other) {
        final Set<String> both = pair(one, other);
        return connections.stream()
                .filter(connection -> pair(connection.host(), connection.peerHost()).equals(both))
                .toList();
    }

    private static Set<String> pair(final String one, final String other) {
        return one.equals(other) ? Set.of(one) : Set.of(one, other);
    }

    private static Endpoint address(final SimulatedHost from, final Endpoint endpoint) {
        return endpoint instanceof Endpoint.Tcp(String host, int port)
                        && (host.isEmpty() || host.equals("localhost"))
                ? new Endpoint.Tcp(from.name(), port)
                : endpoint;
    }

    private final class SimulatedListener implements IoLoop.Listener {
        private final Endpoint endpoint;
        private final Endpoint address;
        private final SimulatedLoop loop;
        private final IoLoop.AcceptHandler handler;

        SimulatedListener(
                final Endpoint endpoint,
                final SimulatedLoop loop,
                final IoLoop.AcceptHandler handler) {
            this.endpoint = endpoint;
            this.address = address(loop.host(), endpoint);
            this.loop = loop;
            this.handler = handler;
        }

        @Override
        public Endpoint endpoint() {
            return endpoint;
        }

        @Override
        public void close() {
            listeners.remove(address, this);
        }
    }

    private static final class AcceptedConnection implements IoLoop.Accepted {
        private final SimulatedConnection connection;
        private boolean isSettled;

        AcceptedConnection(final SimulatedConnection connection) {
            this.connection = connection;
        }

        @Override
        public void open(final IoLoop loop, final Function<Connection, ConnectionHandler> handler) {
            isSettled = true;
            final SimulatedLoop owner = (SimulatedLoop) loop;
            owner.execute(() -> connection.start(owner, handler));
        }

        @Override
        public void refuse() {
            isSettled = true;
            connection.close();
        }
    }
}

package io.lockstep.simulator;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.IoBuffer;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.util.function.Function;

/**
 * One end of a connection. Between the two ends lie two {@link SimulatedStream}s. Events are
 * level-triggered: while there is something to say to a handler that wants to hear it, it is said
 * at every turn of the loop. A handler that is told again and again and does nothing fails the run:
 * on a real loop it burns a core.
 */
final class SimulatedConnection implements Connection {
    private static final int IDLE_EVENTS_MAX = 1_000;

    private final SimulatedNetwork network;
    private final Simulation simulation;
    private final String host;
    private final String name;
    private final String peer;
    private SimulatedConnection other;
    private SimulatedStream inbound;
    private SimulatedStream outbound;

    private SimulatedLoop loop;
    private ConnectionHandler handler;
    private boolean wantsReadable;
    private boolean wantsWritable;
    private boolean spuriousDue;
    private boolean eventDue;
    private int idleEvents;
    private boolean closed;
    private boolean silenced;
    private String broken;

    SimulatedConnection(
            final SimulatedNetwork network,
            final String host,
            final String name,
            final String peer) {
        this.network = network;
        this.simulation = network.simulation();
        this.host = host;
        this.name = name;
        this.peer = peer;
    }

    /** Makes two ends a connection. */
    void join(final SimulatedConnection far, final int bufferLength) {
        other = far;
        far.other = this;
        outbound = new SimulatedStream(network, this, far, bufferLength);
        inbound = new SimulatedStream(network, far, this, bufferLength);
        outbound.reverse(inbound);
        inbound.reverse(outbound);
        far.outbound = inbound;
        far.inbound = outbound;
    }

    /** Makes the end a loop's, for better or worse: it goes with it. */
    void own(final SimulatedLoop owner) {
        if (loop != null) {
            loop.remove(this);
        }
        loop = owner;
        loop.add(this);
    }

    /** Gives the end a handler, on the loop that it belongs to from now on. */
    void start(final SimulatedLoop owner, final Function<Connection, ConnectionHandler> opener) {
        if (!owner.isAlive()) {
            close();
            return;
        }
        own(owner);
        loop.run(() -> handler = opener.apply(this));
        if (handler == null) {
            close();
        }
        arm();
    }

    // ---- What the owner calls.

    @Override
    public int receive(final IoBuffer into, final int position, final int length)
            throws IOException {
        requireOpen("receive");
        idleEvents = 0;
        if (inbound.available() > 0) {
            return length == 0 ? 0 : inbound.take(into, position, length);
        }
        requireUnbroken();
        return inbound.hasEnded() ? -1 : 0;
    }

    @Override
    public int send(final IoBuffer from, final int position, final int length) throws IOException {
        requireOpen("send");
        requireUnbroken();
        if (outbound.isEnding()) {
            throw new ClosedChannelException();
        }
        idleEvents = 0;
        return outbound.put(from, position, length);
    }

    @Override
    public void interest(final boolean readable, final boolean writable) {
        simulation.requireLoop(loop, "interest");
        if (readable != wantsReadable || writable != wantsWritable) {
            idleEvents = 0;
        }
        spuriousDue |=
                readable && !wantsReadable && network.dice().chance(network.faults().spurious());
        wantsReadable = readable;
        wantsWritable = writable;
        arm();
    }

    @Override
    public void moveTo(
            final IoLoop newLoop,
            final Function<Connection, ConnectionHandler> newHandler,
            final Runnable whenFailed) {
        simulation.requireLoop(loop, "moveTo");
        wantsReadable = false;
        wantsWritable = false;
        final SimulatedLoop owner = (SimulatedLoop) newLoop;
        newLoop.execute(() -> start(owner, newHandler));
    }

    @Override
    public void shutdownOutput() throws IOException {
        requireOpen("shutdownOutput");
        requireUnbroken();
        outbound.end();
    }

    /**
     * As the kernel does: what was sent still arrives, unless there is something that nobody
     * received.
     */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        if (loop != null) {
            simulation.requireLoop(loop, "close");
        }
        leave();
        if (broken == null) {
            if (inbound.available() > 0) {
                outbound.reset();
            } else {
                outbound.end();
            }
        }
    }

    @Override
    public String peer() {
        return peer;
    }

    // ---- What the network does.

    String host() {
        return host;
    }

    String peerHost() {
        return other.host;
    }

    boolean isClosed() {
        return closed;
    }

    /** Both ends are reset, each at its time; what is in flight is lost. */
    void cut() {
        simulation.trace(name, "cut", 0, 0);
        inbound.lose();
        outbound.lose();
        simulation.schedule(network.latency(), () -> breakOff("connection reset"));
        simulation.schedule(network.latency(), () -> other.breakOff("connection reset"));
    }

    /** Nothing comes through any more, and nobody hears of it. */
    void silence() {
        simulation.trace(name, "silenced", 0, 0);
        silenced = true;
        inbound.swallow();
        outbound.swallow();
    }

    /** Whether nothing comes through, and neither end has given it up. */
    boolean isSilent() {
        return silenced && !closed && !other.closed;
    }

    /** The host has gone, and with it this end. */
    void vanish() {
        leave();
        if (network.dice().chance(network.faults().silentCrash())) {
            silence();
        } else {
            cut();
        }
    }

    /** This end hears that the connection is no more. What has arrived before may be lost, too. */
    void breakOff(final String reason) {
        if (broken == null && !closed) {
            simulation.trace(name, reason, inbound.available(), 0);
            broken = reason;
            if (network.dice().chance(0.5)) {
                inbound.drop();
            }
            network.forget(this);
            arm();
        }
    }

    /** Has the handler called soon, where there is something that it wants to hear. */
    void arm() {
        if (!eventDue && handler != null && !closed && (isReadableWanted() || isWritableWanted())) {
            eventDue = true;
            final SimulatedLoop owner = loop;
            owner.soon(() -> event(owner));
        }
    }

    private void event(final SimulatedLoop of) {
        eventDue = false;
        if (of != loop) {
            arm(); // it has gone to another one meanwhile
            return;
        }
        try {
            final boolean readableFirst = network.dice().chance(0.5);
            if (readableFirst) {
                tellReadable();
            }
            tellWritable();
            if (!readableFirst) {
                tellReadable();
            }
        } catch (final RuntimeException | Error thrown) {
            loop.host().report(thrown);
            close();
            handler.onFailure(thrown);
        }
        arm();
    }

    private void tellReadable() {
        if (!closed && isReadableWanted()) {
            countIdle("readable");
            handler.onReadable();
        }
    }

    private void tellWritable() {
        if (!closed && isWritableWanted()) {
            countIdle("writable");
            handler.onWritable();
        }
    }

    private boolean isReadableWanted() {
        return wantsReadable
                && (spuriousDue || broken != null || inbound.available() > 0 || inbound.hasEnded());
    }

    private boolean isWritableWanted() {
        return wantsWritable && (broken != null || outbound.isEnding() || outbound.room() > 0);
    }

    private void countIdle(final String what) {
        spuriousDue = false;
        if (++idleEvents > IDLE_EVENTS_MAX) {
            simulation.fail(
                    new AssertionError(
                            name
                                    + " is "
                                    + what
                                    + ", its handler wants to hear so, and does nothing"));
        }
    }

    private void leave() {
        closed = true;
        network.forget(this);
        if (loop != null) {
            loop.remove(this);
        }
    }

    private void requireOpen(final String what) throws IOException {
        simulation.requireLoop(loop, what);
        if (closed) {
            throw new ClosedChannelException();
        }
    }

    private void requireUnbroken() throws IOException {
        if (broken != null) {
            throw new IOException(broken);
        }
    }

    @Override
    public String toString() {
        return name;
    }
}

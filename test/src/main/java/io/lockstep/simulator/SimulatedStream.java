package io.lockstep.simulator;

import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;

/**
 * One direction of a connection: bytes in order, in segments that take their time. What was sent
 * and not yet received takes room; the sender hears that there is room again as late as it heard of
 * anything else.
 */
final class SimulatedStream {
    private final SimulatedNetwork network;
    private final Simulation simulation;
    private final Dice dice;
    private final SimulatedConnection source;
    private final SimulatedConnection target;
    private final int capacity;
    private final ArrayDeque<byte[]> arrived = new ArrayDeque<>();

    private SimulatedStream reverse;
    private int available;
    private int takenOfFirst;
    private int used;
    private long lastArrival;
    private boolean ending;
    private boolean ended;
    private boolean swallowing;
    private boolean lost;

    SimulatedStream(
            final SimulatedNetwork network,
            final SimulatedConnection source,
            final SimulatedConnection target,
            final int capacity) {
        this.network = network;
        this.simulation = network.simulation();
        this.dice = network.dice();
        this.source = source;
        this.target = target;
        this.capacity = capacity;
    }

    /** The other direction, which brings the news of room. */
    void reverse(final SimulatedStream other) {
        reverse = other;
    }

    // ---- The sender's end.

    /** Bytes that {@link #put} would take. */
    int room() {
        return capacity - used;
    }

    boolean isEnding() {
        return ending;
    }

    int put(final IoBuffer from, final int position, final int length) {
        final int count = shorten(Math.min(length, room()));
        if (count == 0) {
            return 0;
        }
        final byte[] bytes = new byte[count];
        MemorySegment.copy(from.segment(), ValueLayout.JAVA_BYTE, position, bytes, 0, count);
        final int first = shorten(count);
        transmit(java.util.Arrays.copyOf(bytes, first));
        if (first < count) {
            transmit(java.util.Arrays.copyOfRange(bytes, first, count));
        }
        return count;
    }

    private void transmit(final byte[] segment) {
        simulation.trace(source.toString(), "sends", segment.length, used);
        used += segment.length;
        final NetworkFaults faults = network.faults();
        if (!swallowing && !lost && dice.chance(faults.halfOpen())) {
            simulation.trace(source.toString(), "half-open", 0, 0);
            swallow();
            if (dice.chance(0.5)) {
                reverse.swallow();
            }
        }
        if (!swallowing && !lost && dice.chance(faults.cut())) {
            source.cut();
        }
        travel(() -> arrive(segment));
    }

    /** The last byte was sent. */
    void end() {
        if (!ending) {
            ending = true;
            travel(
                    () -> {
                        ended = true;
                        target.arm();
                    });
        }
    }

    /**
     * The sender's end is gone, and didn't want what was on its way to it: the other end is told
     * so.
     */
    void reset() {
        ending = true;
        if (dice.chance(0.5)) {
            simulation.schedule(network.latency(), this::arriveReset);
        } else {
            travel(this::arriveReset);
        }
    }

    private void arriveReset() {
        if (!swallowing) {
            lost = true;
            target.breakOff("connection reset");
        }
    }

    /** What travels arrives in the order of its departure, if it does. */
    private void travel(final Runnable arrival) {
        lastArrival = Math.max(lastArrival, simulation.now() + network.latency());
        simulation.schedule(
                lastArrival - simulation.now(),
                () -> {
                    if (!swallowing && !lost) {
                        arrival.run();
                    }
                });
    }

    // ---- The receiver's end.

    private void arrive(final byte[] segment) {
        if (target.isClosed()) {
            reverse.reset();
            return;
        }
        simulation.trace(target.toString(), "gets", segment.length, available);
        arrived.add(segment);
        available += segment.length;
        target.arm();
    }

    /** Bytes that have arrived and were not taken. */
    int available() {
        return available;
    }

    /** Whether the peer's last byte has been taken. */
    boolean hasEnded() {
        return ended && available == 0;
    }

    int take(final IoBuffer into, final int position, final int length) {
        final int count = shorten(Math.min(length, available));
        int taken = 0;
        while (taken < count) {
            final byte[] first = arrived.getFirst();
            final int part = Math.min(count - taken, first.length - takenOfFirst);
            MemorySegment.copy(
                    first,
                    takenOfFirst,
                    into.segment(),
                    ValueLayout.JAVA_BYTE,
                    position + taken,
                    part);
            taken += part;
            takenOfFirst += part;
            if (takenOfFirst == first.length) {
                arrived.removeFirst();
                takenOfFirst = 0;
            }
        }
        available -= count;
        reverse.tellRoom(this, count);
        return count;
    }

    private void tellRoom(final SimulatedStream full, final int count) {
        simulation.schedule(
                network.latency(),
                () -> {
                    if (!swallowing && !lost) {
                        full.used -= count;
                        full.source.arm();
                    }
                });
    }

    /** What has arrived is not to be had any more. */
    void drop() {
        arrived.clear();
        takenOfFirst = 0;
        available = 0;
    }

    // ---- What goes wrong.

    /** What is on its way, or will be, doesn't arrive. */
    void lose() {
        lost = true;
    }

    /** The same, and nobody hears of it. */
    void swallow() {
        swallowing = true;
    }

    private int shorten(final int count) {
        return count > 1 && dice.chance(network.faults().shortTransfer())
                ? dice.between(1, count)
                : count;
    }
}

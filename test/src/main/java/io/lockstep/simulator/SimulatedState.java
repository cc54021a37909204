package io.lockstep.simulator;

import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.RecordFormat;
import io.lockstep.engine.node.RecordStore;
import io.lockstep.engine.state.CopyStorage;
import io.lockstep.engine.state.StateFile;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Objects;
import java.util.Optional;

/**
 * Where a simulated host keeps the state record of its node: the two copies as a file system would
 * have them. A write takes its time; a process that is killed meanwhile leaves the copy as it was,
 * or as it was to be, and a host that loses its power may leave it torn as well.
 */
public final class SimulatedState implements CopyStorage {
    private static final long WRITE_NANOS_MAX = 3 * Simulation.MILLISECOND;
    private static final long SLOW_NANOS_MAX = 300 * Simulation.MILLISECOND;

    private final Simulation simulation;
    private final Dice dice;
    private final Path directory;

    /** What a process reads, and what a crash leaves at worst; null for what is not there. */
    private final byte[][] current = new byte[COUNT][];

    private final byte[][] durable = new byte[COUNT][];

    /** The copy that is being written, and what it is to be; below 0 for none. */
    private int writing = -1;

    private byte[] before;
    private double failing;

    /** One that has no copy yet. */
    public SimulatedState(final Simulation simulation, final String name) {
        this.simulation = simulation;
        dice = simulation.dice().split();
        directory = Path.of(name);
    }

    /** Another place, with what this one has now, durably: what somebody has copied. */
    public SimulatedState(final SimulatedState other, final String name) {
        this(other.simulation, name);
        takeFrom(other);
    }

    /** Somebody puts what another one has here. */
    public void takeFrom(final SimulatedState other) {
        writing = -1;
        for (int i = 0; i < COUNT; i++) {
            current[i] = other.current[i];
            durable[i] = other.current[i];
        }
    }

    /** How likely it is that a write fails, from now on. */
    public void failing(final double probability) {
        failing = probability;
    }

    /** Whether writes may fail. */
    public boolean isFailing() {
        return failing > 0;
    }

    /** A store for a node on a loop, as the real one is: the loop hears later how it went. */
    public RecordStore on(final StateFile file, final SimulatedLoop loop) {
        return (record, whenStored) -> {
            final Optional<String> failure = file.tryWrite(record);
            trace(record);
            simulation.schedule(
                    dice.between(0, dice.chance(0.05) ? SLOW_NANOS_MAX : WRITE_NANOS_MAX),
                    () -> {
                        if (loop.isAlive()) {
                            land();
                            loop.execute(() -> whenStored.onStored(failure));
                        }
                    });
        };
    }

    private void trace(final NodeRecord record) {
        simulation.trace(
                directory.toString(),
                "stores " + record.standing(),
                record.committedEpoch(),
                record.lineage().reigns().size());
    }

    /** What is being written is on stable storage now. */
    public void land() {
        if (writing >= 0) {
            durable[writing] = current[writing];
            writing = -1;
        }
    }

    /** The record that a loss of power at this moment would leave at worst; empty for none. */
    public Optional<NodeRecord> durableRecord() {
        return Arrays.stream(durable)
                .filter(Objects::nonNull)
                .map(RecordFormat::decode)
                .flatMap(Optional::stream)
                .max(Comparator.comparingLong(RecordFormat.Copy::sequence))
                .map(RecordFormat.Copy::record);
    }

    /** The process is gone. */
    public void kill() {
        if (writing >= 0 && dice.chance(0.5)) {
            current[writing] = before;
        }
        writing = -1;
    }

    /** The power is gone. */
    public void crash() {
        writing = -1;
        for (int i = 0; i < COUNT; i++) {
            if (!Arrays.equals(current[i], durable[i])) {
                current[i] = afterCrash(durable[i], current[i]);
                durable[i] = current[i];
            }
        }
    }

    /** A copy that is not there gets its name when it is whole; one that is there may be torn. */
    private byte[] afterCrash(final byte[] old, final byte[] now) {
        final int choice = dice.between(0, 2);
        if (choice == 0 || old == null || now == null) {
            return choice == 1 ? now : old;
        }
        if (choice == 1) {
            return now;
        }
        final byte[] torn = Arrays.copyOf(old, Math.max(old.length, now.length));
        System.arraycopy(now, 0, torn, 0, dice.between(0, now.length));
        return torn;
    }

    @Override
    public Path path(final int index) {
        return directory.resolve("state-" + index);
    }

    @Override
    public Optional<byte[]> read(final int index) {
        return Optional.ofNullable(current[index]).map(byte[]::clone);
    }

    @Override
    public void write(final int index, final byte[] record) throws IOException {
        if (writing >= 0) {
            throw new AssertionError("two writes of one state at a time");
        }
        if (dice.chance(failing)) {
            if (current[index] != null) {
                current[index] = new byte[0];
            }
            throw new IOException("cannot write " + path(index) + ": no space");
        }
        writing = index;
        before = current[index];
        current[index] = record.clone();
    }

    @Override
    public void clear(final int index) {
        if (current[index] != null) {
            current[index] = new byte[0];
            durable[index] = current[index];
        }
    }

    @Override
    public void settle(final int index) {
        durable[index] = current[index];
    }
}

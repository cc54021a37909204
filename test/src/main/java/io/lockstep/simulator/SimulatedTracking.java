package io.lockstep.simulator;

import io.lockstep.engine.node.Id;
import io.lockstep.engine.tracking.ActivityLimits;
import io.lockstep.engine.tracking.Background;
import io.lockstep.engine.tracking.ChangeMap;
import io.lockstep.engine.tracking.Tracking;
import io.lockstep.engine.tracking.TrackingStorage;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;

/**
 * Where a simulated host keeps what its node notes of changes: a page and maps in mapped files, of
 * which the kernel writes any part at any time, and the two copies of the activity log. A loss of
 * power leaves of each line of memory what it was when it was written last, or what it is; and of a
 * copy that was being written the old one, the new one, or a part of each.
 */
public final class SimulatedTracking {
    private static final int PAGE_LENGTH = 4096;

    /** What memory and devices move as a whole, at least. */
    private static final int LINE_LENGTH = 64;

    private static final long NANOS_MAX = 5 * Simulation.MILLISECOND;
    private static final long SLOW_NANOS_MAX = 300 * Simulation.MILLISECOND;

    private final Simulation simulation;
    private final Dice dice;
    private final List<Long> lengths;
    private final ActivityLimits limits;

    /** The page, and then the maps. */
    private final List<Mapped> memory = new ArrayList<>();

    private final byte[][] current = new byte[TrackingStorage.COPIES][];
    private final byte[][] durable = new byte[TrackingStorage.COPIES][];
    private final List<Pending> pending = new ArrayList<>();

    /** What the process has asked for last, and is not told of yet. */
    private Pending asked;

    private double failing;
    private Watcher watcher = new Watcher() {};

    /** Hears when the activity log is written. */
    public interface Watcher {
        /** A copy is being written, with what is so now. */
        default void onWrite() {}

        /** What was written last is on stable storage. */
        default void onDurable() {}
    }

    /** Something that takes its time. */
    private interface Pending {
        void land();

        /** The process is gone, or with it the power. */
        void lose(boolean withHost);
    }

    /** Of disks of these lengths, and nothing yet. */
    public SimulatedTracking(
            final Simulation simulation, final List<Long> lengths, final ActivityLimits limits) {
        this.simulation = simulation;
        dice = simulation.dice().split();
        this.lengths = new ArrayList<>(lengths);
        this.limits = limits;
        clear();
    }

    /** Nothing is there any more. */
    public void clear() {
        pending.clear();
        asked = null;
        memory.clear();
        memory.add(new Mapped(PAGE_LENGTH));
        lengths.forEach(length -> memory.add(new Mapped(ChangeMap.lengthFor(length))));
        Arrays.fill(current, null);
        Arrays.fill(durable, null);
    }

    /** Somebody puts what another one has here, which nobody is writing to. */
    public void takeFrom(final SimulatedTracking other) {
        pending.clear();
        for (int i = 0; i < memory.size(); i++) {
            memory.get(i).takeFrom(other.memory.get(i));
        }
        for (int i = 0; i < TrackingStorage.COPIES; i++) {
            current[i] = other.current[i];
            durable[i] = other.current[i];
        }
    }

    /** Who hears when the activity log is written. */
    public void watch(final Watcher newWatcher) {
        watcher = newWatcher;
    }

    /** How likely it is that a write fails, from now on. */
    public void failing(final double probability) {
        failing = probability;
    }

    /** Opens it for a process; on its loop. */
    public Tracking open(final SimulatedLoop loop, final Id boot) {
        final double before = failing;
        failing = 0;
        try {
            final Tracking tracking =
                    Tracking.openLasting(new Storage(), lengths, boot, on(loop), loop, limits);
            List.copyOf(pending).forEach(this::land);
            asked = null;
            return tracking;
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        } finally {
            failing = before;
        }
    }

    /** Its process ends in good order. */
    public void settle(final Tracking tracking) {
        try {
            List.copyOf(pending).forEach(this::land);
            tracking.settle();
            List.copyOf(pending).forEach(this::land);
        } catch (final IOException e) {
            asked = null; // what was hot stays so
        }
    }

    private Background on(final SimulatedLoop loop) {
        return (action, whenDone) -> run(loop, action, whenDone);
    }

    private void run(
            final SimulatedLoop loop,
            final Background.Action action,
            final Consumer<Optional<String>> whenDone) {
        Optional<String> failure = Optional.empty();
        try {
            action.run();
        } catch (final IOException e) {
            failure = Optional.of(e.getMessage());
        }
        final Optional<String> outcome = failure;
        final Pending mine = asked;
        asked = null;
        simulation.schedule(
                dice.between(0, dice.chance(0.05) ? SLOW_NANOS_MAX : NANOS_MAX),
                () -> {
                    if (loop.isAlive()) {
                        land(mine);
                        loop.execute(() -> whenDone.accept(outcome));
                    }
                });
    }

    private void land(final Pending one) {
        if (one != null && pending.remove(one)) {
            one.land();
        }
    }

    private void ask(final Pending one) {
        pending.add(one);
        asked = one;
    }

    /** The kernel writes some of what is in memory, as it likes. */
    public void writeBack() {
        memory.forEach(Mapped::writeBack);
    }

    /** The process is gone. */
    public void kill() {
        pending.forEach(one -> one.lose(false));
        pending.clear();
        asked = null;
    }

    /** The power is gone. */
    public void crash() {
        pending.forEach(one -> one.lose(true));
        pending.clear();
        asked = null;
        memory.forEach(Mapped::crash);
        System.arraycopy(durable, 0, current, 0, durable.length);
    }

    /** What the process uses. */
    private final class Storage implements TrackingStorage {
        @Override
        public MemorySegment page() {
            return memory.getFirst().current;
        }

        @Override
        public ChangeMap.Space map(final int disk) {
            return memory.get(1 + disk);
        }

        @Override
        public void lengthen(final int disk, final long diskLength) {
            final Mapped before = memory.get(1 + disk);
            memory.set(1 + disk, new Mapped(before, ChangeMap.lengthFor(diskLength)));
            lengths.set(disk, diskLength);
        }

        @Override
        public void clearMaps() {
            memory.stream().skip(1).forEach(Mapped::clear);
        }

        @Override
        public Optional<byte[]> read(final int copy) {
            return Optional.ofNullable(current[copy]).map(byte[]::clone);
        }

        @Override
        public void write(final int copy, final byte[] record) throws IOException {
            final Writing writing = new Writing(copy, record.clone());
            if (dice.chance(failing)) {
                writing.lose(true);
                current[copy] = durable[copy];
                throw new IOException("cannot write activity-" + copy + ": no space");
            }
            watcher.onWrite();
            ask(writing);
        }

        @Override
        public void syncMaps() throws IOException {
            if (dice.chance(failing)) {
                throw new IOException("cannot flush changes-0: it is torn from the host");
            }
            memory.forEach(Mapped::beginSync);
            ask(
                    new Pending() {
                        @Override
                        public void land() {
                            memory.forEach(Mapped::endSync);
                        }

                        @Override
                        public void lose(final boolean withHost) {}
                    });
        }

        @Override
        public void close() {}
    }

    /** A copy that is being written. */
    private final class Writing implements Pending {
        private final int copy;
        private final byte[] record;

        Writing(final int copy, final byte[] record) {
            this.copy = copy;
            this.record = record;
        }

        @Override
        public void land() {
            current[copy] = record;
            durable[copy] = record;
            watcher.onDurable();
        }

        @Override
        public void lose(final boolean withHost) {
            final int choice = dice.between(0, withHost ? 2 : 1);
            final byte[] old = current[copy];
            if (choice == 1) {
                current[copy] = record;
            } else if (choice == 2) {
                final byte[] torn =
                        Arrays.copyOf(
                                old == null ? new byte[0] : old,
                                Math.max(old == null ? 0 : old.length, record.length));
                System.arraycopy(record, 0, torn, 0, dice.between(0, record.length));
                current[copy] = torn;
            }
            if (withHost) {
                durable[copy] = current[copy];
            }
        }
    }

    /** Memory of a file. */
    private final class Mapped implements ChangeMap.Space {
        private final MemorySegment current;
        private final MemorySegment durable;

        /** As it was when a flush began; and which lines have been written since. */
        private final MemorySegment atSync;

        private final boolean[] isNewer;

        Mapped(final long length) {
            current = Arena.ofAuto().allocate(length, Long.BYTES);
            durable = Arena.ofAuto().allocate(length, Long.BYTES);
            atSync = Arena.ofAuto().allocate(length, Long.BYTES);
            isNewer = new boolean[(int) (length / LINE_LENGTH)];
        }

        /** A longer one, as it was. */
        Mapped(final Mapped before, final long length) {
            this(length);
            current.copyFrom(before.current);
            durable.copyFrom(before.durable);
            atSync.copyFrom(before.atSync);
            System.arraycopy(before.isNewer, 0, isNewer, 0, before.isNewer.length);
        }

        void takeFrom(final Mapped other) {
            current.copyFrom(other.current);
            durable.copyFrom(other.current);
        }

        void clear() {
            current.fill((byte) 0);
            durable.fill((byte) 0);
        }

        private void copy(final int line, final MemorySegment from, final MemorySegment into) {
            final long at = (long) line * LINE_LENGTH;
            MemorySegment.copy(from, at, into, at, LINE_LENGTH);
        }

        void writeBack() {
            for (int line = 0; line < isNewer.length; line++) {
                if (dice.chance(0.3)) {
                    copy(line, current, durable);
                    isNewer[line] = true;
                }
            }
        }

        void beginSync() {
            atSync.copyFrom(current);
            Arrays.fill(isNewer, false);
        }

        void endSync() {
            for (int line = 0; line < isNewer.length; line++) {
                if (!isNewer[line]) {
                    copy(line, atSync, durable);
                }
            }
        }

        void crash() {
            for (int line = 0; line < isNewer.length; line++) {
                if (dice.chance(0.5)) {
                    copy(line, current, durable);
                }
            }
            current.copyFrom(durable);
        }

        @Override
        public MemorySegment memory() {
            return current;
        }

        @Override
        public boolean isAllocated(final long offset) {
            return true;
        }

        @Override
        public int allocate(final long offset, final long length) {
            return 0;
        }
    }
}

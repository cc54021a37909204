package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.disk.WriteWindow;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * A medium as one loop has it open. An operation takes effect at a moment of its own between its
 * submission and its completion, or in two pieces at two moments; until then it reads from, and
 * after it writes to, the memory that was named. So operations that overlap take effect in any
 * order, and memory that is used again too early shows.
 */
final class SimulatedDisk implements Disk {
    private static final int SECTOR_LENGTH = SimulatedMedium.SECTOR_LENGTH;

    /** A longer range is never filled, unless the caller insists: sparse disks stay sparse. */
    private static final long FILL_LENGTH_MAX = 1 << 20;

    private static final Effect NO_EFFECT = (from, end) -> List.of();

    private final Simulation simulation;
    private final SimulatedMedium medium;
    private final SimulatedLoop loop;
    private final Dice dice;
    private final Set<Operation> inFlight = new LinkedHashSet<>();
    private final List<Operation> completed = new ArrayList<>();
    private boolean pollDue;
    private boolean polling;
    private boolean detached;

    SimulatedDisk(
            final Simulation simulation, final SimulatedMedium medium, final SimulatedLoop loop) {
        this.simulation = simulation;
        this.medium = medium;
        this.loop = loop;
        this.dice = medium.dice().split();
    }

    @Override
    public String name() {
        return medium.name();
    }

    @Override
    public long length() {
        return medium.length();
    }

    @Override
    public boolean isReadOnly() {
        return false;
    }

    @Override
    public boolean isRotational() {
        return false;
    }

    @Override
    public void read(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        final MemorySegment target = memory.asSlice(position, length);
        target.fill((byte) dice.any()); // nobody may look before the end
        submit(
                DiskOperation.READ,
                offset,
                length,
                completion,
                token,
                (from, end) -> {
                    final byte[] bytes = medium.current().read(from, (int) (end - from));
                    MemorySegment.copy(
                            bytes, 0, target, ValueLayout.JAVA_BYTE, from - offset, bytes.length);
                    return List.of();
                });
    }

    @Override
    public void write(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        final MemorySegment source = memory.asSlice(position, length);
        final SimulatedMedium.Source bytes =
                (at, block, start, count) ->
                        MemorySegment.copy(
                                source, ValueLayout.JAVA_BYTE, at - offset, block, start, count);
        submit(
                DiskOperation.WRITE,
                offset,
                length,
                completion,
                token,
                (from, end) -> List.of(medium.store(from, end - from, bytes)));
    }

    @Override
    public int windowLengthMin() {
        return 1;
    }

    @Override
    public boolean hasWriteWindow(final long offset, final int length) {
        return dice.chance(0.5);
    }

    @Override
    public boolean openWriteWindow(final long offset, final int length, final WriteWindow window) {
        final boolean isOpen = length > 0 && !detached && dice.chance(0.7);
        if (isOpen) {
            simulation.trace(name(), "lends memory", offset, length);
            window.open(IoBuffer.collected(length), 0, offset, length);
        }
        return isOpen;
    }

    @Override
    public void write(final WriteWindow window, final Completion completion, final long token) {
        write(
                window.offset(),
                window.length(),
                window.memory().segment(),
                window.position(),
                completion,
                token);
    }

    /** What came of the payload is on the disk, as if it had been received there. */
    @Override
    public void dropWriteWindow(final WriteWindow window) {
        if (detached || window.received() == 0) {
            return;
        }
        simulation.trace(name(), "is left with a part", window.offset(), window.received());
        final MemorySegment source = window.memory().segment();
        final SimulatedMedium.Change torn =
                medium.store(
                        window.offset(),
                        window.received(),
                        (at, block, start, count) ->
                                MemorySegment.copy(
                                        source,
                                        ValueLayout.JAVA_BYTE,
                                        at - window.offset(),
                                        block,
                                        start,
                                        count));
        medium.complete(List.of(torn));
    }

    @Override
    public void zero(
            final long offset,
            final long length,
            final int flags,
            final Completion completion,
            final long token) {
        final DiskFaults faults = medium.faults();
        if ((flags & ZERO_FAST) != 0 && !faults.fastZero()) {
            submit(DiskOperation.ZERO, offset, 0, completion, token, NO_EFFECT, Errno.EOPNOTSUPP);
            return;
        }
        final boolean fills = length <= FILL_LENGTH_MAX && dice.chance(faults.zeroAllocates());
        final boolean mayPunch = (flags & ZERO_NO_HOLE) == 0 && !fills;
        submit(
                DiskOperation.ZERO,
                offset,
                length,
                completion,
                token,
                (from, end) -> medium.zero(from, end - from, mayPunch));
    }

    @Override
    public void discard(
            final long offset, final long length, final Completion completion, final long token) {
        submit(DiskOperation.DISCARD, offset, length, completion, token, chooseDiscard(length));
    }

    private Effect chooseDiscard(final long length) {
        final DiskFaults faults = medium.faults();
        if (dice.chance(faults.discardIgnored())) {
            return NO_EFFECT;
        }
        if (length <= FILL_LENGTH_MAX && dice.chance(faults.discardScribbles())) {
            return (from, end) -> List.of(medium.store(from, end - from, this::scribble));
        }
        return (from, end) -> medium.zero(from, end - from, true);
    }

    private void scribble(
            final long offset, final byte[] block, final int position, final int count) {
        final byte[] bytes = new byte[count];
        dice.fill(bytes);
        System.arraycopy(bytes, 0, block, position, count);
    }

    @Override
    public void flush(final Completion completion, final long token) {
        final long mark = medium.completionMark();
        submit(
                DiskOperation.FLUSH,
                0,
                0,
                completion,
                token,
                (from, end) -> {
                    medium.flush(mark);
                    return List.of();
                });
    }

    @Override
    public void prefetch(
            final long offset, final long length, final Completion completion, final long token) {
        submit(DiskOperation.PREFETCH, offset, length, completion, token, NO_EFFECT);
    }

    @Override
    public void extents(
            final long offset,
            final long length,
            final ExtentList into,
            final Completion completion,
            final long token) {
        submit(
                DiskOperation.EXTENTS,
                offset,
                length,
                completion,
                token,
                (from, end) -> {
                    medium.extents(from, end - from, into);
                    return List.of();
                });
    }

    @Override
    public int poll() {
        simulation.requireLoop(loop, name());
        if (polling) {
            return 0;
        }
        polling = true;
        int count = 0;
        try {
            while (!completed.isEmpty() && !detached) {
                deliver(completed.remove(dice.between(0, completed.size() - 1)));
                count++;
            }
        } finally {
            polling = false;
        }
        return count;
    }

    private void deliver(final Operation operation) {
        inFlight.remove(operation);
        simulation.trace(name(), "completes " + operation.kind, operation.offset, operation.errno);
        medium.complete(operation.changes);
        operation.completion.onComplete(operation.token, operation.errno);
    }

    /**
     * The process that had the disk open has gone, perhaps with its host. Nothing in flight goes
     * on.
     */
    void detach(final boolean withHost) {
        detached = true;
        if (withHost) {
            medium.onHostCrash();
        } else {
            medium.abandon();
        }
    }

    /** Gives back what the operations in flight hold. */
    void release() {
        final List<Operation> left = List.copyOf(inFlight);
        inFlight.clear();
        left.forEach(
                operation -> operation.completion.onComplete(operation.token, Errno.ESHUTDOWN));
    }

    // ---- The course of an operation.

    private void submit(
            final DiskOperation kind,
            final long offset,
            final long length,
            final Completion completion,
            final long token,
            final Effect effect) {
        if (offset < 0 || length < 0 || offset > length() - length) {
            throw new AssertionError(
                    kind + " beyond the end of disk " + name() + ": " + offset + ", " + length);
        }
        final int errno = chooseErrno(kind, offset, length);
        final long affected = errno == 0 ? length : sectorsOf(offset, length);
        submit(kind, offset, affected, completion, token, effect, errno);
    }

    private void submit(
            final DiskOperation kind,
            final long offset,
            final long affected,
            final Completion completion,
            final long token,
            final Effect effect,
            final int errno) {
        simulation.requireLoop(loop, name());
        if (detached) {
            return;
        }
        medium.submitting();
        simulation.trace(name(), kind.name(), offset, affected);
        final Operation operation =
                new Operation(kind, offset, affected, completion, token, effect, errno);
        inFlight.add(operation);
        if (dice.chance(medium.faults().stuck())) {
            simulation.trace(name(), "is stuck", offset, affected);
            medium.stick(() -> perform(operation));
        } else if (dice.chance(medium.faults().immediate())) {
            operation.apply(offset, operation.end);
            completed.add(operation);
        } else {
            perform(operation);
        }
    }

    private int chooseErrno(final DiskOperation kind, final long offset, final long length) {
        final int ruled = medium.ruledErrno(kind, offset, length);
        if (ruled != 0 || !dice.chance(medium.faults().errors().getOrDefault(kind, 0.0))) {
            return ruled;
        }
        final boolean takesSpace = kind == DiskOperation.WRITE || kind == DiskOperation.ZERO;
        return takesSpace && dice.chance(0.5) ? Errno.ENOSPC : Errno.EIO;
    }

    /** A length, perhaps 0, that ends where a sector does and is not longer. */
    private long sectorsOf(final long offset, final long length) {
        final long end = (offset + dice.between(0, length)) / SECTOR_LENGTH * SECTOR_LENGTH;
        return Math.max(0, end - offset);
    }

    private void perform(final Operation operation) {
        final DiskFaults faults = medium.faults();
        final long latency =
                dice.between(
                        faults.latencyMin(),
                        dice.chance(faults.slow()) ? faults.slowLatencyMax() : faults.latencyMax());
        final long start = operation.offset;
        final long end = operation.end;
        final long middle =
                operation.kind != DiskOperation.EXTENTS && dice.chance(faults.split())
                        ? start + sectorsOf(start, end - start)
                        : end;
        at(dice.between(0, latency), () -> operation.apply(start, middle));
        if (middle < end) {
            at(dice.between(0, latency), () -> operation.apply(middle, end));
        }
        at(latency, () -> complete(operation));
    }

    private void at(final long delayNanos, final Runnable action) {
        simulation.schedule(
                delayNanos,
                () -> {
                    if (!detached) {
                        action.run();
                    }
                });
    }

    private void complete(final Operation operation) {
        completed.add(operation);
        if (!pollDue) {
            pollDue = true;
            loop.execute(
                    () -> {
                        pollDue = false;
                        poll();
                    });
        }
    }

    /** What an operation does to a part of its range; answers what a crash may undo. */
    private interface Effect {
        List<SimulatedMedium.Change> apply(long from, long end);
    }

    /** An operation in flight, and the part of its range on which it has an effect. */
    private static final class Operation {
        private final DiskOperation kind;
        private final long offset;
        private final long end;
        private final Completion completion;
        private final long token;
        private final Effect effect;
        private final int errno;
        private final List<SimulatedMedium.Change> changes = new ArrayList<>();

        Operation(
                final DiskOperation kind,
                final long offset,
                final long affected,
                final Completion completion,
                final long token,
                final Effect effect,
                final int errno) {
            this.kind = kind;
            this.offset = offset;
            this.end = offset + affected;
            this.completion = completion;
            this.token = token;
            this.effect = effect;
            this.errno = errno;
        }

        void apply(final long from, final long to) {
            if (from < to || errno == 0) {
                changes.addAll(effect.apply(from, to));
            }
        }
    }
}

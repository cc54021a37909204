package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.disk.OperationPool;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;

/**
 * A secondary's disk as its guest uses it, where the stream has the disk on a loop of its own: each
 * operation goes there and comes back. When the stream has ended the disk comes to the guest's
 * loop, once what is under way there has ended; from then on this is that disk, without a detour. A
 * flush that came there behind the end of the stream would wait for the merge, which waits for it:
 * so flushes wait here from then on. What was sent before a turn has begun there.
 *
 * <p>All on the guest's loop; in steady state nothing is allocated.
 */
final class GuestDoor implements Disk {
    private enum Kind {
        READ,
        WRITE,
        ZERO,
        DISCARD,
        FLUSH,
        PREFETCH,
        EXTENTS
    }

    private final GuestDisk guest;
    private final IoLoop here;
    private final IoLoop there;
    private final OperationPool<Crossing> crossings = new OperationPool<>(number -> new Crossing());
    private boolean isHere;

    /** Operations that are on the other loop, or on the way. */
    private int away;

    /** Whether the stream is being ended. */
    private boolean isEnding;

    /** Runs when none is, in place of all that comes meanwhile; null while it stays there. */
    private Runnable onBack;

    private final List<Runnable> held = new ArrayList<>();

    /**
     * A door to a disk that is on another loop.
     *
     * @param here the guest's loop
     * @param there the disk's, until it comes
     */
    GuestDoor(final GuestDisk guest, final IoLoop here, final IoLoop there) {
        this.guest = guest;
        this.here = here;
        this.there = there;
    }

    /** One operation on its way there and back. */
    private final class Crossing {
        private final Runnable arrival = this::arrive;
        private final Runnable homecoming = this::comeBack;
        private final Completion onDone = this::onDone;
        private Kind kind;
        private long offset;
        private long length;
        private int flags;
        private MemorySegment memory;
        private long position;
        private ExtentList extents;
        private Completion completion;
        private long token;
        private int errno;

        private void arrive() {
            submit(this, onDone, 0);
            guest.poll();
        }

        private void onDone(final long ignored, final int result) {
            errno = result;
            here.execute(homecoming);
        }

        private void comeBack() {
            final Completion told = completion;
            final long itsToken = token;
            memory = null;
            extents = null;
            completion = null;
            crossings.give(this);
            away--;
            told.onComplete(itsToken, errno);
            lookWhetherBack();
        }
    }

    private void submit(final Crossing what, final Completion completion, final long token) {
        switch (what.kind) {
            case READ ->
                    guest.read(
                            what.offset,
                            (int) what.length,
                            what.memory,
                            what.position,
                            completion,
                            token);
            case WRITE ->
                    guest.write(
                            what.offset,
                            (int) what.length,
                            what.memory,
                            what.position,
                            completion,
                            token);
            case ZERO -> guest.zero(what.offset, what.length, what.flags, completion, token);
            case DISCARD -> guest.discard(what.offset, what.length, completion, token);
            case FLUSH -> guest.flush(completion, token);
            case PREFETCH -> guest.prefetch(what.offset, what.length, completion, token);
            case EXTENTS ->
                    guest.extents(what.offset, what.length, what.extents, completion, token);
        }
    }

    // ---- It comes.

    /** The stream is being ended, in this turn of the group. */
    void onEnding() {
        isEnding = true;
    }

    /** Runs an action when nothing is away any more, at once where nothing is; what comes waits. */
    void whenBack(final Runnable action) {
        onBack = action;
        lookWhetherBack();
    }

    private void lookWhetherBack() {
        if (away == 0 && onBack != null && !isHere) {
            onBack.run();
        }
    }

    /** The disk is on the guest's loop from now on. */
    void come() {
        isHere = true;
        final List<Runnable> waiting = List.copyOf(held);
        held.clear();
        waiting.forEach(Runnable::run);
        guest.poll();
    }

    private boolean isHeld() {
        return onBack != null && !isHere;
    }

    private Crossing take(
            final Kind kind,
            final long offset,
            final long length,
            final Completion completion,
            final long token) {
        final Crossing crossing = crossings.take();
        crossing.kind = kind;
        crossing.offset = offset;
        crossing.length = length;
        crossing.completion = completion;
        crossing.token = token;
        return crossing;
    }

    private void send(final Crossing crossing) {
        away++;
        there.execute(crossing.arrival);
    }

    // ---- The disk.

    @Override
    public String name() {
        return guest.name();
    }

    @Override
    public long length() {
        return guest.length();
    }

    @Override
    public long lengthThere() {
        return isHere ? guest.lengthThere() : guest.length();
    }

    @Override
    public int lengthUnit() {
        return guest.lengthUnit();
    }

    @Override
    public boolean isHoleBehind() {
        return isHere && guest.isHoleBehind();
    }

    @Override
    public void lengthen(final long newLength) {
        guest.lengthen(newLength);
    }

    @Override
    public boolean isReadOnly() {
        return guest.isReadOnly();
    }

    @Override
    public boolean isRotational() {
        return guest.isRotational();
    }

    @Override
    public void read(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        if (isHere) {
            guest.read(offset, length, memory, position, completion, token);
        } else if (isHeld()) {
            held.add(() -> read(offset, length, memory, position, completion, token));
        } else {
            final Crossing crossing = take(Kind.READ, offset, length, completion, token);
            crossing.memory = memory;
            crossing.position = position;
            send(crossing);
        }
    }

    @Override
    public void write(
            final long offset,
            final int length,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        if (isHere) {
            guest.write(offset, length, memory, position, completion, token);
        } else if (isHeld()) {
            held.add(() -> write(offset, length, memory, position, completion, token));
        } else {
            final Crossing crossing = take(Kind.WRITE, offset, length, completion, token);
            crossing.memory = memory;
            crossing.position = position;
            send(crossing);
        }
    }

    @Override
    public void zero(
            final long offset,
            final long length,
            final int flags,
            final Completion completion,
            final long token) {
        if (isHere) {
            guest.zero(offset, length, flags, completion, token);
        } else if (isHeld()) {
            held.add(() -> zero(offset, length, flags, completion, token));
        } else {
            final Crossing crossing = take(Kind.ZERO, offset, length, completion, token);
            crossing.flags = flags;
            send(crossing);
        }
    }

    @Override
    public void discard(
            final long offset, final long length, final Completion completion, final long token) {
        if (isHere) {
            guest.discard(offset, length, completion, token);
        } else if (isHeld()) {
            held.add(() -> discard(offset, length, completion, token));
        } else {
            send(take(Kind.DISCARD, offset, length, completion, token));
        }
    }

    @Override
    public void flush(final Completion completion, final long token) {
        if (isHere) {
            guest.flush(completion, token);
        } else if (isHeld() || isEnding) {
            held.add(() -> flush(completion, token));
        } else {
            send(take(Kind.FLUSH, 0, 0, completion, token));
        }
    }

    @Override
    public void prefetch(
            final long offset, final long length, final Completion completion, final long token) {
        if (isHere) {
            guest.prefetch(offset, length, completion, token);
        } else if (isHeld()) {
            held.add(() -> prefetch(offset, length, completion, token));
        } else {
            send(take(Kind.PREFETCH, offset, length, completion, token));
        }
    }

    @Override
    public void extents(
            final long offset,
            final long length,
            final ExtentList into,
            final Completion completion,
            final long token) {
        if (isHere) {
            guest.extents(offset, length, into, completion, token);
        } else if (isHeld()) {
            held.add(() -> extents(offset, length, into, completion, token));
        } else {
            final Crossing crossing = take(Kind.EXTENTS, offset, length, completion, token);
            crossing.extents = into;
            send(crossing);
        }
    }

    /** Memory of the disk's own is lent on its loop alone. */
    @Override
    public IoBuffer window(final long offset, final int length) {
        return isHere ? guest.window(offset, length) : null;
    }

    @Override
    public int windowPosition(final long offset) {
        return guest.windowPosition(offset);
    }

    @Override
    public int windowLengthMin() {
        return guest.windowLengthMin();
    }

    @Override
    public int poll() {
        return isHere ? guest.poll() : 0;
    }
}

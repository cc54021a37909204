package io.lockstep.engine.disk;

import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;

/**
 * A disk with a name of its own, whose operations another one does, which can be exchanged while it
 * is in use: what a guest's export holds on to while replication is set up, stopped and set up
 * again below it. Until it is given a first one, its operations fail with EIO.
 *
 * <p>It has a length of its own, which may be less than its target's: what lies behind that is
 * refused, as clients may have been told of another one before.
 *
 * <p>No two targets ever work at the same time: when the target is to be exchanged, operations that
 * come wait until those under way have ended. On its loop; but for that wait nothing is allocated.
 */
public final class SwitchDisk implements Disk {
    private static final int FIRST_CAPACITY = 64;
    private static final int NONE = -1;

    private final String name;
    private long length;
    private final boolean isReadOnly;
    private final boolean isRotational;
    private final IoLoop loop;
    private final Completion onDone = this::onDone;
    private final CompletionRing failed = new CompletionRing();
    private Disk target;

    // Operations under way: whom to tell, and a list of the free places.
    private Completion[] completions = new Completion[FIRST_CAPACITY];
    private long[] tokens = new long[FIRST_CAPACITY];
    private int[] nextFree = new int[FIRST_CAPACITY];
    private int free = NONE;
    private int used;
    private int inFlight;

    /** Writes whose payloads are received where the target wants them. */
    private final List<WriteWindow> windows = new ArrayList<>();

    // Of an exchange.
    private boolean isSwitching;

    /** It is not said yet what to exchange the target for. */
    private boolean isHeld;

    /** Runs when nothing is under way while it is held. */
    private Runnable whenQuiet = () -> {};

    /** What comes of the target. */
    private UnaryOperator<Disk> next;

    private Runnable whenSwitched;

    /** One that waits behind another one, and is no operation. */
    private record Exchange(Runnable action) implements Runnable {
        @Override
        public void run() {
            action.run();
        }
    }

    /** Nobody does operations, whoever is there to do them. */
    private boolean isPaused;

    private Runnable whenPaused;
    private final List<Runnable> held = new ArrayList<>();

    /**
     * A disk that nothing is behind yet.
     *
     * @param like has the length, and is read-only and rotational, as every target will be
     */
    public SwitchDisk(final String name, final Disk like, final IoLoop loop) {
        this.name = name;
        this.loop = loop;
        length = like.length();
        isReadOnly = like.isReadOnly();
        isRotational = like.isRotational();
    }

    /** It has another length from now on, for those who ask: at most that of its target. */
    public void length(final long newLength) {
        length = newLength;
    }

    /** Who does the operations; null for nobody. */
    public Disk target() {
        return target;
    }

    /**
     * The same for several, each with a target of its own.
     *
     * @return done when the old ones' operations have ended
     */
    public static CompletableFuture<Void> switchAll(
            final List<SwitchDisk> disks, final List<Disk> targets) {
        final List<CompletableFuture<Void>> all = new ArrayList<>();
        for (int i = 0; i < disks.size(); i++) {
            final CompletableFuture<Void> switched = new CompletableFuture<>();
            disks.get(i).switchTo(targets.get(i), () -> switched.complete(null));
            all.add(switched);
        }
        return CompletableFuture.allOf(all.toArray(CompletableFuture[]::new));
    }

    /**
     * Has another disk do the operations that come from now on.
     *
     * @param disk of the same length
     * @param whenDone runs when those that the old one still does have ended
     */
    public void switchTo(final Disk disk, final Runnable whenDone) {
        layer(before -> disk, whenDone);
    }

    /**
     * The same where that stands on the one that does them by then.
     *
     * @param over makes it of that; on the loop
     */
    public void layer(final UnaryOperator<Disk> over, final Runnable whenDone) {
        if (isSwitching && !isHeld) {
            held.add(new Exchange(() -> layer(over, whenDone)));
            return;
        }
        if (!isHeld) {
            isSwitching = true;
            revokeWindows();
        }
        isHeld = false;
        whenQuiet = () -> {};
        next = over;
        whenSwitched = whenDone;
        if (inFlight == 0) {
            loop.execute(this::finishSwitch);
        }
    }

    /** Has operations that come from now on wait until it is said who does them. */
    public void hold() {
        hold(() -> {});
    }

    /**
     * The same.
     *
     * @param nothingUnderWay runs when those that had come before have ended, if it is held still
     */
    public void hold(final Runnable nothingUnderWay) {
        if (isSwitching) {
            held.add(new Exchange(() -> hold(nothingUnderWay)));
            return;
        }
        isSwitching = true;
        isHeld = true;
        whenQuiet = nothingUnderWay;
        revokeWindows();
        if (inFlight == 0) {
            loop.execute(this::onQuiet);
        }
    }

    private void onQuiet() {
        if (isHeld && inFlight == 0) {
            final Runnable action = whenQuiet;
            whenQuiet = () -> {};
            action.run();
        }
    }

    /** A guest that stands still in the middle of a payload must not hold up an exchange. */
    private void revokeWindows() {
        for (final WriteWindow window : windows) {
            window.revoke();
            target.dropWriteWindow(window);
        }
        windows.clear();
    }

    private void finishSwitch() {
        target = next.apply(target);
        next = null;
        isSwitching = false;
        whenSwitched.run();
        doHeld();
    }

    private boolean isHolding() {
        return isSwitching || isPaused;
    }

    private void doHeld() {
        final List<Runnable> waiting = List.copyOf(held);
        held.clear();
        for (final Runnable operation : waiting) {
            if (mayGo(operation)) {
                operation.run();
            } else {
                held.add(operation);
            }
        }
        poll();
    }

    /** An exchange ends a hold; it may be one that waited behind it. */
    private boolean mayGo(final Runnable waiting) {
        return waiting instanceof Exchange ? !isSwitching || isHeld : !isHolding();
    }

    // ---- A pause.

    /**
     * Has operations that come from now on wait, whatever the target is exchanged for meanwhile.
     *
     * @param whenDone runs when those under way have ended
     */
    public void pause(final Runnable whenDone) {
        isPaused = true;
        revokeWindows();
        whenPaused = whenDone;
        tellWhenPaused();
    }

    /** Has them done again, and those that waited. */
    public void resume() {
        isPaused = false;
        doHeld();
    }

    private void tellWhenPaused() {
        if (inFlight == 0 && whenPaused != null) {
            loop.execute(whenPaused);
            whenPaused = null;
        }
    }

    private int enter(final Completion completion, final long token) {
        final int place;
        if (free != NONE) {
            place = free;
            free = nextFree[place];
        } else {
            if (used == completions.length) {
                completions = Arrays.copyOf(completions, 2 * used);
                tokens = Arrays.copyOf(tokens, 2 * used);
                nextFree = Arrays.copyOf(nextFree, 2 * used);
            }
            place = used++;
        }
        completions[place] = completion;
        tokens[place] = token;
        inFlight++;
        return place;
    }

    private void onDone(final long place, final int errno) {
        final int at = (int) place;
        final Completion completion = completions[at];
        final long token = tokens[at];
        completions[at] = null;
        nextFree[at] = free;
        free = at;
        inFlight--;
        if (inFlight == 0 && isSwitching) {
            loop.execute(isHeld ? this::onQuiet : this::finishSwitch);
        }
        tellWhenPaused();
        completion.onComplete(token, errno);
    }

    /** Whether there is nobody to do an operation, which has then been told to fail. */
    private boolean isRefused(final Completion completion, final long token) {
        if (target == null) {
            failed.add(completion, token, Errno.EIO);
        }
        return target == null;
    }

    /** The same where it may lie behind the end. */
    private boolean isRefused(
            final long offset, final long count, final Completion completion, final long token) {
        if (!isWithin(offset, count)) {
            failed.add(completion, token, Errno.EINVAL);
            return true;
        }
        return isRefused(completion, token);
    }

    private boolean isWithin(final long offset, final long count) {
        return offset <= length - count;
    }

    // ---- The disk.

    @Override
    public String name() {
        return name;
    }

    @Override
    public long length() {
        return length;
    }

    @Override
    public boolean isReadOnly() {
        return isReadOnly;
    }

    @Override
    public boolean isRotational() {
        return isRotational;
    }

    @Override
    public void read(
            final long offset,
            final int count,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        if (isHolding()) {
            held.add(() -> read(offset, count, memory, position, completion, token));
        } else if (!isRefused(offset, count, completion, token)) {
            target.read(offset, count, memory, position, onDone, enter(completion, token));
        }
    }

    @Override
    public void write(
            final long offset,
            final int count,
            final MemorySegment memory,
            final long position,
            final Completion completion,
            final long token) {
        if (isHolding()) {
            held.add(() -> write(offset, count, memory, position, completion, token));
        } else if (!isRefused(offset, count, completion, token)) {
            target.write(offset, count, memory, position, onDone, enter(completion, token));
        }
    }

    @Override
    public void zero(
            final long offset,
            final long count,
            final int flags,
            final Completion completion,
            final long token) {
        if (isHolding()) {
            held.add(() -> zero(offset, count, flags, completion, token));
        } else if (!isRefused(offset, count, completion, token)) {
            target.zero(offset, count, flags, onDone, enter(completion, token));
        }
    }

    @Override
    public void discard(
            final long offset, final long count, final Completion completion, final long token) {
        if (isHolding()) {
            held.add(() -> discard(offset, count, completion, token));
        } else if (!isRefused(offset, count, completion, token)) {
            target.discard(offset, count, onDone, enter(completion, token));
        }
    }

    @Override
    public void flush(final Completion completion, final long token) {
        if (isHolding()) {
            held.add(() -> flush(completion, token));
        } else if (!isRefused(completion, token)) {
            target.flush(onDone, enter(completion, token));
        }
    }

    @Override
    public void prefetch(
            final long offset, final long count, final Completion completion, final long token) {
        if (isHolding()) {
            held.add(() -> prefetch(offset, count, completion, token));
        } else if (!isRefused(offset, count, completion, token)) {
            target.prefetch(offset, count, onDone, enter(completion, token));
        }
    }

    @Override
    public void extents(
            final long offset,
            final long count,
            final ExtentList into,
            final Completion completion,
            final long token) {
        if (isHolding()) {
            held.add(() -> extents(offset, count, into, completion, token));
        } else if (!isRefused(offset, count, completion, token)) {
            target.extents(offset, count, into, onDone, enter(completion, token));
        }
    }

    @Override
    public IoBuffer window(final long offset, final int count) {
        return isHolding() || target == null || !isWithin(offset, count)
                ? null
                : target.window(offset, count);
    }

    @Override
    public int windowPosition(final long offset) {
        return target == null ? 0 : target.windowPosition(offset);
    }

    @Override
    public boolean hasWriteWindow(final long offset, final int count) {
        return !isHolding()
                && target != null
                && isWithin(offset, count)
                && target.hasWriteWindow(offset, count);
    }

    @Override
    public boolean openWriteWindow(final long offset, final int count, final WriteWindow window) {
        final boolean isOpen =
                !isHolding()
                        && target != null
                        && isWithin(offset, count)
                        && target.openWriteWindow(offset, count, window);
        if (isOpen) {
            windows.add(window);
        }
        return isOpen;
    }

    @Override
    public void write(final WriteWindow window, final Completion completion, final long token) {
        windows.remove(window);
        target.write(window, onDone, enter(completion, token));
    }

    @Override
    public void dropWriteWindow(final WriteWindow window) {
        windows.remove(window);
        target.dropWriteWindow(window);
    }

    @Override
    public int poll() {
        int count = target == null ? 0 : target.poll();
        while (failed.deliver()) {
            count++;
        }
        return count;
    }
}

package io.lockstep.engine.primary;

import io.lockstep.engine.tracking.ChangeMap;

/**
 * What of a disk a synchronisation has still to send, and what it has to compare before it knows
 * whether to. On the guest's loop.
 */
final class OutOfSync {
    private long diskLength;
    private final BlockSet waiting;
    private final BlockSet unknown;

    /** What has changed since holes were looked for. */
    private final BlockSet touched;

    /** Whether anybody wants to know what changes. */
    private boolean isLooked;

    /** Nothing, of a disk. */
    OutOfSync(final long diskLength) {
        this.diskLength = diskLength;
        waiting = new BlockSet(diskLength);
        unknown = new BlockSet(diskLength);
        touched = new BlockSet(diskLength);
    }

    /**
     * The disk is longer from now on.
     *
     * @param isEqual whether the peer is known to hold the same behind the old end; otherwise that
     *     is compared
     */
    void lengthen(final long newLength, final boolean isEqual) {
        final long before = diskLength;
        diskLength = newLength;
        waiting.lengthen(newLength);
        unknown.lengthen(newLength);
        touched.lengthen(newLength);
        if (!isEqual) {
            unknown.add(before, newLength);
        }
    }

    /** What is to be sent. */
    BlockSet waiting() {
        return waiting;
    }

    /** Of which it is not known. */
    BlockSet unknown() {
        return unknown;
    }

    /** Bytes of both. */
    long length() {
        return waiting.length() + unknown.length();
    }

    boolean isEmpty() {
        return waiting.isEmpty() && unknown.isEmpty();
    }

    void clear() {
        waiting.clear();
        unknown.clear();
    }

    /** What is noted, and nothing else. */
    void set(final ChangeMap changes) {
        clear();
        waiting.addAll(changes);
    }

    /** A change that is not in the log. */
    void add(final long offset, final long end) {
        waiting.add(offset, end);
    }

    /** Whether a change need not go into the log, since all of it is still to be sent. */
    boolean comesTo(final long offset, final long end) {
        if (waiting.isEmpty() || !waiting.hasAll(offset, end)) {
            return false;
        }
        touch(offset, end);
        return true;
    }

    /** A change is in the log. */
    void onLogged(final long offset, final long end) {
        if (!isEmpty()) {
            waiting.removeWhole(offset, end, diskLength);
            unknown.removeWhole(offset, end, diskLength);
        }
        touch(offset, end);
    }

    /** What a range holds is in the log, to be compared. */
    void onCompared(final long offset, final long end) {
        unknown.removeWhole(offset, end, diskLength);
    }

    /** Need not be sent after all. */
    void remove(final long offset, final long end) {
        waiting.removeWhole(offset, end, diskLength);
    }

    /** Holes are looked for: what is touched from now on may be none any more. */
    void beginLook() {
        touched.clear();
        isLooked = true;
    }

    /** What was found counts no more. */
    void endLook() {
        isLooked = false;
    }

    /** Something has changed, or is about to. */
    void touch(final long offset, final long end) {
        if (isLooked) {
            touched.add(offset, end);
        }
    }

    /** Whether nothing there has changed since. */
    boolean isAsLooked(final long offset, final long end) {
        return !touched.touches(offset, end);
    }
}

package io.lockstep.engine.tracking;

import io.lockstep.engine.node.Id;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;

/**
 * What is known of the maps beside it: the host's boot that they are of, and the peer that lacks no
 * more than they have, if there is one. Exact after a kill. One thread's.
 */
final class TrackingPage {
    static final int LENGTH = 4096;

    private static final long MAGIC = 0x4c4f_434b_5452_4b32L; // "LOCKTRK2"
    private static final long AT_DISKS = 8;
    private static final long AT_BOOT = 16;
    private static final long AT_PEER = 32;
    private static final long AT_BASE = 48;
    private static final long AT_TAIL = 56;
    private static final long AT_SEALED = 64;

    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;
    private static final VarHandle WORD = LONG.varHandle();

    private final MemorySegment page;

    /** In memory of {@link #LENGTH} bytes, as it was left, or zeroed. */
    TrackingPage(final MemorySegment page) {
        this.page = page;
    }

    /** Whether the maps beside it are of these disks, and of this boot. */
    boolean isOf(final long disks, final Id boot) {
        return page.get(LONG, 0) == MAGIC
                && page.get(LONG, AT_DISKS) == disks
                && get(AT_BOOT).equals(boot);
    }

    /** The maps are empty, and nobody is known to lack no more than that. */
    void begin(final long disks, final Id boot) {
        WORD.setRelease(page, 0L, 0L);
        put(AT_PEER, Id.NONE);
        sealed(0);
        page.set(LONG, AT_DISKS, disks);
        put(AT_BOOT, boot);
        WORD.setRelease(page, 0L, MAGIC);
    }

    /** The disks are others, since one is longer; all else stays as it is. */
    void disks(final long disks) {
        WORD.setRelease(page, AT_DISKS, disks);
    }

    /** What is known after the loss of power. */
    void know(final ActivityRecord.Knowledge knowledge) {
        sealed(knowledge.sealed());
        base(knowledge.base());
        withoutTail(knowledge.isWithoutTail());
        peer(knowledge.peer());
    }

    /** Whose differences the maps have; none where that is not known. */
    Id peer() {
        return get(AT_PEER);
    }

    void peer(final Id peer) {
        put(AT_PEER, peer);
    }

    /** The maps have what was changed behind this epoch. */
    long base() {
        return page.get(LONG, AT_BASE);
    }

    void base(final long epoch) {
        WORD.setRelease(page, AT_BASE, epoch);
    }

    /** Whether what the peer changed behind that epoch, as a primary itself, comes on top. */
    boolean isWithoutTail() {
        return page.get(LONG, AT_TAIL) != 0;
    }

    void withoutTail(final boolean isWithout) {
        WORD.setRelease(page, AT_TAIL, isWithout ? 1L : 0L);
    }

    /** The last epoch that this node has sealed as a primary. */
    long sealed() {
        return page.get(LONG, AT_SEALED);
    }

    void sealed(final long epoch) {
        WORD.setRelease(page, AT_SEALED, epoch);
    }

    private Id get(final long at) {
        return new Id(page.get(LONG, at), page.get(LONG, at + Long.BYTES));
    }

    /** Half of a name is that of nobody. */
    private void put(final long at, final Id id) {
        WORD.setRelease(page, at, 0L);
        WORD.setRelease(page, at + Long.BYTES, id.low());
        WORD.setRelease(page, at, id.high());
    }
}

package io.lockstep.engine.tracking;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Which regions are hot: in the record on stable storage, so that they may be written to. Those
 * that were not used for longest leave, roughly: each that was used since it was looked at last
 * gets another turn. In the group's turn; but changes begin and end on the loops of their disks,
 * and touch nothing but what is their regions' own. Allocates nothing but in {@link #listed}.
 */
final class HotRegions {
    private static final short NOWHERE = -1;

    private static final byte FREE = 0;

    /** Somebody waits for it, and no record has it yet. */
    private static final byte ENTERING = 1;

    /** The record that is being written has it. */
    private static final byte WRITTEN = 2;

    private static final byte HOT = 3;

    /** What is needed to do without it is being made durable; it is hot until then. */
    private static final byte LEAVING = 4;

    /** By disk, and by the region's number there. */
    private final short[][] slots;

    // By slot.
    private final int[] regions;
    private final byte[] states;
    private final int[] underWay;
    private final boolean[] isUsed;

    private int free;
    private int entering;
    private int hand;

    HotRegions(final Regions all, final int hotMax) {
        slots = new short[all.diskCount()][];
        for (int disk = 0; disk < slots.length; disk++) {
            slots[disk] = new short[all.count(disk)];
            Arrays.fill(slots[disk], NOWHERE);
        }
        regions = new int[hotMax];
        states = new byte[hotMax];
        underWay = new int[hotMax];
        isUsed = new boolean[hotMax];
        free = hotMax;
    }

    /** A disk has more regions from now on. */
    void lengthen(final int disk, final int count) {
        final int before = slots[disk].length;
        slots[disk] = Arrays.copyOf(slots[disk], count);
        Arrays.fill(slots[disk], before, count, NOWHERE);
    }

    private short slotOf(final int region) {
        return slots[region >>> Regions.INDEX_BITS][Regions.indexOf(region)];
    }

    private void slot(final int region, final short slot) {
        slots[region >>> Regions.INDEX_BITS][Regions.indexOf(region)] = slot;
    }

    /** The record that was found has it. */
    void restore(final int region) {
        take(region, HOT);
    }

    /**
     * A change of some regions begins, if all of them are hot.
     *
     * @return whether it may
     */
    boolean begin(final int first, final int last) {
        for (int region = first; region <= last; region++) {
            final short slot = slotOf(region);
            if (slot == NOWHERE || states[slot] < HOT) {
                return false;
            }
        }
        for (int region = first; region <= last; region++) {
            final short slot = slotOf(region);
            states[slot] = HOT;
            isUsed[slot] = true;
            underWay[slot]++;
        }
        return true;
    }

    /** It has ended. */
    void end(final int first, final int last) {
        for (int region = first; region <= last; region++) {
            underWay[slotOf(region)]--;
        }
    }

    /** Whether it is hot, and stays so for now. */
    boolean isHot(final int region) {
        final short slot = slotOf(region);
        return slot != NOWHERE && states[slot] == HOT;
    }

    int free() {
        return free;
    }

    // ---- Entering.

    /**
     * Has a region be in the next record.
     *
     * @return whether there is room for it
     */
    boolean enter(final int region) {
        if (slotOf(region) != NOWHERE) {
            return true;
        }
        if (free == 0) {
            return false;
        }
        take(region, ENTERING);
        entering++;
        return true;
    }

    private void take(final int region, final byte state) {
        while (states[hand] != FREE) {
            hand = next(hand);
        }
        slot(region, (short) hand);
        regions[hand] = region;
        states[hand] = state;
        isUsed[hand] = true;
        free--;
    }

    private int next(final int slot) {
        return slot + 1 == states.length ? 0 : slot + 1;
    }

    /** Whether a record is needed, for those that enter. */
    boolean hasEntering() {
        return entering > 0;
    }

    /** All that the next record has; it is being written. */
    List<Integer> listed() {
        final List<Integer> listed = new ArrayList<>();
        for (int slot = 0; slot < states.length; slot++) {
            if (states[slot] != FREE) {
                listed.add(regions[slot]);
            }
            if (states[slot] == ENTERING) {
                states[slot] = WRITTEN;
            }
        }
        entering = 0;
        return listed;
    }

    /** The record is on stable storage, or is not. */
    void onWritten(final boolean isDurable) {
        for (int slot = 0; slot < states.length; slot++) {
            if (states[slot] == WRITTEN) {
                states[slot] = isDurable ? HOT : ENTERING;
                entering += isDurable ? 0 : 1;
            }
        }
    }

    // ---- Leaving.

    /** Has some leave that nobody changes now; answers how many. */
    int leave(final int most) {
        int count = 0;
        for (int steps = 2 * states.length; steps > 0 && count < most; steps--) {
            hand = next(hand);
            if (states[hand] == HOT && underWay[hand] == 0) {
                if (isUsed[hand]) {
                    isUsed[hand] = false;
                } else {
                    states[hand] = LEAVING;
                    count++;
                }
            }
        }
        return count;
    }

    /** Whether one of these leaves. */
    boolean isLeaving(final int first, final int end) {
        for (int slot = 0; slot < states.length; slot++) {
            if (states[slot] == LEAVING && regions[slot] >= first && regions[slot] < end) {
                return true;
            }
        }
        return false;
    }

    /** Those that nobody has changed meanwhile need not be in the next record; or they stay. */
    void onLeft(final boolean isDurable) {
        for (int slot = 0; slot < states.length; slot++) {
            if (states[slot] == LEAVING) {
                states[slot] = HOT;
                if (isDurable) {
                    states[slot] = FREE;
                    slot(regions[slot], NOWHERE);
                    free++;
                }
            }
        }
    }
}

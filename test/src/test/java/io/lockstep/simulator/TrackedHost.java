package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.tracking.ActivityLimits;
import io.lockstep.engine.tracking.ChangeMap;
import io.lockstep.engine.tracking.Tracking;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;

/**
 * A primary's disk and its tracking through kills and losses of power, and a model of its peer,
 * which gets each change when it is done here. What differs afterwards must be known: noted, or in
 * a suspect region; and what is known must have been noted since the activity log was written last,
 * or lie in a region that was hot.
 */
final class TrackedHost {
    private static final int BLOCK = ChangeMap.BLOCK_LENGTH;
    private static final int BLOCKS = 1400;
    private static final int REGION_BLOCKS = 64;
    private static final int HOT_MAX = 4;
    private static final ActivityLimits LIMITS = new ActivityLimits(18, HOT_MAX, 1);
    private static final Id PEER = new Id(7, 7);
    private static final long SOON = 10 * Simulation.SECOND;

    private final Simulation simulation;
    private final Dice dice;
    private final SimulatedHost host;
    private final SimulatedMedium medium;
    private final SimulatedTracking storage;
    private SimulatedLoop loop;
    private Tracking tracking;
    private Disk disk;
    private long boot = 1;

    /** Blocks of the medium that are used: more and more of them. */
    private int used = BLOCKS / 2;

    // The peer: a value for each block, and what of it survives the loss of its power.
    private final byte[] there = new byte[BLOCKS];
    private final byte[] thereDurably = new byte[BLOCKS];
    private long open = 1;
    private long thereDurable;

    /** What was there at the end of each epoch that is not durable yet, the oldest first. */
    private final ArrayDeque<byte[]> seals = new ArrayDeque<>();

    /** What it once was, as somebody may have kept it. */
    private byte[] old = new byte[BLOCKS];

    private long oldEpoch;

    /** Blocks that are being changed. */
    private final BitSet busy = new BitSet();

    /** Blocks that may differ since a change failed, or was cut off. */
    private final BitSet noted = new BitSet();

    private BitSet notedAtWrite = new BitSet();
    private boolean isRecorded;

    private BitSet suspectsAtBegin = new BitSet();

    /** Whether the peer lacks nothing but what is under way: otherwise there are no checkpoints. */
    private boolean isMadeEqual;

    private int losses;
    private int found;

    TrackedHost(final Simulation simulation) {
        this.simulation = simulation;
        dice = simulation.dice().split();
        host = new SimulatedHost(new SimulatedNetwork(simulation, NetworkFaults.NONE), "host");
        medium =
                new SimulatedMedium(
                        simulation, "disk", (long) BLOCKS * BLOCK - 100, DiskFaults.NONE);
        storage = new SimulatedTracking(simulation, List.of(usedLength()), LIMITS);
        storage.watch(
                new SimulatedTracking.Watcher() {
                    @Override
                    public void onWrite() {
                        notedAtWrite = new BitSet();
                        if (tracking == null) {
                            notedAtWrite.or(noted); // it begins
                        } else {
                            forEachNoted(notedAtWrite);
                        }
                    }

                    @Override
                    public void onDurable() {
                        noted.clear();
                        noted.or(notedAtWrite);
                        if (tracking != null) {
                            forEachNoted(noted); // and what came meanwhile
                        }
                    }
                });
    }

    void play() {
        begin();
        makeEqual(true);
        for (int life = dice.between(2, 6); life > 0; life--) {
            live();
            end();
        }
    }

    /** How often the difference was known after a loss of power. */
    int found() {
        return found;
    }

    int losses() {
        return losses;
    }

    private void begin() {
        loop = host.loop("loop");
        loop.run(
                () -> {
                    tracking = storage.open(loop, new Id(1, boot));
                    disk = tracking.guard(0, host.open(medium, loop));
                });
    }

    private long usedLength() {
        return used == BLOCKS ? medium.length() : (long) used * BLOCK;
    }

    /** What the peer has behind the old end is what it happens to have. */
    private void lengthen() {
        final int before = used;
        used = Math.min(BLOCKS, used + dice.between(1, BLOCKS / 3));
        final byte value = (byte) dice.between(0, 1);
        for (final byte[] one : List.of(there, thereDurably, old)) {
            Arrays.fill(one, before, used, value);
        }
        seals.forEach(one -> Arrays.fill(one, before, used, value));
        noted.set(before, used);
        isMadeEqual = false;
        isRecorded = false; // before that is stored nothing is known after the loss of power
        try {
            tracking.prepare(0, usedLength());
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        tracking.lengthen(0, usedLength(), false);
    }

    private void live() {
        final int home = dice.between(0, used - 2 * REGION_BLOCKS);
        for (int i = dice.between(5, 80); i > 0; i--) {
            final int choice = dice.between(0, 20);
            if (choice < 13) {
                final int from =
                        dice.chance(0.6)
                                ? home + dice.between(0, 2 * REGION_BLOCKS - 1)
                                : dice.between(0, used - 1);
                loop.run(() -> write(from, Math.min(used, from + dice.between(1, 3))));
            } else if (choice < 15) {
                seal();
            } else if (choice < 17) {
                loop.run(this::durable);
            } else if (choice < 18) {
                storage.writeBack();
            } else if (choice < 19 && used < BLOCKS) {
                loop.run(this::lengthen);
            } else if (choice < 20) {
                storage.failing(dice.oneOf(0.0, 0.0, 0.5));
            } else {
                simulation.runFor(dice.between(0, 2 * Simulation.SECOND));
            }
            simulation.runFor(dice.between(0, 3 * Simulation.MILLISECOND));
        }
    }

    private void write(final int from, final int end) {
        if (busy.get(from, end).cardinality() > 0) {
            return; // overlapping changes have an order of their own
        }
        busy.set(from, end);
        final long offset = (long) from * BLOCK;
        final int length = (int) (Math.min((long) end * BLOCK, usedLength()) - offset);
        final byte value = (byte) dice.between(1, 100);
        tracking.mark(0, offset, length);
        noted.set(from, end);
        final MemorySegment memory = Arena.ofAuto().allocate(length).fill(value);
        final SimulatedLoop mine = loop;
        disk.write(
                offset,
                length,
                memory,
                0,
                (token, errno) -> {
                    if (errno == 0 && mine == loop && tracking != null) {
                        busy.clear(from, end);
                        Arrays.fill(there, from, end, value);
                    }
                },
                0);
        disk.poll();
    }

    private void rest() {
        storage.failing(0);
        simulation.runUntil("all is written", SOON, busy::isEmpty);
    }

    private void seal() {
        if (isMadeEqual && dice.chance(0.3) && seals.size() < 3) {
            rest();
            loop.run(
                    () -> {
                        seals.add(there.clone());
                        tracking.seal(open);
                        open++;
                    });
        }
    }

    /** The peer has made the oldest epoch durable that it has not. */
    private void durable() {
        if (!seals.isEmpty()) {
            if (dice.chance(0.5)) {
                old = thereDurably.clone();
                oldEpoch = thereDurable;
            }
            System.arraycopy(seals.remove(), 0, thereDurably, 0, BLOCKS);
            thereDurable = open - 1 - seals.size();
            if (tracking.isKnown(PEER)) {
                tracking.onDurable(thereDurable, open);
            }
        }
    }

    // ---- It ends, and comes back.

    private void end() {
        final boolean isLoss = dice.chance(0.7);
        final BitSet suspectsBefore = suspects();
        if (!isRecorded) {
            suspectsBefore.or(suspectsAtBegin); // the record may speak of them still
        }
        final Tracking before = tracking;
        final BitSet all = new BitSet();
        loop.run(() -> forEachNoted(all));
        final boolean isClean = dice.chance(0.2);
        if (isClean) {
            rest();
            flush();
            storage.settle(before);
        }
        tracking = null; // nothing that ends from now on reaches the peer
        if (isLoss) {
            host.crash();
            storage.crash();
            boot++;
            losses++;
        } else {
            host.kill();
            storage.kill();
        }
        storage.failing(0);
        busy.clear();
        isMadeEqual = false;
        if (dice.chance(0.3)) {
            losePowerThere();
        } else if (dice.chance(0.2)) {
            System.arraycopy(old, 0, there, 0, BLOCKS);
            System.arraycopy(old, 0, thereDurably, 0, BLOCKS);
            thereDurable = oldEpoch;
            seals.clear();
            isRecorded = false; // it need not be known, but what is said of it must be so
        }
        begin();
        judge(isLoss, isClean, suspectsBefore, all);
        makeEqual(dice.chance(0.7));
    }

    private void flush() {
        final boolean[] isDone = new boolean[1];
        loop.run(
                () -> {
                    disk.flush((token, errno) -> isDone[0] = true, 0);
                    disk.poll();
                });
        simulation.runUntil("it is flushed", SOON, () -> isDone[0]);
    }

    private void losePowerThere() {
        for (int block = 0; block < BLOCKS; block++) {
            if (dice.chance(0.5)) {
                there[block] = thereDurably[block];
            } else {
                thereDurably[block] = there[block];
            }
        }
        seals.clear();
    }

    private BitSet suspects() {
        final BitSet suspects = new BitSet();
        tracking.forEachSuspect(
                0,
                (offset, end) ->
                        suspects.set((int) (offset / BLOCK), (int) ((end - 1) / BLOCK) + 1));
        return suspects;
    }

    private void forEachNoted(final BitSet into) {
        final ChangeMap map = tracking.disk(0);
        for (long block = map.next(0); block >= 0; block = map.next(block + 1)) {
            into.set((int) block);
        }
    }

    private void judge(
            final boolean isLoss, final boolean isClean, final BitSet before, final BitSet all) {
        if (!tracking.isKnown(PEER, thereDurable)) {
            if (isRecorded) {
                throw new AssertionError("the peer is not known any more");
            }
            return;
        }
        found += isLoss ? 1 : 0;
        final BitSet marked = new BitSet();
        forEachNoted(marked);
        final BitSet suspects = suspects();
        suspectsAtBegin = suspects;
        for (int block = 0; block < used; block++) {
            if (!isEqual(block) && !marked.get(block) && !suspects.get(block)) {
                throw new AssertionError("block " + block + " differs, and nobody knows");
            }
        }
        final BitSet fresh = (BitSet) suspects.clone();
        fresh.andNot(before);
        if (fresh.cardinality() > (isLoss && !isClean ? HOT_MAX * REGION_BLOCKS : 0)) {
            throw new AssertionError(fresh.cardinality() + " blocks are suspect");
        }
        final BitSet superfluous = (BitSet) marked.clone();
        superfluous.andNot(all);
        if (isLoss) {
            superfluous.andNot(noted);
        }
        if (!superfluous.isEmpty()) {
            throw new AssertionError(
                    superfluous.cardinality()
                            + " blocks are known without a reason: "
                            + superfluous.nextSetBit(0));
        }
    }

    private boolean isEqual(final int block) {
        final long offset = (long) block * BLOCK;
        final int length = (int) Math.min(BLOCK, medium.length() - offset);
        final byte[] here = medium.current().read(offset, length);
        for (final byte one : here) {
            if (one != there[block]) {
                return false;
            }
        }
        return true;
    }

    /** The peer gets what it may lack, or some of it before the next end. */
    private void makeEqual(final boolean isDone) {
        final boolean isKnown = tracking.isKnown(PEER, thereDurable);
        final BitSet lacking = isKnown ? suspects() : new BitSet();
        if (isKnown) {
            forEachNoted(lacking);
        } else {
            lacking.set(0, used);
        }
        loop.run(
                () -> {
                    for (int block = 0; block < used; block++) {
                        if (lacking.get(block) && (isDone || dice.chance(0.5))) {
                            send(block);
                        }
                    }
                });
        isMadeEqual = isDone;
        if (!isDone) {
            return;
        }
        rest();
        seals.clear();
        System.arraycopy(there, 0, thereDurably, 0, BLOCKS);
        loop.run(
                () -> {
                    thereDurable = open;
                    tracking.seal(open);
                    open++;
                    tracking.know(PEER, thereDurable, open);
                });
        isRecorded = false;
        if (dice.chance(0.8)) {
            simulation.runFor(2 * Simulation.SECOND);
            isRecorded = true;
        }
    }

    /** As it is; what was torn is made whole first. */
    private void send(final int block) {
        if (!isEqual(block)) {
            final long offset = (long) block * BLOCK;
            there[block] = medium.current().read(offset, 1)[0];
            if (!isEqual(block)) {
                write(block, block + 1);
                return;
            }
        }
        tracking.mark(0, (long) block * BLOCK, 1);
        noted.set(block);
    }
}

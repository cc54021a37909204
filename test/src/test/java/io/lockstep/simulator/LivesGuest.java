package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.memory.Errno;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.Consumer;

/**
 * The guest of one process: uses its disks as a server would in its stead, tells the models what it
 * asks for and is answered, and has them judge what it reads. It is gone with the process.
 */
final class LivesGuest {
    private static final int SLOTS = 4;
    private static final int LENGTH_MAX = 12_000;

    private final LivesNode node;
    private final SimulatedLoop loop;
    private final List<Disk> served;
    private final List<LivesDisk> disks;
    private final Dice dice;
    private final MemorySegment memory = Arena.ofAuto().allocate((long) SLOTS * LENGTH_MAX);
    private final boolean[] busy = new boolean[SLOTS];
    private int requestsLeft;
    private int inFlight;
    private boolean isGone;

    LivesGuest(
            final LivesNode node,
            final SimulatedLoop loop,
            final List<Disk> served,
            final List<LivesDisk> disks,
            final Dice dice) {
        this.node = node;
        this.loop = loop;
        this.served = served;
        this.disks = disks;
        this.dice = dice;
    }

    /** Makes so many more requests. */
    void work(final int requests) {
        requestsLeft += requests;
        loop.execute(this::go);
    }

    /** Makes no more. */
    void rest() {
        requestsLeft = 0;
    }

    /** Whether nothing of it is under way. */
    boolean isIdle() {
        return inFlight == 0 && requestsLeft == 0;
    }

    /** The process is gone, and with it whatever was under way. */
    void end() {
        isGone = true;
        requestsLeft = 0;
    }

    private void go() {
        for (int slot = 0; slot < SLOTS && !isGone && requestsLeft > 0; slot++) {
            if (!busy[slot]) {
                requestsLeft--;
                ask(slot);
            }
        }
    }

    /** All that is free is used to ask for the same at once. */
    private void flushTogether() {
        for (int slot = 0; slot < SLOTS && requestsLeft > 0; slot++) {
            if (!busy[slot]) {
                requestsLeft--;
                busy[slot] = true;
                inFlight++;
                flush(slot, slot % disks.size());
            }
        }
    }

    private void flush(final int slot, final int index) {
        final DiskModel view = disks.get(index).view();
        final long asked = view.now();
        served.get(index)
                .flush((token, errno) -> answered(slot, errno, () -> view.flushed(asked)), slot);
        served.get(index).poll();
    }

    private void ask(final int slot) {
        final int index = dice.between(0, disks.size() - 1);
        final LivesDisk disk = disks.get(index);
        final Disk target = served.get(index);
        final DiskModel view = disk.view();
        final int length = (int) dice.between(1, Math.min(disk.medium().length(), LENGTH_MAX));
        final long offset = dice.between(0, disk.medium().length() - length);
        final long asked = view.now();
        final long position = (long) slot * LENGTH_MAX;
        busy[slot] = true;
        inFlight++;
        final int choice = dice.between(0, 99);
        if (choice < 50) {
            final byte[] bytes = new byte[length];
            dice.fill(bytes);
            MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, position, length);
            final DiskModel.Change change = view.write(offset, bytes);
            target.write(offset, length, memory, position, changed(slot, view, change), slot);
        } else if (choice < 60) {
            final DiskModel.Change change = view.zero(offset, length);
            target.zero(offset, length, 0, changed(slot, view, change), slot);
        } else if (choice < 80) {
            flush(slot, index);
            if (choice < 70 && node.promises().areMade()) {
                flushTogether();
            }
        } else {
            target.read(
                    offset,
                    length,
                    memory,
                    position,
                    (token, errno) ->
                            answered(
                                    slot,
                                    errno,
                                    () -> view.checkRead(asked, offset, bytesOf(slot, length))),
                    slot);
        }
        target.poll();
    }

    private byte[] bytesOf(final int slot, final int length) {
        return memory.asSlice((long) slot * LENGTH_MAX, length).toArray(ValueLayout.JAVA_BYTE);
    }

    private Disk.Completion changed(
            final int slot, final DiskModel view, final DiskModel.Change change) {
        return (token, errno) -> {
            if (!isGone && errno != 0) {
                view.failed(change);
            }
            answered(
                    slot,
                    errno,
                    () -> {
                        view.succeeded(change, false);
                        node.onAcknowledged();
                    });
        };
    }

    private void answered(final int slot, final int errno, final Runnable whenWell) {
        busy[slot] = false;
        inFlight--;
        if (isGone) {
            return;
        }
        node.process().judged(() -> judge(errno, whenWell));
        loop.execute(this::go);
    }

    private void judge(final int errno, final Runnable whenWell) {
        if (errno == 0) {
            whenWell.run();
        } else if (errno != Errno.ESHUTDOWN && errno != Errno.ENOSPC) {
            throw new AssertionError("a guest of " + node + " hears error " + errno);
        }
    }

    /** Reads all of all disks; answers when it has. */
    void readAll(final Consumer<List<byte[]>> whenRead) {
        final byte[][] contents = new byte[disks.size()][];
        final int[] left = {contents.length};
        for (int i = 0; i < contents.length; i++) {
            final int index = i;
            final int length = (int) disks.get(i).medium().length();
            final MemorySegment into = Arena.ofAuto().allocate(length);
            inFlight++;
            served.get(i)
                    .read(
                            0,
                            length,
                            into,
                            0,
                            (token, errno) -> {
                                inFlight--;
                                if (isGone) {
                                    return;
                                }
                                if (errno != 0) {
                                    throw new AssertionError("error " + errno + " of " + node);
                                }
                                contents[index] = into.toArray(ValueLayout.JAVA_BYTE);
                                if (--left[0] == 0) {
                                    whenRead.accept(List.of(contents));
                                }
                            },
                            0);
            served.get(i).poll();
        }
    }
}

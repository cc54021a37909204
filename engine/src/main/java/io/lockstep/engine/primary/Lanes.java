package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;

import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.ToLongFunction;

/**
 * All lanes of a group together: one for each loop that has disks of it. What is asked of them is
 * asked of all. In the group's turn.
 */
final class Lanes implements AutoCloseable {
    private static final int LOG_LENGTH_MIN = 1 << 16;

    private final List<Lane> all = new ArrayList<>();
    private final List<Lane> byDisk = new ArrayList<>();

    /**
     * Those of some disks.
     *
     * @param turn of the group
     * @param places of the disks
     * @param options what there is for payloads, which the lanes share evenly, and how late a
     *     secondary may be
     * @param onFull somebody waits, and a log has no room for him; in the turn
     */
    Lanes(
            final IoLoop turn,
            final List<PrimaryPlace> places,
            final PrimaryOptions options,
            final Runnable onFull) {
        final List<IoLoop> homes = places.stream().map(PrimaryPlace::loop).toList();
        final List<IoLoop> loops = homes.stream().distinct().toList();
        if (options.isShared() && loops.size() > 1) {
            throw new IllegalArgumentException("shared disks have one loop");
        }
        if (loops.size() > Lane.COUNT_MAX) {
            throw new IllegalArgumentException("more than " + Lane.COUNT_MAX + " loops of disks");
        }
        final int shares = Integer.highestOneBit(2 * loops.size() - 1);
        final int logLength = Math.max(LOG_LENGTH_MIN, options.logLength() / shares);
        for (final IoLoop loop : loops) {
            final ForwardLog log = new ForwardLog(logLength);
            all.add(
                    new Lane(
                            all.size(),
                            homes.lastIndexOf(loop),
                            loop,
                            turn,
                            log,
                            new RoomQueue(loop, log, options, () -> turn.within(onFull)),
                            new GuestWatch(loop, options.syncRate())));
        }
        for (final IoLoop home : homes) {
            byDisk.add(all.get(loops.indexOf(home)));
        }
    }

    /** The only one, of one disk that is no group's. */
    Lanes(final IoLoop loop, final ForwardLog log, final RoomQueue room, final GuestWatch watch) {
        final Lane only = new Lane(0, 0, loop, loop, log, room, watch);
        all.add(only);
        byDisk.add(only);
    }

    /** All of them, by number. */
    List<Lane> all() {
        return all;
    }

    /** Whether all disks share one. */
    boolean isOne() {
        return all.size() == 1;
    }

    /** That of a disk. */
    Lane of(final int disk) {
        return byDisk.get(disk);
    }

    private void each(final Consumer<RoomQueue> action) {
        all.forEach(lane -> action.accept(lane.room()));
    }

    private long sum(final ToLongFunction<ForwardLog> value) {
        long sum = 0;
        for (int i = 0; i < all.size(); i++) {
            sum += value.applyAsLong(all.get(i).log());
        }
        return sum;
    }

    // ---- What is in the logs.

    /** The longest payload that a frame takes, in bytes. */
    int payloadLengthMax() {
        return all.getFirst().log().payloadLengthMax();
    }

    /** Bytes that there are for payloads. */
    long capacity() {
        return sum(ForwardLog::capacity);
    }

    /** Bytes that payloads take. */
    long usedLength() {
        return sum(ForwardLog::usedLength);
    }

    /** Bytes of the disks that the secondary has not answered. */
    long unansweredLength() {
        return sum(ForwardLog::unansweredLength);
    }

    /** A lane whose log has no room for so many frames; null for none. */
    Lane fullFor(final int frames) {
        for (final Lane lane : all) {
            if (!lane.log().hasFrames(frames)) {
                return lane;
            }
        }
        return null;
    }

    /** Frames that were ever claimed. */
    long appended() {
        return sum(ForwardLog::appended);
    }

    /** Frames that were ever released. */
    long released() {
        return sum(ForwardLog::released);
    }

    /** Whether the secondary has answered all that there is. */
    boolean isAnswered() {
        return released() == appended();
    }

    /** Where each log ends. */
    long[] ends() {
        return all.stream().mapToLong(lane -> lane.log().appended()).toArray();
    }

    /** Whether all frames before these ends, by lane, have been done here. */
    boolean areDecided(final long[] ends) {
        return all.stream().allMatch(lane -> lane.log().decided() >= ends[lane.number()]);
    }

    // ---- Who waits.

    /** See {@link RoomQueue#peerIsThere}. */
    void peerIsThere(final boolean isThere) {
        each(room -> room.peerIsThere(isThere));
    }

    /** See {@link RoomQueue#end}. */
    void end() {
        each(RoomQueue::end);
    }

    /** See {@link RoomQueue#isOver}. */
    boolean isOver() {
        return all.getFirst().room().isOver();
    }

    /** See {@link RoomQueue#goAhead}. */
    void goAhead() {
        each(RoomQueue::goAhead);
    }

    /** See {@link RoomQueue#logAgain}. */
    void logAgain() {
        each(RoomQueue::logAgain);
    }

    /** See {@link RoomQueue#isLogging}. */
    boolean isLogging() {
        return all.getFirst().room().isLogging();
    }

    /** See {@link RoomQueue#prepareToStop}. */
    void prepareToStop(final BooleanSupplier noUseInWaiting) {
        each(room -> room.prepareToStop(noUseInWaiting));
    }

    /** See {@link RoomQueue#isHopeless}. */
    boolean isHopeless() {
        return all.getFirst().room().isHopeless();
    }

    /** See {@link RoomQueue#look}. */
    void look() {
        each(RoomQueue::look);
    }

    /** How old the oldest data is that the secondary has not answered. */
    long lagNanos() {
        return all.stream().mapToLong(lane -> lane.room().lagNanos()).max().orElse(0);
    }

    /** There is more room than before; from the link's loop. */
    void onReleased() {
        for (int i = 0; i < all.size(); i++) {
            all.get(i).room().onReleased();
        }
    }

    /** Runs an action when all that is in the logs now is answered, or at the end. */
    void drain(final Runnable whenDrained) {
        final int[] left = {all.size()};
        for (final Lane lane : all) {
            lane.room()
                    .drain(
                            () ->
                                    lane.turn()
                                            .within(
                                                    () -> {
                                                        if (--left[0] == 0) {
                                                            whenDrained.run();
                                                        }
                                                    }));
        }
    }

    /**
     * Runs an action when those who wait for room by now have had their turn; at once for nobody.
     */
    void behindThoseWhoWait(final Runnable action) {
        final List<Lane> full = all.stream().filter(lane -> lane.room().isAnyWaiting()).toList();
        final int[] left = {full.size()};
        for (final Lane lane : full) {
            lane.waitInTurn(
                    () -> {
                        if (--left[0] == 0) {
                            action.run();
                        }
                        return true;
                    });
        }
        if (full.isEmpty()) {
            action.run();
        }
    }

    /** Has something looked at whenever the secondary has answered, until it is done. */
    void watch(final BooleanSupplier isDone) {
        final boolean[] wasDone = new boolean[1];
        final RoomQueue.Waiting entry =
                () -> {
                    wasDone[0] = wasDone[0] || isDone.getAsBoolean();
                    return wasDone[0];
                };
        all.forEach(lane -> lane.watchInTurn(entry));
    }

    /** Gives the logs' memory back. */
    @Override
    public void close() {
        all.forEach(lane -> lane.log().close());
    }
}

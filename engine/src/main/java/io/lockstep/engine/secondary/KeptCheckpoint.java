package io.lockstep.engine.secondary;

import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.group.RoomStatus;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.Standing;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * The checkpoint that a secondary can go back to while a primary makes it equal (I14): whether
 * there is room for what it takes to keep it, which is said when that begins; and giving it up
 * where a pre-image finds none. Then the node is inconsistent, on stable storage, before anything
 * is overwritten that was not saved; and it is made equal all the same. On the group's loop.
 */
final class KeptCheckpoint {
    private static final long AGAIN_NANOS = TimeUnit.SECONDS.toNanos(1);

    /** What a pre-image takes beside its content: an entry of the map and one of the extents. */
    private static final int BLOCKS_A_BLOCK_OF_ENTRIES = 128;

    private final SecondaryGroup group;
    private final GroupPage page;
    private final Node node;
    private final IoLoop loop;
    private final SecondaryOptions options;
    private final SecondaryEvents events;

    /** Operations for whose pre-images there is no room, until it is recorded. */
    private final List<Runnable> waiting = new ArrayList<>();

    private boolean isRecording;
    private boolean isScheduled;
    private RoomStatus room = RoomStatus.of(0);

    KeptCheckpoint(
            final SecondaryGroup group,
            final GroupPage page,
            final Node node,
            final IoLoop loop,
            final SecondaryOptions options,
            final SecondaryEvents events) {
        this.group = group;
        this.page = page;
        this.node = node;
        this.loop = loop;
        this.options = options;
        this.events = events;
    }

    // ---- Before.

    /** Looks how much room there is. */
    void look() {
        room = RoomStatus.of(left());
    }

    /**
     * A primary has attached, in the midst of a synchronisation or at its beginning.
     *
     * @param toCome bytes of each disk that it has to send or to compare, as it says
     */
    void expect(final long[] toCome) {
        long expected = 0;
        for (final long length : toCome) {
            expected += length;
        }
        final boolean isKept = page.isBeforeCaughtUp() && node.standing().isConsistent();
        room =
                isKept
                        ? new RoomStatus(left(), expected, expected - left(toCome))
                        : RoomStatus.of(left());
        if (room.isShort()) {
            events.checkpointAtRisk(room.warning());
        }
    }

    /** Nothing more is to come. */
    void onCaughtUp() {
        room = RoomStatus.of(room.left());
    }

    /** As it was looked at last. */
    RoomStatus room() {
        return node.standing().isConsistent() ? room : RoomStatus.of(room.left());
    }

    /** In bytes, wherever they are needed. */
    private long left() {
        final long[] all = new long[group.disks().list().size()];
        Arrays.fill(all, Long.MAX_VALUE / 2 / all.length);
        return left(all);
    }

    /** The same, where so much of each disk is needed at most: what one has too much helps none. */
    private long left(final long[] needed) {
        long kept = 0;
        long ahead = 0;
        final List<SecondaryDisk> disks = group.disks().list();
        for (int i = 0; i < disks.size(); i++) {
            kept += Math.min(needed[i], disks.get(i).hiddenLeft());
            ahead += Math.min(needed[i], disks.get(i).hiddenAhead());
        }
        final Path hidden = options.buffers().getFirst().hidden().toAbsolutePath().getParent();
        final long inMemory = Math.min(kept, ahead + usable(hidden));
        final Optional<Path> spill = options.spillDirectory();
        return inMemory + (spill.isPresent() ? usable(spill.get()) : 0);
    }

    private static long usable(final Path directory) {
        final long free = directory.toFile().getUsableSpace();
        return free - free / BLOCKS_A_BLOCK_OF_ENTRIES;
    }

    // ---- It is given up.

    /** Whether that is being recorded. */
    boolean isRecording() {
        return isRecording;
    }

    /**
     * A pre-image has no room. Answers whether the checkpoint is given up for that, and not the
     * stream: the action runs when it is recorded, or when the stream is refused meanwhile.
     *
     * @param taken how much of the buffers is
     */
    boolean giveUp(final String disk, final String taken, final Runnable whenJudged) {
        if (!isPossible()) {
            return false;
        }
        if (node.standing() == Standing.INCONSISTENT) {
            whenJudged.run(); // another operation has had it recorded
            return true;
        }
        waiting.add(whenJudged);
        if (!isRecording && !isScheduled) {
            record(disk, taken);
        }
        return true;
    }

    /** Not where it is the primary's next epoch that has no room: nobody would make it equal. */
    private boolean isPossible() {
        return group.errnoOfChanges() == 0 && group.isStarted() && page.isBeforeCaughtUp();
    }

    private void record(final String disk, final String taken) {
        isRecording = true;
        loop.after(
                node.tear(),
                (done, thrown) -> {
                    isRecording = false;
                    if (group.isClosed()) {
                        return;
                    }
                    if (thrown == null) {
                        events.checkpointGivenUp(disk, taken);
                        release();
                    } else {
                        again(disk, taken, thrown.getMessage());
                    }
                });
    }

    private void again(final String disk, final String taken, final String why) {
        events.notRecorded(
                why
                        + "; there is no room to keep the checkpoint while this node is made equal,"
                        + " and nothing is overwritten before that is recorded: it is tried again");
        isScheduled = true;
        loop.schedule(
                AGAIN_NANOS,
                () -> {
                    isScheduled = false;
                    if (group.isClosed()) {
                        return;
                    }
                    if (isPossible()) {
                        record(disk, taken);
                    } else {
                        release();
                    }
                });
    }

    private void release() {
        final List<Runnable> all = List.copyOf(waiting);
        waiting.clear();
        all.forEach(Runnable::run);
    }
}

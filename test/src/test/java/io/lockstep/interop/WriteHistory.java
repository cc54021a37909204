package io.lockstep.interop;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * What a guest did to a disk, and was told, in an order that it knows; and what a disk may hold
 * therefore. A block's versions are what it held before and what was written to it, oldest first.
 * Write number n fills a block with n.
 */
final class WriteHistory {
    static final int BLOCK_LENGTH = 4096;
    private static final int SECTOR_LENGTH = VolatileMedium.SECTOR_LENGTH;

    /** Of what was not answered. */
    private static final long NEVER = Long.MAX_VALUE;

    private final byte[] before;
    private final List<List<Version>> blocks = new ArrayList<>();
    private final long last;
    private final long checkpointed;
    private long flushed;
    private int flushes;
    private int writes;

    /** What somebody was told of. */
    enum Promise {
        /** Nothing: what was there before is all that is sure. */
        NOTHING,
        /** That it is done. */
        WRITTEN,
        /** That it is on stable storage. */
        FLUSHED,
        /** That there is a checkpoint which has it. */
        CHECKPOINTED
    }

    /**
     * What a block holds behind a write, and when that was submitted and answered, in the guest's
     * own time.
     */
    private record Version(long number, long submitted, long answered, boolean isForced) {}

    private WriteHistory(final byte[] before, final long last, final long checkpointed) {
        this.before = before;
        this.last = last;
        this.checkpointed = checkpointed;
        for (int block = 0; block < before.length / BLOCK_LENGTH; block++) {
            blocks.add(new ArrayList<>(List.of(new Version(0, 0, 0, false))));
        }
    }

    /**
     * What {@link RememberingGuest} wrote down.
     *
     * @param before what the disk held
     * @param last number of a write
     * @param checkpointed what was answered by then is in a checkpoint
     */
    static WriteHistory parse(
            final List<String> lines,
            final byte[] before,
            final long last,
            final long checkpointed) {
        final WriteHistory history = new WriteHistory(before, last, checkpointed);
        for (final String line : lines) {
            final String[] words = line.split(" ", -1);
            final long submitted = Long.parseLong(words[3]);
            final long told = Long.parseLong(words[4]);
            final long answered = told < 0 ? NEVER : told;
            if (!words[0].equals("flush")) {
                history.writes++;
                history.blocks
                        .get(Integer.parseInt(words[2]))
                        .add(
                                new Version(
                                        words[0].equals("zero") ? 0 : Long.parseLong(words[1]),
                                        submitted,
                                        answered,
                                        words[0].equals("force")));
            } else if (answered != NEVER) {
                history.flushes++;
                history.flushed = Math.max(history.flushed, submitted);
            }
        }
        return history;
    }

    /** The number of the last write. */
    long last() {
        return last;
    }

    private boolean isPromised(final Version version, final Promise promise) {
        return switch (promise) {
            case NOTHING -> false;
            case WRITTEN -> version.answered != NEVER;
            case FLUSHED ->
                    version.answered < flushed || version.isForced && version.answered != NEVER;
            case CHECKPOINTED -> version.answered <= checkpointed;
        };
    }

    /** The oldest version that a block may hold. */
    private int oldest(final List<Version> versions, final Promise promise) {
        int oldest = versions.size() - 1;
        while (oldest > 0 && !isPromised(versions.get(oldest), promise)) {
            oldest--;
        }
        return oldest;
    }

    /**
     * A disk must hold what was promised: each sector that, or what was written there later, as
     * after a loss of power.
     */
    void requireKept(final byte[] disk, final Promise promise, final String whose) {
        for (int block = 0; block < blocks.size(); block++) {
            final List<Version> versions = blocks.get(block);
            final int oldest = oldest(versions, promise);
            for (int at = 0; at < BLOCK_LENGTH; at += SECTOR_LENGTH) {
                if (find(disk, block, at, SECTOR_LENGTH, oldest).isEmpty()) {
                    throw failure(disk, block, at, promise, whose);
                }
            }
        }
    }

    /**
     * The same, and it must be what the disk held at one moment: whatever was answered before
     * something else was submitted is there with that, and no block is torn.
     */
    void requireMoment(final byte[] disk, final Promise promise, final String whose) {
        final List<Version> lacking = new ArrayList<>();
        long newest = 0;
        for (int block = 0; block < blocks.size(); block++) {
            final List<Version> versions = blocks.get(block);
            final List<Integer> found =
                    find(disk, block, 0, BLOCK_LENGTH, oldest(versions, promise));
            if (found.isEmpty()) {
                throw failure(disk, block, 0, promise, whose);
            }
            // Of two zeroes in a block one can't be told from the other: then the block says less.
            newest = Math.max(newest, versions.get(found.getFirst()).submitted);
            lacking.addAll(versions.subList(found.getLast() + 1, versions.size()));
        }
        for (final Version version : lacking) {
            if (version.answered < newest) {
                throw new AssertionError(
                        whose
                                + " is that of no moment: it lacks "
                                + version
                                + ", and has what was submitted at "
                                + newest
                                + "; "
                                + this);
            }
        }
    }

    /** The versions that a part of a block may be, from one of them on. */
    private List<Integer> find(
            final byte[] disk, final int block, final int at, final int length, final int oldest) {
        final List<Version> versions = blocks.get(block);
        final List<Integer> found = new ArrayList<>(1);
        final int start = block * BLOCK_LENGTH + at;
        final ByteBuffer part = ByteBuffer.wrap(disk, start, length);
        for (int i = oldest; i < versions.size(); i++) {
            final ByteBuffer expected =
                    i == 0
                            ? ByteBuffer.wrap(before, start, length)
                            : filled(versions.get(i).number, length);
            if (part.equals(expected)) {
                found.add(i);
            }
        }
        return found;
    }

    private static ByteBuffer filled(final long number, final int length) {
        final ByteBuffer bytes = ByteBuffer.allocate(length);
        while (bytes.hasRemaining()) {
            bytes.putLong(number);
        }
        return bytes.flip();
    }

    private AssertionError failure(
            final byte[] disk,
            final int block,
            final int at,
            final Promise promise,
            final String whose) {
        final List<Version> versions = blocks.get(block);
        final StringBuilder held = new StringBuilder();
        for (int sector = 0; sector < BLOCK_LENGTH; sector += SECTOR_LENGTH) {
            held.append(' ').append(ByteBuffer.wrap(disk).getLong(block * BLOCK_LENGTH + sector));
        }
        return new AssertionError(
                whose
                        + ", block "
                        + block
                        + " at "
                        + at
                        + ", lacks what is "
                        + promise
                        + ": its sectors hold"
                        + held
                        + ", and may hold "
                        + versions.subList(oldest(versions, promise), versions.size())
                        + "; "
                        + this);
    }

    @Override
    public String toString() {
        return writes
                + " writes, "
                + flushes
                + " flushes, the last one of what was answered before "
                + flushed
                + ", a checkpoint of what was before "
                + checkpointed;
    }
}

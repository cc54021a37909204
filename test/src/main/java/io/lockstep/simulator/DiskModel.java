package io.lockstep.simulator;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;

/**
 * What a disk may hold, seen from its clients: they tell it what they ask for and what they are
 * answered, and it judges what they read. Changes that overlap in time may have come in any order,
 * byte by byte; an answered one replaces all that were answered before it was asked for; one that
 * was never answered may come to pass at any later time, or not.
 *
 * <p>It judges a disk after a crash in the same way, where only those changes replace others that
 * were promised to be durable. Single threaded.
 */
public final class DiskModel implements DiskOracle {
    private static final long NEVER = Long.MAX_VALUE;

    private final String name;
    private final long length;
    private final List<Change> changes = new ArrayList<>();
    private long moment;
    private int changeCount;

    /** A write, zero or discard that a client has asked for. */
    public static final class Change {
        private final String what;
        private final long offset;
        private final long end;

        /** What it leaves; null where that may be anything. */
        private final byte[] bytes;

        private final long asked;
        private long answered = NEVER;
        private boolean certain;
        private boolean durable;

        private Change(
                final String what,
                final long offset,
                final long end,
                final byte[] bytes,
                final long asked) {
            this.what = what;
            this.offset = offset;
            this.end = end;
            this.bytes = bytes;
            this.asked = asked;
        }

        private Change(final Change other) {
            this(other.what, other.offset, other.end, other.bytes, other.asked);
            answered = other.answered;
            certain = other.certain;
            durable = other.durable;
        }

        /** Whether it has come to pass, and everybody may rely on that. */
        private boolean isSettledForGood() {
            return certain && durable && bytes != null;
        }

        /** Whether nothing is left of another one, also after a crash. */
        private boolean replacesAllOf(final Change other) {
            return certain
                    && durable
                    && offset <= other.offset
                    && other.end <= end
                    && other.answered < asked;
        }

        /** How many of some bytes that were read, the first at an offset, it may have left. */
        private int match(final byte[] read, final int from, final int count, final long at) {
            if (bytes == null) {
                return count;
            }
            final int own = (int) (at - offset);
            final int wrong = Arrays.mismatch(bytes, own, own + count, read, from, from + count);
            return wrong < 0 ? count : wrong;
        }

        @Override
        public String toString() {
            return what
                    + " of ["
                    + offset
                    + ", "
                    + end
                    + "), asked at "
                    + asked
                    + (answered == NEVER ? ", not answered" : ", answered at " + answered)
                    + (certain ? "" : " with an error")
                    + (durable ? ", durable" : "");
        }
    }

    /** A model of a disk, below 2 GiB, that reads as an image does. */
    public DiskModel(final String name, final long length, final DiskImage image) {
        this.name = name;
        this.length = length;
        restart(image);
    }

    /**
     * A model of a disk with some content, whose moments come after another's.
     *
     * @param since a moment
     */
    public DiskModel(final String name, final byte[] content, final long since) {
        this.name = name;
        this.length = content.length;
        moment = since;
        succeeded(add("content", 0, length, content), true);
    }

    private DiskModel(final DiskModel other) {
        name = other.name;
        length = other.length;
        moment = other.moment;
        changeCount = other.changeCount;
        other.changes.forEach(change -> changes.add(new Change(change)));
    }

    /**
     * What may be there at this moment, for later questions: what is asked for or answered from now
     * on does not count.
     */
    public DiskModel snapshot() {
        return new DiskModel(this);
    }

    /** All that was is forgotten: the disk, durably, reads as the image does now. */
    public void restart(final DiskImage image) {
        changes.clear();
        final Change base = add("content", 0, length, image.read(0, (int) length));
        succeeded(base, true);
    }

    /** A point in time, for {@link #checkRead} and {@link #flushed}: when a client asks. */
    @Override
    public long now() {
        return ++moment;
    }

    // ---- What clients ask for, and are answered.

    /** A client asks for a write. */
    @Override
    public Change write(final long offset, final byte[] bytes) {
        return add("write", offset, offset + bytes.length, bytes);
    }

    /** A client asks for zeroes. */
    @Override
    public Change zero(final long offset, final long count) {
        return add("zero", offset, offset + count, new byte[(int) count]);
    }

    /** A client lets go of a range. */
    @Override
    public Change discard(final long offset, final long count) {
        return add("discard", offset, offset + count, null);
    }

    /** A change that another model knows may come to pass here too. */
    public Change repeat(final Change other) {
        return add(other.what, other.offset, other.end, other.bytes);
    }

    private Change add(final String what, final long offset, final long end, final byte[] bytes) {
        final Change change = new Change(what + " " + changeCount++, offset, end, bytes, now());
        changes.add(change);
        return change;
    }

    /**
     * A change was answered.
     *
     * @param durable whether the answer also says that it is durable (FUA)
     */
    @Override
    public void succeeded(final Change change, final boolean durable) {
        change.answered = now();
        change.certain = true;
        change.durable = durable;
    }

    /** A change was answered with an error: any part of it may have come to pass by now. */
    @Override
    public void failed(final Change change) {
        change.answered = now();
    }

    /**
     * A change was answered with an error that says that nothing of it came, or will come, to pass.
     */
    @Override
    public void refused(final Change change) {
        changes.remove(change);
    }

    /**
     * What was answered with an error has left this, which nobody need know: wherever nothing is
     * under way that may still change it.
     *
     * @param content of the whole disk, at this moment
     */
    public void knowFailed(final byte[] content) {
        final List<Change> failed =
                changes.stream().filter(one -> !one.certain && one.answered != NEVER).toList();
        final List<Change> underWay =
                changes.stream().filter(one -> one.answered == NEVER).toList();
        for (final Change change : failed) {
            final TreeSet<Long> edges = new TreeSet<>(List.of(change.offset, change.end));
            for (final Change other : underWay) {
                edges.add(Math.clamp(other.offset, change.offset, change.end));
                edges.add(Math.clamp(other.end, change.offset, change.end));
            }
            long from = edges.removeFirst();
            for (final long to : edges) {
                final long start = from;
                if (underWay.stream().noneMatch(one -> one.offset <= start && to <= one.end)) {
                    final byte[] bytes = Arrays.copyOfRange(content, (int) from, (int) to);
                    succeeded(add("what is there", from, to, bytes), false);
                }
                from = to;
            }
        }
    }

    /** A flush was answered that was asked for at that moment. */
    @Override
    public void flushed(final long askedAt) {
        for (final Change change : changes) {
            change.durable |= change.certain && change.answered < askedAt;
        }
    }

    /** What was never answered has come to pass by now, or never will: its server is at rest. */
    public void settle() {
        final long settled = now();
        for (final Change change : changes) {
            change.answered = Math.min(change.answered, settled);
        }
    }

    // ---- What it says to what is there.

    /**
     * Judges what a client has read.
     *
     * @param askedAt when it asked
     * @throws AssertionError where that can't be
     */
    @Override
    public void checkRead(final long askedAt, final long offset, final byte[] bytes) {
        check("reads", offset, bytes, askedAt, false);
    }

    /** Judges what the disk reads as while nobody asks for anything. */
    public void checkCurrent(final DiskImage image) {
        check("reads", 0, image.read(0, (int) length), now(), false);
    }

    /** Judges some content of the whole disk while nobody asks for anything. */
    public void checkContent(final byte[] content) {
        check("reads", 0, content, now(), false);
    }

    /**
     * Judges what is there of what was promised to be durable: as {@link #checkDurable}, but of
     * whichever disk somebody said that of.
     */
    public void checkPromised(final byte[] content) {
        check("has not what was promised, but", 0, content, NEVER, true);
    }

    /**
     * What is durable, and replaces all that was before it, becomes what the disk began with: the
     * model judges as before, in less time.
     */
    public void compact() {
        changes.removeIf(change -> changes.stream().anyMatch(later -> later.replacesAllOf(change)));
        int at = 1;
        while (at < changes.size()) {
            if (isFirstOfItsRange(at)) {
                final Change first = changes.remove(at);
                System.arraycopy(
                        first.bytes,
                        0,
                        changes.getFirst().bytes,
                        (int) (first.offset - changes.getFirst().offset),
                        first.bytes.length);
            } else {
                at++;
            }
        }
    }

    /** Whether a change comes before all others of its range but the first content, durably. */
    @SuppressWarnings("ReferenceEquality") // a change equals itself alone
    private boolean isFirstOfItsRange(final int at) {
        final Change change = changes.get(at);
        final Change base = changes.getFirst();
        return change.isSettledForGood()
                && base.isSettledForGood()
                && base.offset <= change.offset
                && change.end <= base.end
                && base.answered < change.asked
                && changes.stream()
                        .skip(1)
                        .allMatch(
                                other ->
                                        other == change
                                                || other.end <= change.offset
                                                || change.end <= other.offset
                                                || change.answered < other.asked);
    }

    /** Judges what a crash left. */
    public void checkDurable(final DiskImage image) {
        check("has after a crash", 0, image.read(0, (int) length), NEVER, true);
    }

    private void check(
            final String verb,
            final long offset,
            final byte[] bytes,
            final long askedAt,
            final boolean afterCrash) {
        final long end = offset + bytes.length;
        final List<Change> near = new ArrayList<>();
        final TreeSet<Long> edges = new TreeSet<>(List.of(offset, end));
        for (final Change change : changes) {
            if (change.offset < end && offset < change.end) {
                near.add(change);
                edges.add(Math.max(offset, change.offset));
                edges.add(Math.min(end, change.end));
            }
        }
        long from = edges.removeFirst();
        for (final long to : edges) {
            checkRun(verb, from, to, bytes, (int) (from - offset), near, askedAt, afterCrash);
            from = to;
        }
    }

    /** Judges a run of bytes between two edges, for all of which the same changes count. */
    private void checkRun(
            final String verb,
            final long from,
            final long to,
            final byte[] bytes,
            final int position,
            final List<Change> near,
            final long askedAt,
            final boolean afterCrash) {
        final List<Change> here =
                near.stream().filter(one -> one.offset <= from && to <= one.end).toList();
        final List<Change> possible =
                here.stream().filter(one -> !isReplaced(one, here, askedAt, afterCrash)).toList();
        final int count = (int) (to - from);
        int done = 0;
        while (done < count) {
            int longest = 0;
            for (final Change change : possible) {
                final int match = change.match(bytes, position + done, count - done, from + done);
                longest = Math.max(longest, match);
            }
            if (longest == 0) {
                final long at = from + done;
                final byte value = bytes[position + done];
                throw new AssertionError(
                        "disk "
                                + name
                                + " "
                                + verb
                                + " a wrong byte at "
                                + at
                                + ", in the run ["
                                + from
                                + ", "
                                + to
                                + ")"
                                + ".\n    Possible: "
                                + lines(possible, value, at)
                                + "\n    All that was: "
                                + lines(here, value, at));
            }
            done += longest;
        }
    }

    private static boolean isReplaced(
            final Change change,
            final List<Change> here,
            final long askedAt,
            final boolean afterCrash) {
        for (final Change later : here) {
            if (later.certain
                    && change.answered < later.asked
                    && (afterCrash ? later.durable : later.answered < askedAt)) {
                return true;
            }
        }
        return false;
    }

    private static String lines(final List<Change> some, final byte value, final long at) {
        final StringBuilder text = new StringBuilder();
        for (final Change change : some) {
            text.append("\n      ").append(change);
            if (change.match(new byte[] {value}, 0, 1, at) > 0) {
                text.append(" <- it would fit");
            }
        }
        return text.isEmpty() ? "nothing" : text.toString();
    }
}

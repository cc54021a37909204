package io.lockstep.simulator;

import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * What the secondary's guest may see of a disk: the content of the last committed epoch, overlaid
 * with its own writes since. A commit replaces all of it at one instant, so that each read is of
 * one epoch as a whole, of those that were committed between its question and its answer. Single
 * threaded.
 */
public final class CheckpointedModel implements DiskOracle {
    private final String name;
    private final List<Era> eras = new ArrayList<>();

    /** Changes that were asked for and not answered, and what each is in the present era. */
    private final Map<DiskModel.Change, DiskModel.Change> open = new IdentityHashMap<>();

    /** The time between two commits; the last one has no end yet. */
    private static final class Era {
        private final DiskModel model;
        private long end = Long.MAX_VALUE;

        Era(final DiskModel model) {
            this.model = model;
        }
    }

    /** A disk with some content, of which no epoch was committed. */
    public CheckpointedModel(final String name, final byte[] content) {
        this.name = name;
        eras.add(new Era(new DiskModel(name, content, 0)));
    }

    /**
     * An epoch was committed. A change that is not answered yet may belong to either side of it.
     *
     * @param content the primary's, at the end of that epoch
     */
    public void commit(final byte[] content) {
        final Era last = eras.getLast();
        last.end = last.model.now();
        final DiskModel next = new DiskModel(name, content, last.end);
        open.replaceAll((change, present) -> next.repeat(change));
        eras.add(new Era(next));
    }

    /** What the disk may hold now. */
    public DiskModel present() {
        return eras.getLast().model;
    }

    @Override
    public long now() {
        return present().now();
    }

    @Override
    public DiskModel.Change write(final long offset, final byte[] bytes) {
        return ask(present().write(offset, bytes));
    }

    @Override
    public DiskModel.Change zero(final long offset, final long count) {
        return ask(present().zero(offset, count));
    }

    @Override
    public DiskModel.Change discard(final long offset, final long count) {
        return ask(present().discard(offset, count));
    }

    private DiskModel.Change ask(final DiskModel.Change change) {
        open.put(change, change);
        return change;
    }

    /** Where an epoch was committed meanwhile, the change may have gone with the one before. */
    @Override
    @SuppressWarnings("ReferenceEquality")
    public void succeeded(final DiskModel.Change change, final boolean durable) {
        final DiskModel.Change now = open.remove(change);
        if (now == change) {
            present().succeeded(now, false);
        } else {
            present().failed(now);
        }
    }

    @Override
    public void failed(final DiskModel.Change change) {
        present().failed(open.remove(change));
    }

    @Override
    public void refused(final DiskModel.Change change) {
        present().refused(open.remove(change));
    }

    /** What a flush promises is another test's: the secondary's power does not fail here. */
    @Override
    public void flushed(final long askedAt) {}

    @Override
    public void checkRead(final long askedAt, final long offset, final byte[] bytes) {
        AssertionError first = null;
        for (int i = eras.size() - 1; i >= 0 && eras.get(i).end >= askedAt; i--) {
            try {
                eras.get(i).model.checkRead(askedAt, offset, bytes);
                return;
            } catch (final AssertionError wrong) {
                final AssertionError inEra =
                        new AssertionError("in era " + i + ": " + wrong.getMessage(), wrong);
                if (first == null) {
                    first = inEra;
                } else {
                    first.addSuppressed(inEra);
                }
            }
        }
        throw first;
    }
}

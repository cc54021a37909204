package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Node;

import java.io.IOException;
import java.util.List;
import java.util.function.Consumer;

/**
 * How a secondary's disk takes a greater length, which its primary has recorded: it is recorded
 * here, then the buffers become longer where they lie, with all that they keep, and then the disk
 * does. So its last checkpoint stays; what is behind the old end is none of that checkpoint's.
 *
 * <p>A process that is killed in between finds either the old record, and buffers of the old
 * length; or the new one, and a page that says that buffers may be of either ({@link
 * GroupPage#isGrowing}). On the group's loop.
 */
final class SecondaryLengths {
    private static final String ENDED = "replication has ended meanwhile";

    private final SecondaryGroup group;
    private final IoLoop loop;
    private final GroupPage page;
    private final Node node;
    private final List<Disk> locals;
    private boolean isUnderWay;
    private Runnable onTaken = () -> {};

    SecondaryLengths(
            final SecondaryGroup group,
            final IoLoop loop,
            final GroupPage page,
            final Node node,
            final List<Disk> locals) {
        this.group = group;
        this.loop = loop;
        this.page = page;
        this.node = node;
        this.locals = List.copyOf(locals);
    }

    /** Has an action run whenever a disk has become longer; instead of all before. */
    void onTaken(final Runnable action) {
        onTaken = action;
    }

    /** Why a disk can't take the length that its primary has; null where it can. */
    String refusal(final int number, final long length) {
        final Disk local = locals.get(number);
        final long there = local.lengthThere();
        if (group.isFresh()) {
            return "the primary's has "
                    + length
                    + " bytes and this one "
                    + local.length()
                    + "; they must be of one length";
        }
        return there >= length
                ? null
                : "the primary's has "
                        + length
                        + " bytes, this one "
                        + local.length()
                        + ", and its file "
                        + there
                        + ": make the file as long as the primary's (truncate -s, lvextend); it is"
                        + " taken when the primary comes again";
    }

    /**
     * Has a disk take a length that it can take.
     *
     * @param whenTaken is told null, or why it could not be done: it may be tried again
     */
    void take(final int number, final long length, final Consumer<String> whenTaken) {
        if (isUnderWay) {
            whenTaken.accept("another disk becomes longer; that comes first");
            return;
        }
        isUnderWay = true;
        final Disk local = locals.get(number);
        local.flush(
                (token, errno) -> loop.within(() -> onFlushed(number, length, errno, whenTaken)),
                0);
        local.poll();
    }

    private void onFlushed(
            final int number,
            final long length,
            final int errno,
            final Consumer<String> whenTaken) {
        if (errno == 0) {
            record(number, length, whenTaken);
        } else {
            isUnderWay = false;
            whenTaken.accept("it can't be flushed: " + Errno.meaning(errno));
        }
    }

    /** The file is as long as that on stable storage, so that the record may say so. */
    private void record(final int number, final long length, final Consumer<String> whenTaken) {
        if (!group.isStarted()) {
            isUnderWay = false;
            whenTaken.accept(ENDED);
            return;
        }
        page.beginGrowth(locals, number, length);
        loop.after(
                node.lengthen(locals.get(number).name(), length),
                (done, thrown) -> {
                    isUnderWay = false;
                    if (thrown == null) {
                        whenTaken.accept(lengthen(number, length));
                    } else {
                        page.cancelGrowth();
                        whenTaken.accept(thrown.getMessage());
                    }
                });
    }

    /** Answers why it could not be done, or null. */
    private String lengthen(final int number, final long length) {
        if (!group.isStarted()) {
            return ENDED;
        }
        try {
            group.disks().get(number).lengthenBuffers(length);
            group.tracking().prepare(number, length);
        } catch (final IOException e) {
            return "there is no room for a disk of " + length + " bytes: " + e.getMessage();
        }
        locals.get(number).lengthen(length);
        group.disks().get(number).lengthenStream(length);
        group.tracking().lengthen(number, length, true);
        page.endGrowth();
        onTaken.run();
        return null;
    }
}

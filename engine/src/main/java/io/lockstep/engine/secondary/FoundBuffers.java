package io.lockstep.engine.secondary;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Self;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * What a process finds in the place of its buffers, and whether it is what the node's record is of:
 * buffers that are not are removed unopened, since any part of them may be there.
 *
 * @param page the group's, with its buffers as they were, or new and without any
 * @param isPutBack whether the record is older than the buffers that were there, so that nothing is
 *     known of the disks
 * @param remark what people should know of it; empty where there is nothing to tell
 */
record FoundBuffers(GroupPage page, boolean isPutBack, String remark) {
    /**
     * Opens the page.
     *
     * @throws IOException where it can't be had, or belongs to other disks or another node, or has
     *     what the disks lack, and the record knows nothing of it
     */
    static FoundBuffers open(
            final SecondaryOptions options, final List<Disk> disks, final Self self)
            throws IOException {
        String remark = "";
        final NodeRecord record = self.node().record();
        if (GroupPage.isBlank(options.page())) {
            remove(options); // nobody knows what they are
        } else if (!record.former().isNone()
                && GroupPage.nodeOf(options.page()).equals(record.former())) {
            remove(options);
            Files.delete(options.page());
            remark = record.former().equals(record.node()) ? "" : forgotten(options, record);
        }
        final GroupPage page = openPage(options, disks, record, 0);
        if (page.isOfAnotherBoot(record.boot())) {
            return new FoundBuffers(anew(page, options, disks, record, 0), false, remark);
        }
        if (page.recordNumber() <= self.numberFound()) {
            return isOfAnEndedLife(page, record)
                    ? new FoundBuffers(anew(page, options, disks, record, 0), false, remark)
                    : new FoundBuffers(page, false, remark);
        }
        if (page.state() == GroupPage.FAILED_OVER) {
            page.close();
            throw new IOException(mergeOfAnotherLife(options));
        }
        final long there = page.recordNumber();
        return new FoundBuffers(
                anew(page, options, disks, record, there),
                true,
                putBack(options, there, self.numberFound()));
    }

    /**
     * Whether they are from before the node became a secondary again, by a process that was killed
     * before it had removed them. What they hold is in the disks, or was never to be.
     */
    private static boolean isOfAnEndedLife(final GroupPage page, final NodeRecord record) {
        final boolean hasEnded =
                page.state() == GroupPage.FAILED_OVER || page.state() == GroupPage.ALONE;
        return record.standing().isPrimary() && !record.isMerging()
                || record.standing().isSecondary() && hasEnded;
    }

    private static GroupPage openPage(
            final SecondaryOptions options,
            final List<Disk> disks,
            final NodeRecord record,
            final long numberIfNew)
            throws IOException {
        return GroupPage.open(
                options.page(),
                disks,
                record.node(),
                record.boot(),
                record.committedEpoch(),
                numberIfNew);
    }

    private static GroupPage anew(
            final GroupPage page,
            final SecondaryOptions options,
            final List<Disk> disks,
            final NodeRecord record,
            final long numberIfNew)
            throws IOException {
        remove(options);
        page.delete();
        return openPage(options, disks, record, numberIfNew);
    }

    private static void remove(final SecondaryOptions options) throws IOException {
        for (final BufferFiles files : options.buffers()) {
            DiskBuffers.remove(files);
        }
    }

    // ---- What is said of it.

    private static Path directory(final SecondaryOptions options) {
        return options.page().toAbsolutePath().getParent();
    }

    private static String forgotten(final SecondaryOptions options, final NodeRecord record) {
        return "the buffers in "
                + directory(options)
                + " were those of node "
                + record.former().brief()
                + ", which this one was before it was taken out of its pair: they are removed";
    }

    private static String putBack(
            final SecondaryOptions options, final long numberThere, final long numberFound) {
        return "the state is older (record "
                + numberFound
                + ") than the buffers in "
                + directory(options)
                + " (record "
                + numberThere
                + "): it was put back from a copy, and nothing is known of the disks. The buffers"
                + " are removed; the primary makes the disks equal when it comes";
    }

    private static String mergeOfAnotherLife(final SecondaryOptions options) {
        return "the state is older than the buffers in "
                + directory(options)
                + ", which hold what the disks lack after a failover: it was put back from a copy."
                + " Restore the state that belongs to them, and let the merge end; or remove the"
                + " buffers, if the disks were put back as well and nothing of them is needed";
    }
}

package io.lockstep.engine.server;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.memory.Errno;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyEncoder;

/**
 * Writes what became of one client's requests into the places of their replies, which it commits:
 * all replies but those that carry a read's data. On the session's loop; allocates nothing but for
 * errors.
 */
final class ReplyWriter {
    private final Disk disk;
    private final ControlSpace control;
    private final ReplyEncoder encoder;
    private final RequestTable requests;
    private final ReplyRing replies;
    private final ServerEvents events;

    ReplyWriter(
            final ServedExport served,
            final ReplyEncoder encoder,
            final RequestTable requests,
            final ReplyRing replies,
            final ServerEvents events) {
        disk = served.disk();
        control = served.control();
        this.encoder = encoder;
        this.requests = requests;
        this.replies = replies;
        this.events = events;
    }

    /** The request succeeded, and its reply has no payload. */
    void done(final int index) {
        final int slot = requests.slot(index);
        replies.commit(
                slot,
                encoder.done(
                        replies.memory(),
                        replies.position(slot),
                        requests.cookie(index),
                        requests.offset(index)));
    }

    /** The block status asked for is in the request's extents. */
    void blockStatus(final int index) {
        final ExtentList extents = requests.extents(index);
        final int descriptors = requests.has(index, Nbd.CMD_FLAG_REQ_ONE) ? 1 : extents.size();
        final int slot = requests.slot(index);
        final int context = Integer.numberOfTrailingZeros(requests.contexts(index));
        final int start = replies.position(slot);
        int position =
                start
                        + encoder.blockStatusHeader(
                                replies.memory(),
                                start,
                                requests.cookie(index),
                                requests.offset(index),
                                context,
                                descriptors,
                                true);
        for (int run = 0; run < descriptors; run++) {
            position +=
                    encoder.descriptor(
                            replies.memory(),
                            position,
                            extents.length(run),
                            allocationFlags(extents.state(run)));
        }
        replies.commit(slot, position - start);
    }

    private static int allocationFlags(final int state) {
        return switch (state) {
            case ExtentList.HOLE -> Nbd.STATE_HOLE | Nbd.STATE_ZERO;
            case ExtentList.ZERO -> Nbd.STATE_ZERO;
            default -> 0;
        };
    }

    /** Whether it is one of those whose failure ends a replication. */
    private static boolean isReplicated(final int command) {
        return RequestRunner.isChange(command) || command == Nbd.CMD_FLUSH;
    }

    /** The request failed with the error that the table has of it. */
    void failure(final int index) {
        final int errno = requests.errno(index);
        if (requests.has(index, Nbd.CMD_FLAG_CONTROL)) {
            error(
                    requests.slot(index),
                    requests.cookie(index),
                    requests.offset(index),
                    errno,
                    control.reason());
            return;
        }
        final String refusal =
                control != null && isReplicated(requests.command(index)) ? control.refusal() : "";
        if (!refusal.isEmpty()) {
            error(
                    requests.slot(index),
                    requests.cookie(index),
                    requests.offset(index),
                    nbdError(errno),
                    refusal);
            return;
        }
        final String reason =
                "disk "
                        + disk.name()
                        + ": "
                        + CommandName.of(requests.command(index))
                        + " of "
                        + requests.length(index)
                        + " bytes at "
                        + requests.offset(index)
                        + " failed: "
                        + Errno.meaning(errno)
                        + " ("
                        + Errno.name(errno)
                        + ")";
        if (errno != Errno.EOPNOTSUPP) {
            events.onDiskError(reason);
        }
        error(
                requests.slot(index),
                requests.cookie(index),
                requests.offset(index),
                nbdError(errno),
                reason);
    }

    /**
     * An error in place of a reply.
     *
     * @param error an error value, {@code Nbd.E*}
     * @param reason a sentence for the person at the client
     */
    void error(
            final int slot,
            final long cookie,
            final long offset,
            final int error,
            final String reason) {
        final int position = replies.errorPosition(slot);
        final int length = encoder.error(replies.memory(), position, cookie, offset, error, reason);
        replies.commitError(slot, length);
    }

    /** The protocol knows few errors; the rest is an input/output error. Section "Error values". */
    static int nbdError(final int errno) {
        return switch (errno) {
            case Errno.EPERM, Errno.EACCES, Errno.EROFS -> Nbd.EPERM;
            case Errno.ENOMEM -> Nbd.ENOMEM;
            case Errno.EINVAL -> Nbd.EINVAL;
            case Errno.ENOSPC, Errno.EDQUOT, Errno.EFBIG -> Nbd.ENOSPC;
            case Errno.EOPNOTSUPP -> Nbd.ENOTSUP;
            case Errno.ESHUTDOWN -> Nbd.ESHUTDOWN;
            default -> Nbd.EIO;
        };
    }
}

package io.lockstep.engine.primary;

import io.lockstep.engine.group.ControlRecord;
import io.lockstep.nbd.ClientNegotiated;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;

/** What a server is asked for, and whether its export can be a secondary's disk. Stateless. */
final class FitExport {
    private FitExport() {}

    /**
     * What is asked of a server.
     *
     * @param wanted FOREIGN where a secondary of our own kind is not asked whether it is one
     */
    static ClientOptions options(final String export, final SecondaryKind wanted) {
        final ClientOptions options =
                ClientOptions.use(export).withReplyStyle(ReplyStyle.STRUCTURED);
        return wanted == SecondaryKind.FOREIGN
                ? options
                : options.withMetaContexts(Nbd.CONTEXT_CONTROL);
    }

    /**
     * Looks at what was agreed on.
     *
     * @param length of the primary's disk, in bytes
     * @param payloadLengthMax of the primary's writes, in bytes
     * @return why the export can't be used, and what to do; null where it can
     */
    static String refusal(
            final ClientNegotiated negotiated, final long length, final int payloadLengthMax) {
        // Two of our own kind see to their lengths when they meet.
        if (negotiated.export().size() != length && !negotiated.hasContext(Nbd.CONTEXT_CONTROL)) {
            return otherLength(negotiated.export().size(), length);
        } else if (negotiated.has(Nbd.FLAG_READ_ONLY)) {
            return "the secondary's export is read-only; export it writable";
        } else if (!negotiated.has(Nbd.FLAG_SEND_WRITE_ZEROES | Nbd.FLAG_SEND_FLUSH)) {
            return "the secondary's server offers no write-zeroes or no flush; use one that does";
        } else if (negotiated.export().blockSizeMin() > 1) {
            return "the secondary's server takes only whole blocks of "
                    + negotiated.export().blockSizeMin()
                    + " bytes, and the guest may write less; use one that takes any";
        } else if (negotiated.export().payloadLengthMax() < payloadLengthMax) {
            return "the secondary's server takes at most "
                    + negotiated.export().payloadLengthMax()
                    + " bytes in a write, and the primary sends up to "
                    + payloadLengthMax
                    + "; use one that takes as much";
        }
        return null;
    }

    /**
     * Why the two can't be a pair where only one of them shares its disks; null where they can.
     *
     * @param attachFlags of the primary
     * @param stateFlags of the secondary
     */
    static String otherKind(final int attachFlags, final int stateFlags) {
        if (((attachFlags ^ stateFlags) & ControlRecord.SHARED) == 0) {
            return null;
        }
        return (stateFlags & ControlRecord.SHARED) == 0
                ? "this primary shares its disks (--shared), and the secondary has some of its own:"
                        + " start it with --shared, too, or this one without"
                : "the secondary shares its primary's disks (--shared), and this primary does not:"
                        + " start it with --shared, too, or that one without";
    }

    /** Says that the secondary's disk is not as long as the primary's, in bytes. */
    static String otherLength(final long there, final long length) {
        return "the primary's disk has "
                + length
                + " bytes and the secondary's "
                + there
                + "; they must be of one length";
    }
}

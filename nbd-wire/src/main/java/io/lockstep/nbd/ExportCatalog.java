package io.lockstep.nbd;

import java.util.List;

/**
 * The exports that a server offers, asked during handshakes. Implementations answer at once and are
 * called from the loop that owns the connection.
 */
public interface ExportCatalog {
    /** The outcome of choosing an export. */
    sealed interface Choice {
        /** The export may be used. */
        record Accepted(Export export) implements Choice {}

        /**
         * It may not, for a reason that the client can be shown.
         *
         * @param reply an option reply error, {@code Nbd.REP_ERR_*}
         * @param reason a sentence for the person at the client
         */
        record Refused(int reply, String reason) implements Choice {}

        /** That is not known yet: only of {@link #enter}, which is asked again. */
        record Later() implements Choice {}
    }

    /** All exports, in the order in which they are listed. */
    List<Export> list();

    /**
     * The export of that name, for information.
     *
     * @param name as the client sent it; empty for the default export
     */
    Choice find(String name);

    /**
     * Like {@link #find}, but the client goes on to use it: limits on users apply here. Where the
     * answer is {@link Choice.Later}, it is asked again with the next call of {@link
     * ServerHandshake#receive}.
     *
     * @param name as the client sent it; empty for the default export
     */
    default Choice enter(final String name) {
        return find(name);
    }
}

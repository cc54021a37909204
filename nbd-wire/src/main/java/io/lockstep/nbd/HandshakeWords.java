package io.lockstep.nbd;

/**
 * What people read of a handshake: options and errors by their names in the protocol, and a
 * server's refusals as sentences. Source: {@code doc/proto.md}, "Option types", "Option reply
 * types".
 */
final class HandshakeWords {
    private HandshakeWords() {}

    /**
     * What a refusal means for the person who wanted the export.
     *
     * @param option that was refused, {@code Nbd.OPT_*}
     * @param exportName as it was asked for
     * @param error {@code Nbd.REP_ERR_*}
     * @param text the server's sentence; may be empty
     */
    static String refusal(
            final int option, final String exportName, final int error, final String text) {
        final boolean isOfExport =
                option == Nbd.OPT_GO
                        || option == Nbd.OPT_INFO
                        || (option == Nbd.OPT_SET_META_CONTEXT && error == Nbd.REP_ERR_UNKNOWN);
        final String what =
                isOfExport
                        ? "server refused export " + quoted(exportName)
                        : "server refused " + option(option);
        return what
                + ": "
                + (text.isEmpty() ? errorMeaning(error) : text)
                + " ("
                + errorName(error)
                + ")";
    }

    static String quoted(final String exportName) {
        return '"' + exportName + '"';
    }

    /** The protocol's name of an option, {@code Nbd.OPT_*}. */
    static String option(final int option) {
        return switch (option) {
            case Nbd.OPT_EXPORT_NAME -> "EXPORT_NAME";
            case Nbd.OPT_ABORT -> "ABORT";
            case Nbd.OPT_LIST -> "LIST";
            case Nbd.OPT_STARTTLS -> "STARTTLS";
            case Nbd.OPT_INFO -> "INFO";
            case Nbd.OPT_GO -> "GO";
            case Nbd.OPT_STRUCTURED_REPLY -> "STRUCTURED_REPLY";
            case Nbd.OPT_LIST_META_CONTEXT -> "LIST_META_CONTEXT";
            case Nbd.OPT_SET_META_CONTEXT -> "SET_META_CONTEXT";
            case Nbd.OPT_EXTENDED_HEADERS -> "EXTENDED_HEADERS";
            default -> "option " + Integer.toUnsignedString(option);
        };
    }

    private static String errorName(final int error) {
        return switch (error) {
            case Nbd.REP_ERR_UNSUP -> "ERR_UNSUP";
            case Nbd.REP_ERR_POLICY -> "ERR_POLICY";
            case Nbd.REP_ERR_INVALID -> "ERR_INVALID";
            case Nbd.REP_ERR_PLATFORM -> "ERR_PLATFORM";
            case Nbd.REP_ERR_TLS_REQD -> "ERR_TLS_REQD";
            case Nbd.REP_ERR_UNKNOWN -> "ERR_UNKNOWN";
            case Nbd.REP_ERR_SHUTDOWN -> "ERR_SHUTDOWN";
            case Nbd.REP_ERR_BLOCK_SIZE_REQD -> "ERR_BLOCK_SIZE_REQD";
            case Nbd.REP_ERR_TOO_BIG -> "ERR_TOO_BIG";
            case Nbd.REP_ERR_EXT_HEADER_REQD -> "ERR_EXT_HEADER_REQD";
            default -> "error " + Integer.toUnsignedString(error);
        };
    }

    private static String errorMeaning(final int error) {
        return switch (error) {
            case Nbd.REP_ERR_UNSUP -> "it doesn't know this option";
            case Nbd.REP_ERR_POLICY -> "its policy forbids it";
            case Nbd.REP_ERR_TLS_REQD -> "it wants TLS, which this client doesn't speak yet";
            case Nbd.REP_ERR_UNKNOWN -> "it has no such export";
            case Nbd.REP_ERR_SHUTDOWN -> "it is shutting down";
            case Nbd.REP_ERR_EXT_HEADER_REQD -> "it wants extended headers";
            default -> "it gave no reason";
        };
    }
}

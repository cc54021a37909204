package io.lockstep.nbd;

import java.util.List;
import java.util.Objects;

/**
 * What a client wants of a handshake: an immutable value.
 *
 * @param goal what the handshake is for
 * @param exportName the export, empty for the server's default one; unused where the goal is a list
 * @param replyStyle the best style to ask for; a server that declines it is asked for the next
 *     simpler one
 * @param metaContexts metadata contexts to select, one query each, {@code namespace:leaf}; which of
 *     them a server has it says itself
 */
public record ClientOptions(
        Goal goal, String exportName, ReplyStyle replyStyle, List<String> metaContexts) {
    /** What a handshake is for. */
    public enum Goal {
        /** To use an export. */
        TRANSMISSION,
        /** To learn about one export, and leave. */
        INFO,
        /** To learn which exports there are, and leave. */
        LIST
    }

    /** More contexts than this are refused: how far a reply has come is kept as bits of an int. */
    public static final int META_CONTEXTS_MAX = 32;

    /**
     * Checks what the protocol demands of names.
     *
     * @throws IllegalArgumentException where one can't be sent
     */
    public ClientOptions {
        Objects.requireNonNull(goal, "goal");
        Objects.requireNonNull(replyStyle, "replyStyle");
        metaContexts = List.copyOf(metaContexts);
        WireString.require("export name", exportName);
        if (metaContexts.size() > META_CONTEXTS_MAX) {
            throw new IllegalArgumentException(
                    "more than " + META_CONTEXTS_MAX + " metadata contexts");
        }
        for (final String context : metaContexts) {
            WireString.require("metadata context", context);
            if (context.indexOf(':') < 1) {
                throw new IllegalArgumentException(
                        "metadata context " + context + " has no namespace, as in base:allocation");
            }
        }
    }

    /** To use that export, in the best style, with no metadata contexts. */
    public static ClientOptions use(final String exportName) {
        return new ClientOptions(Goal.TRANSMISSION, exportName, ReplyStyle.EXTENDED, List.of());
    }

    /** To learn about that export. */
    public static ClientOptions info(final String exportName) {
        return new ClientOptions(Goal.INFO, exportName, ReplyStyle.EXTENDED, List.of());
    }

    /** To learn which exports there are. */
    public static ClientOptions list() {
        return new ClientOptions(Goal.LIST, "", ReplyStyle.SIMPLE, List.of());
    }

    /** The same with another best style. */
    public ClientOptions withReplyStyle(final ReplyStyle style) {
        return new ClientOptions(goal, exportName, style, metaContexts);
    }

    /** The same with other metadata contexts. */
    public ClientOptions withMetaContexts(final String... contexts) {
        return new ClientOptions(goal, exportName, replyStyle, List.of(contexts));
    }
}

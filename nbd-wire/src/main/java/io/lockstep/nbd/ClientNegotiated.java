package io.lockstep.nbd;

import java.util.List;

/**
 * What a client holds in its hands when the handshake ended: an immutable value. The counterpart of
 * {@link Negotiated} at the server.
 *
 * @param export the chosen export
 * @param replyStyle the form of requests and replies
 * @param contexts the selected metadata contexts
 */
public record ClientNegotiated(
        RemoteExport export, ReplyStyle replyStyle, List<SelectedContext> contexts) {
    /** In compact requests the length has 32 bits; this many are a multiple of any block size. */
    private static final long COMPACT_EFFECT_LENGTH_MAX = 0xffff_0000L;

    /** Copies the list, so that the value stays as it was agreed on. */
    public ClientNegotiated {
        contexts = List.copyOf(contexts);
    }

    /** Whether all the given transmission flags were agreed on. */
    public boolean has(final int flags) {
        return export.has(flags);
    }

    /** Whether a metadata context of that name was selected. */
    public boolean hasContext(final String name) {
        return contexts.stream().anyMatch(context -> context.name().equals(name));
    }

    /** Longest range, in bytes, of a request that carries no payload in either direction. */
    public long effectLengthMax() {
        return replyStyle == ReplyStyle.EXTENDED ? Long.MAX_VALUE : COMPACT_EFFECT_LENGTH_MAX;
    }

    /** The place of a context in the list, by its ID; -1 where it was not selected. */
    int contextIndex(final int id) {
        for (int i = 0; i < contexts.size(); i++) {
            if (contexts.get(i).id() == id) {
                return i;
            }
        }
        return -1;
    }
}

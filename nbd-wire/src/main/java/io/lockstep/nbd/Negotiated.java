package io.lockstep.nbd;

import java.util.List;

/**
 * What server and client agreed on when the handshake ended: an immutable value.
 *
 * @param export the chosen export
 * @param replyStyle the form of requests and replies
 * @param metaContexts the selected metadata contexts; the place in the list is the context's ID on
 *     the wire for a server of this project
 * @param transmissionFlags the flags that the client was told
 */
public record Negotiated(
        Export export, ReplyStyle replyStyle, List<String> metaContexts, int transmissionFlags) {
    /** Copies the list, so that the value stays as it was agreed on. */
    public Negotiated {
        metaContexts = List.copyOf(metaContexts);
    }

    /** Whether all the given transmission flags were agreed on. */
    public boolean has(final int flags) {
        return (transmissionFlags & flags) == flags;
    }
}

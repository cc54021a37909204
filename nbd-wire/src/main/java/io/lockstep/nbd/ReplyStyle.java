package io.lockstep.nbd;

/**
 * The form of the headers in the transmission phase, as the handshake settled it.
 *
 * <p>Source: {@code doc/proto.md}, "Transmission"; {@code extension-ext-header} for extended
 * headers.
 */
public enum ReplyStyle {
    /** Compact requests, simple replies only. */
    SIMPLE(28, 16),
    /** Compact requests, structured reply chunks wherever a reply has a payload. */
    STRUCTURED(28, 20),
    /** 32-byte headers both ways. */
    EXTENDED(32, 32);

    private final int requestHeaderLength;
    private final int chunkHeaderLength;

    ReplyStyle(final int requestHeaderLength, final int chunkHeaderLength) {
        this.requestHeaderLength = requestHeaderLength;
        this.chunkHeaderLength = chunkHeaderLength;
    }

    /** Length of a request's header in bytes. */
    public int requestHeaderLength() {
        return requestHeaderLength;
    }

    /** Length of the header of a reply that carries a payload, in bytes. */
    public int chunkHeaderLength() {
        return chunkHeaderLength;
    }
}

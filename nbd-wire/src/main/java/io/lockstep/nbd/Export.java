package io.lockstep.nbd;

import java.util.List;

/**
 * What a server tells a client of one export: an immutable value that any thread may share.
 *
 * <p>Source: {@code doc/proto.md}, "Transmission flags", "Size constraints" and "Metadata
 * querying".
 *
 * @param name the export's name, at most {@link Nbd#STRING_LENGTH_MAX} bytes of UTF-8, without NUL
 * @param description a sentence for people, under the same limits; empty for none
 * @param size the length in bytes
 * @param transmissionFlags what the export can do, {@link Nbd#FLAG_HAS_FLAGS} included; the flags
 *     that hang on the negotiation ({@link Nbd#FLAG_SEND_DF}, {@link
 *     Nbd#FLAG_BLOCK_STATUS_PAYLOAD}) are added by the handshake and must not be set here
 * @param blockSizeMin smallest unit that a request may address, in bytes; a power of two up to 64
 *     KiB
 * @param blockSizePreferred smallest unit that is served well, in bytes; a power of two
 * @param payloadLengthMax longest payload of a request or of a read, in bytes
 * @param metaContexts names of the metadata contexts that a client may select, {@code
 *     namespace:leaf}; a private extension is offered under {@code x-lockstep:} here
 */
public record Export(
        String name,
        String description,
        long size,
        int transmissionFlags,
        int blockSizeMin,
        int blockSizePreferred,
        int payloadLengthMax,
        List<String> metaContexts) {
    /** More contexts than this are refused: their selection is kept as the bits of an int. */
    public static final int META_CONTEXTS_MAX = 32;

    private static final int NEGOTIATED_FLAGS = Nbd.FLAG_SEND_DF | Nbd.FLAG_BLOCK_STATUS_PAYLOAD;

    /**
     * Checks what the protocol demands of an export.
     *
     * @throws IllegalArgumentException where one of the limits above is broken
     */
    public Export {
        WireString.require("export name", name);
        WireString.require("description", description);
        metaContexts = List.copyOf(metaContexts);
        require(size >= 0, "size must not be negative: " + size);
        require((transmissionFlags & Nbd.FLAG_HAS_FLAGS) != 0, "HAS_FLAGS must be set");
        require((transmissionFlags & NEGOTIATED_FLAGS) == 0, "flag is for the handshake to set");
        require(Integer.bitCount(blockSizeMin) == 1 && blockSizeMin <= 1 << 16, "blockSizeMin");
        require(
                Integer.bitCount(blockSizePreferred) == 1
                        && blockSizePreferred >= Math.max(blockSizeMin, 512),
                "blockSizePreferred");
        require(payloadLengthMax >= blockSizePreferred, "payloadLengthMax");
        require(metaContexts.size() <= META_CONTEXTS_MAX, "too many metadata contexts");
        metaContexts.forEach(
                context -> {
                    WireString.require("metadata context", context);
                    require(
                            context.indexOf(':') > 0,
                            "no namespace in metadata context " + context);
                });
    }

    /** Whether all the given transmission flags are set. */
    public boolean has(final int flags) {
        return (transmissionFlags & flags) == flags;
    }

    private static void require(final boolean condition, final String message) {
        if (!condition) {
            throw new IllegalArgumentException(message);
        }
    }
}

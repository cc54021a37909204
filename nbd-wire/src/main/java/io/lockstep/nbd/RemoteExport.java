package io.lockstep.nbd;

/**
 * What a server told a client of one export: an immutable value, checked by the handshake.
 *
 * <p>Source: {@code doc/proto.md}, "Transmission flags", "Size constraints".
 *
 * @param name as the server calls it, or as the client asked where the server didn't say
 * @param description a sentence for people; empty where there is none
 * @param size the length in bytes
 * @param transmissionFlags what the export can do, {@code Nbd.FLAG_*}; those that the negotiation
 *     doesn't allow are taken out
 * @param blockSizeMin smallest unit that a request may address, in bytes; a power of two up to 64
 *     KiB; 1 where the server didn't say
 * @param blockSizePreferred smallest unit that is served well, in bytes; a power of two; 4096 where
 *     the server didn't say
 * @param payloadLengthMax longest payload of a write, and longest read that is sure to be served,
 *     in bytes; 32 MiB where the server didn't say
 */
public record RemoteExport(
        String name,
        String description,
        long size,
        int transmissionFlags,
        int blockSizeMin,
        long blockSizePreferred,
        int payloadLengthMax) {
    /** What holds where a server says nothing of it. */
    static final int BLOCK_SIZE_MIN_DEFAULT = 1;

    /** What holds where a server says nothing of it. */
    static final int BLOCK_SIZE_PREFERRED_DEFAULT = 4096;

    /** Whether all the given transmission flags are set. */
    public boolean has(final int flags) {
        return (transmissionFlags & flags) == flags;
    }
}

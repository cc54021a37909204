package io.lockstep.nbd;

/**
 * What a server tells of the chosen export, piece by piece and in any order: each is checked as it
 * comes, and what never came has its default.
 *
 * <p>Single threaded. Source: {@code doc/proto.md}, "Option reply types" (the {@code NBD_INFO_*}),
 * "Size constraints", "Transmission flags".
 */
final class OfferedExport {
    private static final int BLOCK_SIZE_MIN_MAX = 1 << 16;
    private static final int BLOCK_SIZE_PREFERRED_MIN = 512;

    private boolean isKnown;
    private long size;
    private int transmissionFlags;
    private String name;
    private String description = "";
    private int blockSizeMin = RemoteExport.BLOCK_SIZE_MIN_DEFAULT;
    private long blockSizePreferred = RemoteExport.BLOCK_SIZE_PREFERRED_DEFAULT;
    private int payloadLengthMax = Nbd.PAYLOAD_LENGTH_DEFAULT_MAX;

    /**
     * Nothing is known yet.
     *
     * @param name what the client asks for
     */
    OfferedExport(final String name) {
        this.name = name;
    }

    /** Whether size and flags have come, without which it can't be used. */
    boolean isKnown() {
        return isKnown;
    }

    /** Takes the data of one {@link Nbd#REP_INFO}. */
    void onInformation(final MessageReader data) throws MalformedMessageException {
        switch (data.unsignedShort()) {
            case Nbd.INFO_EXPORT -> {
                onExport(data.longInteger(), data.unsignedShort());
                data.requireEnd();
            }
            case Nbd.INFO_NAME -> name = data.string(data.remaining());
            case Nbd.INFO_DESCRIPTION -> description = data.string(data.remaining());
            case Nbd.INFO_BLOCK_SIZE -> {
                onBlockSize(
                        Integer.toUnsignedLong(data.integer()),
                        Integer.toUnsignedLong(data.integer()),
                        Integer.toUnsignedLong(data.integer()));
                data.requireEnd();
            }
            default -> {} // to be ignored, says the protocol
        }
    }

    /** Takes the size in bytes and the transmission flags. */
    void onExport(final long exportSize, final int flags) throws MalformedMessageException {
        if (exportSize < 0) {
            throw new MalformedMessageException(
                    "the export has " + Long.toUnsignedString(exportSize) + " bytes, beyond 2^63");
        }
        if ((flags & Nbd.FLAG_HAS_FLAGS) == 0) {
            throw new MalformedMessageException("the transmission flags lack HAS_FLAGS");
        }
        size = exportSize;
        transmissionFlags = flags;
        isKnown = true;
    }

    private void onBlockSize(final long min, final long preferred, final long payloadMax)
            throws MalformedMessageException {
        if (Long.bitCount(min) != 1 || min > BLOCK_SIZE_MIN_MAX) {
            throw new MalformedMessageException(
                    "minimum block size " + min + " is no power of two up to 65536");
        }
        if (Long.bitCount(preferred) != 1 || preferred < Math.max(min, BLOCK_SIZE_PREFERRED_MIN)) {
            throw new MalformedMessageException(
                    "preferred block size "
                            + preferred
                            + " is no power of two from 512 and the minimum on");
        }
        if (payloadMax < preferred) {
            throw new MalformedMessageException(
                    "maximum payload " + payloadMax + " is below the preferred block size");
        }
        blockSizeMin = (int) min;
        blockSizePreferred = preferred;
        payloadLengthMax = (int) Math.min(payloadMax, Integer.MAX_VALUE);
    }

    /**
     * The export as it can be used.
     *
     * @param hasContexts whether metadata contexts were selected
     */
    RemoteExport under(final ReplyStyle style, final boolean hasContexts) {
        return new RemoteExport(
                name,
                description,
                size,
                allowedFlags(style, hasContexts),
                blockSizeMin,
                blockSizePreferred,
                payloadLengthMax);
    }

    /** Without those flags that a server must not set under what was negotiated. */
    private int allowedFlags(final ReplyStyle style, final boolean hasContexts) {
        int allowed = transmissionFlags;
        if (style == ReplyStyle.SIMPLE) {
            allowed &= ~Nbd.FLAG_SEND_DF;
        }
        if (style != ReplyStyle.EXTENDED || !hasContexts) {
            allowed &= ~Nbd.FLAG_BLOCK_STATUS_PAYLOAD;
        }
        if ((allowed & Nbd.FLAG_SEND_WRITE_ZEROES) == 0) {
            allowed &= ~Nbd.FLAG_SEND_FAST_ZERO;
        }
        return allowed;
    }
}

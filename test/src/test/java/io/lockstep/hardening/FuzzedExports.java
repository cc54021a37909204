package io.lockstep.hardening;

import io.lockstep.nbd.Export;
import io.lockstep.nbd.ExportCatalog;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.Negotiated;
import io.lockstep.nbd.ReplyStyle;

import java.util.ArrayList;
import java.util.List;

/** Exports for fuzz targets, so small that a short input reaches their ends and limits. */
final class FuzzedExports implements ExportCatalog {
    static final String DEFAULT = "vda";

    /** Is refused to whoever wants to use it. */
    static final String FULL = "full";

    private static final int ALL_FLAGS =
            Nbd.FLAG_HAS_FLAGS
                    | Nbd.FLAG_SEND_FLUSH
                    | Nbd.FLAG_SEND_FUA
                    | Nbd.FLAG_SEND_TRIM
                    | Nbd.FLAG_SEND_WRITE_ZEROES
                    | Nbd.FLAG_SEND_FAST_ZERO
                    | Nbd.FLAG_SEND_CACHE
                    | Nbd.FLAG_CAN_MULTI_CONN;

    private static final List<Export> EXPORTS =
            List.of(
                    export(DEFAULT, 10_007, ALL_FLAGS, 1, 1024, 1),
                    export("aligned", 1 << 20, ALL_FLAGS, 512, 512, Export.META_CONTEXTS_MAX),
                    export("golden", 4096, ALL_FLAGS | Nbd.FLAG_READ_ONLY, 1, 512, 2),
                    export("bare", Long.MAX_VALUE, Nbd.FLAG_HAS_FLAGS, 1, 512, 0),
                    export(FULL, 0, ALL_FLAGS, 1, 512, 1),
                    export("\u00e4".repeat(Nbd.STRING_LENGTH_MAX / 2), 1, ALL_FLAGS, 1, 512, 1));

    private static Export export(
            final String name,
            final long size,
            final int flags,
            final int blockSizeMin,
            final int payloadMax,
            final int contexts) {
        final List<String> names = new ArrayList<>();
        for (int i = 0; i < contexts; i++) {
            names.add(i == 0 ? Nbd.CONTEXT_BASE_ALLOCATION : "x-lockstep:" + i);
        }
        return new Export(name, "of " + size, size, flags, blockSizeMin, 512, payloadMax, names);
    }

    @Override
    public List<Export> list() {
        return EXPORTS;
    }

    @Override
    public Choice find(final String name) {
        for (final Export export : EXPORTS) {
            if (export.name().equals(name.isEmpty() ? DEFAULT : name)) {
                return new Choice.Accepted(export);
            }
        }
        return new Choice.Refused(Nbd.REP_ERR_UNKNOWN, "there is no export " + name);
    }

    @Override
    public Choice enter(final String name) {
        return name.equals(FULL)
                ? new Choice.Refused(Nbd.REP_ERR_POLICY, "full, says " + "x".repeat(5000))
                : find(name);
    }

    /** What a handshake could have settled, chosen by one byte. */
    static Negotiated negotiated(final int choice) {
        final ReplyStyle style =
                switch (choice & 3) {
                    case 0 -> ReplyStyle.SIMPLE;
                    case 1 -> ReplyStyle.STRUCTURED;
                    default -> ReplyStyle.EXTENDED;
                };
        final Export export = EXPORTS.get((choice >> 2 & 7) % EXPORTS.size());
        final List<String> contexts =
                style == ReplyStyle.SIMPLE || (choice & 0x20) != 0
                        ? List.of()
                        : export.metaContexts();
        int flags = export.transmissionFlags();
        if (style != ReplyStyle.SIMPLE) {
            flags |= Nbd.FLAG_SEND_DF;
        }
        if (style == ReplyStyle.EXTENDED && !contexts.isEmpty()) {
            flags |= Nbd.FLAG_BLOCK_STATUS_PAYLOAD;
        }
        return new Negotiated(export, style, contexts, flags);
    }
}

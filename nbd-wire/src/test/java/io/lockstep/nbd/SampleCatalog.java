package io.lockstep.nbd;

import java.util.ArrayList;
import java.util.List;

/** Exports to negotiate about in tests. The first is the default one. */
final class SampleCatalog implements ExportCatalog {
    static final String QUEUE_CONTEXT = "x-lockstep:epoch";

    static final Export DISK =
            new Export(
                    "disk",
                    "the first disk",
                    1 << 20,
                    Nbd.FLAG_HAS_FLAGS
                            | Nbd.FLAG_SEND_FLUSH
                            | Nbd.FLAG_SEND_FUA
                            | Nbd.FLAG_SEND_TRIM
                            | Nbd.FLAG_SEND_WRITE_ZEROES
                            | Nbd.FLAG_SEND_FAST_ZERO
                            | Nbd.FLAG_SEND_CACHE,
                    1,
                    4096,
                    1 << 16,
                    List.of(Nbd.CONTEXT_BASE_ALLOCATION, QUEUE_CONTEXT));

    static final Export SECOND =
            new Export(
                    "Platte zwei \u00e4\u00f6\u00fc",
                    "",
                    12345 * 512,
                    Nbd.FLAG_HAS_FLAGS | Nbd.FLAG_READ_ONLY,
                    512,
                    65536,
                    1 << 20,
                    List.of());

    final List<String> entered = new ArrayList<>();
    String refusal = "";

    @Override
    public List<Export> list() {
        return List.of(DISK, SECOND);
    }

    @Override
    public Choice find(final String name) {
        if (name.isEmpty()) {
            return new Choice.Accepted(DISK);
        }
        for (final Export export : list()) {
            if (export.name().equals(name)) {
                return new Choice.Accepted(export);
            }
        }
        return new Choice.Refused(Nbd.REP_ERR_UNKNOWN, "no export " + name);
    }

    @Override
    public Choice enter(final String name) {
        entered.add(name);
        return refusal.isEmpty() ? find(name) : new Choice.Refused(Nbd.REP_ERR_POLICY, refusal);
    }
}

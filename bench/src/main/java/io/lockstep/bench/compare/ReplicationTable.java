package io.lockstep.bench.compare;

import io.lockstep.bench.peer.ReplicationPair;
import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Rounds;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** How our pairs compare with QEMU's better one, and below it the figures of each. */
final class ReplicationTable {
    private final Set<ReplicationPair.Kind> kinds;
    private final boolean largerIsBetter;
    private final MarkdownTable ratios;
    private final MarkdownTable allFigures;
    private final Map<ReplicationPair.Kind, String> figures =
            new EnumMap<>(ReplicationPair.Kind.class);
    private final Map<ReplicationPair.Kind, Rounds> values =
            new EnumMap<>(ReplicationPair.Kind.class);

    /**
     * An empty table.
     *
     * @param what is in the first column
     * @param largerIsBetter which of QEMU's links is the better one, and which way the ratio is
     */
    ReplicationTable(
            final String what,
            final Set<ReplicationPair.Kind> kinds,
            final boolean largerIsBetter) {
        this.kinds = kinds;
        this.largerIsBetter = largerIsBetter;
        final List<String> header = new ArrayList<>(List.of(what));
        for (final ReplicationPair.Kind kind : kinds) {
            if (kind.isOurs()) {
                header.add(
                        largerIsBetter
                                ? kind.title() + " / QEMU's best"
                                : "QEMU's best / " + kind.title());
            }
        }
        ratios = new MarkdownTable(header.toArray(String[]::new));
        allFigures = new MarkdownTable(what, "pair", "figures");
    }

    /** What the next row says of a pair, and the values that its ratio is taken of. */
    void put(final ReplicationPair.Kind kind, final String figure, final Rounds rounds) {
        figures.put(kind, figure);
        values.put(kind, rounds);
    }

    /** Ends a row; answers it as lines for a terminal. */
    List<String> row(final String name) {
        final List<String> lines = new ArrayList<>(List.of(name));
        final List<Object> compared = new ArrayList<>(List.of(name));
        for (final ReplicationPair.Kind kind : kinds) {
            final String ratio = kind.isOurs() ? ratio(kind) : "";
            if (kind.isOurs()) {
                compared.add(ratio);
            }
            allFigures.row(name, kind.title(), figures.get(kind));
            lines.add(
                    String.format(
                            Locale.ROOT,
                            "  %-15s %s%s",
                            kind.title(),
                            figures.get(kind),
                            ratio.isEmpty() ? "" : "  x" + ratio));
        }
        ratios.row(compared.toArray());
        figures.clear();
        values.clear();
        return lines;
    }

    private String ratio(final ReplicationPair.Kind kind) {
        Rounds best = null;
        for (final ReplicationPair.Kind other : kinds) {
            if (!other.isOurs()) {
                final Rounds theirs = values.get(other);
                if (best == null) {
                    best = theirs;
                } else {
                    best = largerIsBetter ? best.max(theirs) : best.min(theirs);
                }
            }
        }
        if (best == null) {
            return "";
        }
        final Rounds ours = values.get(kind);
        return (largerIsBetter ? ours.over(best) : best.over(ours)).spread("%.2f");
    }

    /** As Markdown. */
    String end() {
        return ratios + "\n" + allFigures;
    }
}

package io.lockstep.bench.profile;

import io.lockstep.bench.load.Cell;
import io.lockstep.bench.peer.LockstepPair;
import io.lockstep.bench.peer.PairFolders;
import io.lockstep.bench.report.ImageOptions;
import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Report;
import io.lockstep.bench.report.RoundOptions;
import io.lockstep.bench.report.Rounds;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;

/**
 * {@code lockstep profile merge}: how fast the merge behind a failover is, and what the guest
 * notices of it. Each measurement has a pair of its own.
 */
@Command(
        name = "merge",
        description =
                "Fails over with dirty data of each kind, and shows how fast it is merged, and how"
                        + " long the guest's writes take meanwhile.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  lockstep profile merge                 three rounds, 20 minutes",
            "  lockstep profile merge --rounds 1 --on /srv",
            "  lockstep profile merge --short         one round of less data, of two kinds",
            "                                         for each buffer",
            "",
            "With --flush-every the guest's flushes wait for the end of the merge, and it hurries."
        })
public final class MergeProfile implements Callable<Integer> {
    private static final long MEBIBYTE = 1 << 20;
    private static final long DIRTY_LENGTH = 512 * MEBIBYTE;
    private static final long SHORT_DIRTY_LENGTH = 64 * MEBIBYTE;

    /** A disk has so many times what is dirty of it. */
    private static final int DISK_TIMES = 2;

    @Spec private CommandSpec spec;

    @Mixin private final RoundOptions options = new RoundOptions();

    @Mixin private final ImageOptions images = new ImageOptions();

    /**
     * What the rounds came to of one kind of data.
     *
     * @param alone seconds that the merge took by itself
     * @param besideGuest the same with a guest
     */
    private record Results(List<Double> alone, List<MergeRun> besideGuest) {
        Results() {
            this(new ArrayList<>(), new ArrayList<>());
        }

        Rounds of(final ToDoubleFunction<MergeRun> figure) {
            return new Rounds(besideGuest.stream().mapToDouble(figure).boxed().toList());
        }
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        final Report report =
                new Report(
                        spec.commandLine().getOut(),
                        "lockstep profile merge"
                                + images.arguments()
                                + (options.isShort() ? " --short" : ""));
        report.paragraph(explanation());
        final List<DirtyData> kinds =
                DirtyData.all().stream()
                        .filter(kind -> !options.isShort() || kind.isExtreme())
                        .toList();
        final Map<DirtyData, Results> results = new LinkedHashMap<>();
        kinds.forEach(kind -> results.put(kind, new Results()));
        // Our own guests' code must not run for the first time when a merge is timed.
        report.progress("warming up the guests");
        measure(kinds.getFirst(), SHORT_DIRTY_LENGTH, new Results(), true, 0);
        for (int round = 1; round <= options.rounds(); round++) {
            final List<DirtyData> turn = new ArrayList<>(kinds);
            Collections.rotate(turn, 1 - round);
            for (final DirtyData kind : turn) {
                report.progress(kind + ", round " + round + " of " + options.rounds());
                measure(kind, dirtyLength(), results.get(kind), false, round);
                measure(kind, dirtyLength(), results.get(kind), true, round);
            }
        }
        report.table(table(results));
        report.write(options.markdown());
        return 0;
    }

    private String explanation() throws IOException {
        return String.format(
                Locale.ROOT,
                "Of %s of %d MiB. %s %d MiB are written since the last checkpoint, in pieces of one"
                        + " length, one behind the other or at random, no block twice; the primary"
                        + " is killed, and a standby at rest takes over. Hidden disk: the primary"
                        + " wrote them, and a merge copies their pre-images back into the disk."
                        + " Active disk: the secondary's guest did, and it copies those. MiB/s are"
                        + " those %d MiB over the time from the answer to the failover until the"
                        + " disk is plain: in it are the guest's head start of 10 ms and the"
                        + " removal of the buffers, and it is looked each %d ms. The guest, which"
                        + " was connected before, writes 4 KiB at random, %.0f a second; a write"
                        + " counts from when it was due. Behind: the same guest on the same node"
                        + " when the merge is done, as long as that took, and %.0f s at least."
                        + " Medians of the rounds (%d), the smallest and the largest in"
                        + " parentheses.",
                images.sentence("fresh pairs", images.disks()),
                diskLength() / MEBIBYTE,
                images.disks().pageCache(),
                dirtyLength() / MEBIBYTE,
                dirtyLength() / MEBIBYTE,
                MergeRun.POLL_MILLIS,
                MergeRun.WRITES_PER_SECOND,
                MergeRun.BEHIND_SECONDS_MIN,
                options.rounds());
    }

    private long dirtyLength() {
        return options.isShort() ? SHORT_DIRTY_LENGTH : DIRTY_LENGTH;
    }

    private long diskLength() {
        return DISK_TIMES * dirtyLength();
    }

    private void measure(
            final DirtyData kind,
            final long dirtyLength,
            final Results results,
            final boolean hasGuest,
            final long seed)
            throws IOException, InterruptedException {
        try (PairFolders folders = PairFolders.in(images.disks().directory());
                LockstepPair pair =
                        LockstepPair.start(
                                folders,
                                LockstepPair.Shape.ofOneDisk(
                                        true, diskLength(), images.disks().isSparse()))) {
            pair.awaitStandby();
            pair.checkpoint();
            kind.write(pair, dirtyLength, diskLength(), seed);
            folders.writeBack();
            if (hasGuest) {
                results.besideGuest()
                        .add(MergeRun.withGuest(pair, images.flushEvery(), diskLength(), seed));
            } else {
                results.alone().add(MergeRun.alone(pair));
            }
        }
    }

    private MarkdownTable table(final Map<DirtyData, Results> results) {
        final MarkdownTable table =
                new MarkdownTable(
                        "dirty",
                        "pieces",
                        "order",
                        "rate with a guest over alone",
                        "p99 during over behind",
                        "alone, MiB/s",
                        "with a guest, MiB/s",
                        "p50 during, µs",
                        "p99 during, µs",
                        "p99 behind, µs");
        results.forEach(
                (kind, result) -> {
                    final Rounds alone = rate(new Rounds(result.alone()));
                    final Rounds beside = rate(result.of(MergeRun::seconds));
                    final Rounds during = result.of(run -> run.during().p99Micros());
                    final Rounds behind = result.of(run -> run.behind().p99Micros());
                    table.row(
                            kind.buffer(),
                            Cell.lengthName(kind.pieceLength()),
                            kind.isRandom() ? "random" : "sequence",
                            beside.over(alone).spread("%.2f"),
                            during.over(behind).spread("%.1f"),
                            alone.spread("%.0f"),
                            beside.spread("%.0f"),
                            result.of(run -> run.during().p50Micros()).spread("%.0f"),
                            during.spread("%.0f"),
                            behind.spread("%.0f"));
                });
        return table;
    }

    /** In MiB of dirty data a second. */
    private Rounds rate(final Rounds seconds) {
        return new Rounds(
                seconds.values().stream()
                        .map(each -> (double) dirtyLength() / MEBIBYTE / each)
                        .toList());
    }
}

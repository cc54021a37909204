package io.lockstep.bench.growth;

import io.lockstep.bench.report.Machine;
import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Report;
import io.lockstep.bench.report.RoundOptions;
import io.lockstep.bench.report.Rounds;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.Function;

/**
 * {@code lockstep bench growth}: what grows with dirty data, with the disks' length, with their
 * number and with that of connections; and what does not. A new pair of processes for each point.
 */
@Command(
        name = "growth",
        description =
                "Shows how time, memory and processor grow with dirty data, length of the disks,"
                        + " number of disks and of connections.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  lockstep bench growth                 everything, about five minutes",
            "  lockstep bench growth --axis length   one of them",
            "  lockstep bench growth --short         the ends of each, in a minute",
            "",
            "Needs room on /dev/shm; what does not fit is left out, and named."
        })
public final class Growth implements Callable<Integer> {
    private static final long MEBIBYTE = 1 << 20;
    private static final long GIBIBYTE = 1 << 30;

    /** Beyond this, against the smallest point, a figure is no longer called flat. */
    private static final double FLAT_FACTOR_MAX = 2;

    @Spec private CommandSpec spec;

    @Mixin private final RoundOptions options = new RoundOptions();

    @Option(
            names = "--axis",
            split = ",",
            defaultValue = "dirty,length,disks,connections",
            description = "${COMPLETION-CANDIDATES} (default: all).")
    private List<Axis> axes;

    /** What is made larger. */
    enum Axis {
        DIRTY("dirty data before a checkpoint"),
        LENGTH("length of a disk that is all hole, 64 blocks dirty"),
        DISKS("disks in the group, 4 blocks of each dirty"),
        CONNECTIONS("connections of the guest, each with a write in flight");

        private final String title;

        Axis(final String title) {
            this.title = title;
        }

        String title() {
            return title;
        }
    }

    /** A figure of a point, and how it is written. */
    private record Figure(String title, String format, Function<GrowthPoint, Double> value) {
        static final List<Figure> ALL =
                List.of(
                        new Figure("start s", "%.2f", GrowthPoint::startSeconds),
                        new Figure("checkpoint ms", "%.2f", GrowthPoint::checkpointMillis),
                        new Figure("longest commit µs", "%.1f", GrowthPoint::commitMicros),
                        new Figure(
                                "secondary's CPU a checkpoint µs",
                                "%.0f",
                                GrowthPoint::checkpointCpuMicros),
                        new Figure("status ms", "%.2f", GrowthPoint::statusMillis),
                        new Figure("primary MiB", "%.0f", GrowthPoint::primaryMebibytes),
                        new Figure("secondary MiB", "%.0f", GrowthPoint::secondaryMebibytes),
                        new Figure("idle CPU of both %", "%.2f", GrowthPoint::idlePercent),
                        new Figure("requests/s", "%.0f", GrowthPoint::requestsPerSecond),
                        new Figure("CPU a request µs", "%.1f", GrowthPoint::requestCpuMicros));
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        final Report report =
                new Report(
                        spec.commandLine().getOut(),
                        "lockstep bench growth" + (options.isShort() ? " --short" : ""));
        report.paragraph(
                "Medians of the rounds ("
                        + options.rounds()
                        + "), the smallest and the largest in parentheses; a new pair for"
                        + " each. Memory is what is resident: a process's own, and what it touches"
                        + " of disks and buffers.");
        final MarkdownTable verdicts =
                new MarkdownTable("what grows", "flat", "grows (the most / at the smallest point)");
        final List<MarkdownTable> tables = new ArrayList<>();
        for (final Axis axis : axes) {
            tables.add(measure(axis, report, verdicts));
        }
        report.table(verdicts);
        for (int i = 0; i < tables.size(); i++) {
            report.heading("By " + axes.get(i).title());
            report.table(tables.get(i));
        }
        report.write(options.markdown());
        return 0;
    }

    private MarkdownTable measure(
            final Axis axis, final Report report, final MarkdownTable verdicts)
            throws IOException, InterruptedException {
        final List<String> names = new ArrayList<>();
        final List<List<GrowthPoint>> points = new ArrayList<>();
        for (final GrowthPoint.Plan plan : plans(axis)) {
            final long needed = plan.memoryNeeded();
            final long available = Machine.memoryBytes("MemAvailable");
            if (needed > available) {
                report.paragraph(
                        String.format(
                                Locale.ROOT,
                                "%s is left out: it needs %.0f GiB of memory, and %.0f are free.",
                                plan.name(),
                                (double) needed / GIBIBYTE,
                                (double) available / GIBIBYTE));
                continue;
            }
            final List<GrowthPoint> results = new ArrayList<>();
            for (int round = 1; round <= options.rounds(); round++) {
                report.progress(axis.title() + ": " + plan.name() + ", round " + round);
                results.add(plan.measure());
            }
            names.add(plan.name());
            points.add(results);
        }
        addVerdict(verdicts, axis, points);
        return table(axis, names, points);
    }

    private List<GrowthPoint.Plan> plans(final Axis axis) {
        final List<GrowthPoint.Plan> plans = new ArrayList<>();
        switch (axis) {
            case DIRTY -> {
                for (final long dirty : points(0, 64 * MEBIBYTE, GIBIBYTE, 4 * GIBIBYTE)) {
                    plans.add(GrowthPoint.Plan.dirty(dirty, false));
                }
                if (!options.isShort()) {
                    // Half the memory: the pre-image of a hole takes no room.
                    plans.add(GrowthPoint.Plan.dirty(8 * GIBIBYTE, true));
                    plans.add(GrowthPoint.Plan.dirty(8 * GIBIBYTE, false));
                }
            }
            case LENGTH -> {
                for (final long length :
                        points(GIBIBYTE, 64 * GIBIBYTE, GIBIBYTE << 10, GIBIBYTE << 14)) {
                    plans.add(GrowthPoint.Plan.length(length));
                }
            }
            case DISKS -> {
                for (final long disks : points(1, 4, 16, 64)) {
                    plans.add(GrowthPoint.Plan.disks((int) disks));
                }
            }
            case CONNECTIONS -> {
                for (final long connections : points(1, 4, 16, 64)) {
                    plans.add(GrowthPoint.Plan.connections((int) connections));
                }
            }
        }
        return plans;
    }

    /** All of them, or the first and the last but, where dirty data is it, the third. */
    private long[] points(final long... all) {
        return options.isShort()
                ? new long[] {all[0], all[0] == 0 ? all[1] : all[all.length - 1]}
                : all;
    }

    private static MarkdownTable table(
            final Axis axis, final List<String> names, final List<List<GrowthPoint>> points) {
        final List<Figure> shown = shown(points);
        final List<String> header = new ArrayList<>(List.of(axis.name().toLowerCase(Locale.ROOT)));
        shown.forEach(figure -> header.add(figure.title()));
        final MarkdownTable table = new MarkdownTable(header.toArray(String[]::new));
        for (int i = 0; i < names.size(); i++) {
            final List<Object> row = new ArrayList<>(List.of(names.get(i)));
            for (final Figure figure : shown) {
                row.add(rounds(points.get(i), figure).spread(figure.format()));
            }
            table.row(row.toArray());
        }
        return table;
    }

    private static List<Figure> shown(final List<List<GrowthPoint>> points) {
        return Figure.ALL.stream()
                .filter(
                        figure ->
                                points.stream()
                                        .flatMap(List::stream)
                                        .noneMatch(point -> figure.value().apply(point).isNaN()))
                .toList();
    }

    private static Rounds rounds(final List<GrowthPoint> results, final Figure figure) {
        return new Rounds(results.stream().map(figure.value()).toList());
    }

    private static void addVerdict(
            final MarkdownTable table, final Axis axis, final List<List<GrowthPoint>> points) {
        final List<String> flat = new ArrayList<>();
        final List<String> growing = new ArrayList<>();
        for (final Figure figure : shown(points)) {
            final double smallest = rounds(points.getFirst(), figure).median();
            final double factor =
                    points.stream()
                            .mapToDouble(point -> rounds(point, figure).median() / smallest)
                            .max()
                            .orElse(Double.NaN);
            if (factor > FLAT_FACTOR_MAX) {
                growing.add(String.format(Locale.ROOT, "%s × %.1f", figure.title(), factor));
            } else {
                flat.add(figure.title());
            }
        }
        table.row(axis.title(), String.join(", ", flat), String.join(", ", growing));
    }
}

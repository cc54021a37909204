package io.lockstep.bench;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.stream.Stream;

/**
 * {@code lockstep bench serve}: {@code lockstep serve} beside the NBD servers that people use, in
 * one run.
 *
 * <p>All servers run at once and are idle but for the one that is measured. Each cell is measured
 * in rounds, and each round measures every server once, so that whatever else the machine does
 * meets all of them alike. The tables give the median of the rounds; ratios are taken round by
 * round, and their spread is given.
 */
@Command(
        name = "serve",
        description = "Compares lockstep serve with nbdkit and qemu-nbd, side by side in one run.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  lockstep bench serve                              everything, about half an hour",
            "  lockstep bench serve --only '4k qd16' --rounds 5  some cells, more rounds",
            "  lockstep bench serve --load own --transport unix  with our own load generator"
        })
public final class ServeComparison implements Callable<Integer> {
    /** Length of each served disk in bytes. */
    public static final long DISK_LENGTH = 1L << 30;

    private static final double WARM_UP_SECONDS = 1.5;

    @Spec private CommandSpec spec;

    @Option(
            names = "--load",
            split = ",",
            defaultValue = "fio,own",
            description = "Load generators: fio, own (default: both).")
    private List<String> loads;

    @Option(
            names = "--transport",
            split = ",",
            defaultValue = "unix,tcp",
            description = "unix, tcp (default: both).")
    private List<String> transports;

    @Option(
            names = "--without",
            split = ",",
            paramLabel = "SERVER",
            description = "Leaves servers out: ${COMPLETION-CANDIDATES}.")
    private List<BenchServer.Kind> without = List.of();

    @Option(
            names = "--only",
            defaultValue = "",
            description = "Only cells whose name contains this.")
    private String only;

    @Option(
            names = "--rounds",
            defaultValue = "3",
            description = "Rounds of each cell (default: 3).")
    private int rounds;

    @Option(
            names = "--seconds",
            defaultValue = "1.5",
            description = "Length of one measurement (default: 1.5).")
    private double seconds;

    @Option(
            names = "--markdown",
            paramLabel = "FILE",
            description = "Writes the tables there as well.")
    private Path markdown;

    @Override
    public Integer call() throws IOException, InterruptedException {
        final List<BenchServer.Kind> kinds = new ArrayList<>();
        for (final BenchServer.Kind kind : BenchServer.Kind.values()) {
            if (without.contains(kind)) {
                out().println(kind.title() + " is left out, as asked");
            } else if (kind.missing().isEmpty()) {
                kinds.add(kind);
            } else {
                out().println(kind.missing());
            }
        }
        final StringBuilder tables = new StringBuilder();
        for (final String transport : transports) {
            final Path memory = Path.of("/dev/shm");
            final Path folder =
                    Files.isWritable(memory)
                            ? Files.createTempDirectory(memory, "lockstep-bench")
                            : Files.createTempDirectory("lockstep-bench");
            try {
                compare(kinds, folder, transport, tables);
            } finally {
                remove(folder);
            }
        }
        if (markdown != null) {
            Files.writeString(markdown, tables);
        }
        return 0;
    }

    private void compare(
            final List<BenchServer.Kind> kinds,
            final Path folder,
            final String transport,
            final StringBuilder tables)
            throws IOException, InterruptedException {
        final List<BenchServer> servers = new ArrayList<>();
        try {
            for (final BenchServer.Kind kind : kinds) {
                servers.add(BenchServer.start(kind, folder, transport.equals("unix")));
            }
            for (final String loadName : loads) {
                final Load load = load(loadName);
                warmUp(load, servers);
                final String title =
                        load.name()
                                + " over "
                                + (transport.equals("unix") ? "a Unix socket" : "TCP");
                out().println(title);
                tables.append("\n### ").append(title).append("\n\n").append(header(servers));
                for (final Cell cell : Cell.all()) {
                    if (cell.toString().contains(only)) {
                        tables.append(row(cell, measure(load, cell, servers)));
                    }
                }
            }
        } finally {
            servers.forEach(BenchServer::close);
        }
    }

    private static Load load(final String name) {
        return switch (name) {
            case "fio" -> new FioLoad();
            case "own" -> new OwnLoad();
            default ->
                    throw new IllegalArgumentException(
                            "--load " + name + " is not known; there are fio and own");
        };
    }

    /**
     * Writes every disk twice over, so that no server is measured on holes or on memory that it
     * sees for the first time, and lets what compiles compile.
     */
    private static void warmUp(final Load load, final List<BenchServer> servers)
            throws IOException, InterruptedException {
        for (final BenchServer server : servers) {
            OwnLoad.fill(server.uri());
            OwnLoad.fill(server.uri());
            for (final boolean write : new boolean[] {true, false}) {
                load.run(server.uri(), new Cell(write, 64 << 10, 16, 1), WARM_UP_SECONDS);
                load.run(server.uri(), new Cell(write, 4 << 10, 16, 4), WARM_UP_SECONDS);
            }
        }
    }

    private Map<BenchServer.Kind, List<Measurement>> measure(
            final Load load, final Cell cell, final List<BenchServer> servers)
            throws IOException, InterruptedException {
        final Map<BenchServer.Kind, List<Measurement>> measurements =
                new EnumMap<>(BenchServer.Kind.class);
        for (int round = 0; round < rounds; round++) {
            for (int i = 0; i < servers.size(); i++) {
                final BenchServer server = servers.get((i + round) % servers.size());
                final double before = server.cpuMicros();
                final long start = System.nanoTime();
                final Measurement measured = load.run(server.uri(), cell, seconds);
                final double elapsed = Math.min((System.nanoTime() - start) / 1e9, seconds);
                final double requests = measured.requestsPerSecond() * elapsed;
                final double cpu = (server.cpuMicros() - before) / requests;
                measurements
                        .computeIfAbsent(server.kind(), kind -> new ArrayList<>())
                        .add(measured.withCpu(cpu));
            }
        }
        print(cell, measurements);
        return measurements;
    }

    private void print(
            final Cell cell, final Map<BenchServer.Kind, List<Measurement>> measurements) {
        out().println(cell);
        measurements.forEach(
                (kind, list) ->
                        out().printf(
                                        Locale.ROOT,
                                        "  %-18s %9.0f/s %7.0f MiB/s  p50 %6.0f  p99 %6.0f  p99.9"
                                                + " %6.0f us  cpu %6.2f us  x%s%n",
                                        kind.title(),
                                        median(list, Measurement::requestsPerSecond),
                                        median(list, Measurement::mebibytesPerSecond),
                                        median(list, Measurement::p50Micros),
                                        median(list, Measurement::p99Micros),
                                        median(list, Measurement::p999Micros),
                                        median(list, Measurement::cpuMicros),
                                        ratio(measurements.get(BenchServer.Kind.LOCKSTEP), list)));
        out().flush();
    }

    /** How much faster the first was: the median of the rounds, and their smallest and largest. */
    private static String ratio(final List<Measurement> ours, final List<Measurement> theirs) {
        final List<Double> ratios = new ArrayList<>();
        for (int i = 0; i < theirs.size(); i++) {
            ratios.add(ours.get(i).requestsPerSecond() / theirs.get(i).requestsPerSecond());
        }
        ratios.sort(Comparator.naturalOrder());
        return String.format(
                Locale.ROOT,
                "%.2f (%.2f-%.2f)",
                ratios.get(ratios.size() / 2),
                ratios.getFirst(),
                ratios.getLast());
    }

    private static double median(
            final List<Measurement> list,
            final java.util.function.ToDoubleFunction<Measurement> figure) {
        final double[] sorted = list.stream().mapToDouble(figure).sorted().toArray();
        return sorted[sorted.length / 2];
    }

    private static String header(final List<BenchServer> servers) {
        final StringBuilder header = new StringBuilder("| load | lockstep serve |");
        final StringBuilder rule = new StringBuilder("| --- | --- |");
        for (final BenchServer server : servers) {
            if (server.kind() != BenchServer.Kind.LOCKSTEP) {
                header.append(' ').append(server.kind().title()).append(" | lockstep / it |");
                rule.append(" --- | --- |");
            }
        }
        return header.append('\n').append(rule).append('\n').toString();
    }

    private static String row(
            final Cell cell, final Map<BenchServer.Kind, List<Measurement>> measurements) {
        final List<Measurement> ours = measurements.get(BenchServer.Kind.LOCKSTEP);
        final StringBuilder row = new StringBuilder("| " + cell + " | " + figures(ours) + " |");
        measurements.forEach(
                (kind, list) -> {
                    if (kind != BenchServer.Kind.LOCKSTEP) {
                        row.append(' ')
                                .append(figures(list))
                                .append(" | ")
                                .append(ratio(ours, list))
                                .append(" |");
                    }
                });
        return row.append('\n').toString();
    }

    private static String figures(final List<Measurement> list) {
        return String.format(
                Locale.ROOT,
                "%.1fk/s, %.0f MiB/s; %.0f, %.0f, %.0f µs; %.1f µs",
                median(list, Measurement::requestsPerSecond) / 1000,
                median(list, Measurement::mebibytesPerSecond),
                median(list, Measurement::p50Micros),
                median(list, Measurement::p99Micros),
                median(list, Measurement::p999Micros),
                median(list, Measurement::cpuMicros));
    }

    private static void remove(final Path folder) throws IOException {
        try (Stream<Path> files = Files.list(folder)) {
            for (final Path file : files.toList()) {
                Files.delete(file);
            }
        }
        Files.delete(folder);
    }

    private PrintWriter out() {
        return spec.commandLine().getOut();
    }
}

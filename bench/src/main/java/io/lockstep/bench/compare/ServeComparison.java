package io.lockstep.bench.compare;

import io.lockstep.bench.load.Cell;
import io.lockstep.bench.load.FioLoad;
import io.lockstep.bench.load.Load;
import io.lockstep.bench.load.OwnLoad;
import io.lockstep.bench.peer.BenchServer;
import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.bench.report.Machine;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.TimedRoundOptions;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.function.ToDoubleFunction;

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
            "  lockstep bench serve --short                      fio, Unix: five minutes",
            "  lockstep bench serve --load own --transport unix  with our own load generator"
        })
public final class ServeComparison implements Callable<Integer> {
    private static final double WARM_UP_SECONDS = 1.5;

    @Spec private CommandSpec spec;

    @Mixin private final TimedRoundOptions options = new TimedRoundOptions(1.5, 0.3);

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

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (options.isShort()) {
            loads = List.of("fio");
            transports = List.of("unix");
        }
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
        final StringBuilder tables = new StringBuilder(Machine.description()).append(".\n");
        for (final String transport : transports) {
            try (MemoryFolder folder = new MemoryFolder()) {
                compare(kinds, folder.path(), transport, tables);
            }
        }
        if (options.markdown() != null) {
            Files.writeString(options.markdown(), tables);
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
                final ServeTables cells = new ServeTables(servers);
                for (final Cell cell : Cell.all()) {
                    if (cell.toString().contains(only)) {
                        cells.add(cell, measure(load, cell, servers));
                    }
                }
                tables.append("\n### ").append(title).append("\n\n").append(cells);
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
            OwnLoad.fill(server.uri(), BenchServer.DISK_LENGTH);
            OwnLoad.fill(server.uri(), BenchServer.DISK_LENGTH);
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
        for (int round = 0; round < options.rounds(); round++) {
            for (int i = 0; i < servers.size(); i++) {
                final BenchServer server = servers.get((i + round) % servers.size());
                final double before = server.cpuMicros();
                final long start = System.nanoTime();
                final Measurement measured = load.run(server.uri(), cell, options.seconds());
                final double elapsed =
                        Math.min((System.nanoTime() - start) / 1e9, options.seconds());
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
        final List<Measurement> ours = measurements.get(BenchServer.Kind.LOCKSTEP);
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
                                        ServeTables.rates(ours)
                                                .over(ServeTables.rates(list))
                                                .spread("%.2f")));
        out().flush();
    }

    private static double median(
            final List<Measurement> list, final ToDoubleFunction<Measurement> figure) {
        return ServeTables.rounds(list, figure).median();
    }

    private PrintWriter out() {
        return spec.commandLine().getOut();
    }
}

package io.lockstep.bench.compare;

import io.lockstep.bench.load.Cell;
import io.lockstep.bench.load.FioLoad;
import io.lockstep.bench.load.Load;
import io.lockstep.bench.load.OwnLoad;
import io.lockstep.bench.peer.BenchServer;
import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.StateOptions;
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
import java.util.Collection;
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
 * <p>All servers run at once and are idle but for the one that is measured; or, where they are to
 * be fresh, each is started for its measurement, on a disk just made. Each cell is measured in
 * rounds, and each round measures every server once, so that whatever else the machine does meets
 * all of them alike. The tables give the median of the rounds; ratios are taken round by round, and
 * their spread is given.
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
            "  lockstep bench serve --load own --transport unix  with our own load generator",
            "  lockstep bench serve --state fresh --images sparse",
            "                                                    each cell on a server just"
                    + " started",
            "  lockstep bench serve --on /srv --only 'write 4k qd1 ' --flush-every 1"
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

    @Mixin private final StateOptions images = new StateOptions();

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
        final ComparisonReport report = new ComparisonReport(out());
        report.paragraph("Of " + images.sentence("server", images.disks()) + ".");
        if (images.isFresh()) {
            report.paragraph(images.disks().pageCache());
        }
        for (final String transport : transports) {
            if (images.isFresh()) {
                compareLoads(
                        kinds, transport, (kind, use) -> useFresh(kind, transport, use), report);
            } else {
                compareWarm(kinds, transport, report);
            }
        }
        if (options.markdown() != null) {
            Files.writeString(options.markdown(), report.markdown());
        }
        return 0;
    }

    /** Where each measurement has its server from. */
    private interface ServerSource {
        /** A measurement. */
        interface Use {
            Measurement of(BenchServer server) throws IOException, InterruptedException;
        }

        /** Does one. */
        Measurement measure(BenchServer.Kind kind, Use use)
                throws IOException, InterruptedException;
    }

    private Measurement useFresh(
            final BenchServer.Kind kind, final String transport, final ServerSource.Use use)
            throws IOException, InterruptedException {
        try (MemoryFolder folder = MemoryFolder.in(images.disks().directory());
                BenchServer server = start(kind, folder.path(), transport)) {
            return use.of(server);
        }
    }

    private BenchServer start(
            final BenchServer.Kind kind, final Path folder, final String transport)
            throws IOException, InterruptedException {
        return BenchServer.start(kind, folder, transport.equals("unix"), images.disks().isSparse());
    }

    private void compareWarm(
            final List<BenchServer.Kind> kinds,
            final String transport,
            final ComparisonReport report)
            throws IOException, InterruptedException {
        final Map<BenchServer.Kind, BenchServer> servers = new EnumMap<>(BenchServer.Kind.class);
        try (MemoryFolder folder = MemoryFolder.in(images.disks().directory())) {
            try {
                for (final BenchServer.Kind kind : kinds) {
                    servers.put(kind, start(kind, folder.path(), transport));
                }
                warmUp(servers.values());
                compareLoads(kinds, transport, (kind, use) -> use.of(servers.get(kind)), report);
            } finally {
                servers.values().forEach(BenchServer::close);
            }
        }
    }

    private void compareLoads(
            final List<BenchServer.Kind> kinds,
            final String transport,
            final ServerSource servers,
            final ComparisonReport report)
            throws IOException, InterruptedException {
        for (final String loadName : loads) {
            final Load load = load(loadName);
            report.title(
                    load.name() + " over " + (transport.equals("unix") ? "a Unix socket" : "TCP"));
            if (images.isFresh() && load instanceof OwnLoad) {
                warmUpClient(load, kinds, servers);
            }
            final ServeTables cells = new ServeTables(kinds);
            for (final Cell cell : Cell.all()) {
                if (cell.toString().contains(only)) {
                    cells.add(cell, measure(load, cell, kinds, servers));
                }
            }
            report.tableBehindItsRows(cells.toString());
        }
    }

    /** Our own client's code must not run for the first time when a server is timed. */
    private static void warmUpClient(
            final Load load, final List<BenchServer.Kind> kinds, final ServerSource servers)
            throws IOException, InterruptedException {
        final Cell cell = Cell.all().getFirst();
        servers.measure(kinds.getFirst(), server -> load.run(server.uri(), cell, WARM_UP_SECONDS));
    }

    private Load load(final String name) {
        return switch (name) {
            case "fio" -> new FioLoad(images.flushEvery());
            case "own" -> new OwnLoad(images.flushEvery());
            default ->
                    throw new IllegalArgumentException(
                            "--load " + name + " is not known; there are fio and own");
        };
    }

    /**
     * Lets what compiles compile. Disks that are to be full of data are written twice over before,
     * so that no server is measured on memory that it sees for the first time.
     */
    private void warmUp(final Collection<BenchServer> servers)
            throws IOException, InterruptedException {
        for (final BenchServer server : servers) {
            if (!images.disks().isSparse()) {
                OwnLoad.fill(server.uri(), BenchServer.DISK_LENGTH);
                OwnLoad.fill(server.uri(), BenchServer.DISK_LENGTH);
            }
            for (final String load : loads) {
                for (final boolean write : new boolean[] {true, false}) {
                    final Cell longer = new Cell(write, 64 << 10, 16, 1);
                    load(load).run(server.uri(), longer, WARM_UP_SECONDS);
                    final Cell shorter = new Cell(write, 4 << 10, 16, 4);
                    load(load).run(server.uri(), shorter, WARM_UP_SECONDS);
                }
            }
        }
    }

    private Map<BenchServer.Kind, List<Measurement>> measure(
            final Load load,
            final Cell cell,
            final List<BenchServer.Kind> kinds,
            final ServerSource servers)
            throws IOException, InterruptedException {
        final Map<BenchServer.Kind, List<Measurement>> measurements =
                new EnumMap<>(BenchServer.Kind.class);
        for (int round = 0; round < options.rounds(); round++) {
            for (int i = 0; i < kinds.size(); i++) {
                final BenchServer.Kind kind = kinds.get((i + round) % kinds.size());
                measurements
                        .computeIfAbsent(kind, key -> new ArrayList<>())
                        .add(servers.measure(kind, server -> measure(load, cell, server)));
            }
        }
        print(cell, measurements);
        return measurements;
    }

    private Measurement measure(final Load load, final Cell cell, final BenchServer server)
            throws IOException, InterruptedException {
        final double before = server.cpuMicros();
        final long start = System.nanoTime();
        final Measurement measured = load.run(server.uri(), cell, options.seconds());
        final double elapsed = Math.min((System.nanoTime() - start) / 1e9, options.seconds());
        final double requests = measured.requestsPerSecond() * elapsed;
        return measured.withCpu((server.cpuMicros() - before) / requests);
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

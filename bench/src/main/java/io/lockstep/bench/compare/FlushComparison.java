package io.lockstep.bench.compare;

import io.lockstep.bench.report.StateOptions;
import io.lockstep.bench.report.TimedRoundOptions;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;

/**
 * {@code lockstep bench flushes}: what a guest's flush and its write cost with each
 * acknowledgement, beside the same disk without replication and beside QEMU's replication.
 *
 * <p>In a warm state one server, one pair of ours and one of QEMU's run for each kind of socket,
 * all at once, and are idle but for the one that is measured; the pair is told its acknowledgement
 * before each measurement. In a fresh one each measurement has its own.
 */
@Command(
        name = "flushes",
        description =
                "Compares flushes a second, and what a flush and a write take, with each --ack of a"
                        + " pair, beside an export that is not replicated.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  lockstep bench flushes                          all in memory, six minutes",
            "  lockstep bench flushes --on /srv                the same on /srv",
            "  lockstep bench flushes --on /srv --only '1 writer' --transport unix",
            "  lockstep bench flushes --on /srv --secondary-in-memory",
            "  lockstep bench flushes --without qemu --only 'depth 16'",
            "  lockstep bench flushes --short                  a look, half a minute",
            "",
            "Needs room on /dev/shm or DIR: ten disks (--disk-length), and buffers in memory."
        })
public final class FlushComparison implements Callable<Integer> {
    private static final long MEBIBYTE = 1 << 20;
    private static final int SHORT_MEBIBYTES = 64;
    private static final double WARM_UP_SECONDS = 1;
    private static final double SHORT_WARM_UP_SECONDS = 0.2;

    /** What a guest comes over, and a link. */
    enum Transport {
        UNIX("Unix"),
        TCP("TCP");

        private final String title;

        Transport(final String title) {
            this.title = title;
        }
    }

    @Spec private CommandSpec spec;

    @Mixin private final TimedRoundOptions options = new TimedRoundOptions(2, 0.3);

    @Option(
            names = "--transport",
            split = ",",
            defaultValue = "unix,tcp",
            description =
                    "What the guest comes over, and the link: ${COMPLETION-CANDIDATES} (default:"
                            + " both).")
    private List<Transport> transports;

    @Option(
            names = "--only",
            defaultValue = "",
            description = "Only loads whose name contains this.")
    private String only;

    @Option(
            names = "--without",
            split = ",",
            paramLabel = "WHO",
            description = "Leaves some out: ${COMPLETION-CANDIDATES}.")
    private List<FlushPeer> without = List.of();

    @Option(
            names = "--disk-length",
            paramLabel = "MIB",
            defaultValue = "512",
            description = "Length of each disk in MiB (default: ${DEFAULT-VALUE}).")
    private int diskMebibytes;

    @Option(
            names = "--secondary-in-memory",
            description =
                    "The secondary's disks lie in memory, so that they don't share a device with"
                            + " the primary's.")
    private boolean isSecondaryInMemory;

    @Mixin private final StateOptions images = new StateOptions();

    /** A measurement's place in the table. */
    private record Place(FlushLoad load, Transport transport) {}

    /** Where each measurement has its export from. */
    private interface SubjectSource {
        /** A measurement. */
        interface Use {
            FlushOutcome of(FlushSubject subject) throws IOException, InterruptedException;
        }

        FlushOutcome measure(FlushPeer peer, Transport transport, Use use)
                throws IOException, InterruptedException;
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (images.flushEvery() > 0) {
            throw new ParameterException(
                    spec.commandLine(), "--flush-every is not for bench flushes: its loads say it");
        }
        final List<FlushLoad> loads =
                FlushLoad.ALL.stream().filter(load -> load.name().contains(only)).toList();
        final List<FlushPeer> peers = peers();
        final ComparisonReport report = new ComparisonReport(out());
        report.paragraph(
                String.format(
                        Locale.ROOT,
                        "Of %s of %d MiB each, for %.1f s.",
                        images.sentence("pair", images.disks()),
                        diskLength() / MEBIBYTE,
                        options.seconds()));
        report.paragraph(images.disks().pageCache());
        if (isSecondaryInMemory) {
            report.paragraph("The secondary's disks are in memory.");
        }
        if (images.isFresh()) {
            compareFresh(loads, peers, report);
        } else {
            compareWarm(loads, peers, report);
        }
        if (options.markdown() != null) {
            Files.writeString(options.markdown(), report.markdown());
        }
        return 0;
    }

    private List<FlushPeer> peers() {
        final List<FlushPeer> peers = new ArrayList<>();
        for (final FlushPeer peer : FlushPeer.values()) {
            if (without.contains(peer)) {
                out().println(peer.title() + " is left out, as asked");
            } else if (peer.missing().isEmpty()) {
                peers.add(peer);
            } else {
                out().println(peer.missing());
            }
        }
        return peers;
    }

    private long diskLength() {
        return (options.isShort() ? SHORT_MEBIBYTES : diskMebibytes) * MEBIBYTE;
    }

    private FlushSubject.Setting setting(final Transport transport) {
        return new FlushSubject.Setting(
                images.disks(), diskLength(), isSecondaryInMemory, transport == Transport.UNIX);
    }

    private void compareFresh(
            final List<FlushLoad> loads, final List<FlushPeer> peers, final ComparisonReport report)
            throws IOException, InterruptedException {
        final SubjectSource fresh =
                (peer, transport, use) -> {
                    try (FlushSubject subject = FlushSubject.start(peer, setting(transport))) {
                        subject.become(peer);
                        return use.of(subject);
                    }
                };
        // Our own guest's code must not run for the first time when somebody is timed.
        for (final FlushLoad load : loads) {
            warmUp(fresh, peers.getFirst(), new Place(load, transports.getFirst()));
        }
        compare(loads, peers, fresh, report);
    }

    private void compareWarm(
            final List<FlushLoad> loads, final List<FlushPeer> peers, final ComparisonReport report)
            throws IOException, InterruptedException {
        try (RunningSubjects running = new RunningSubjects()) {
            for (final Transport transport : transports) {
                for (final FlushPeer peer : peers) {
                    running.start(peer, setting(transport), transport);
                }
            }
            for (final FlushLoad load : loads) {
                for (final Transport transport : transports) {
                    for (final FlushPeer peer : peers) {
                        warmUp(running, peer, new Place(load, transport));
                    }
                }
            }
            compare(loads, peers, running, report);
        }
    }

    /** One of each engine over each kind of socket. */
    private static final class RunningSubjects implements SubjectSource, AutoCloseable {
        private final Map<Transport, Map<FlushPeer.Engine, FlushSubject>> all =
                new EnumMap<>(Transport.class);

        void start(
                final FlushPeer peer, final FlushSubject.Setting setting, final Transport transport)
                throws IOException, InterruptedException {
            final Map<FlushPeer.Engine, FlushSubject> there =
                    all.computeIfAbsent(transport, key -> new EnumMap<>(FlushPeer.Engine.class));
            if (!there.containsKey(peer.engine())) {
                there.put(peer.engine(), FlushSubject.start(peer, setting));
            }
        }

        @Override
        public FlushOutcome measure(final FlushPeer peer, final Transport transport, final Use use)
                throws IOException, InterruptedException {
            final FlushSubject subject = all.get(transport).get(peer.engine());
            subject.become(peer);
            return use.of(subject);
        }

        @Override
        public void close() throws IOException {
            for (final Map<FlushPeer.Engine, FlushSubject> there : all.values()) {
                for (final FlushSubject subject : there.values()) {
                    subject.close();
                }
            }
        }
    }

    private void warmUp(final SubjectSource subjects, final FlushPeer peer, final Place place)
            throws IOException, InterruptedException {
        measure(
                subjects,
                peer,
                place,
                options.isShort() ? SHORT_WARM_UP_SECONDS : WARM_UP_SECONDS,
                0);
    }

    private FlushOutcome measure(
            final SubjectSource subjects,
            final FlushPeer peer,
            final Place place,
            final double seconds,
            final long seed)
            throws IOException, InterruptedException {
        return subjects.measure(
                peer,
                place.transport(),
                subject ->
                        FlushOutcome.measure(subject, place.load(), diskLength(), seconds, seed));
    }

    private void compare(
            final List<FlushLoad> loads,
            final List<FlushPeer> peers,
            final SubjectSource subjects,
            final ComparisonReport report)
            throws IOException, InterruptedException {
        for (final FlushLoad load : loads) {
            report.title("4 KiB, " + load.name());
            final FlushTable table = new FlushTable(load);
            for (final Transport transport : transports) {
                table.add(transport.title, rounds(peers, subjects, new Place(load, transport)));
            }
            report.table(table.toString());
        }
    }

    private Map<FlushPeer, List<FlushOutcome>> rounds(
            final List<FlushPeer> peers, final SubjectSource subjects, final Place place)
            throws IOException, InterruptedException {
        final Map<FlushPeer, List<FlushOutcome>> outcomes = new EnumMap<>(FlushPeer.class);
        for (int round = 0; round < options.rounds(); round++) {
            final List<FlushPeer> turned = new ArrayList<>(peers);
            Collections.rotate(turned, -round);
            for (final FlushPeer peer : turned) {
                outcomes.computeIfAbsent(peer, key -> new ArrayList<>())
                        .add(measure(subjects, peer, place, options.seconds(), round + 1L));
            }
        }
        return outcomes;
    }

    private PrintWriter out() {
        return spec.commandLine().getOut();
    }
}

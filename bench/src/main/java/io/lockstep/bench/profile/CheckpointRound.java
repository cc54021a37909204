package io.lockstep.bench.profile;

import io.lockstep.bench.load.CheckpointTicker;
import io.lockstep.bench.load.PacedGuest;
import io.lockstep.bench.peer.ControlSocket;
import io.lockstep.bench.peer.EngineHistograms;
import io.lockstep.bench.peer.LockstepPair;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.Report;

import org.HdrHistogram.Histogram;

import java.io.IOException;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/** A guest on a pair, for some time without checkpoints, and as long with. One thread's. */
public final class CheckpointRound {
    /** The places of the series in {@link #series}. */
    public static final int GUEST_WITHOUT = 0;

    public static final int GUEST_WITH = 1;
    public static final int CHECKPOINT = 2;
    public static final int COMMIT = 4;

    private static final int INTERVAL_MILLIS = 250;
    private static final double P99 = 99;

    /**
     * What goes on.
     *
     * @param writesPerSecond of the guest
     * @param checkpointsPerSecond in the second half
     * @param flushEvery how many of the guest's writes a flush follows; 0: none
     * @param seconds of each half
     * @param area that the guest writes, in bytes
     */
    public record Load(
            double writesPerSecond,
            double checkpointsPerSecond,
            int flushEvery,
            double seconds,
            long area,
            long seed) {}

    private final Pairs pairs;
    private final Load load;
    private final ProfileSeries guestWithout =
            new ProfileSeries("guest-without", "guest's write, no checkpoints");
    private final ProfileSeries guestWith =
            new ProfileSeries("guest-with", "guest's write, with checkpoints");
    private final ProfileSeries checkpoints =
            new ProfileSeries("checkpoint", "checkpoint, as the manager sees it");
    private final ProfileSeries seals =
            new ProfileSeries("seal-to-commit", "seal to acknowledged commit");
    private final ProfileSeries commits =
            new ProfileSeries("commit", "commit inside the secondary");
    private List<CheckpointTicker.Checkpoint> made = List.of();
    private long startNanos;

    /** Where each half has its pair from. */
    interface Pairs {
        /** What is done with one. */
        interface Use {
            void of(LockstepPair pair) throws IOException, InterruptedException;
        }

        /** Does it. */
        void use(Use use) throws IOException, InterruptedException;
    }

    /** One that has not begun, with one pair for both halves. */
    public CheckpointRound(final LockstepPair pair, final Load load) {
        this(use -> use.of(pair), load);
    }

    /** One that has not begun. */
    CheckpointRound(final Pairs pairs, final Load load) {
        this.pairs = pairs;
        this.load = load;
    }

    /** All that is measured, the guest's first. */
    List<ProfileSeries> series() {
        return List.of(guestWithout, guestWith, checkpoints, seals, commits);
    }

    /** How many times as long the guest's 99th percentile is with checkpoints. */
    double p99Ratio() {
        return guestWith.micros(P99) / guestWithout.micros(P99);
    }

    /** The median of a series, in microseconds. */
    public double median(final int index) {
        return series().get(index).micros(50);
    }

    /** Each checkpoint. */
    List<CheckpointTicker.Checkpoint> made() {
        return made;
    }

    /** When it began, by {@link System#nanoTime}. */
    long startNanos() {
        return startNanos;
    }

    /** Does it. */
    public void run(final Report report, final String name)
            throws IOException, InterruptedException {
        pairs.use(pair -> runWithout(pair, report, name + ", without checkpoints"));
        pairs.use(pair -> runWith(pair, report, name + ", with checkpoints"));
    }

    private void runWithout(final LockstepPair pair, final Report report, final String name)
            throws IOException, InterruptedException {
        try (ControlSocket primary = pair.connectToPrimary();
                ControlSocket secondary = pair.connectToSecondary()) {
            final EngineHistograms sealed = new EngineHistograms(primary, "checkpoints");
            final EngineHistograms committed = new EngineHistograms(secondary, "commits");
            settle(pair);
            startNanos = System.nanoTime();
            try (PacedGuest guest = guest()) {
                observe(
                        pair,
                        guest,
                        List.of(
                                new Source(guestWithout, guest::interval),
                                Source.unheeded(sealed::interval),
                                Source.unheeded(committed::interval)),
                        report,
                        name);
            }
        }
    }

    private void runWith(final LockstepPair pair, final Report report, final String name)
            throws IOException, InterruptedException {
        try (ControlSocket primary = pair.connectToPrimary();
                ControlSocket secondary = pair.connectToSecondary()) {
            final EngineHistograms sealed = new EngineHistograms(primary, "checkpoints");
            final EngineHistograms committed = new EngineHistograms(secondary, "commits");
            settle(pair);
            sealed.interval(); // that one is not counted
            committed.interval();
            try (PacedGuest guest = guest();
                    CheckpointTicker ticker =
                            CheckpointTicker.start(pair, guest, load.checkpointsPerSecond())) {
                observe(
                        pair,
                        guest,
                        List.of(
                                new Source(guestWith, guest::interval),
                                new Source(checkpoints, ticker::interval),
                                new Source(seals, sealed::interval),
                                new Source(commits, committed::interval)),
                        report,
                        name);
                made = ticker.end();
            }
        }
    }

    private PacedGuest guest() throws IOException {
        return new PacedGuest(
                load.writesPerSecond(),
                load.flushEvery(),
                load.area(),
                load.seconds(),
                load.seed());
    }

    private static void settle(final LockstepPair pair) throws IOException, InterruptedException {
        pair.drain();
        pair.checkpoint();
    }

    /** Where the durations of a series come from. */
    private record Source(ProfileSeries series, Intervals intervals) {
        interface Intervals {
            Histogram next() throws IOException;
        }

        /** One that is asked as often as when it is needed, so that it costs the guest the same. */
        static Source unheeded(final Intervals intervals) {
            return new Source(new ProfileSeries("unheeded", "unheeded"), intervals);
        }

        void take(final long startMillis, final long endMillis) throws IOException {
            series.add(new ProfileSeries.Interval(startMillis, endMillis, intervals.next()));
        }
    }

    private void observe(
            final LockstepPair pair,
            final PacedGuest guest,
            final List<Source> sources,
            final Report report,
            final String name)
            throws IOException, InterruptedException {
        final FutureTask<Measurement> run = new FutureTask<>(() -> guest.run(pair.guestUri()));
        final Thread thread = new Thread(run, "lockstep-pace");
        thread.start();
        long start = System.currentTimeMillis();
        while (thread.isAlive()) {
            thread.join(INTERVAL_MILLIS);
            final long end = System.currentTimeMillis();
            for (final Source source : sources) {
                source.take(start, end);
            }
            start = end;
            report.progress(progress(name, sources));
        }
        try {
            run.get();
        } catch (final ExecutionException e) {
            throw new IOException(e.getCause().getMessage(), e);
        }
    }

    private String progress(final String name, final List<Source> sources) {
        final StringBuilder line = new StringBuilder(name + ":");
        for (final Source source : sources) {
            if (source.series().count() > 0) {
                line.append(
                        String.format(
                                Locale.ROOT,
                                " %s %d, p99 %.0f µs;",
                                source.series().key(),
                                source.series().count(),
                                source.series().micros(P99)));
            }
        }
        return line.substring(0, line.length() - 1);
    }
}

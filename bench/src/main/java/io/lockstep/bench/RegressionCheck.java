package io.lockstep.bench;

import io.lockstep.bench.jmh.CommitBenchmark;
import io.lockstep.bench.jmh.DowncallBenchmark;
import io.lockstep.bench.jmh.EpochBufferBenchmark;
import io.lockstep.bench.jmh.ForwardLogBenchmark;
import io.lockstep.bench.jmh.LookupBenchmark;
import io.lockstep.bench.jmh.WireBenchmark;
import io.lockstep.bench.peer.JvmArguments;
import io.lockstep.bench.peer.LockstepPair;
import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.bench.profile.CheckpointRound;
import io.lockstep.bench.report.Report;

import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.runner.options.VerboseMode;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/**
 * {@code lockstep bench check}: benchmarks and profile in a short form, judged by ratios inside the
 * one run, never by times; for CI. The bounds are wide: it fails on gross loss only, such as a
 * commit that walks what is dirty, an object a request, or a guest that waits for checkpoints.
 */
@Command(
        name = "check",
        description =
                "Fails on gross loss: benchmarks in a short form, judged by ratios. Takes half a"
                        + " minute.",
        mixinStandardHelpOptions = true,
        footer = {"", "Exit codes: 0 all is well; 1 something is not, with what; 2 wrong usage."})
public final class RegressionCheck implements Callable<Integer> {
    /** Half of the smallest object, for each operation. */
    private static final double ALLOCATED_BYTES_MAX = 8;

    /**
     * What JMH itself allocates around an iteration, twice over: on a machine that is busy with
     * other things there are few operations to spread it over.
     */
    private static final double ITERATION_BYTES_MAX = 128 << 10;

    private static final double COMMIT_FACTOR_MAX = 50;
    private static final double SECOND_TOUCH_FACTOR_MAX = 2;
    private static final double GUEST_FACTOR_MAX = 20;
    private static final double COMMIT_SHARE_MAX = 0.5;

    private static final int WARM_UP_MILLIS = 100;
    private static final int ITERATION_MILLIS = 200;
    private static final int ITERATIONS = 3;
    private static final double PROFILE_SECONDS = 1;
    private static final double WRITES_PER_SECOND = 1000;
    private static final double CHECKPOINTS_PER_SECOND = 20;
    private static final long DISK_LENGTH = 64L << 20;

    @Spec private CommandSpec spec;

    /**
     * What was compared.
     *
     * @param what in words
     * @param value what it must not be more than the bound
     */
    public record Finding(String what, double value, double bound) {
        /** Whether all is well. */
        public boolean isWell() {
            return value <= bound; // not where it is not a number
        }

        @Override
        public String toString() {
            return String.format(
                    Locale.ROOT,
                    "%s %s: %.3g, at most %.3g",
                    isWell() ? "ok  " : "FAIL",
                    what,
                    value,
                    bound);
        }
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        final PrintWriter out = spec.commandLine().getOut();
        boolean isWell = true;
        for (final Finding finding : run()) {
            out.println(finding);
            isWell &= finding.isWell();
        }
        return isWell ? 0 : 1;
    }

    /** Measures, and answers what it found. */
    public static List<Finding> run() throws IOException, InterruptedException {
        final List<Finding> findings = new ArrayList<>();
        addPieces(findings);
        addPair(findings);
        return findings;
    }

    // ---- The pieces.

    private static void addPieces(final List<Finding> findings) throws IOException {
        // Another run of JMH on this machine does not matter to ratios.
        System.setProperty("jmh.ignoreLock", "true");
        benchmark(findings, WireBenchmark.class, "parse.*|replyDone", "style", "STRUCTURED");
        benchmark(findings, LookupBenchmark.class, "hit");
        benchmark(findings, ForwardLogBenchmark.class, "claimToRelease", "length", "4096");
        benchmark(findings, DowncallBenchmark.class, "pwrite");
        final Collection<RunResult> touches =
                benchmark(
                        findings,
                        EpochBufferBenchmark.class,
                        "firstTouch|secondTouch",
                        "length",
                        "4096");
        findings.add(
                new Finding(
                        "epoch buffer: second touch / first touch",
                        score(touches, "secondTouch") / score(touches, "firstTouch"),
                        SECOND_TOUCH_FACTOR_MAX));
        final double clean = commit(findings, "0");
        final double dirty = commit(findings, "64");
        findings.add(
                new Finding(
                        "commit: 64 GiB dirty / nothing dirty", dirty / clean, COMMIT_FACTOR_MAX));
    }

    private static double commit(final List<Finding> findings, final String gibibytes)
            throws IOException {
        return score(
                benchmark(findings, CommitBenchmark.class, "commit", "dirtyGibibytes", gibibytes),
                "commit");
    }

    /** Runs some of a class's benchmarks; adds what they allocate. */
    private static Collection<RunResult> benchmark(
            final List<Finding> findings,
            final Class<?> benchmarks,
            final String methods,
            final String... parameter)
            throws IOException {
        final ChainedOptionsBuilder options =
                new OptionsBuilder()
                        .include(benchmarks.getName() + "\\.(" + methods + ")$")
                        .warmupIterations(ITERATIONS)
                        .warmupTime(TimeValue.milliseconds(WARM_UP_MILLIS))
                        .measurementIterations(ITERATIONS)
                        .measurementTime(TimeValue.milliseconds(ITERATION_MILLIS))
                        .forks(1)
                        .timeout(TimeValue.seconds(TimeUnit.MINUTES.toSeconds(1)))
                        .jvmArgsAppend(JvmArguments.ALL.toArray(String[]::new))
                        .addProfiler(GCProfiler.class)
                        .shouldFailOnError(true)
                        .verbosity(VerboseMode.SILENT);
        if (parameter.length == 2) {
            options.param(parameter[0], parameter[1]);
        }
        final Collection<RunResult> results;
        try {
            results = new Runner(options.build()).run();
        } catch (final RunnerException e) {
            throw new IOException(benchmarks.getSimpleName() + ": " + e.getMessage(), e);
        }
        for (final RunResult result : results) {
            final String name =
                    benchmarks.getSimpleName()
                            + "."
                            + result.getPrimaryResult().getLabel()
                            + (parameter.length == 2 ? "(" + parameter[1] + ")" : "");
            findings.add(allocation(name, result));
        }
        return results;
    }

    private static Finding allocation(final String name, final RunResult result) {
        final Result<?> allocated = result.getSecondaryResults().get("gc.alloc.rate.norm");
        final double nanos = result.getPrimaryResult().getScore();
        final double operations = TimeUnit.MILLISECONDS.toNanos(ITERATION_MILLIS) / nanos;
        return new Finding(
                name + ": bytes allocated",
                allocated == null ? Double.NaN : allocated.getScore(),
                ALLOCATED_BYTES_MAX + ITERATION_BYTES_MAX / operations);
    }

    private static double score(final Collection<RunResult> results, final String label) {
        return results.stream()
                .map(RunResult::getPrimaryResult)
                .filter(result -> result.getLabel().equals(label))
                .mapToDouble(result -> result.getStatistics().getPercentile(50))
                .findFirst()
                .orElse(Double.NaN);
    }

    // ---- The pair.

    private static void addPair(final List<Finding> findings)
            throws IOException, InterruptedException {
        final CheckpointRound.Load load =
                new CheckpointRound.Load(
                        WRITES_PER_SECOND,
                        CHECKPOINTS_PER_SECOND,
                        0,
                        PROFILE_SECONDS,
                        DISK_LENGTH,
                        1);
        final Report silent = new Report(new PrintWriter(Writer.nullWriter()), "check");
        try (MemoryFolder folder = new MemoryFolder();
                LockstepPair pair =
                        LockstepPair.start(
                                folder.path(), LockstepPair.Shape.ofOneDisk(true, DISK_LENGTH))) {
            new CheckpointRound(pair, load).run(silent, "warming up");
            final CheckpointRound first = new CheckpointRound(pair, load);
            first.run(silent, "check");
            final CheckpointRound second = new CheckpointRound(pair, load);
            second.run(silent, "check");
            findings.add(
                    new Finding(
                            "guest's write: median with checkpoints / without, the better round",
                            Math.min(guestFactor(first), guestFactor(second)),
                            GUEST_FACTOR_MAX));
            findings.add(
                    new Finding(
                            "commit inside the secondary / checkpoint, medians",
                            second.median(CheckpointRound.COMMIT)
                                    / second.median(CheckpointRound.CHECKPOINT),
                            COMMIT_SHARE_MAX));
        }
    }

    private static double guestFactor(final CheckpointRound round) {
        return round.median(CheckpointRound.GUEST_WITH)
                / round.median(CheckpointRound.GUEST_WITHOUT);
    }
}

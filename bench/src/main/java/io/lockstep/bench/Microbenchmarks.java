package io.lockstep.bench;

import io.lockstep.bench.peer.JvmArguments;
import io.lockstep.bench.report.MarkdownTable;
import io.lockstep.bench.report.Report;

import org.openjdk.jmh.Main;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.CommandLineOptionException;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.OptionsBuilder;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;
import picocli.CommandLine.Unmatched;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;

/** {@code lockstep bench jmh}: the JMH benchmarks of {@code io.lockstep.bench.jmh}. */
@Command(
        name = "jmh",
        description =
                "Measures each piece on the data path by itself, with JMH. All other arguments are"
                        + " JMH's.",
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  lockstep bench jmh                         all, twenty minutes",
            "  lockstep bench jmh --short                 all, in two minutes",
            "  lockstep bench jmh -prof gc Commit         some, with what they allocate",
            "  lockstep bench jmh --markdown FILE         all, allocation too, as a table",
            "  lockstep bench jmh -l                      which there are",
            "  lockstep bench jmh -h                      JMH's own arguments"
        })
final class Microbenchmarks implements Callable<Integer> {
    private static final List<String> SHORT =
            List.of("-f", "1", "-wi", "3", "-w", "100ms", "-i", "3", "-r", "200ms");

    @Spec private CommandSpec spec;

    @Option(names = "--help", usageHelp = true, description = "Show this help; -h is JMH's.")
    private boolean isHelp;

    @Option(names = "--short", description = "One JVM and a second for each.")
    private boolean isShort;

    @Option(
            names = "--markdown",
            paramLabel = "FILE",
            description = "Writes a table there, with what each allocates.")
    private Path markdown;

    @Unmatched private List<String> arguments = new ArrayList<>();

    @Override
    public Integer call() throws IOException {
        final List<String> all = new ArrayList<>(isShort ? SHORT : List.of());
        all.addAll(arguments);
        all.add("-jvmArgsAppend");
        all.add(String.join(" ", JvmArguments.ALL));
        if (markdown == null) {
            Main.main(all.toArray(String[]::new));
            return 0;
        }
        try {
            final OptionsBuilder options = new OptionsBuilder();
            options.parent(new CommandLineOptions(all.toArray(String[]::new)))
                    .addProfiler(GCProfiler.class);
            report(new Runner(options.build()).run());
            return 0;
        } catch (final RunnerException | CommandLineOptionException e) {
            spec.commandLine().getErr().println("lockstep bench jmh: " + e.getMessage());
            return 1;
        }
    }

    private void report(final Collection<RunResult> results) throws IOException {
        final Report report =
                new Report(
                        spec.commandLine().getOut(),
                        "lockstep bench jmh " + (isShort ? "--short " : "") + "--markdown");
        final MarkdownTable table =
                new MarkdownTable(
                        "piece",
                        "with",
                        "mean",
                        "smallest to largest",
                        "unit",
                        "B allocated an operation");
        for (final RunResult result : results) {
            // Of two threads that hand over, what the second one takes is what has gone over.
            final Result<?> score =
                    result.getSecondaryResults().getOrDefault("take", result.getPrimaryResult());
            final Result<?> allocated = result.getSecondaryResults().get("gc.alloc.rate.norm");
            table.row(
                    piece(result.getParams()),
                    parameters(result.getParams()),
                    number(score.getScore()),
                    number(score.getStatistics().getMin())
                            + " to "
                            + number(score.getStatistics().getMax()),
                    score.getScoreUnit(),
                    allocated == null
                            ? "-"
                            : String.format(Locale.ROOT, "%.2f", allocated.getScore()));
        }
        report.table(table);
        report.write(markdown);
    }

    /** Class and method, without what is the same for all. */
    private static String piece(final BenchmarkParams parameters) {
        return parameters
                .getBenchmark()
                .replaceFirst(".*\\.([A-Za-z]+)Benchmark\\.", "$1 ")
                .strip();
    }

    private static String parameters(final BenchmarkParams parameters) {
        return parameters.getParamsKeys().stream()
                .map(key -> key + " " + parameters.getParam(key))
                .collect(Collectors.joining(", "));
    }

    private static String number(final double value) {
        return String.format(
                Locale.ROOT, value < 10 ? "%.2f" : value < 1000 ? "%.1f" : "%.0f", value);
    }
}

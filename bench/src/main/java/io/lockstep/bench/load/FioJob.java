package io.lockstep.bench.load;

import io.lockstep.bench.report.Measurement;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/**
 * One job of fio with its NBD engine (libnbd), a process a connection. Source: {@code fio(1)},
 * "terse output", version 3.
 *
 * @param uri the export
 * @param pattern fio's {@code rw}
 * @param readPercent of a mixed pattern: how many of a hundred requests are reads
 * @param blockLength of each request, in bytes
 * @param depth requests in flight of each connection
 * @param connections how many there are
 * @param area how much of the export is used, from its start, in bytes
 * @param amount bytes to transfer; 0: as many as there is time for
 * @param seconds how long; 0: until all is transferred
 * @param seed of the offsets
 * @param flushEvery how many writes of a connection a flush follows; 0: none
 */
public record FioJob(
        String uri,
        String pattern,
        int readPercent,
        int blockLength,
        int depth,
        int connections,
        long area,
        long amount,
        double seconds,
        long seed,
        int flushEvery) {
    // Columns of the terse output: those of reads start at 5, those of writes at 46.
    private static final int READ_COLUMNS = 5;
    private static final int WRITE_COLUMNS = 46;
    private static final int BANDWIDTH = 1;
    private static final int IOPS = 2;
    private static final int PERCENTILES = 12;
    private static final int PERCENTILE_COUNT = 20;

    /** Runs it; answers the measurement, but for the processor time. */
    public Measurement run() throws IOException, InterruptedException {
        final Process fio =
                new ProcessBuilder(command())
                        .redirectError(ProcessBuilder.Redirect.DISCARD)
                        .start();
        final String output =
                new String(fio.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
        if (fio.waitFor() != 0) {
            throw new IOException("fio failed for " + this + ": " + output);
        }
        final String line =
                output.lines()
                        .filter(candidate -> candidate.startsWith("3;"))
                        .findFirst()
                        .orElseThrow(() -> new IOException("fio printed no result: " + output));
        final String[] columns = line.split(";", -1);
        // The latency of a mix is that of its writes.
        final int first = pattern.endsWith("read") ? READ_COLUMNS : WRITE_COLUMNS;
        return new Measurement(
                both(columns, IOPS),
                both(columns, BANDWIDTH) / 1024,
                percentile(columns, first, "50.000000%"),
                percentile(columns, first, "99.000000%"),
                percentile(columns, first, "99.900000%"),
                0);
    }

    private static double both(final String[] columns, final int column) {
        return Double.parseDouble(columns[READ_COLUMNS + column])
                + Double.parseDouble(columns[WRITE_COLUMNS + column]);
    }

    private List<String> command() {
        final List<String> command =
                new ArrayList<>(
                        List.of(
                                "fio",
                                "--name=load",
                                "--ioengine=nbd",
                                "--uri=" + uri,
                                "--rw=" + pattern,
                                "--bs=" + blockLength,
                                "--iodepth=" + depth,
                                "--numjobs=" + connections,
                                "--size=" + area,
                                "--group_reporting",
                                "--randseed=" + seed,
                                "--output-format=terse",
                                "--terse-version=3"));
        if (pattern.endsWith("rw")) {
            command.add("--rwmixread=" + readPercent);
        }
        if (flushEvery > 0 && !pattern.endsWith("read")) {
            command.add("--fsync=" + flushEvery);
        }
        if (amount > 0) {
            command.add("--io_size=" + amount);
        }
        if (seconds > 0) {
            command.add("--time_based");
            command.add("--runtime=" + Math.round(seconds * 1000) + "ms");
        }
        return command;
    }

    private static double percentile(final String[] columns, final int first, final String name) {
        for (int i = first + PERCENTILES; i < first + PERCENTILES + PERCENTILE_COUNT; i++) {
            if (columns[i].startsWith(name)) {
                return Double.parseDouble(columns[i].substring(columns[i].indexOf('=') + 1));
            }
        }
        return Double.NaN;
    }
}

package io.lockstep.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * fio with its NBD engine (libnbd), a process a connection. Source: {@code fio(1)}, "terse output",
 * version 3.
 */
final class FioLoad implements Load {
    // Columns of the terse output: those of reads start at 5, those of writes at 46.
    private static final int READ_COLUMNS = 5;
    private static final int WRITE_COLUMNS = 46;
    private static final int BANDWIDTH = 1;
    private static final int IOPS = 2;
    private static final int PERCENTILES = 12;
    private static final int PERCENTILE_COUNT = 20;

    @Override
    public String name() {
        return "fio";
    }

    @Override
    public Measurement run(final String uri, final Cell cell, final double seconds)
            throws IOException, InterruptedException {
        final Process fio =
                new ProcessBuilder(
                                List.of(
                                        "fio",
                                        "--name=load",
                                        "--ioengine=nbd",
                                        "--uri=" + uri,
                                        "--rw="
                                                + (cell.isRandom() ? "rand" : "")
                                                + (cell.write() ? "write" : "read"),
                                        "--bs=" + cell.blockLength(),
                                        "--iodepth=" + cell.depth(),
                                        "--numjobs=" + cell.connections(),
                                        "--size=" + ServeComparison.DISK_LENGTH,
                                        "--time_based",
                                        "--runtime=" + Math.round(seconds * 1000) + "ms",
                                        "--group_reporting",
                                        "--randrepeat=1",
                                        "--output-format=terse",
                                        "--terse-version=3"))
                        .redirectError(ProcessBuilder.Redirect.DISCARD)
                        .start();
        final String output =
                new String(fio.getInputStream().readAllBytes(), StandardCharsets.US_ASCII);
        if (fio.waitFor() != 0) {
            throw new IOException("fio failed for " + cell + " on " + uri + ": " + output);
        }
        final String line =
                output.lines()
                        .filter(candidate -> candidate.startsWith("3;"))
                        .findFirst()
                        .orElseThrow(() -> new IOException("fio printed no result: " + output));
        final String[] columns = line.split(";", -1);
        final int first = cell.write() ? WRITE_COLUMNS : READ_COLUMNS;
        return new Measurement(
                Double.parseDouble(columns[first + IOPS]),
                Double.parseDouble(columns[first + BANDWIDTH]) / 1024,
                percentile(columns, first, "50.000000%"),
                percentile(columns, first, "99.000000%"),
                percentile(columns, first, "99.900000%"),
                0);
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

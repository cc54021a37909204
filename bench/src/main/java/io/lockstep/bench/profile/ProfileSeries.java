package io.lockstep.bench.profile;

import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramLogWriter;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** One kind of duration over the time of a profile, interval by interval, in nanoseconds. */
final class ProfileSeries {
    private static final double MICROS = 1e3;

    private final String key;
    private final String title;
    private final Histogram all = new Histogram(3);
    private final List<Interval> intervals = new ArrayList<>();

    /**
     * A part of the time.
     *
     * @param startMillis by {@link System#currentTimeMillis}
     */
    record Interval(long startMillis, long endMillis, Histogram durations) {}

    /**
     * An empty one.
     *
     * @param key names its file
     * @param title for people
     */
    ProfileSeries(final String key, final String title) {
        this.key = key;
        this.title = title;
    }

    void add(final Interval interval) {
        intervals.add(interval);
        all.add(interval.durations());
    }

    String key() {
        return key;
    }

    String title() {
        return title;
    }

    List<Interval> intervals() {
        return intervals;
    }

    long count() {
        return all.getTotalCount();
    }

    double micros(final double percentile) {
        return all.getValueAtPercentile(percentile) / MICROS;
    }

    double maxMicros() {
        return all.getMaxValue() / MICROS;
    }

    /** Writes {@code KEY.hlog}, which HdrHistogram's tools read. */
    void write(final Path folder) throws IOException {
        final Path file = folder.resolve(key + ".hlog");
        try (PrintStream stream =
                new PrintStream(Files.newOutputStream(file), false, StandardCharsets.UTF_8)) {
            final HistogramLogWriter log = new HistogramLogWriter(stream);
            log.outputComment("[" + title + "; nanoseconds]");
            log.outputLogFormatVersion();
            if (!intervals.isEmpty()) {
                log.outputStartTime(intervals.getFirst().startMillis());
                log.setBaseTime(intervals.getFirst().startMillis());
            }
            log.outputLegend();
            for (final Interval interval : intervals) {
                interval.durations().setStartTimeStamp(interval.startMillis());
                interval.durations().setEndTimeStamp(interval.endMillis());
                log.outputIntervalHistogram(interval.durations());
            }
            if (stream.checkError()) {
                throw new IOException("cannot write " + file);
            }
        }
    }
}

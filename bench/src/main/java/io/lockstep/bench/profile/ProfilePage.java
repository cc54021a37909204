package io.lockstep.bench.profile;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;

import io.lockstep.bench.load.CheckpointTicker;
import io.lockstep.bench.report.Rounds;

import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramIterationValue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A checkpoint profile as one page that draws itself and needs no network: the percentiles of each
 * series, and the time line. Times are in microseconds, and in seconds since the beginning.
 */
final class ProfilePage {
    private static final String TEMPLATE = "checkpoint-profile.html";
    private static final String PLACE_OF_DATA = "/*DATA*/null";
    private static final double MICROS = 1e3;
    private static final double MILLIS_PER_SECOND = 1e3;
    private static final int TICKS_PER_HALF_DISTANCE = 5;

    private final JsonObject data = new JsonObject();
    private final List<CheckpointRound> rounds = new ArrayList<>();

    ProfilePage(final String machine, final String settings) {
        data.addProperty("machine", machine);
        data.addProperty("settings", settings);
    }

    void add(final CheckpointRound round) {
        rounds.add(round);
    }

    void write(final Path file) throws IOException {
        final JsonArray series = new JsonArray();
        for (int i = 0; i < rounds.getFirst().series().size(); i++) {
            series.add(series(i));
        }
        data.add("series", series);
        data.add("checkpoints", checkpoints());
        final Rounds ratios = new Rounds(rounds.stream().map(CheckpointRound::p99Ratio).toList());
        data.addProperty("ratio", ratios.spread("%.2f"));
        // A text in a script must not end it.
        final String json = data.toString().replace("</", "<\\/");
        Files.writeString(file, template().replace(PLACE_OF_DATA, json), StandardCharsets.UTF_8);
    }

    private static String template() throws IOException {
        try (InputStream stream = ProfilePage.class.getResourceAsStream(TEMPLATE)) {
            return new String(stream.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private long startMillis() {
        return rounds.getFirst().series().getFirst().intervals().getFirst().startMillis();
    }

    private JsonObject series(final int index) {
        final Histogram all = new Histogram(3);
        final JsonArray times = new JsonArray();
        for (final CheckpointRound round : rounds) {
            for (final ProfileSeries.Interval interval : round.series().get(index).intervals()) {
                all.add(interval.durations());
                if (interval.durations().getTotalCount() > 0) {
                    times.add(
                            numbers(
                                    (interval.startMillis() - startMillis()) / MILLIS_PER_SECOND,
                                    (interval.endMillis() - startMillis()) / MILLIS_PER_SECOND,
                                    interval.durations().getValueAtPercentile(50) / MICROS,
                                    interval.durations().getValueAtPercentile(99) / MICROS,
                                    interval.durations().getMaxValue() / MICROS));
                }
            }
        }
        final JsonArray percentiles = new JsonArray();
        for (final HistogramIterationValue value : all.percentiles(TICKS_PER_HALF_DISTANCE)) {
            percentiles.add(
                    numbers(
                            value.getPercentileLevelIteratedTo(),
                            value.getValueIteratedTo() / MICROS));
        }
        final ProfileSeries first = rounds.getFirst().series().get(index);
        final JsonObject series = new JsonObject();
        series.addProperty("key", first.key());
        series.addProperty("title", first.title());
        series.addProperty("count", all.getTotalCount());
        series.add(
                "figures",
                numbers(
                        all.getValueAtPercentile(50) / MICROS,
                        all.getValueAtPercentile(99) / MICROS,
                        all.getValueAtPercentile(99.9) / MICROS,
                        all.getMaxValue() / MICROS));
        series.add("percentiles", percentiles);
        series.add("times", times);
        return series;
    }

    private JsonArray checkpoints() {
        final JsonArray points = new JsonArray();
        for (final CheckpointRound round : rounds) {
            final double offset =
                    (round.series().getFirst().intervals().getFirst().startMillis() - startMillis())
                            / MILLIS_PER_SECOND;
            for (final CheckpointTicker.Checkpoint made : round.made()) {
                final double at = offset + (made.dueNanos() - round.startNanos()) / 1e9;
                points.add(numbers(at, made.nanos() / MICROS));
            }
        }
        return points;
    }

    private static JsonArray numbers(final double... values) {
        final JsonArray array = new JsonArray();
        for (final double value : values) {
            array.add(Math.round(value * 1000) / 1000.0);
        }
        return array;
    }
}

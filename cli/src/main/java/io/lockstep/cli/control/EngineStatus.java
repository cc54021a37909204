package io.lockstep.cli.control;

import com.google.gson.JsonObject;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;

/**
 * What an engine says of itself, or said last: an immutable value.
 *
 * @param isAnswering whether it said so now
 * @param silence where it does not answer: a sentence about its process
 * @param ageMillis how old it is
 * @param report as x-lockstep-status answers it
 */
public record EngineStatus(boolean isAnswering, String silence, long ageMillis, JsonObject report) {
    /**
     * Asks the engine, and reads its counters where it does not answer.
     *
     * @throws IOException where neither is to be had; the message says why
     */
    public static EngineStatus of(final Path control, final Duration timeout) throws IOException {
        try (QmpClient client = QmpClient.connect(control, timeout)) {
            return new EngineStatus(true, "", 0, client.execute("x-lockstep-status", timeout));
        } catch (final QmpClient.NoAnswerException silent) {
            return lastWords(control, silent);
        }
    }

    private static EngineStatus lastWords(
            final Path control, final QmpClient.NoAnswerException silent) throws IOException {
        final CounterFile.LastWords words;
        try {
            words = CounterFile.read(control);
        } catch (final IOException noCounters) {
            silent.addSuppressed(noCounters);
            throw silent;
        }
        return new EngineStatus(
                false,
                "the engine (process "
                        + words.process()
                        + ") "
                        + (words.isRunning() ? "does not answer" : "is gone"),
                words.ageMillis(),
                QmpRequest.parse(words.status()).getAsJsonObject());
    }

    /** The report, and how good it is. */
    public String toJson() {
        final JsonObject object = report.deepCopy();
        object.addProperty("answering", isAnswering);
        object.addProperty("age-ms", ageMillis);
        return object.toString();
    }
}

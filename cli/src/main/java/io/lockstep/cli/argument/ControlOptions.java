package io.lockstep.cli.argument;

import io.lockstep.cli.control.QmpClient;

import picocli.CommandLine.Option;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;

/** The options of the commands that talk to a running engine. */
public final class ControlOptions {
    @Option(
            names = "--control",
            required = true,
            paramLabel = "PATH",
            converter = ControlPathConverter.class,
            description = "The engine's control socket.")
    private Path control;

    @Option(
            names = "--timeout",
            paramLabel = "TIME",
            defaultValue = "10s",
            converter = DurationConverter.class,
            description = "How long to wait for an answer (default: ${DEFAULT-VALUE}).")
    private Duration timeout;

    /** The engine's control socket. */
    public Path control() {
        return control;
    }

    /** How long to wait for an answer. */
    public Duration timeout() {
        return timeout;
    }

    /** Connects. */
    @SuppressWarnings("MustBeClosedChecker") // the caller's
    public QmpClient connect() throws IOException {
        return QmpClient.connect(control, timeout);
    }
}

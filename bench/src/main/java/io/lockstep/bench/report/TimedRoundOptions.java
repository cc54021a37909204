package io.lockstep.bench.report;

import picocli.CommandLine.Option;

/** The same for commands each of whose measurements lasts for a given time. */
public class TimedRoundOptions extends RoundOptions {
    private final double shortSeconds;

    @Option(
            names = "--seconds",
            description = "Length of one measurement (default: ${DEFAULT-VALUE}).")
    private double seconds;

    /**
     * With defaults.
     *
     * @param shortSeconds with {@code --short}
     */
    public TimedRoundOptions(final double seconds, final double shortSeconds) {
        this.seconds = seconds;
        this.shortSeconds = shortSeconds;
    }

    /** How long each measurement takes, in seconds. */
    public final double seconds() {
        return isShort() ? shortSeconds : seconds;
    }
}

package io.lockstep.cli.argument;

import io.lockstep.engine.group.PeerTimeout;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

import java.time.Duration;

/** When the other side counts as lost, on the command line. */
public final class PeerOptions {
    /** There are two heartbeats a second. */
    private static final Duration TIMEOUT_MIN = Duration.ofSeconds(1);

    @Option(
            names = "--peer-timeout",
            paramLabel = "TIME",
            defaultValue = "5s",
            converter = DurationConverter.class,
            description =
                    "A peer that says nothing at all for so long is lost, at least 1s: its"
                            + " connections are cut, and a failover need not be forced any more."
                            + " Give both sides the same (default: ${DEFAULT-VALUE}).")
    private Duration timeout;

    /**
     * What it comes to.
     *
     * @throws ParameterException where it makes no sense
     */
    public PeerTimeout timeout(final CommandSpec spec) {
        if (timeout.compareTo(TIMEOUT_MIN) < 0) {
            throw new ParameterException(
                    spec.commandLine(), "--peer-timeout must be at least 1s, for two heartbeats");
        }
        return new PeerTimeout(timeout.toNanos());
    }
}

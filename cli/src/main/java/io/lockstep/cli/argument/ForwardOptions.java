package io.lockstep.cli.argument;

import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.primary.SyncRate;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

import java.time.Duration;
import java.util.Locale;

/** How a primary forwards, on the command line. */
public final class ForwardOptions {
    private static final int LOG_LENGTH_MIN = 64 << 10;
    private static final int LOG_LENGTH_MAX = 1 << 30;

    @Option(
            names = "--log-size",
            paramLabel = "SIZE",
            defaultValue = "128M",
            converter = SizeConverter.class,
            description =
                    "How much the secondary may lag behind, in memory: a power of two, 64K to 1G"
                            + " (default: ${DEFAULT-VALUE}).")
    private long logSize;

    @Option(
            names = "--on-full-log",
            paramLabel = "ahead|block|detach",
            defaultValue = "ahead",
            description =
                    "When the log is full: let the guest pull ahead of a secondary that is away, or"
                            + " takes more than 2 s for it, and send later what it has changed;"
                            + " block its writes until there is room; or detach from the secondary"
                            + " for good (default: ${DEFAULT-VALUE}).")
    private String onFullLog;

    @Option(
            names = "--max-lag",
            paramLabel = "TIME",
            converter = DurationConverter.class,
            description =
                    "Let the guest's writes wait while the secondary is further behind than that,"
                            + " such as 2ms: a checkpoint then takes about as long, whatever the"
                            + " guest writes; 0s: as far as the log has room (default: what the"
                            + " link has been taking in 8 ms).")
    private Duration maxLag;

    @Option(
            names = "--ack",
            paramLabel = "LEVEL",
            defaultValue = "local",
            description =
                    "When the guest is answered. local: when the local disk has it. flush: a flush,"
                            + " or a write with FUA, when the secondary has a checkpoint with all"
                            + " before it, which a failover returns to. write: every write, too."
                            + " With ',durable' behind flush or write: when that is on the"
                            + " secondary's stable storage. It holds while the secondary is linked"
                            + " and equal (default: ${DEFAULT-VALUE}).")
    private String ack;

    @Option(
            names = "--sync-rate",
            paramLabel = "MIN:MAX",
            defaultValue = "4M:",
            converter = SyncRateConverter.class,
            description =
                    "How many bytes a second a synchronisation or a verification may take, such as"
                            + " 20M:200M: between the two as many as the guest does not feel,"
                            + " never less than MIN, and without MAX any number (default:"
                            + " ${DEFAULT-VALUE}).")
    private SyncRate syncRate;

    /** Of a process that forwards nothing. */
    public static PrimaryOptions none() {
        return new PrimaryOptions(LOG_LENGTH_MIN, FullLogPolicy.BLOCK, Word.NONE);
    }

    /**
     * What they come to.
     *
     * @throws ParameterException where they make no sense
     */
    public PrimaryOptions toGroupOptions(final CommandSpec spec, final Word word) {
        if (logSize < LOG_LENGTH_MIN || logSize > LOG_LENGTH_MAX || Long.bitCount(logSize) != 1) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--log-size must be a power of two from 64K to 1G, not " + logSize);
        }
        final FullLogPolicy policy =
                switch (onFullLog.toLowerCase(Locale.ROOT)) {
                    case "ahead" -> FullLogPolicy.AHEAD;
                    case "block" -> FullLogPolicy.BLOCK;
                    case "detach" -> FullLogPolicy.DETACH;
                    default ->
                            throw new ParameterException(
                                    spec.commandLine(),
                                    "--on-full-log must be ahead, block or detach, not "
                                            + onFullLog);
                };
        final long lag = maxLag == null ? PrimaryOptions.LAG_LEARNED : maxLag.toNanos();
        final AckLevel level =
                AckLevel.parse(ack.toLowerCase(Locale.ROOT))
                        .orElseThrow(
                                () ->
                                        new ParameterException(
                                                spec.commandLine(),
                                                "--ack must be "
                                                        + AckLevel.NAMES
                                                        + ", not "
                                                        + ack));
        return new PrimaryOptions((int) logSize, policy, word, lag)
                .withSyncRate(syncRate)
                .withAck(level);
    }
}

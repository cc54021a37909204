package io.lockstep.bench.report;

import picocli.CommandLine.Option;

/** The same for commands that measure a pair, with its disk's length and its checkpoints. */
public final class PairOptions extends TimedRoundOptions {
    private static final int MEBIBYTE = 1 << 20;
    private static final int SHORT_MEBIBYTES = 256;

    @Option(
            names = "--disk-length",
            paramLabel = "MIB",
            defaultValue = "1024",
            description = "Length of each disk in MiB (default: ${DEFAULT-VALUE}).")
    private int diskMebibytes;

    @Option(
            names = "--checkpoints-per-second",
            paramLabel = "RATE",
            defaultValue = "20",
            description = "Where there are checkpoints (default: ${DEFAULT-VALUE}).")
    private double checkpointsPerSecond;

    /** With defaults, see there. */
    public PairOptions(final double seconds, final double shortSeconds) {
        super(seconds, shortSeconds);
    }

    /** Length of each disk, in MiB. */
    public int diskMebibytes() {
        return isShort() ? SHORT_MEBIBYTES : diskMebibytes;
    }

    /** In bytes. */
    public long diskLength() {
        return (long) diskMebibytes() * MEBIBYTE;
    }

    /** Where there are checkpoints. */
    public double checkpointsPerSecond() {
        return checkpointsPerSecond;
    }
}

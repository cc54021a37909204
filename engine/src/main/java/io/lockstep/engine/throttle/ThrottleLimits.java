package io.lockstep.engine.throttle;

/**
 * What a {@link ThrottleGroup} lets through: an immutable value. Each rate counts by itself, and
 * whoever is the last to allow something decides. Source: QEMU's {@code docs/throttle.txt}.
 *
 * @param bytes of reads and writes together
 * @param bytesRead of reads
 * @param bytesWritten of writes, zeroes and trims
 * @param operations reads and writes together
 * @param reads operations that read
 * @param writes operations that change something
 * @param operationLength what is longer counts as several operations, of so many bytes each; 0
 *     where each is one
 */
public record ThrottleLimits(
        ThrottleRate bytes,
        ThrottleRate bytesRead,
        ThrottleRate bytesWritten,
        ThrottleRate operations,
        ThrottleRate reads,
        ThrottleRate writes,
        long operationLength) {
    /** None. */
    public static final ThrottleLimits NONE =
            new ThrottleLimits(
                    ThrottleRate.ANY,
                    ThrottleRate.ANY,
                    ThrottleRate.ANY,
                    ThrottleRate.ANY,
                    ThrottleRate.ANY,
                    ThrottleRate.ANY,
                    0);

    /** Whether there is any. */
    boolean isLimiting() {
        return bytes.isLimiting()
                || bytesRead.isLimiting()
                || bytesWritten.isLimiting()
                || operations.isLimiting()
                || reads.isLimiting()
                || writes.isLimiting();
    }

    /** How many operations one of so many bytes counts for. */
    double operationsOf(final long length) {
        return operationLength > 0 && length > operationLength
                ? (double) length / operationLength
                : 1;
    }
}

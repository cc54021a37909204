package io.lockstep.bench.report;

import org.HdrHistogram.Histogram;

/**
 * What one run of one cell gave.
 *
 * @param requestsPerSecond completed by all connections together
 * @param mebibytesPerSecond the same as bytes
 * @param p50Micros median latency in microseconds, as the client saw it
 * @param p99Micros 99th percentile
 * @param p999Micros 99.9th percentile
 * @param cpuMicros processor time that the server's process took for each request, in microseconds
 */
public record Measurement(
        double requestsPerSecond,
        double mebibytesPerSecond,
        double p50Micros,
        double p99Micros,
        double p999Micros,
        double cpuMicros) {
    /**
     * What some latencies come to, but for the processor time.
     *
     * @param latencies of each request, in nanoseconds
     * @param seconds in which they were done
     * @param length of each request, in bytes
     */
    public static Measurement of(
            final Histogram latencies, final double seconds, final int length) {
        final double perSecond = latencies.getTotalCount() / seconds;
        return new Measurement(
                perSecond,
                perSecond * length / (1 << 20),
                latencies.getValueAtPercentile(50) / 1e3,
                latencies.getValueAtPercentile(99) / 1e3,
                latencies.getValueAtPercentile(99.9) / 1e3,
                0);
    }

    /** The same latencies at so many times the rate. */
    public Measurement scaled(final double factor) {
        return new Measurement(
                requestsPerSecond * factor,
                mebibytesPerSecond * factor,
                p50Micros,
                p99Micros,
                p999Micros,
                cpuMicros);
    }

    /** The same with what an operation cost of CPU time, in microseconds. */
    public Measurement withCpu(final double micros) {
        return new Measurement(
                requestsPerSecond, mebibytesPerSecond, p50Micros, p99Micros, p999Micros, micros);
    }
}

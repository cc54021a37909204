package io.lockstep.bench.jmh;

import io.lockstep.engine.primary.ForwardLogCycle;

import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** A frame in the forward log from its claim to its release, on one thread; nothing is copied. */
@State(Scope.Thread)
public class ForwardLogBenchmark extends PieceBenchmark {
    /** Of the payload, in bytes. */
    @Param({"4096", "1048576"})
    public int length;

    private final ForwardLogCycle log = new ForwardLogCycle(64 << 20);
    private long offset;

    /** Lets go of the log. */
    @TearDown
    public void close() {
        log.close();
    }

    /** Claim, decide, take, release. */
    @Benchmark
    public long claimToRelease() {
        if (!log.offer(offset, length)) {
            throw new IllegalStateException("the log is full");
        }
        offset += length;
        return log.take();
    }
}

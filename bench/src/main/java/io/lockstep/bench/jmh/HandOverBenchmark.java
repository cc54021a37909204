package io.lockstep.bench.jmh;

import io.lockstep.engine.primary.ForwardLogCycle;

import org.agrona.concurrent.ManyToOneConcurrentArrayQueue;
import org.agrona.concurrent.OneToOneConcurrentArrayQueue;
import org.jctools.queues.atomic.MpscAtomicArrayQueue;
import org.jctools.queues.atomic.MpscUnboundedAtomicArrayQueue;
import org.jctools.queues.atomic.SpscAtomicArrayQueue;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Group;
import org.openjdk.jmh.annotations.GroupThreads;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.infra.Control;

import java.util.Queue;
import java.util.concurrent.TimeUnit;

/**
 * What goes from one thread to another: frames of the forward log, whose positions the threads read
 * of each other, beside queues of JCTools (the loops' tasks go through the unbounded one) and
 * Agrona. Needs two free cores to mean anything. The queues hand on an object that exists; a frame
 * carries its seven fields.
 */
@State(Scope.Group)
@BenchmarkMode(Mode.Throughput)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
public class HandOverBenchmark extends PieceBenchmark {
    private static final int CAPACITY = 1 << 14;
    private static final int LENGTH = 4096;

    /** The ways of handing over. */
    public enum Way {
        FORWARD_LOG,
        JCTOOLS_SPSC,
        JCTOOLS_MPSC,
        JCTOOLS_MPSC_UNBOUNDED,
        AGRONA_ONE_TO_ONE,
        AGRONA_MANY_TO_ONE
    }

    /** Which one. */
    @Param public Way way;

    private ForwardLogCycle log;
    private Queue<Object> queue;
    private final Object item = new Object();

    /** Makes it. */
    @Setup
    public void open() {
        switch (way) {
            case FORWARD_LOG -> log = new ForwardLogCycle(128 << 20);
            case JCTOOLS_SPSC -> queue = new SpscAtomicArrayQueue<>(CAPACITY);
            case JCTOOLS_MPSC -> queue = new MpscAtomicArrayQueue<>(CAPACITY);
            case JCTOOLS_MPSC_UNBOUNDED -> queue = new MpscUnboundedAtomicArrayQueue<>(CAPACITY);
            case AGRONA_ONE_TO_ONE -> queue = new OneToOneConcurrentArrayQueue<>(CAPACITY);
            case AGRONA_MANY_TO_ONE -> queue = new ManyToOneConcurrentArrayQueue<>(CAPACITY);
        }
    }

    /** Lets go of it. */
    @TearDown
    public void close() {
        if (log != null) {
            log.close();
        }
    }

    /** Puts one in, waiting for room. */
    @Benchmark
    @Group("handOver")
    @GroupThreads(1)
    public void offer(final Control control) {
        while (!(log != null ? log.offer(0, LENGTH) : queue.offer(item))) {
            if (control.stopMeasurement) {
                return;
            }
            Thread.onSpinWait();
        }
    }

    /** Takes one out, waiting for it. */
    @Benchmark
    @Group("handOver")
    @GroupThreads(1)
    public boolean take(final Control control) {
        while (!(log != null ? log.take() >= 0 : queue.poll() != null)) {
            if (control.stopMeasurement) {
                return false;
            }
            Thread.onSpinWait();
        }
        return true;
    }
}

package io.lockstep.bench.jmh;

import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.engine.epoch.EpochBuffer;

import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

import java.io.IOException;
import java.util.SplittableRandom;

/** The look for a block at random in a buffer of a disk of 16 GiB, whose map is 32 MiB. */
@State(Scope.Thread)
public class LookupBenchmark extends PieceBenchmark {
    private static final long DISK_LENGTH = 16L << 30;
    private static final int RUN = 256;

    private final SplittableRandom random = new SplittableRandom(1);
    private final long blocks = DISK_LENGTH / EpochBuffer.BLOCK_LENGTH;
    private MemoryFolder directory;
    private EpochBuffer full;
    private EpochBuffer empty;

    /** A buffer that has every block, and one that has none. */
    @Setup
    public void open() throws IOException {
        directory = new MemoryFolder();
        full = EpochBuffer.open(directory.path(), "full", DISK_LENGTH, DISK_LENGTH);
        full.enter(1);
        for (long block = 0; block < blocks; block += RUN) {
            full.publish(block, RUN, full.reserve(block, RUN, true));
        }
        empty = EpochBuffer.open(directory.path(), "empty", DISK_LENGTH, DISK_LENGTH);
        empty.enter(1);
    }

    /** Removes them. */
    @TearDown
    public void close() throws IOException {
        full.close();
        empty.close();
        directory.close();
    }

    /** The epoch has the block. */
    @Benchmark
    public int hit() {
        return full.find(random.nextLong(blocks), 1);
    }

    /** Another epoch had the block. */
    @Benchmark
    public int missOfAnotherEpoch() {
        return full.find(random.nextLong(blocks), 3);
    }

    /** Nothing was ever written there. */
    @Benchmark
    public int missOfUntouched() {
        return empty.find(random.nextLong(blocks), 1);
    }
}

package io.lockstep.bench.jmh;

import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.engine.epoch.EpochBuffer;

import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * A write's way through the epoch buffer: the first one to its blocks in an epoch saves their
 * pre-images, every later one only finds them.
 */
@State(Scope.Thread)
public class EpochBufferBenchmark extends PieceBenchmark {
    /** What an epoch writes before the next begins; much more than the caches hold. */
    private static final long EPOCH_LENGTH = 64L << 20;

    /** After so long nothing is kept of what earlier epochs used. */
    private static final int QUIET_SECONDS = 1200;

    /** Of a write, in bytes. */
    @Param({"4096", "65536", "1048576"})
    public int length;

    private MemoryFolder directory;
    private EpochBuffer buffer;
    private MemorySegment diskContent;
    private int count;
    private long block;
    private long epoch = 1;

    /** Opens a buffer, and has it written once, so that its memory is there. */
    @Setup
    public void open() throws IOException {
        directory = new MemoryFolder();
        buffer = EpochBuffer.open(directory.path(), "b", EPOCH_LENGTH, EPOCH_LENGTH);
        buffer.enter(epoch);
        diskContent = Arena.global().allocate(length, EpochBuffer.BLOCK_LENGTH);
        count = length / EpochBuffer.BLOCK_LENGTH;
        do {
            firstTouch();
        } while (block < EPOCH_LENGTH / EpochBuffer.BLOCK_LENGTH);
    }

    /** Removes it. */
    @TearDown
    public void close() throws IOException {
        buffer.close();
        directory.close();
    }

    private void nextBlocks() {
        if (block == EPOCH_LENGTH / EpochBuffer.BLOCK_LENGTH) {
            block = 0;
        }
    }

    /** Pre-images are copied into memory that earlier epochs have used. */
    @Benchmark
    public int firstTouch() {
        nextBlocks();
        if (block == 0) {
            buffer.enter(++epoch);
        }
        return save();
    }

    /** The same with memory that the file system gives page by page, as after a quiet time. */
    @Benchmark
    public int firstTouchOfFreshMemory() {
        nextBlocks();
        if (block == 0) {
            buffer.enter(++epoch);
            for (int second = 0; second < QUIET_SECONDS; second++) {
                buffer.trim(0);
            }
        }
        return save();
    }

    private int save() {
        if (findAll() != count * EpochBuffer.ABSENT) {
            throw new IllegalStateException("a block was there before it was written");
        }
        final int slot = buffer.reserve(block, count, false);
        if (slot < 0) {
            throw new IllegalStateException("no room: error " + -slot);
        }
        MemorySegment.copy(diskContent, 0, buffer.arena(), EpochBuffer.position(slot), length);
        buffer.publish(block, count, slot);
        block += count;
        return slot;
    }

    /** Every block is found: nothing is to be done. */
    @Benchmark
    public int secondTouch() {
        nextBlocks();
        final int found = findAll();
        if (found < 0) {
            throw new IllegalStateException("a block was not found");
        }
        block += count;
        return found;
    }

    private int findAll() {
        int sum = 0;
        for (long at = block; at < block + count; at++) {
            sum += buffer.find(at);
        }
        return sum;
    }
}

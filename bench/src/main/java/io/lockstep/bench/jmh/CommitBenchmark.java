package io.lockstep.bench.jmh;

import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.engine.epoch.EpochBuffer;
import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.node.Id;

import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

import java.io.IOException;
import java.util.List;

/**
 * A commit, with all that it sets going on the data path: the store, the freed buffer's entry into
 * the epoch after the next, and the first look for a block that was dirty.
 *
 * <p>The dirty blocks are real ones: each has its map entry, each run its extent. They are
 * pre-images of holes, which take no arena, so that 64 GiB of them need 128 MiB of memory. After
 * each commit the page is set back and the buffer entered again, which makes them dirty anew; that
 * is the same work the other way round, and is counted as a second commit.
 */
@State(Scope.Thread)
public class CommitBenchmark extends PieceBenchmark {
    private static final long DISK_LENGTH = 64L << 30;
    private static final int RUN = 256;
    private static final int EPOCH = 1;

    /** What the epoch has overwritten, in GiB. */
    @Param({"0", "1", "64"})
    public int dirtyGibibytes;

    private MemoryFolder directory;
    private GroupPage page;
    private EpochBuffer hidden;
    private long dirtyBlocks;

    /** Fills an epoch. */
    @Setup
    public void open() throws IOException {
        directory = new MemoryFolder();
        page =
                GroupPage.open(
                        directory.path().resolve("group"),
                        List.of(),
                        new Id(1, 1),
                        new Id(1, 2),
                        0,
                        0);
        hidden = EpochBuffer.open(directory.path(), "hidden-odd", DISK_LENGTH, DISK_LENGTH);
        hidden.enter(EPOCH);
        dirtyBlocks = ((long) dirtyGibibytes << 30) / EpochBuffer.BLOCK_LENGTH;
        for (long block = 0; block < dirtyBlocks; block += RUN) {
            hidden.publish(block, RUN, hidden.reserve(block, RUN, true));
        }
    }

    /** Removes it. */
    @TearDown
    public void close() throws IOException {
        hidden.close();
        page.close();
        directory.close();
    }

    /** There and back. */
    @Benchmark
    @OperationsPerInvocation(2)
    public int commit() {
        final long block = dirtyBlocks / 2;
        page.commit(EPOCH);
        hidden.enter(EPOCH + 2);
        final int after = find(block);
        page.commit(EPOCH - 1);
        hidden.enter(EPOCH);
        final int before = find(block);
        final int expected = dirtyBlocks == 0 ? EpochBuffer.ABSENT : EpochBuffer.ZERO;
        if (after != EpochBuffer.ABSENT || before != expected) {
            throw new IllegalStateException("commit: " + before + " became " + after);
        }
        return before;
    }

    /** In the oldest uncommitted epoch, as a read of the guest does. */
    private int find(final long block) {
        return hidden.find(block, page.committedEpoch() + 1);
    }
}

package io.lockstep.engine.epoch;

import static io.lockstep.engine.epoch.EpochBuffer.BLOCK_LENGTH;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * What a process finds in a buffer's files that was killed between any two of its stores (I9). A
 * kill there can't be had at will, but another thread that looks at the files through mappings of
 * its own sees the stores in an order that a kill could leave: an entry that is there must have its
 * extent, an extent that is counted must be written, and the content must be whole.
 */
final class EpochBufferVisibilityTest {
    /** Few, so that the thread that looks has a good chance to look at what is being published. */
    private static final int BLOCKS = 8;

    private static final int EPOCHS = 200_000;
    private static final int LAST_WORD = BLOCK_LENGTH - Long.BYTES;

    // As EpochBuffer describes its files.
    private static final long AT_EXTENT_COUNT = 64;
    private static final long AT_SLOT_COUNT = 128;
    private static final long AT_EXTENTS = 4096;
    private static final int EXTENT_LENGTH = 16;
    private static final long LOWER_HALF = 0xffff_ffffL;

    private static final VarHandle WORD = ValueLayout.JAVA_LONG.varHandle();

    @TempDir private Path folder;

    @Test
    void anEntryThatIsSeenIsWhole() throws IOException, ExecutionException, InterruptedException {
        final long length = (long) BLOCKS * BLOCK_LENGTH;
        try (Arena arena = Arena.ofShared();
                EpochBuffer buffer = EpochBuffer.open(folder, "buffer", length, length)) {
            buffer.enter(0);
            publishAll(buffer, 0); // allocates what will be looked at
            final MemorySegment map = map("map", arena);
            final MemorySegment extents = map("extents", arena);
            final MemorySegment slots = map("arena", arena);
            final AtomicBoolean isOver = new AtomicBoolean();
            final CompletableFuture<Long> looking =
                    CompletableFuture.supplyAsync(
                            () -> {
                                long seen = 0;
                                while (!isOver.get()) {
                                    lookAtLastExtent(extents);
                                    seen += look(map, extents, slots);
                                }
                                return seen;
                            });
            try {
                for (int epoch = 1; epoch < EPOCHS && !looking.isDone(); epoch++) {
                    buffer.enter(epoch);
                    publishAll(buffer, epoch);
                }
            } finally {
                isOver.set(true);
            }
            assertTrue(looking.get() > 0, "nothing was looked at");
        }
    }

    private MemorySegment map(final String file, final Arena arena) throws IOException {
        try (FileChannel channel =
                FileChannel.open(folder.resolve("buffer." + file), StandardOpenOption.READ)) {
            return channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
        }
    }

    /**
     * Each block holds the epoch and its own number, in its first word and in its last. Each epoch
     * begins with another block, so that no extent is that of the epoch before.
     */
    private static void publishAll(final EpochBuffer buffer, final long epoch) {
        for (int i = 0; i < BLOCKS; i++) {
            final int block = (int) ((i + epoch) % BLOCKS);
            final int slot = buffer.reserve(block, 1, false);
            final long at = EpochBuffer.position(slot);
            buffer.arena().set(ValueLayout.JAVA_LONG, at, content(epoch, block));
            buffer.arena().set(ValueLayout.JAVA_LONG, at + LAST_WORD, content(epoch, block));
            buffer.publish(block, 1, slot);
        }
    }

    private static long content(final long epoch, final int block) {
        return epoch << 8 | block;
    }

    /** What is counted is written. */
    private static void lookAtLastExtent(final MemorySegment extents) {
        final long count = (long) WORD.getAcquire(extents, AT_EXTENT_COUNT);
        final long index = (count & LOWER_HALF) - 1;
        final long block = extents.get(ValueLayout.JAVA_LONG, AT_EXTENTS + index * EXTENT_LENGTH);
        VarHandle.acquireFence();
        final long tag = count >>> Integer.SIZE;
        if ((long) WORD.getAcquire(extents, AT_SLOT_COUNT) >>> Integer.SIZE == tag) {
            assertEquals(
                    (index + tag - 1) % BLOCKS,
                    block,
                    () -> "extent " + index + " in epoch " + (tag - 1));
        }
    }

    /** Answers how many entries it could judge: those whose epoch did not end meanwhile. */
    private static int look(
            final MemorySegment map, final MemorySegment extents, final MemorySegment slots) {
        int judged = 0;
        for (int block = 0; block < BLOCKS; block++) {
            final long entry = (long) WORD.getAcquire(map, (long) block * Long.BYTES);
            final long count = (long) WORD.getAcquire(extents, AT_EXTENT_COUNT);
            final long slot = entry & LOWER_HALF;
            final long at = AT_EXTENTS + slot * EXTENT_LENGTH; // a slot an extent
            final long extentBlock = extents.get(ValueLayout.JAVA_LONG, at);
            final long runAndSlot = extents.get(ValueLayout.JAVA_LONG, at + Long.BYTES);
            final long first = slots.get(ValueLayout.JAVA_LONG, slot * BLOCK_LENGTH);
            final long last = slots.get(ValueLayout.JAVA_LONG, slot * BLOCK_LENGTH + LAST_WORD);
            VarHandle.acquireFence();
            final long tag = entry >>> Integer.SIZE;
            // An epoch begins with this word: what comes later may be of another one.
            if ((long) WORD.getAcquire(extents, AT_SLOT_COUNT) >>> Integer.SIZE != tag) {
                continue;
            }
            final String where = "block " + block + " in epoch " + (tag - 1);
            assertEquals(tag, count >>> Integer.SIZE, () -> where + ": an entry without extents");
            assertTrue((count & LOWER_HALF) > slot, () -> where + ": its extent is not counted");
            assertEquals(block, extentBlock, () -> where + ": its extent is of another block");
            assertEquals(slot << Integer.SIZE | 1, runAndSlot, () -> where + ": its extent");
            assertEquals(content(tag - 1, block), first, () -> where + ": its content");
            assertEquals(content(tag - 1, block), last, () -> where + ": the end of its content");
            judged++;
        }
        return judged;
    }
}

package io.lockstep.engine.epoch;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lockstep.engine.node.Id;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;

/** A commit as another thread sees it, and so a process that comes after a kill (I4). */
final class GroupPageTest {
    private static final int COMMITS = 5_000_000;

    /** Two epochs that differ in both halves of the word. */
    private static final long ONE = 0x0000_0001_0000_0002L;

    private static final long OTHER = 0x0000_0003_0000_0004L;

    @TempDir private Path folder;

    @Test
    void aCommitIsNeverSeenHalf() throws IOException, ExecutionException, InterruptedException {
        try (GroupPage page =
                GroupPage.open(folder.resolve("group"), List.of(), new Id(1, 1), new Id(1, 2), 0)) {
            page.commit(ONE);
            final AtomicBoolean isOver = new AtomicBoolean();
            final CompletableFuture<Long> halves =
                    CompletableFuture.supplyAsync(
                            () -> {
                                long count = 0;
                                while (!isOver.get()) {
                                    final long seen = page.committedEpoch();
                                    count += seen == ONE || seen == OTHER ? 0 : 1;
                                }
                                return count;
                            });
            for (int i = 0; i < COMMITS; i++) {
                page.commit((i & 1) == 0 ? OTHER : ONE);
            }
            isOver.set(true);
            assertEquals(0, halves.get(), "epochs that nobody has committed");
        }
    }
}

package io.lockstep.engine.epoch;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.node.Id;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.BrokenBarrierException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;

/** A commit as another thread sees it, and so a process that comes after a kill (I4). */
final class GroupPageTest {
    private static final int COMMITS = 5_000_000;
    private static final int SPILLS = 20_000;

    /** Two epochs that differ in both halves of the word. */
    private static final long ONE = 0x0000_0001_0000_0002L;

    private static final long OTHER = 0x0000_0003_0000_0004L;

    private static final Id BOOT = new Id(1, 2);
    private static final Id NEXT_BOOT = new Id(1, 3);

    @TempDir private Path folder;

    private GroupPage open(final Id boot) throws IOException {
        return GroupPage.open(folder.resolve("group"), List.of(), new Id(1, 1), boot, 0, 0);
    }

    /** Of disks on two loops one may be an epoch ahead: who opens the buffers must see that. */
    @Test
    void theNewestEpochOfWhichSomethingIsSpilledStays() throws Exception {
        try (GroupPage page = open(BOOT)) {
            for (long epoch = 1; epoch < SPILLS; epoch += 2) {
                final long older = epoch;
                final CyclicBarrier together = new CyclicBarrier(2);
                final CompletableFuture<Void> behind =
                        CompletableFuture.runAsync(() -> spill(page, older, together));
                spill(page, older + 1, together);
                behind.get();
                assertEquals(older + 1, page.spilledEpoch());
            }
        }
    }

    private static void spill(
            final GroupPage page, final long epoch, final CyclicBarrier together) {
        try {
            together.await();
        } catch (final InterruptedException | BrokenBarrierException e) {
            throw new IllegalStateException(e);
        }
        page.spilled(epoch);
    }

    // ---- What a reboot leaves (I13).

    @Test
    void aPageThatWasClosedInGoodOrderIsTakenOnceByAnotherBoot() throws IOException {
        try (GroupPage page = open(BOOT)) {
            page.session(new Id(5, 6));
            page.commit(7);
            page.markClean();
        }
        try (GroupPage page = open(NEXT_BOOT)) {
            assertFalse(page.isOfAnotherBoot(NEXT_BOOT));
            assertEquals(7, page.committedEpoch());
        }
        try (GroupPage page = open(NEXT_BOOT)) {
            assertFalse(page.isOfAnotherBoot(NEXT_BOOT), "a process after the other");
        }
        try (GroupPage page = open(new Id(9, 9))) {
            assertTrue(page.isOfAnotherBoot(new Id(9, 9)), "that boot has not closed it so");
        }
    }

    /** A process of the same boot uses it, and is killed by the loss of power. */
    @Test
    void aMarkIsOffWhenThePageIsUsedAgain() throws IOException {
        try (GroupPage page = open(BOOT)) {
            page.markClean();
        }
        open(BOOT).close(); // what has changed is in the buffers
        try (GroupPage page = open(NEXT_BOOT)) {
            assertTrue(page.isOfAnotherBoot(NEXT_BOOT));
        }
    }

    /** Of a page that reached its disk in part nothing is known. */
    @ParameterizedTest
    @ValueSource(ints = {16, 32, 64, 112, 128, 2560, 2576, 2592})
    void aMarkOfAnotherContentIsNone(final int at) throws IOException {
        try (GroupPage page = open(BOOT)) {
            page.session(new Id(5, 6));
            page.markClean();
        }
        final byte[] bytes = Files.readAllBytes(folder.resolve("group"));
        bytes[at] ^= 1;
        Files.write(folder.resolve("group"), bytes);
        try (GroupPage page = open(NEXT_BOOT)) {
            assertTrue(page.isOfAnotherBoot(NEXT_BOOT));
        }
    }

    @Test
    void aCommitIsNeverSeenHalf() throws IOException, ExecutionException, InterruptedException {
        try (GroupPage page =
                GroupPage.open(
                        folder.resolve("group"), List.of(), new Id(1, 1), new Id(1, 2), 0, 0)) {
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

package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.node.Standing;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** When the guest of a primary is answered, by level. */
final class AcknowledgementsTest extends HealedPair {
    private static AckLevel level(final String text) {
        return AckLevel.parse(text).orElseThrow();
    }

    private void acknowledgeAt(final String text) throws Exception {
        onLoop(primaryLife, () -> primary.acknowledgeAt(level(text)));
    }

    /** Begins a flush; answers a future of its error number. */
    private CompletableFuture<Integer> beginFlush() {
        final CompletableFuture<Integer> flushed = new CompletableFuture<>();
        primaryLife
                .loop()
                .execute(
                        () -> {
                            final Disk guest = primary.guestDisks().getFirst();
                            guest.flush((token, errno) -> flushed.complete(errno), 0);
                            guest.poll();
                        });
        return flushed;
    }

    private void flush() throws Exception {
        assertEquals(0, beginFlush().get(PATIENCE_SECONDS, TimeUnit.SECONDS));
    }

    private long committedThere() throws Exception {
        return call(secondaryLife, () -> secondary.status().committedEpoch());
    }

    private long durableThere() throws Exception {
        return call(secondaryLife, () -> secondary.status().durableEpoch());
    }

    private void assertFailsOverToAll() throws Exception {
        killPrimary();
        onLoop(secondaryLife, () -> secondary.failOver(true));
        while (call(secondaryLife, () -> secondary.status().mergeDone())
                        < call(secondaryLife, () -> secondary.status().mergeTotal())
                || !call(secondaryLife, () -> secondary.status().state().name().equals("ALONE"))) {
            Thread.onSpinWait();
        }
        assertDisksEqual();
    }

    @ParameterizedTest
    @ValueSource(strings = {"flush", "flush,durable", "write", "write,durable"})
    void aFlushThatWasAnsweredIsACheckpointThatFailoverReturnsTo(final String text)
            throws Exception {
        startEqualPair();
        acknowledgeAt(text);
        final long before = committedThere();
        write(0, 777, 30_000);
        write(1, 4096, 9_000);
        flush();
        assertTrue(committedThere() > before);
        if (level(text).isDurable()) {
            assertEquals(committedThere(), durableThere());
        }
        assertFailsOverToAll();
    }

    @Test
    void atLocalAFlushMakesNoCheckpoint() throws Exception {
        startEqualPair();
        final long before = committedThere();
        write(0, 777, 30_000);
        flush();
        drain();
        assertEquals(before, committedThere());
    }

    @Test
    void atFlushAWriteWaitsForNobody() throws Exception {
        startEqualPair();
        acknowledgeAt("flush");
        final CountDownLatch goesOn = stopSecondary();
        write(0, 5, 10_000);
        final CompletableFuture<Integer> flushed = beginFlush();
        write(0, 500_000, 10_000);
        assertFalse(flushed.isDone(), "nobody can have committed it");
        goesOn.countDown();
        assertEquals(0, flushed.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
    }

    @Test
    void atWriteAWriteIsInACheckpoint() throws Exception {
        startEqualPair();
        acknowledgeAt("write");
        final long before = committedThere();
        write(1, 5, 10_000);
        assertTrue(committedThere() > before);
        assertFailsOverToAll();
    }

    /** The secondary's loop does nothing until it may. */
    private CountDownLatch stopSecondary() {
        final CountDownLatch goesOn = new CountDownLatch(1);
        secondaryLife
                .loop()
                .execute(
                        () -> {
                            try {
                                assertTrue(goesOn.await(PATIENCE_SECONDS, TimeUnit.SECONDS));
                            } catch (final InterruptedException e) {
                                throw new AssertionError(e);
                            }
                        });
        return goesOn;
    }

    @Test
    void flushesThatComeTogetherShareAnEpoch() throws Exception {
        startEqualPair();
        acknowledgeAt("flush");
        final long before = committedThere();
        final CountDownLatch goesOn = stopSecondary();
        final List<CompletableFuture<Integer>> flushes = new ArrayList<>();
        for (int i = 0; i < 50; i++) {
            write(0, i * 4096, 4096);
            flushes.add(beginFlush());
        }
        goesOn.countDown();
        for (final CompletableFuture<Integer> flushed : flushes) {
            assertEquals(0, flushed.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
        }
        final long epochs = committedThere() - before;
        assertTrue(epochs >= 1 && epochs <= 2, epochs + " epochs");
    }

    @Test
    void aFlushBehindWhichNothingWasWrittenNeedsNoOtherCheckpoint() throws Exception {
        startEqualPair();
        acknowledgeAt("flush");
        write(0, 777, 30_000);
        flush();
        final long first = committedThere();
        flush();
        flush();
        assertEquals(first, committedThere());
    }

    /** A manager that seals and commits in two steps may never come to the second. */
    @Test
    void aFlushCommitsWhatAManagerHasSealed() throws Exception {
        startEqualPair();
        acknowledgeAt("flush");
        write(0, 777, 30_000);
        onLoop(primaryLife, () -> primary.seal());
        write(0, 99_000, 30_000);
        flush();
        assertFailsOverToAll();
    }

    @Test
    void managersCheckpointsGoOnBesideFlushes() throws Exception {
        startEqualPair();
        acknowledgeAt("flush");
        for (int i = 0; i < 200; i++) {
            write(0, i * 4096, 4096);
            final CompletableFuture<Integer> flushed = beginFlush();
            final long epoch =
                    i % 3 == 0
                            ? onLoop(primaryLife, () -> primary.seal())
                            : onLoop(primaryLife, () -> primary.checkpoint());
            assertEquals(0, flushed.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
            if (i % 3 == 0) {
                onLoop(primaryLife, () -> primary.commit(epoch));
            }
        }
        assertFailsOverToAll();
    }

    /** What this host answers by itself then is told from what the pair does. */
    @Test
    void aFlushWhoseSecondaryIsGoneIsAnsweredWhenThatIsRecorded() throws Exception {
        startEqualPair();
        acknowledgeAt("flush");
        killSecondary();
        write(0, 777, 30_000);
        flush();
        assertFalse(call(primaryLife, () -> primary.status().acknowledging().isInForce()));
        assertEquals(Standing.ALONE, primarySelf.node().standing());

        startSecondary();
        while (!call(primaryLife, () -> primary.status().acknowledging().isInForce())) {
            Thread.onSpinWait();
        }
        final long before = committedThere();
        write(1, 777, 30_000);
        flush();
        assertTrue(committedThere() > before);
        assertFailsOverToAll();
    }

    /** A failover before that would lose it, which is found out of a node that is alone. */
    @Test
    void whoHasAnsweredAloneStaysSoOnRecordUntilACheckpointHasThat() throws Exception {
        startEqualPair();
        acknowledgeAt("flush");
        killSecondary();
        write(0, 777, 30_000);
        flush();
        final long before = call(primaryLife, () -> primary.status().committedEpoch());
        startSecondary();
        while (primarySelf.node().standing() == Standing.ALONE) {
            Thread.onSpinWait();
        }
        assertTrue(call(primaryLife, () -> primary.status().committedEpoch()) > before);
        assertFailsOverToAll();
    }

    @Test
    void aFlushUnderWayWhenTheSecondaryIsKilledIsACheckpointOfTheNextProcess() throws Exception {
        startEqualPair();
        acknowledgeAt("flush");
        for (int i = 0; i < 5; i++) {
            write(0, i * 50_000, 30_000);
            final CompletableFuture<Integer> flushed = beginFlush();
            killSecondary();
            startSecondary();
            assertEquals(0, flushed.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
            while (!call(primaryLife, () -> primary.status().acknowledging().isInForce())) {
                Thread.onSpinWait();
            }
        }
        flush();
        assertFailsOverToAll();
    }

    /** Without that a seal behind it would wait until the secondary's disk is flushed. */
    @Test
    void aDurableCheckpointIsThereWhenItIsTold() throws Exception {
        startEqualPair();
        events.clear();
        write(0, 777, 30_000);
        final long epoch = onLoop(primaryLife, () -> primary.checkpoint());
        onLoop(primaryLife, () -> primary.whenDurable(epoch));
        assertTrue(durableThere() >= epoch);
        assertTrue(call(primaryLife, () -> primary.status().durableEpoch()) >= epoch);
        assertTrue(events.contains(GroupEvents.Event.DURABLE));
    }

    @Test
    void whoGoesBackToLocalIsWaitedForNoMore() throws Exception {
        startEqualPair();
        acknowledgeAt("write,durable");
        final CountDownLatch goesOn = stopSecondary();
        write0(64);
        final CompletableFuture<Integer> flushed = beginFlush();
        acknowledgeAt("local");
        assertEquals(0, flushed.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
        goesOn.countDown();
    }

    private void write0(final int length) throws Exception {
        acknowledgeAt("flush");
        write(0, 0, length);
        acknowledgeAt("write,durable");
    }

    /** A manager's commit under another count: the secondary has lost its buffers meanwhile. */
    @Test
    void aCommitThatTheSecondaryCannotDoAnyMoreDoesNotEndReplication() throws Exception {
        startEqualPair();
        write(0, 777, 30_000);
        final long epoch = onLoop(primaryLife, () -> primary.seal());
        killSecondary();
        while (events.poll(PATIENCE_SECONDS, TimeUnit.SECONDS) != GroupEvents.Event.LINK_DOWN) {}
        primaryLife.loop().execute(() -> primary.commit(epoch)); // the link may come back
        removeBuffers();
        startSecondary();
        awaitEqual();
        checkpointsWork();
    }

    @Test
    void aWriteThatWaitsForNothingAtTheNewLevelIsAnswered() throws Exception {
        startEqualPair();
        acknowledgeAt("write");
        final CountDownLatch goesOn = stopSecondary();
        final CompletableFuture<Integer> zeroed = new CompletableFuture<>();
        primaryLife
                .loop()
                .execute(
                        () -> {
                            final Disk guest = primary.guestDisks().getFirst();
                            guest.zero(0, 4096, 0, (token, errno) -> zeroed.complete(errno), 0);
                            guest.poll();
                        });
        try {
            acknowledgeAt("flush");
            assertEquals(0, zeroed.get(5, TimeUnit.SECONDS));
        } finally {
            goesOn.countDown();
        }
    }

    @Test
    void whatIsNoLevelIsNone() {
        for (final String text : List.of("", "local,durable", "flush,", "FLUSH", "durable")) {
            assertTrue(AckLevel.parse(text).isEmpty(), text);
        }
        for (final String text :
                List.of("local", "flush", "write", "flush,durable", "write,durable")) {
            assertEquals(text, level(text).toString());
        }
    }
}

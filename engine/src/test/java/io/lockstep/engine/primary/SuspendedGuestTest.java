package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.group.GroupEvents.Event;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.node.Standing;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A primary that does not go on alone: its guest waits while the link is lost. */
final class SuspendedGuestTest extends HealedPair {
    private static final int PIECE = 1 << 20;

    private final MemorySegment memory = Arena.ofAuto().allocate(PIECE);
    private final BlockingQueue<CompletableFuture<Fencing.Answer>> commands =
            new LinkedBlockingQueue<>();

    private void start(final LostLinkPolicy policy) throws Exception {
        lostLink = policy;
        startEqualPair();
    }

    private LostLinkPolicy fence() {
        return LostLinkPolicy.fence(
                loss -> {
                    final CompletableFuture<Fencing.Answer> answer = new CompletableFuture<>();
                    commands.add(answer);
                    return answer;
                });
    }

    private NodeStatus node() throws Exception {
        return call(primaryLife, () -> primary.node().orElseThrow());
    }

    private CompletableFuture<Integer> write() throws Exception {
        return call(primaryLife, () -> writeNow(4096));
    }

    /** Of zeroes, as the disk has there. */
    private CompletableFuture<Integer> writeNow(final int length) {
        final CompletableFuture<Integer> answer = new CompletableFuture<>();
        primary.guestDisks()
                .getFirst()
                .write(2 << 20, length, memory, 0, (token, errno) -> answer.complete(errno), 0);
        primary.guestDisks().getFirst().poll();
        return answer;
    }

    private static int answer(final CompletableFuture<Integer> written) throws Exception {
        return written.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    private void await(final Event event) throws Exception {
        Event next = null;
        while (next != event) {
            next = events.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
            assertTrue(next != null, "no " + event);
        }
    }

    private void promote() throws Exception {
        onLoop(primaryLife, () -> primary.promote());
    }

    private String refusalOfPromote() {
        return assertThrows(ExecutionException.class, this::promote).getCause().getMessage();
    }

    /** The event comes when the peer was asked in vain: it waits for good. */
    private CompletableFuture<Integer> writeHeld() throws Exception {
        final CompletableFuture<Integer> written = write();
        await(Event.GUEST_HELD);
        assertFalse(written.isDone(), "it was acknowledged, and the peer lacks it");
        assertTrue(node().isWaiting());
        return written;
    }

    private void loseSecondary() throws Exception {
        killSecondary();
        await(Event.LINK_DOWN);
    }

    @Test
    void itsGuestWaitsUntilThePeerIsBack() throws Exception {
        start(LostLinkPolicy.SUSPEND);
        assertEquals("suspend", node().onLostLink());
        loseSecondary();
        final CompletableFuture<Integer> written = writeHeld();
        assertTrue(node().waiting().contains("--on-lost-link is suspend"), node().waiting());
        startSecondary();
        assertEquals(0, answer(written));
        await(Event.GUEST_GOES_ON);
        assertFalse(node().isWaiting());
        assertEquals(Standing.REIGNING, node().record().standing(), "it has not been alone");
        checkpointsWork();
    }

    @Test
    void itsGuestGoesOnWhereThePeerIsSaidToBeDead() throws Exception {
        start(LostLinkPolicy.SUSPEND);
        assertEquals("the guest waits for nothing: it is served already", refusalOfPromote());
        loseSecondary();
        final CompletableFuture<Integer> written = writeHeld();
        promote();
        assertEquals(0, answer(written));
        assertEquals(Standing.ALONE, node().record().standing());
        assertEquals(0, answer(write()));
        assertEquals("the guest waits for nothing: it is served already", refusalOfPromote());

        startSecondary();
        awaitLinked();
        checkpointsWork();
        loseSecondary();
        assertFalse(writeHeld().isDone(), "the word was of the loss before");
    }

    @Test
    void thePeerMayBeSaidToBeDeadBeforeAnythingWaits() throws Exception {
        start(LostLinkPolicy.SUSPEND);
        loseSecondary();
        promote();
        assertEquals(0, answer(write()));
        assertFalse(events.contains(Event.GUEST_HELD));
    }

    @Test
    void itsGuestGoesOnWhereReplicationIsStopped() throws Exception {
        start(LostLinkPolicy.SUSPEND);
        loseSecondary();
        final CompletableFuture<Integer> written = writeHeld();
        onLoop(primaryLife, () -> primary.stop(false));
        assertEquals(0, answer(written));
        assertEquals(Standing.ALONE, node().record().standing());
    }

    @Test
    void whereReplicationIsStoppedWhileItIsLinkedNobodyWaits() throws Exception {
        start(LostLinkPolicy.SUSPEND);
        onLoop(primaryLife, () -> primary.stop(false));
        assertEquals(0, answer(write()));
        assertFalse(events.contains(Event.GUEST_HELD));
    }

    /** The secondary lives, and could take over: to go on would part the two. */
    @Test
    void itsGuestWaitsWhereTheSecondaryHasRefusedAWrite() throws Exception {
        start(LostLinkPolicy.SUSPEND);
        try (RandomAccessFile file =
                new RandomAccessFile(path("secondary", "vda").toFile(), "rw")) {
            file.setLength(0);
        }
        write();
        await(Event.REPLICATION_ERROR);
        final CompletableFuture<Integer> written = writeHeld();
        assertTrue(node().waiting().contains("in another process"), node().waiting());
        assertTrue(
                call(primaryLife, () -> primary.error().orElseThrow().sentence())
                        .contains("and the guest waits"));
        promote();
        assertEquals(0, answer(written));
        assertEquals(GroupStatus.State.BROKEN, call(primaryLife, () -> primary.status().state()));
    }

    /** A secondary that makes no step, and is linked, or not heard of any more. */
    private CountDownLatch holdSecondary() {
        final CountDownLatch held = new CountDownLatch(1);
        secondaryLife
                .loop()
                .execute(
                        () -> {
                            try {
                                held.await();
                            } catch (final InterruptedException e) {
                                Thread.currentThread().interrupt();
                            }
                        });
        return held;
    }

    /** Answers the first write that finds no room. */
    private CompletableFuture<Integer> fillLog() throws Exception {
        CompletableFuture<Integer> last = null;
        for (int filled = 0; filled < 2 * LOG_LENGTH; filled += PIECE) {
            last = call(primaryLife, () -> writeNow(PIECE));
        }
        return last;
    }

    @ParameterizedTest
    @EnumSource(FullLogPolicy.class)
    void itNeitherPullsAheadOfASlowSecondaryNorLeavesIt(final FullLogPolicy policy)
            throws Exception {
        fullLog = policy;
        start(LostLinkPolicy.SUSPEND);
        final CountDownLatch held = holdSecondary();
        final CompletableFuture<Integer> written;
        final CompletableFuture<Integer> behind;
        try {
            written = fillLog();
            TimeUnit.MILLISECONDS.sleep(2500); // then it would pull ahead
            behind = write();
            assertEquals(
                    GroupStatus.State.RUNNING, call(primaryLife, () -> primary.status().state()));
            assertFalse(written.isDone());
            assertFalse(events.contains(Event.SYNCHRONISING));
        } finally {
            held.countDown();
        }
        assertEquals(0, answer(written));
        assertEquals(0, answer(behind));
        drain();
        assertDisksEqual();
    }

    /** Nothing waits to be acknowledged then, as nothing comes to the disk. */
    @Test
    void whoWaitsForRoomInTheLogIsHeldAsWell() throws Exception {
        fullLog = FullLogPolicy.AHEAD;
        start(fence());
        final CountDownLatch held = holdSecondary();
        try {
            final CompletableFuture<Integer> written = fillLog();
            call(
                    primaryLife,
                    () -> {
                        primary.sever("the test has cut it");
                        return null;
                    });
            await(Event.GUEST_HELD);
            assertFalse(written.isDone());
            fenced(Fencing.Outcome.FENCED);
            assertEquals(0, answer(written));
        } finally {
            held.countDown();
        }
    }

    private void fenced(final Fencing.Outcome outcome) throws Exception {
        commands.poll(PATIENCE_SECONDS, TimeUnit.SECONDS)
                .complete(new Fencing.Answer(outcome, "the test says " + outcome));
    }

    @Test
    void itsGuestGoesOnWhereThePeerIsFenced() throws Exception {
        start(fence());
        loseSecondary();
        final CompletableFuture<Integer> written = writeHeld();
        fenced(Fencing.Outcome.FENCED);
        assertEquals(0, answer(written));
        assertTrue(node().record().isPeerOut(), "the next process need not ask it");
        assertEquals(Standing.ALONE, node().record().standing());
        startSecondary();
        awaitLinked();
        checkpointsWork();
        assertFalse(node().record().isPeerOut());
        assertEquals(Standing.REIGNING, node().record().standing());
    }

    @Test
    void whoHasTakenOverIsWaitedForUntilSomebodyDecides() throws Exception {
        start(fence());
        loseSecondary();
        final CompletableFuture<Integer> written = writeHeld();
        fenced(Fencing.Outcome.TAKEN_OVER);
        await(Event.GUEST_HELD);
        assertTrue(node().waiting().contains("the test says TAKEN_OVER"), node().waiting());
        assertFalse(written.isDone());
        promote();
        assertEquals(0, answer(written));
    }

    @Test
    void aPeerThatIsBackMeanwhileIsFencedInVain() throws Exception {
        start(fence());
        loseSecondary();
        final CompletableFuture<Integer> written = writeHeld();
        startSecondary();
        assertEquals(0, answer(written));
        fenced(Fencing.Outcome.FENCED);
        checkpointsWork();
        assertFalse(node().record().isPeerOut());
        assertEquals(Standing.REIGNING, node().record().standing());
    }
}

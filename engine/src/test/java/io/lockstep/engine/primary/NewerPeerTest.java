package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Standing;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A primary that serves its guest finds that its peer has taken over meanwhile. */
final class NewerPeerTest extends HealedPair {
    private final MemorySegment memory = Arena.ofAuto().allocate(4096);

    @BeforeEach
    void start() throws Exception {
        startEqualPair();
    }

    private void failOver() throws Exception {
        onLoop(secondaryLife, () -> secondary.failOver(true));
    }

    private NodeStatus node() throws Exception {
        return call(primaryLife, () -> primary.node().orElseThrow());
    }

    private CompletableFuture<Integer> write() throws Exception {
        return call(
                primaryLife, () -> ask((disk, done) -> disk.write(0, 4096, memory, 0, done, 0)));
    }

    private interface Request {
        void make(Disk disk, Disk.Completion done);
    }

    private CompletableFuture<Integer> ask(final Request request) {
        final CompletableFuture<Integer> answer = new CompletableFuture<>();
        final Disk disk = primary.guestDisks().getFirst();
        request.make(disk, (token, errno) -> answer.complete(errno));
        disk.poll();
        return answer;
    }

    /** What is asked behind it is answered: it is not slow, it waits. */
    private void assertWaits(final CompletableFuture<Integer> written) throws Exception {
        final CompletableFuture<Integer> read =
                call(
                        primaryLife,
                        () -> ask((disk, done) -> disk.read(0, 4096, memory, 0, done, 0)));
        assertEquals(0, read.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
        assertFalse(written.isDone(), "it was acknowledged, and the peer serves the guest");
    }

    @Test
    void itsGuestWaitsUntilSomebodyDecides() throws Exception {
        failOver();
        while (!node().isWaiting()) {
            Thread.onSpinWait();
        }
        final String sentence = node().waiting();
        assertTrue(sentence.contains("the peer is newer: it took over at epoch 2"), sentence);
        final CompletableFuture<Integer> written = write();
        assertWaits(written);
        assertEquals(Standing.REIGNING, node().record().standing(), "no split brain of its own");

        onLoop(primaryLife, () -> primary.promote());
        assertEquals(0, written.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
        assertEquals(Standing.ALONE, node().record().standing());
        assertFalse(node().isWaiting());
        assertEquals(0, write().get(PATIENCE_SECONDS, TimeUnit.SECONDS));
    }

    /** A guest may be quicker than the link, which is made again: the peer is asked before. */
    @Test
    void whatAGuestWritesBeforeTheyHaveMetAgainMakesNoSplitBrain() throws Exception {
        failOver();
        CompletableFuture<Integer> written = null;
        while (written == null) {
            written = call(primaryLife, this::writeWhereUnlinked);
        }
        while (!node().isWaiting()) {
            assertFalse(written.isDone(), "it was acknowledged, and nobody was asked");
        }
        assertWaits(written);
        assertEquals(Standing.REIGNING, node().record().standing(), "no split brain of its own");
    }

    private CompletableFuture<Integer> writeWhereUnlinked() {
        return primary.status().linked()
                ? null
                : ask((disk, done) -> disk.write(0, 4096, memory, 0, done, 0));
    }

    /** Nobody is there to say anything. */
    @Test
    void itsGuestGoesOnWhereThePeerIsGone() throws Exception {
        killSecondary();
        while (call(primaryLife, () -> primary.status().linked())) {
            Thread.onSpinWait();
        }
        assertEquals(0, write().get(PATIENCE_SECONDS, TimeUnit.SECONDS));
        assertEquals(Standing.ALONE, node().record().standing());
    }

    /** Its process ends then, and nothing that a guest waits for may hold that up. */
    @Test
    void whatItsGuestWaitsForIsRefusedWhereItsDisksAreOverwritten() throws Exception {
        failOver();
        while (!node().isWaiting()) {
            Thread.onSpinWait();
        }
        final CompletableFuture<Integer> before = write();
        assertWaits(before);
        onLoop(primaryLife, () -> primary.join());
        assertEquals(Errno.ESHUTDOWN, before.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
        assertEquals(Errno.ESHUTDOWN, write().get(PATIENCE_SECONDS, TimeUnit.SECONDS));
    }

    /** Who ends replication there has decided, too. */
    @Test
    void itsGuestGoesOnWhereReplicationIsStopped() throws Exception {
        failOver();
        while (!node().isWaiting()) {
            Thread.onSpinWait();
        }
        final CompletableFuture<Integer> written = write();
        assertWaits(written);
        onLoop(primaryLife, () -> primary.stop(false));
        assertEquals(0, written.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
        assertEquals(Standing.ALONE, node().record().standing());
    }

    @Test
    void aProcessThatMayBeEitherIsItsSecondaryFromThenOn() throws Exception {
        call(
                primaryLife,
                () -> {
                    primary.allowHandOver(
                            new HeldGuests() {
                                @Override
                                public void hold(final Runnable whenQuiet) {
                                    throw new AssertionError("nobody has ordered a switch");
                                }

                                @Override
                                public void letGo() {
                                    throw new AssertionError("nobody has ordered a switch");
                                }
                            });
                    return null;
                });
        failOver();
        while (events.poll(PATIENCE_SECONDS, TimeUnit.SECONDS) != GroupEvents.Event.HANDED_OVER) {}
        assertTrue(call(primaryLife, () -> primary.hasHandedOver()));
        final CompletableFuture<Void> promoted = call(primaryLife, primary::promote);
        assertEquals(
                "this node is a primary no more: its peer has taken over, and has the guest",
                promoted.handle((done, thrown) -> thrown.getMessage()).get());
        assertWaits(write());
        assertEquals(Standing.REIGNING, node().record().standing());
    }
}

package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.LayeredDisk;
import io.lockstep.engine.disk.WriteWindow;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.Job;
import io.lockstep.engine.group.SynchronisationStatus;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Standing;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * A disk of the primary fails when everything that a synchronisation sends is in the log: the
 * secondary is not said to be equal to what it has not got.
 */
final class FailingSourceTest extends HealedPair {
    private static final int OFFSET = 1 << 20;
    private static final int WRITE_LENGTH = 64 << 10;

    private final Queue<HeldDisk> sources = new ArrayDeque<>();
    private boolean hasBegun;

    /** What is done as soon as the synchronisation has begun to send. */
    private Runnable whenRunning = () -> {};

    @BeforeEach
    void holdWhatIsAsked() {
        primaryFace =
                disk -> {
                    final HeldDisk source = new HeldDisk(disk);
                    sources.add(source);
                    return source;
                };
        onJob =
                report -> {
                    if (!hasBegun && report.state() == Job.State.RUNNING) {
                        hasBegun = true;
                        whenRunning.run();
                    }
                };
    }

    @Test
    void aSecondaryThatLacksWhatCanNotBeReadIsNotSaidToBeEqual() throws Exception {
        whenRunning = () -> sources.peek().holdsReads = true;
        startPair();
        awaitAllInTheLog();
        onSource(
                source -> {
                    source.holdsReads = false;
                    source.fail();
                });
        awaitEvent(GroupEvents.Event.REPLICATION_ERROR);
        while (call(secondaryLife, () -> secondary.status().linked())) {
            Thread.onSpinWait();
        }
        assertEquals(Standing.INCONSISTENT, secondarySelf.node().standing());
    }

    @Test
    void aSecondaryIsEqualWithWhatAFailedWriteHasLeft() throws Exception {
        final CompletableFuture<Integer> written = new CompletableFuture<>();
        whenRunning =
                () -> {
                    primary.healing().jobs().getFirst().pause();
                    sources.peek().holdsWrites = true;
                    writeInWindow(written);
                };
        startPair();
        call(
                primaryLife,
                () -> {
                    primary.healing().jobs().getFirst().resume();
                    return null;
                });
        awaitAllInTheLog();
        onSource(
                source -> {
                    source.holdsWrites = false;
                    source.fail();
                });
        assertEquals(Errno.EIO, written.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
        awaitEvent(GroupEvents.Event.SYNCHRONISED);
        drain();
        killPrimary();
        onLoop(secondaryLife, () -> secondary.failOver(true));
        while (call(secondaryLife, () -> secondary.status().state()) == GroupStatus.State.MERGING) {
            Thread.onSpinWait();
        }
        assertDisksEqual();
    }

    @Test
    void whatCanNotBeReadBeforeReplicationIsStartedIsTold() throws Exception {
        beforeStart =
                () -> {
                    sources.peek().holdsWrites = true;
                    writeInWindow(new CompletableFuture<>());
                    sources.peek().holdsReads = true;
                    sources.peek().fail();
                    sources.peek().fail();
                };
        final ExecutionException refusal = assertThrows(ExecutionException.class, this::startPair);
        assertTrue(refusal.getMessage().contains("can't be read"), refusal.getMessage());
        assertEquals(GroupStatus.State.BROKEN, call(primaryLife, () -> primary.status().state()));
    }

    private void startPair() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
    }

    /** Received in the log, where the synchronisation need not come to it any more. */
    private void writeInWindow(final CompletableFuture<Integer> written) {
        final Disk guest = primary.guestDisks().getFirst();
        final WriteWindow window = new WriteWindow();
        assertTrue(guest.openWriteWindow(OFFSET, WRITE_LENGTH, window));
        guest.write(window, (token, errno) -> written.complete(errno), 0);
        guest.poll();
    }

    private void awaitAllInTheLog() throws Exception {
        while (call(primaryLife, () -> primary.healing().synchronisation())
                .map(SynchronisationStatus::state)
                .filter(state -> state == Job.State.READY)
                .isEmpty()) {
            Thread.onSpinWait();
        }
    }

    private void awaitEvent(final GroupEvents.Event awaited) throws Exception {
        while (events.poll(PATIENCE_SECONDS, TimeUnit.SECONDS) != awaited) {}
    }

    private void onSource(final Consumer<HeldDisk> action) throws Exception {
        call(
                primaryLife,
                () -> {
                    action.accept(sources.peek());
                    return null;
                });
    }

    /** Of which the first read, or write, that comes when it is told to hold it fails later. */
    private static final class HeldDisk extends LayeredDisk {
        private boolean holdsReads;
        private boolean holdsWrites;
        private Runnable failure;

        HeldDisk(final Disk local) {
            super(local);
        }

        void fail() {
            final Runnable first = failure;
            failure = null;
            first.run();
        }

        private boolean isHeld(final boolean holds, final Completion completion, final long token) {
            final boolean isFirst = holds && failure == null;
            if (isFirst) {
                failure = () -> completion.onComplete(token, Errno.EIO);
            }
            return isFirst;
        }

        @Override
        public void read(
                final long offset,
                final int length,
                final MemorySegment memory,
                final long position,
                final Completion completion,
                final long token) {
            if (!isHeld(holdsReads, completion, token)) {
                super.read(offset, length, memory, position, completion, token);
            }
        }

        @Override
        public void write(
                final long offset,
                final int length,
                final MemorySegment memory,
                final long position,
                final Completion completion,
                final long token) {
            if (!isHeld(holdsWrites, completion, token)) {
                local.write(offset, length, memory, position, completion, token);
            }
        }

        @Override
        public void zero(
                final long offset,
                final long length,
                final int flags,
                final Completion completion,
                final long token) {
            local.zero(offset, length, flags, completion, token);
        }

        @Override
        public void discard(
                final long offset,
                final long length,
                final Completion completion,
                final long token) {
            local.discard(offset, length, completion, token);
        }

        @Override
        public void flush(final Completion completion, final long token) {
            local.flush(completion, token);
        }
    }
}

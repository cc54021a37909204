package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Selves;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.secondary.SecondaryGroup;
import io.lockstep.engine.secondary.SecondaryOptions;
import io.lockstep.engine.server.ConnectionLimit;
import io.lockstep.engine.server.ControlSpace;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.engine.tracking.Tracking;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.UnaryOperator;

/** A primary and a secondary on loops of their own, over a real socket. */
final class PairTest {
    private static final int LENGTH = (4 << 20) + 1000;
    private static final int LOG_LENGTH = 1 << 20;

    @TempDir private Path folder;

    private final HelperThreads helpers = new HelperThreads();
    private final List<NioLoop> loops = new ArrayList<>();
    private final List<AutoCloseable> opened = new ArrayList<>();
    private final List<Throwable> errors = new ArrayList<>();

    private long diskLength = LENGTH;

    /** What the secondary sees of its disk. */
    private UnaryOperator<Disk> secondaryFace = disk -> disk;

    /** What the primary told, on the guest's loop. */
    private final List<String> told = new ArrayList<>();

    private NioLoop secondaryLoop;
    private NioLoop guestLoop;
    private NioLoop linkLoop;
    private UnaryOperator<IoLoop> groupLoop = UnaryOperator.identity();
    private final Self secondarySelf = Selves.fresh(1);
    private SecondaryGroup secondary;
    private PrimaryGroup primary;
    private NbdServer server;
    private IoLoop.Listener listener;

    @AfterEach
    void close() throws Exception {
        loops.forEach(NioLoop::close);
        helpers.close();
        for (final AutoCloseable one : opened.reversed()) {
            one.close();
        }
        assertEquals(List.of(), errors);
    }

    @Test
    void whatThePrimaryWritesReachesTheSecondaryAndFailoverReturnsToTheCheckpoint()
            throws Exception {
        startSecondary();
        startPrimary(new PrimaryOptions(LOG_LENGTH, FullLogPolicy.BLOCK, Word.NONE));
        final Random random = new Random(1);
        final byte[] content = new byte[LENGTH];
        writeRandomly(random, content, 300);
        final byte[] checkpoint = content.clone();
        assertEquals(1L, (long) onLoop(guestLoop, () -> primary.checkpoint()));
        writeRandomly(random, content, 300);
        onLoop(
                guestLoop,
                () -> {
                    final CompletableFuture<Void> drained = new CompletableFuture<>();
                    primary.drain(() -> drained.complete(null));
                    return drained;
                });
        assertArrayEquals(content, Files.readAllBytes(folder.resolve("primary")));
        assertArrayEquals(content, Files.readAllBytes(folder.resolve("secondary")));

        onLoop(secondaryLoop, () -> secondary.failOver(true));
        while (call(secondaryLoop, () -> secondary.status().state()) == GroupStatus.State.MERGING) {
            Thread.onSpinWait();
        }
        assertArrayEquals(checkpoint, Files.readAllBytes(folder.resolve("secondary")));
        assertFalse(Files.exists(folder.resolve("buffers")));
    }

    @Test
    void manyCheckpointsRunWhileTheGuestWrites() throws Exception {
        startSecondary();
        startPrimary(new PrimaryOptions(LOG_LENGTH, FullLogPolicy.BLOCK, Word.NONE));
        final Random random = new Random(2);
        final byte[] content = new byte[LENGTH];
        for (long epoch = 1; epoch <= 50; epoch++) {
            writeRandomly(random, content, 20);
            assertEquals(epoch, (long) onLoop(guestLoop, () -> primary.checkpoint()));
        }
        assertEquals(50L, (long) call(secondaryLoop, () -> secondary.status().committedEpoch()));
        assertArrayEquals(content, Files.readAllBytes(folder.resolve("secondary")));
    }

    @Test
    void theLinkComesBackAfterACut() throws Exception {
        startSecondary();
        startPrimary(new PrimaryOptions(LOG_LENGTH, FullLogPolicy.BLOCK, Word.NONE));
        final Random random = new Random(3);
        final byte[] content = new byte[LENGTH];
        for (int cut = 0; cut < 5; cut++) {
            final CompletableFuture<Void> cutting = new CompletableFuture<>();
            secondaryLoop.execute(
                    () -> {
                        server.abort();
                        cutting.complete(null);
                    });
            writeRandomly(random, content, 100);
            cutting.get(30, TimeUnit.SECONDS);
            onLoop(guestLoop, () -> primary.checkpoint());
        }
        assertArrayEquals(content, Files.readAllBytes(folder.resolve("secondary")));
    }

    /** Neither a secondary that is away nor a checkpoint that waits for it holds it up (I6). */
    @Test
    void theGuestGoesOnWhileACheckpointWaitsForTheSecondary() throws Exception {
        startSecondary();
        startPrimary(withPatience(TimeUnit.HOURS.toNanos(1)));
        cutOff();
        final CompletableFuture<Long> checkpoint = new CompletableFuture<>();
        guestLoop.execute(() -> primary.checkpoint().thenAccept(checkpoint::complete));
        final byte[] content = new byte[LENGTH];
        writeRandomly(new Random(5), content, 20); // the log has room for them
        assertArrayEquals(content, Files.readAllBytes(folder.resolve("primary")));
        assertFalse(checkpoint.isDone(), "there was nobody to take it");
        letComeBack();
        assertEquals(1, checkpoint.get(30, TimeUnit.SECONDS));
    }

    private static PrimaryOptions withPatience(final long nanos) {
        return new PrimaryOptions(LOG_LENGTH, FullLogPolicy.BLOCK, Word.NONE, 0, nanos);
    }

    /** The secondary goes on, and can't be reached. */
    private void cutOff() throws Exception {
        call(
                secondaryLoop,
                () -> {
                    listener.close();
                    server.abort();
                    return null;
                });
    }

    private void letComeBack() throws Exception {
        call(
                secondaryLoop,
                () -> {
                    listen();
                    return null;
                });
    }

    private static String refusal(
            final NioLoop loop, final Callable<? extends CompletableFuture<?>> operation) {
        return assertThrows(
                        ExecutionException.class,
                        () -> onLoop(loop, () -> operation.call().thenApply(done -> done)))
                .getCause()
                .getMessage();
    }

    /** Whether the link was cut before it was asked, or while it waited, or long ago. */
    @Test
    void whoAsksForACheckpointIsAnsweredWhileTheSecondaryIsAway() throws Exception {
        startSecondary();
        startPrimary(withPatience(TimeUnit.MILLISECONDS.toNanos(1)));
        final byte[] content = new byte[LENGTH];
        writeRandomly(new Random(8), content, 20);
        cutOff();
        final String first = refusal(guestLoop, () -> primary.checkpoint());
        assertTrue(first.contains("has not been linked for"), first);
        awaitAway();
        final long open = call(guestLoop, () -> primary.status().openEpoch());
        for (final Callable<CompletableFuture<?>> operation :
                List.<Callable<CompletableFuture<?>>>of(
                        () -> primary.checkpoint(),
                        () -> primary.seal(),
                        () -> primary.commit(open))) {
            final String sentence = refusal(guestLoop, operation);
            assertTrue(sentence.contains("nothing was sealed or committed"), sentence);
        }
        assertEquals(open, (long) call(guestLoop, () -> primary.status().openEpoch()));
        assertTrue(call(guestLoop, () -> primary.status().unlinkedNanos()) > 0);

        letComeBack();
        awaitLink();
        assertEquals(open, (long) onLoop(guestLoop, () -> primary.checkpoint()));
        assertArrayEquals(content, Files.readAllBytes(folder.resolve("secondary")));
        assertEquals(open, (long) call(secondaryLoop, () -> secondary.status().committedEpoch()));
    }

    private void awaitAway() throws Exception {
        while (!call(guestLoop, () -> primary.checkpoint().isCompletedExceptionally())) {
            Thread.onSpinWait();
        }
    }

    /** One write has filled the log, as far as its pieces go. */
    private void awaitFull(final int logLength) throws Exception {
        final ForwardLog alike = new ForwardLog(logLength);
        final int piece = alike.payloadLengthMax();
        long frame = 0;
        while (frame >= 0) {
            frame = alike.claim(ForwardLog.Kind.WRITE, 0, 0, piece, 0, 0);
        }
        final long full = alike.usedLength();
        alike.close();
        while (call(guestLoop, () -> primary.status().bufferUsed()) < full) {
            Thread.onSpinWait();
        }
    }

    private void awaitLink() throws Exception {
        while (!call(guestLoop, () -> primary.status().linked())) {
            Thread.onSpinWait();
        }
    }

    /** What was sealed, and could not be answered in time, is the beginning of the next one. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void theNextCheckpointBeginsWithTheEpochThatWasCutOff(final boolean isCommitted)
            throws Exception {
        startSecondary();
        startPrimary(withPatience(TimeUnit.MILLISECONDS.toNanos(1)));
        final byte[] content = new byte[LENGTH];
        writeRandomly(new Random(9), content, 20);
        final CountDownLatch mayCut = new CountDownLatch(1);
        secondaryLoop.execute(() -> await(mayCut)); // it answers nothing
        final CompletableFuture<Long> cutOff = new CompletableFuture<>();
        guestLoop.execute(
                () ->
                        (isCommitted ? primary.checkpoint() : primary.seal())
                                .whenComplete(
                                        (epoch, thrown) -> {
                                            if (thrown != null) {
                                                cutOff.completeExceptionally(thrown);
                                            } else {
                                                cutOff.complete(epoch);
                                            }
                                        }));
        secondaryLoop.execute(
                () -> {
                    listener.close();
                    server.abort();
                });
        while (call(guestLoop, () -> primary.status().openEpoch()) == 1) {
            Thread.onSpinWait();
        }
        mayCut.countDown();
        writeRandomly(new Random(10), content, 20); // of the next epoch
        final boolean isAnswered = isRefused(cutOff);
        letComeBack();
        awaitLink();
        assertEquals(2L, (long) onLoop(guestLoop, () -> primary.checkpoint()));
        assertArrayEquals(content, Files.readAllBytes(folder.resolve("secondary")));
        assertEquals(2L, (long) call(secondaryLoop, () -> secondary.status().committedEpoch()));
        assertEquals(2L, (long) call(guestLoop, () -> primary.status().sealedEpoch()));
        assertTrue(isAnswered || cutOff.get(30, TimeUnit.SECONDS) == 1);
    }

    /** The seal may have been answered just before the cut. */
    private static boolean isRefused(final CompletableFuture<Long> answer) throws Exception {
        try {
            answer.get(30, TimeUnit.SECONDS);
            return false;
        } catch (final ExecutionException e) {
            final String sentence = e.getCause().getMessage();
            assertTrue(sentence.contains("nothing of it is lost"), sentence);
            return true;
        }
    }

    /** Each piece that is done is a sign of life: what is long is not taken for silence. */
    @Test
    void aLongZeroIsForwardedInPiecesOfWhichFewAreUnderWay() throws Exception {
        diskLength = 1L << 30;
        startSecondary();
        final HeldZeroes zeroes = new HeldZeroes();
        call(
                secondaryLoop,
                () -> {
                    server.remove("vda");
                    final ServedExport export = secondary.streamExports().getFirst();
                    server.add(ServedExport.of(zeroes.of(export.disk()), "held", export.control()));
                    return null;
                });
        startPrimary(new PrimaryOptions(LOG_LENGTH, FullLogPolicy.BLOCK, Word.NONE));
        final Disk guest = primary.guestExports().getFirst().disk();
        assertEquals(
                0,
                onLoop(
                        guestLoop,
                        () -> {
                            final CompletableFuture<Integer> done = new CompletableFuture<>();
                            guest.zero(0, 1L << 30, 0, (token, errno) -> done.complete(errno), 0);
                            guest.poll();
                            return done;
                        }));
        while (call(secondaryLoop, zeroes::releaseFirst) < 1L << 30) {
            Thread.onSpinWait();
        }
        assertEquals(1L, (long) onLoop(guestLoop, () -> primary.checkpoint()));
        assertEquals(16L << 20, zeroes.longest);
        assertTrue(zeroes.heldMax > 16L << 20, "several are under way");
        assertTrue(zeroes.heldMax <= 64L << 20, "held: " + zeroes.heldMax);
    }

    /** As many requests as a connection takes are under way, and the last word waits (I11). */
    @Test
    void aBusySecondaryIsToldThatItIsLeftBehind() throws Exception {
        diskLength = 16 << 20;
        startSecondary();
        final HeldZeroes zeroes = new HeldZeroes();
        call(
                secondaryLoop,
                () -> {
                    server.remove("vda");
                    final ServedExport export = secondary.streamExports().getFirst();
                    server.add(ServedExport.of(zeroes.of(export.disk()), "held", export.control()));
                    return null;
                });
        startPrimary(new PrimaryOptions(LOG_LENGTH, FullLogPolicy.BLOCK, Word.NONE));
        final Disk guest = primary.guestExports().getFirst().disk();
        for (int i = 0; i < 2000; i++) {
            final long offset = i * 4096L;
            onLoop(
                    guestLoop,
                    () -> {
                        final CompletableFuture<Integer> done = new CompletableFuture<>();
                        guest.zero(offset, 4096, 0, (token, errno) -> done.complete(errno), 0);
                        guest.poll();
                        return done;
                    });
        }
        while (call(secondaryLoop, zeroes.held::size) < 256) { // what the server takes at a time
            Thread.onSpinWait();
        }
        onLoop(guestLoop, () -> primary.stop(false));
        final Callable<Boolean> isToldOrLinked =
                () -> isLeftBehind() || secondary.status().linked();
        while (!call(secondaryLoop, this::isLeftBehind)) {
            assertTrue(call(secondaryLoop, isToldOrLinked), "it was not told");
            call(secondaryLoop, zeroes::releaseFirst);
        }
    }

    private boolean isLeftBehind() {
        return secondarySelf.node().standing() == Standing.OUTDATED;
    }

    /** Zeroes of a disk, which are done when the test says so. On the disk's loop. */
    private static final class HeldZeroes {
        private final Queue<Runnable> held = new ArrayDeque<>();
        private long heldLength;
        private long heldMax;
        private long longest;

        /** Of those that were done. */
        private long sum;

        Disk of(final Disk disk) {
            return (Disk)
                    Proxy.newProxyInstance(
                            Disk.class.getClassLoader(),
                            new Class<?>[] {Disk.class},
                            (proxy, method, arguments) -> {
                                if (!method.getName().equals("zero")) {
                                    return method.invoke(disk, arguments);
                                }
                                hold(disk, (long) arguments[1], arguments);
                                return null;
                            });
        }

        private void hold(final Disk disk, final long length, final Object[] arguments) {
            longest = Math.max(longest, length);
            heldLength += length;
            heldMax = Math.max(heldMax, heldLength);
            held.add(
                    () -> {
                        heldLength -= length;
                        disk.zero(
                                (long) arguments[0],
                                length,
                                (int) arguments[2],
                                (Disk.Completion) arguments[3],
                                (long) arguments[4]);
                        disk.poll();
                        sum += length;
                    });
        }

        /** Has the first done, if there is one; answers how many bytes were. */
        long releaseFirst() {
            final Runnable first = held.poll();
            if (first != null) {
                first.run();
            }
            return sum;
        }
    }

    /** The guest's own flush was answered long before. */
    @Test
    void aFlushThatFailsOnTheSecondaryIsAnErrorOfBothSides() throws Exception {
        secondaryFace = PairTest::withFlushesThatFail;
        startSecondary();
        startPrimary(new PrimaryOptions(LOG_LENGTH, FullLogPolicy.BLOCK, Word.NONE));
        final Disk guest = primary.guestExports().getFirst().disk();
        assertEquals(0, write(guest, 0, new byte[] {1}).get(30, TimeUnit.SECONDS));
        onLoop(
                guestLoop,
                () -> {
                    final CompletableFuture<Integer> flushed = new CompletableFuture<>();
                    guest.flush((token, errno) -> flushed.complete(errno), 0);
                    guest.poll();
                    return flushed;
                });
        while (call(guestLoop, () -> primary.error().isEmpty())) {
            Thread.onSpinWait();
        }
        final ReplicationError ours = call(guestLoop, () -> primary.error().orElseThrow());
        final ReplicationError theirs = call(secondaryLoop, () -> secondary.error().orElseThrow());
        assertEquals(ReplicationError.Kind.SECONDARY_DISK, theirs.kind());
        assertTrue(theirs.sentence().contains("flushing the secondary disk"), theirs.sentence());
        assertTrue(ours.sentence().contains("refused a flush"), ours.sentence());
        assertTrue(ours.sentence().contains(theirs.sentence()), ours.sentence());
    }

    private static Disk withFlushesThatFail(final Disk disk) {
        return (Disk)
                Proxy.newProxyInstance(
                        Disk.class.getClassLoader(),
                        new Class<?>[] {Disk.class},
                        (proxy, method, arguments) -> {
                            if (!method.getName().equals("flush")) {
                                return method.invoke(disk, arguments);
                            }
                            ((Disk.Completion) arguments[0])
                                    .onComplete((long) arguments[1], Errno.EIO);
                            return null;
                        });
    }

    /** The number in such a frame is an epoch's, and no place on the disk. */
    @Test
    void aSealThatIsRefusedIsToldAsThat() throws Exception {
        startSecondaryWith(WithoutSeals::new);
        startPrimary(withPatience(TimeUnit.HOURS.toNanos(1)));
        final String sentence = refusal(guestLoop, () -> primary.checkpoint());
        assertTrue(sentence.contains("refused the seal of epoch 1: no seals here"), sentence);
        final ReplicationError error = call(guestLoop, () -> primary.error().orElseThrow());
        assertEquals(sentence, error.sentence());
        assertEquals(-1, error.offset());
        assertEquals("vda", error.disk());
    }

    /** One whose control space is another one. */
    private void startSecondaryWith(final UnaryOperator<ControlSpace> face) throws Exception {
        startSecondary();
        call(
                secondaryLoop,
                () -> {
                    server.remove("vda");
                    final ServedExport export = secondary.streamExports().getFirst();
                    final ControlSpace control = face.apply(export.control());
                    server.add(ServedExport.of(export.disk(), "another one", control));
                    return null;
                });
    }

    /** A flush of the secondary's may end before the answer to the seal is sent. */
    @Test
    void anEpochThatIsDurableIsCommittedThoughTheAnswerToItsSealIsMissing() throws Exception {
        final CompletableFuture<Runnable> sealed = new CompletableFuture<>();
        startSecondaryWith(control -> new LateSeals(control, sealed));
        final AckLevel level = AckLevel.parse("flush,durable").orElseThrow();
        startPrimary(withPatience(TimeUnit.HOURS.toNanos(1)).withAck(level));
        awaitLink();
        final Disk guest = primary.guestExports().getFirst().disk();
        assertEquals(0, write(guest, 0, new byte[4096]).get(30, TimeUnit.SECONDS));
        final CompletableFuture<Integer> flushed = new CompletableFuture<>();
        guestLoop.execute(
                () -> {
                    guest.flush((token, errno) -> flushed.complete(errno), 0);
                    guest.poll();
                });
        final Runnable answerToSeal = sealed.get(30, TimeUnit.SECONDS);
        assertEquals(0, flushed.get(30, TimeUnit.SECONDS));
        assertEquals(1L, call(guestLoop, () -> primary.status().durableEpoch()));
        secondaryLoop.execute(answerToSeal);
    }

    /**
     * The control space of a secondary whose answer to a seal is kept back.
     *
     * @param sealed is told how it can be given
     */
    private record LateSeals(ControlSpace control, CompletableFuture<Runnable> sealed)
            implements Face {
        @Override
        public void write(
                final Client client,
                final int offset,
                final int length,
                final MemorySegment from,
                final long position,
                final Disk.Completion completion,
                final long token) {
            final boolean isSeal = ControlRecord.kind(from, position) == ControlRecord.SEAL;
            final Disk.Completion late =
                    (ignored, errno) -> sealed.complete(() -> completion.onComplete(token, errno));
            control.write(
                    client, offset, length, from, position, isSeal ? late : completion, token);
        }
    }

    /** The control space of a secondary that refuses every seal. */
    private record WithoutSeals(ControlSpace control) implements Face {
        @Override
        public void write(
                final Client client,
                final int offset,
                final int length,
                final MemorySegment from,
                final long position,
                final Disk.Completion completion,
                final long token) {
            if (ControlRecord.kind(from, position) == ControlRecord.SEAL) {
                completion.onComplete(token, Errno.EINVAL);
            } else {
                control.write(client, offset, length, from, position, completion, token);
            }
        }

        @Override
        public String reason() {
            return "no seals here";
        }
    }

    /** A control space that is another one's but for what it does otherwise. */
    private interface Face extends ControlSpace {
        ControlSpace control();

        @Override
        default void read(
                final long offset,
                final int length,
                final MemorySegment into,
                final long position,
                final Disk.Completion completion,
                final long token) {
            control().read(offset, length, into, position, completion, token);
        }

        @Override
        default String reason() {
            return control().reason();
        }

        @Override
        default boolean mayChange(final Client client) {
            return control().mayChange(client);
        }

        @Override
        default String refusal() {
            return control().refusal();
        }

        @Override
        default void onEnding(final Client client) {
            control().onEnding(client);
        }

        @Override
        default void onGone(final Client client) {
            control().onGone(client);
        }
    }

    @Test
    void aCheckpointCommitsWhatWasSealedBefore() throws Exception {
        startSecondary();
        startPrimary(withPatience(TimeUnit.HOURS.toNanos(1)));
        assertEquals(1L, (long) onLoop(guestLoop, () -> primary.seal()));
        assertEquals(2L, (long) onLoop(guestLoop, () -> primary.checkpoint()));
        assertEquals(2L, (long) call(guestLoop, () -> primary.status().committedEpoch()));
    }

    @Test
    void nothingIsSaidToBeCheckpointedOnceReplicationWasStopped() throws Exception {
        startSecondary();
        startPrimary(withPatience(TimeUnit.HOURS.toNanos(1)));
        onLoop(guestLoop, () -> primary.checkpoint());
        onLoop(guestLoop, () -> primary.stop(false));
        final String sentence = refusal(guestLoop, () -> primary.checkpoint());
        assertTrue(sentence.contains("was stopped on the primary"), sentence);
    }

    @Test
    void aSecondaryThatTheManagerGaveUpIsToldAsThat() throws Exception {
        startSecondary();
        startPrimary(withPatience(TimeUnit.HOURS.toNanos(1)));
        onLoop(guestLoop, () -> primary.stop(true));
        onLoop(guestLoop, () -> primary.stop(false)); // too late to be something else
        final String sentence = refusal(guestLoop, () -> primary.checkpoint());
        assertTrue(sentence.contains("lost heartbeat"), sentence);
        assertEquals(primary.ending(), sentence.substring("replication is not running: ".length()));
    }

    @ParameterizedTest
    @ValueSource(longs = {0, -1, -5, Long.MIN_VALUE})
    void whatIsNoEpochIsNotCommitted(final long number) throws Exception {
        startSecondary();
        startPrimary(withPatience(TimeUnit.HOURS.toNanos(1)));
        for (int i = 0; i < 2; i++) { // before and after there is a committed one
            for (final String sentence :
                    List.of(
                            refusal(guestLoop, () -> primary.commit(number)),
                            refusal(secondaryLoop, () -> secondary.commit(number)))) {
                assertTrue(sentence.contains("epoch " + number + " can't be"), sentence);
            }
            onLoop(guestLoop, () -> primary.checkpoint());
        }
        onLoop(guestLoop, () -> primary.commit(1)); // was committed before
        onLoop(secondaryLoop, () -> secondary.commit(1));
    }

    /** Nobody will make room for what waits, nor take what is in the log. */
    @Test
    void aProcessThatStopsWaitsForNoSecondaryThatIsAway() throws Exception {
        startSecondary();
        startPrimary(
                new PrimaryOptions(
                        1 << 16,
                        FullLogPolicy.BLOCK,
                        Word.NONE,
                        0,
                        TimeUnit.MILLISECONDS.toNanos(1)));
        cutOff();
        awaitAway();
        final Disk guest = primary.guestExports().getFirst().disk();
        final CompletableFuture<Integer> blocked = write(guest, 0, new byte[1 << 20]);
        awaitFull(1 << 16);
        final CompletableFuture<Integer> behind = write(guest, 0, new byte[] {1});
        final CompletableFuture<Void> drained = new CompletableFuture<>();
        call(
                guestLoop,
                () -> {
                    assertFalse(blocked.isDone() || behind.isDone());
                    primary.prepareToStop();
                    primary.drain(() -> drained.complete(null));
                    return null;
                });
        assertEquals(Errno.ESHUTDOWN, blocked.get(30, TimeUnit.SECONDS));
        assertEquals(Errno.ESHUTDOWN, behind.get(30, TimeUnit.SECONDS));
        assertEquals(Errno.ESHUTDOWN, write(guest, 0, new byte[1 << 20]).get(30, TimeUnit.SECONDS));
        drained.get(30, TimeUnit.SECONDS);
    }

    /**
     * It is linked, and answers nothing: what the guest waits for is room, or that it catches up.
     */
    @ParameterizedTest
    @ValueSource(longs = {0, 1})
    void aProcessThatStopsHardlyWaitsForASecondaryThatHangs(final long lagNanosMax)
            throws Exception {
        startSecondary();
        startPrimary(new PrimaryOptions(1 << 16, FullLogPolicy.BLOCK, Word.NONE, lagNanosMax));
        final CountDownLatch hung = new CountDownLatch(1);
        final CountDownLatch hanging = new CountDownLatch(1);
        secondaryLoop.execute(
                () -> {
                    hanging.countDown();
                    await(hung);
                });
        await(hanging);
        final Disk guest = primary.guestExports().getFirst().disk();
        final CompletableFuture<Integer> taken = write(guest, 0, new byte[1000]);
        final CompletableFuture<Integer> blocked = write(guest, 0, new byte[1 << 20]);
        assertEquals(0, taken.get(30, TimeUnit.SECONDS));
        final CompletableFuture<String> drained = new CompletableFuture<>();
        call(
                guestLoop,
                () -> {
                    primary.prepareToStop();
                    primary.drain(() -> drained.complete(told.getLast()));
                    return null;
                });
        assertEquals(Errno.ESHUTDOWN, blocked.get(30, TimeUnit.SECONDS));
        final String sentence = drained.get(30, TimeUnit.SECONDS);
        assertTrue(sentence.matches(".* lacks the last [1-9][0-9]* bytes .*"), sentence);
        assertTrue(call(guestLoop, () -> primary.status().linked()), "long before it is cut off");
        hung.countDown();
    }

    /** Before it is known that the secondary is away, as all of it is one turn of the loop. */
    private <T> T fillWithFramesThen(final Callable<T> action) throws Exception {
        final Disk guest = primary.guestExports().getFirst().disk();
        final ForwardLog alike = new ForwardLog(LOG_LENGTH);
        final int frames = alike.frames();
        alike.close();
        return call(
                guestLoop,
                () -> {
                    for (int i = 0; i < frames; i++) {
                        guest.zero(0, 4096, 0, (token, errno) -> {}, 0); // has no payload
                        guest.poll();
                    }
                    return action.call();
                });
    }

    /** Who asked for it has been told so meanwhile; without it none behind it would be sealed. */
    @Test
    void aSealThatWaitsForRoomIsDoneWhenTheSecondaryIsBack() throws Exception {
        startSecondary();
        startPrimary(withPatience(TimeUnit.SECONDS.toNanos(1)));
        cutOff();
        final CompletableFuture<Long> told = fillWithFramesThen(() -> primary.checkpoint());
        assertThrows(ExecutionException.class, () -> told.get(30, TimeUnit.SECONDS));
        letComeBack();
        awaitLink();
        assertEquals(2, onLoop(guestLoop, () -> primary.checkpoint()));
        assertEquals(2, (long) call(secondaryLoop, () -> secondary.status().committedEpoch()));
    }

    /** A seal that waits for a place in the log is none of those who are answered at the end. */
    @Test
    void aSealThatWaitsForRoomHoldsUpNoRequestAtTheEnd() throws Exception {
        startSecondary();
        startPrimary(withPatience(TimeUnit.MILLISECONDS.toNanos(1)));
        cutOff();
        final Disk guest = primary.guestExports().getFirst().disk();
        fillWithFramesThen(() -> primary.seal());
        final CompletableFuture<Integer> behind = write(guest, 0, new byte[] {1});
        awaitAway();
        call(
                guestLoop,
                () -> {
                    assertFalse(behind.isDone());
                    primary.prepareToStop();
                    return null;
                });
        assertEquals(Errno.ESHUTDOWN, behind.get(30, TimeUnit.SECONDS));
    }

    @Test
    void aFullLogDetachesWhereThePolicySaysSo() throws Exception {
        startSecondary();
        startPrimary(new PrimaryOptions(1 << 16, FullLogPolicy.DETACH, Word.NONE));
        onLoop(
                secondaryLoop,
                () -> {
                    listener.close();
                    server.abort();
                    return CompletableFuture.completedFuture(null);
                });
        final byte[] content = new byte[LENGTH];
        writeRandomly(new Random(4), content, 100);
        assertArrayEquals(content, Files.readAllBytes(folder.resolve("primary")));
        final GroupStatus status = call(guestLoop, () -> primary.status());
        assertEquals(GroupStatus.State.BROKEN, status.state());
        assertTrue(status.disks().getFirst().dirty() > 0);
    }

    /**
     * However little it may lag, and without it, the guest comes through, and so do checkpoints.
     */
    @Test
    void aSecondaryThatMayNotLagHoldsTheGuestUpOnlyWhileItIsThere() throws Exception {
        startSecondary();
        startPrimary(new PrimaryOptions(LOG_LENGTH, FullLogPolicy.BLOCK, Word.NONE, 1));
        final Random random = new Random(6);
        final byte[] content = new byte[LENGTH];
        for (long epoch = 1; epoch <= 5; epoch++) {
            writeRandomly(random, content, 40);
            assertEquals(epoch, (long) onLoop(guestLoop, () -> primary.checkpoint()));
        }
        assertArrayEquals(content, Files.readAllBytes(folder.resolve("secondary")));
        onLoop(
                secondaryLoop,
                () -> {
                    listener.close();
                    server.abort();
                    return CompletableFuture.completedFuture(null);
                });
        writeRandomly(random, content, 20); // the log has room for them
        assertArrayEquals(content, Files.readAllBytes(folder.resolve("primary")));
        assertEquals(
                GroupStatus.State.RUNNING,
                call(guestLoop, () -> primary.status().state()),
                "to wait for a late secondary is no reason to give it up");
    }

    /**
     * The secondary may answer just after the guest's loop has found it late: as a write comes, or
     * when it was waiting already. The log has room.
     */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aSecondaryThatCatchesUpJustWhenItIsFoundLateIsNotGivenUp(final boolean isWaiting)
            throws Exception {
        final long lagNanosMax = TimeUnit.HOURS.toNanos(1);
        final HastyLoop[] hasty = new HastyLoop[1];
        groupLoop = loop -> hasty[0] = new HastyLoop(loop, 2 * lagNanosMax);
        startSecondary();
        startPrimary(new PrimaryOptions(LOG_LENGTH, FullLogPolicy.DETACH, Word.NONE, lagNanosMax));
        final CountDownLatch mayAnswer = new CountDownLatch(1);
        secondaryLoop.execute(() -> await(mayAnswer));
        final Disk guest = primary.guestExports().getFirst().disk();
        assertEquals(0, write(guest, 0, new byte[] {1}).get(30, TimeUnit.SECONDS));

        final Runnable catchUp =
                () -> {
                    mayAnswer.countDown();
                    while (primary.status().lagBytes() > 0) {
                        Thread.onSpinWait();
                    }
                };
        if (isWaiting) {
            guestLoop.execute(() -> hasty[0].hurry(Integer.MAX_VALUE, () -> {}));
        } else {
            guestLoop.execute(() -> hasty[0].hurry(1, catchUp));
        }
        final CompletableFuture<Integer> second = write(guest, 0, new byte[] {2});
        if (isWaiting) {
            guestLoop.execute(
                    () -> {
                        hasty[0].hurry(1, catchUp);
                        primary.drain(() -> {}); // looks who may enter now
                    });
        }
        assertEquals(0, second.get(30, TimeUnit.SECONDS));
        assertEquals(GroupStatus.State.RUNNING, call(guestLoop, () -> primary.status().state()));
        assertEquals(1L, (long) onLoop(guestLoop, () -> primary.checkpoint()));
        assertEquals(2, Files.readAllBytes(folder.resolve("secondary"))[0]);
    }

    /**
     * Seals and flushes carry no data: a guest that only reads has a secondary that is not late.
     */
    @Test
    void onlyDataThatTheSecondaryLacksIsALag() throws Exception {
        startSecondary();
        startPrimary(new PrimaryOptions(LOG_LENGTH, FullLogPolicy.BLOCK, Word.NONE));
        final CountDownLatch mayAnswer = new CountDownLatch(1);
        secondaryLoop.execute(() -> await(mayAnswer));
        final Disk guest = primary.guestExports().getFirst().disk();
        final CompletableFuture<Long> sealed = new CompletableFuture<>();
        guestLoop.execute(() -> primary.seal().thenAccept(sealed::complete));
        assertEquals(0L, (long) call(guestLoop, () -> primary.status().lagNanos()));
        assertEquals(0, write(guest, 0, new byte[] {1}).get(30, TimeUnit.SECONDS));
        assertTrue(call(guestLoop, () -> primary.status().lagNanos()) > 0);
        mayAnswer.countDown();
        assertEquals(1L, sealed.get(30, TimeUnit.SECONDS));
    }

    @Test
    void disksThatAreNotKnownToBeEqualAreRefused() throws Exception {
        Files.write(folder.resolve("secondary"), new byte[] {1});
        startSecondary();
        assertPrimaryIsRefused("--assume-identical", "vda");
    }

    private void assertPrimaryIsRefused(final String sentence, final String... names) {
        final ExecutionException refused =
                assertThrows(
                        ExecutionException.class,
                        () ->
                                startPrimary(
                                        new PrimaryOptions(
                                                LOG_LENGTH, FullLogPolicy.BLOCK, Word.NONE),
                                        names));
        assertTrue(refused.getMessage().contains(sentence), refused.getMessage());
    }

    /** It would write over what has no pre-image, and call committed what nobody has committed. */
    @Test
    void aPlainServerInThePlaceOfTheSecondaryIsNotWrittenTo() throws Exception {
        startSecondary();
        startPrimary(new PrimaryOptions(LOG_LENGTH, FullLogPolicy.BLOCK, Word.NONE));
        final CountDownLatch hasComeTwice = new CountDownLatch(2);
        final FileDisk plain = open("plain", "vda", secondaryLoop);
        final NbdServer other = serverOf(List.of(ServedExport.of(plain, "no secondary")));
        call(
                secondaryLoop,
                () -> {
                    listener.close();
                    server.abort();
                    listener =
                            secondaryLoop.listen(
                                    endpoint(),
                                    accepted -> {
                                        hasComeTwice.countDown();
                                        accepted.open(secondaryLoop, other::connect);
                                    });
                    return null;
                });
        final byte[] content = new byte[LENGTH];
        writeRandomly(new Random(7), content, 20); // the log has room for them
        assertTrue(hasComeTwice.await(30, TimeUnit.SECONDS));
        assertArrayEquals(new byte[LENGTH], Files.readAllBytes(folder.resolve("plain")));
        assertFalse(call(guestLoop, () -> primary.status().linked()));
        call(
                secondaryLoop,
                () -> {
                    listener.close();
                    other.abort();
                    listen();
                    return null;
                });
        assertEquals(1L, (long) onLoop(guestLoop, () -> primary.checkpoint()));
        assertArrayEquals(content, Files.readAllBytes(folder.resolve("secondary")));
    }

    @Test
    void disksOfWhichOnlySomeHaveALockstepForTheirSecondaryAreRefused() throws Exception {
        startSecondary();
        final FileDisk plain = open("plain", "vdb", secondaryLoop);
        call(
                secondaryLoop,
                () -> {
                    server.add(ServedExport.of(plain, "no secondary"));
                    return null;
                });
        assertPrimaryIsRefused("those of other disks", "vda", "vdb");
    }

    // ---- The pair.

    private NioLoop startLoop(final String name) throws IOException {
        final NioLoop loop = new NioLoop(name, 20_000, errors::add);
        loops.add(loop);
        loop.start();
        return loop;
    }

    private FileDisk open(final String fileName, final String name, final NioLoop loop)
            throws IOException {
        final Path path = folder.resolve(fileName);
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(diskLength);
        }
        final DiskFile file = DiskFile.open(name, path, false);
        opened.add(file);
        final FileDisk disk = new FileDisk(file, loop, helpers);
        opened.add(disk);
        return disk;
    }

    private Endpoint endpoint() {
        return new Endpoint.Unix(folder.resolve("socket"));
    }

    private void startSecondary() throws Exception {
        secondaryLoop = startLoop("secondary");
        final Disk disk = secondaryFace.apply(open("secondary", "vda", secondaryLoop));
        onLoop(
                secondaryLoop,
                () -> {
                    secondary =
                            SecondaryGroup.open(
                                    secondaryLoop,
                                    List.of(disk),
                                    secondarySelf,
                                    SecondaryOptions.in(folder.resolve("buffers"), 1, 64 << 20),
                                    (event, name, epoch, sentence) -> {});
                    opened.add(secondary);
                    server = serverOf(secondary.streamExports());
                    listen();
                    return secondary.start();
                });
    }

    private NbdServer serverOf(final List<ServedExport> exports) {
        return new NbdServer(secondaryLoop, exports, new ConnectionLimit(16), new Silence());
    }

    private void listen() throws IOException {
        listener =
                secondaryLoop.listen(
                        endpoint(), accepted -> accepted.open(secondaryLoop, server::connect));
    }

    private void startPrimary(final PrimaryOptions options) throws Exception {
        startPrimary(options, "vda");
    }

    private void startPrimary(final PrimaryOptions options, final String... names)
            throws Exception {
        guestLoop = startLoop("guest");
        linkLoop = startLoop("link");
        final List<Disk> disks = new ArrayList<>();
        for (final String name : names) {
            disks.add(open(disks.isEmpty() ? "primary" : name, name, guestLoop));
        }
        onLoop(
                guestLoop,
                () -> {
                    primary =
                            PrimaryGroup.open(
                                    groupLoop.apply(guestLoop),
                                    linkLoop,
                                    PrimaryPlace.on(groupLoop.apply(guestLoop), disks),
                                    disks.stream()
                                            .map(disk -> new Peer(endpoint(), disk.name()))
                                            .toList(),
                                    Selves.fresh(2),
                                    Tracking.inMemory(disks.stream().map(Disk::length).toList()),
                                    options,
                                    (event, name, epoch, sentence) -> told.add(sentence));
                    opened.add(primary);
                    return primary.start();
                });
    }

    /**
     * Writes from the guest's loop, up to sixteen at a time, none overlapping another under way.
     */
    private void writeRandomly(final Random random, final byte[] content, final int count)
            throws Exception {
        final Disk guest = primary.guestExports().getFirst().disk();
        for (int done = 0; done < count; done += 10) {
            final List<CompletableFuture<Integer>> writes = new ArrayList<>();
            for (int i = 0; i < 10; i++) {
                final int slice = LENGTH / 10;
                final int offset = i * slice + random.nextInt(slice - 1);
                final int length = 1 + random.nextInt(Math.min(30_000, (i + 1) * slice - offset));
                final byte[] bytes = new byte[length];
                random.nextBytes(bytes);
                System.arraycopy(bytes, 0, content, offset, length);
                writes.add(write(guest, offset, bytes));
            }
            for (final CompletableFuture<Integer> write : writes) {
                assertEquals(0, write.get(30, TimeUnit.SECONDS));
            }
        }
    }

    private CompletableFuture<Integer> write(
            final Disk guest, final long offset, final byte[] bytes) {
        final CompletableFuture<Integer> written = new CompletableFuture<>();
        final MemorySegment memory = Arena.ofAuto().allocate(bytes.length);
        MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, 0, bytes.length);
        guestLoop.execute(
                () -> {
                    guest.write(
                            offset,
                            bytes.length,
                            memory,
                            0,
                            (token, errno) -> written.complete(errno),
                            0);
                    guest.poll();
                });
        return written;
    }

    private static <T> T onLoop(final NioLoop loop, final Callable<CompletableFuture<T>> operation)
            throws InterruptedException, ExecutionException, TimeoutException {
        final CompletableFuture<T> result = new CompletableFuture<>();
        loop.execute(
                () -> {
                    try {
                        final CompletableFuture<T> answer = operation.call();
                        final CompletableFuture<?> told =
                                answer.whenComplete(
                                        (value, thrown) -> {
                                            if (thrown != null) {
                                                result.completeExceptionally(thrown);
                                            } else {
                                                result.complete(value);
                                            }
                                        });
                        assert told != null;
                    } catch (final Exception e) {
                        result.completeExceptionally(e);
                    }
                });
        return result.get(30, TimeUnit.SECONDS);
    }

    private static <T> T call(final NioLoop loop, final Callable<T> operation) throws Exception {
        return onLoop(loop, () -> CompletableFuture.completedFuture(operation.call()));
    }

    private static void await(final CountDownLatch latch) {
        try {
            assertTrue(latch.await(30, TimeUnit.SECONDS));
        } catch (final InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** A loop of which some looks at the clock show it far ahead, the last one after an action. */
    private static final class HastyLoop implements IoLoop {
        private final IoLoop loop;
        private final long hasteNanos;
        private int looks;
        private Runnable atLast = () -> {};

        HastyLoop(final IoLoop loop, final long hasteNanos) {
            this.loop = loop;
            this.hasteNanos = hasteNanos;
        }

        void hurry(final int count, final Runnable action) {
            looks = count;
            atLast = action;
        }

        @Override
        public long nanoTime() {
            if (looks == 0) {
                return loop.nanoTime();
            }
            if (--looks == 0) {
                atLast.run();
            }
            return loop.nanoTime() + hasteNanos;
        }

        @Override
        public Listener listen(final Endpoint endpoint, final AcceptHandler handler)
                throws IOException {
            return loop.listen(endpoint, handler);
        }

        @Override
        public void connect(final Endpoint endpoint, final ConnectHandler handler) {
            loop.connect(endpoint, handler);
        }

        @Override
        public Timer schedule(final long delayNanos, final Runnable action) {
            return loop.schedule(delayNanos, action);
        }

        @Override
        public void execute(final Runnable action) {
            loop.execute(action);
        }
    }

    private static final class Silence implements ServerEvents {
        @Override
        public void onDiskError(final String sentence) {
            throw new AssertionError(sentence);
        }

        @Override
        public void onClientProblem(final String peer, final String sentence) {}
    }
}

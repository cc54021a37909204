package io.lockstep.engine.secondary;

import static io.lockstep.engine.epoch.EpochBuffer.BLOCK_LENGTH;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.GroupEvents.Event;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.RecordStore;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Selves;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Verdict;
import io.lockstep.engine.node.Word;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;

/** What becomes of a secondary's checkpoint while it is made equal and its buffers are small. */
@Timeout(30)
final class KeptCheckpointTest {
    private static final int LENGTH = 64 * BLOCK_LENGTH;
    private static final int SLOTS = 4;
    private static final long LIMIT = SLOTS * BLOCK_LENGTH;
    private static final Id SYNCHRONISATION = new Id(3, 2);

    @TempDir private Path folder;

    private final ManualLoop loop = new ManualLoop();
    private final List<Event> told = new ArrayList<>();
    private final List<String> sentences = new ArrayList<>();

    /** What is to be stored and is not yet, if that is held up. */
    private final List<RecordStore.Stored> held = new ArrayList<>();

    private boolean isHeld;
    private Self self = Selves.fresh(1, this::store);
    private HelperThreads helpers;
    private DiskFile file;
    private FileDisk local;
    private SecondaryGroup group;
    private Disk stream;
    private int errno;
    private int pending;

    private void store(final NodeRecord record, final RecordStore.Stored whenStored) {
        if (isHeld) {
            held.add(whenStored);
        } else {
            whenStored.onStored(Optional.empty());
        }
    }

    @BeforeEach
    void makeDisk() throws IOException {
        try (RandomAccessFile image = new RandomAccessFile(image().toFile(), "rw")) {
            image.setLength(LENGTH);
        }
    }

    @AfterEach
    void close() {
        if (group != null) {
            helpers.close();
            group.close();
            local.close();
            file.close();
            group = null;
        }
    }

    private Path image() {
        return folder.resolve("image");
    }

    private SecondaryOptions small() {
        return SecondaryOptions.in(folder.resolve("buffers"), 1, LIMIT);
    }

    private SecondaryOptions spilling() {
        return small().spillingTo(folder.resolve("spill"));
    }

    // ---- It is given up.

    @Test
    void nothingIsOverwrittenBeforeItIsRecordedThatTheCheckpointIsGivenUp() throws IOException {
        follow(small());
        synchronise(0);
        isHeld = true;
        submit(0, fill(SLOTS + 2, 2));
        run(() -> !held.isEmpty());
        submit(10L * BLOCK_LENGTH, fill(SLOTS + 2, 2)); // waits as well
        for (int i = 0; i < 1000; i++) {
            loop.runAll();
        }
        assertEquals(-1, errno, "a change is done before it is recorded");
        assertEquals(1, content()[0]);
        assertFalse(verdict().isAllowed(), "one is to take over while its way back goes");
        assertEquals(1, held.size());

        held.removeFirst().onStored(Optional.empty());
        run(() -> pending == 0);
        assertEquals(0, errno);
        assertEquals(Standing.INCONSISTENT, self.node().standing());
        assertEquals(Optional.empty(), group.error());
        assertEquals(2, content()[0]);
        assertEquals(2, content()[10 * BLOCK_LENGTH]);
        assertTrue(told.contains(Event.CHECKPOINT_GIVEN_UP), told::toString);
        assertTrue(sentences.getLast().contains("--spill"), sentences::toString);
        assertFalse(verdict().isAllowed());
        assertThrows(IllegalStateException.class, () -> finish(group.failOver(false)));

        catchUp();
        assertEquals(Standing.FOLLOWING, self.node().standing());
        assertTrue(verdict().isAllowed(), verdict()::reason);
    }

    @Test
    void whatCanNotBeRecordedIsTriedAgainAndNothingIsOverwrittenMeanwhile() throws IOException {
        follow(small());
        synchronise(0);
        isHeld = true;
        submit(0, fill(SLOTS + 2, 2));
        run(() -> !held.isEmpty());
        held.removeFirst().onStored(Optional.of("no space"));
        loop.runAll();
        assertEquals(Standing.FOLLOWING, self.node().standing());
        assertEquals(1, content()[0]);
        assertTrue(told.contains(Event.REPLICATION_ERROR), told::toString);
        isHeld = false;
        loop.runTimers();
        run(() -> errno == 0);
        assertEquals(Standing.INCONSISTENT, self.node().standing());
    }

    /** Whoever takes over while that waits has all of the checkpoint. */
    @Test
    void aFailoverBeforeItIsRecordedGoesToTheCheckpoint() throws IOException {
        follow(small());
        synchronise(0);
        isHeld = true;
        submit(0, fill(SLOTS + 2, 2));
        run(() -> !held.isEmpty());
        held.removeFirst().onStored(Optional.of("no space"));
        isHeld = false;
        final var over = group.failOver(false);
        loop.runTimers();
        finish(over);
        settle();
        assertArrayEquals(fill(LENGTH / BLOCK_LENGTH, 1), content());
    }

    @Test
    void behindTheSynchronisationThereIsNoRoomAsEver() throws IOException {
        follow(small());
        synchronise(0);
        write(0, fill(SLOTS, 2));
        isHeld = true; // the epoch is committed, and it is not recorded that the node follows
        final List<String> answers = beginToCatchUp();
        run(() -> !held.isEmpty());
        submit(0, fill(SLOTS + 2, 3));
        run(() -> errno != -1);
        held.removeFirst().onStored(Optional.empty());
        run(() -> !answers.isEmpty());
        assertTrue(errno > 0, "there is no room for so many");
        assertEquals(ReplicationError.Kind.PRE_IMAGE, group.error().orElseThrow().kind());
        assertEquals(Standing.FOLLOWING, self.node().standing());
        assertEquals(2, content()[0]);
    }

    // ---- It is said before.

    @Test
    void whetherThereWillBeRoomIsSaidWhenASynchronisationBegins() throws IOException {
        follow(small());
        synchronise(LIMIT);
        assertEquals("", verdict().warning());
        assertFalse(told.contains(Event.CHECKPOINT_AT_RISK), told::toString);
        synchronise(LIMIT + 1);
        assertTrue(told.contains(Event.CHECKPOINT_AT_RISK), told::toString);
        assertTrue(verdict().warning().contains("up to " + (LIMIT + 1)), verdict()::warning);
        catchUp();
        assertEquals("", verdict().warning());
    }

    // ---- The spill.

    @Test
    void whatTheBuffersHaveNoRoomForIsFoundInTheSpillAfterAKill() throws IOException {
        follow(spilling());
        synchronise(LENGTH);
        assertEquals("", verdict().warning());
        write(0, fill(SLOTS, 2));
        write(0, fill(30, 2));
        write(20L * BLOCK_LENGTH, fill(30, 3)); // in part what is saved
        assertEquals(Standing.FOLLOWING, self.node().standing());
        assertArrayEquals(fill(LENGTH / BLOCK_LENGTH, 1), read(guest(), 0, LENGTH));

        close();
        for (final SecondaryOptions other :
                List.of(small(), small().spillingTo(folder.resolve("another")))) {
            final String refusal = assertThrows(IOException.class, () -> open(other)).getMessage();
            assertTrue(refusal.contains("--spill"), refusal);
            local.close();
            file.close();
        }
        open(spilling());
        assertArrayEquals(fill(LENGTH / BLOCK_LENGTH, 1), read(guest(), 0, LENGTH));
        finish(group.failOver(false));
        settle();
        assertArrayEquals(fill(LENGTH / BLOCK_LENGTH, 1), content());
        try (var left = Files.list(folder.resolve("spill"))) {
            assertEquals(0, left.count(), "something of the spill is left behind");
        }
    }

    /** What was spilled in other buffers' time has the same epochs perhaps, and is no pre-image. */
    @Test
    void aSpillWhoseBuffersAreGoneIsNotTakenForTheirs() throws IOException {
        follow(spilling());
        synchronise(LENGTH);
        write(0, fill(30, 2));
        close();
        try (var files = Files.list(folder.resolve("buffers"))) {
            for (final Path gone : files.toList()) {
                Files.delete(gone);
            }
        }
        open(spilling());
        finish(group.start());
        assertEquals(2, read(guest(), 0, 1)[0]);
    }

    @Test
    void theSpillOfAnotherNodeIsLeftAsItIs() throws IOException {
        follow(spilling());
        synchronise(LENGTH);
        write(0, fill(30, 2));
        close();
        self = Selves.fresh(2);
        final SecondaryOptions options =
                SecondaryOptions.in(folder.resolve("others"), 1, LIMIT)
                        .spillingTo(folder.resolve("spill"));
        final String refusal = assertThrows(IOException.class, () -> open(options)).getMessage();
        assertTrue(refusal.contains("that of another node"), refusal);
        local.close();
        file.close();
        assertTrue(Files.size(folder.resolve("spill").resolve("disk0.spill-even.arena")) > 0);
    }

    // ---- What a test needs.

    private void open(final SecondaryOptions options) throws IOException {
        self = again(self);
        file = DiskFile.open("vda", image(), false);
        helpers = new HelperThreads();
        local = new FileDisk(file, loop, helpers);
        group =
                SecondaryGroup.open(
                        loop,
                        List.of(local),
                        self,
                        options,
                        (event, disk, epoch, sentence) -> {
                            told.add(event);
                            sentences.add(sentence);
                        });
        stream = group.streamExports().getFirst().disk();
    }

    private Self again(final Self before) {
        return new Self(
                new Node(before.node().record(), before.node().number(), this::store),
                before.reigns(),
                false);
    }

    /** A secondary at a checkpoint in which its disk is full of ones. */
    private void follow(final SecondaryOptions options) throws IOException {
        open(options);
        finish(group.start());
        write(0, fill(LENGTH / BLOCK_LENGTH, 1)); // over holes, which take no room
        finish(group.checkpoint());
        offer(Selves.primary(true), true, 0);
        assertEquals(Standing.FOLLOWING, self.node().standing());
    }

    /** A primary begins to make it equal. */
    private void synchronise(final long toCome) {
        final Summary primary = Selves.primary(false);
        offer(
                new Summary(
                        primary.node(),
                        primary.group(),
                        self.node().record().node(),
                        primary.standing(),
                        primary.lineage(),
                        0,
                        SYNCHRONISATION,
                        Id.NONE,
                        -1,
                        false,
                        false),
                false,
                toCome);
    }

    private void offer(final Summary primary, final boolean isEmpty, final long toCome) {
        final List<String> answers = new ArrayList<>();
        group.session()
                .offer(
                        0,
                        () -> {},
                        primary,
                        ControlRecord.flagsOf(Word.NONE),
                        isEmpty,
                        toCome,
                        why -> answers.add("" + why),
                        () -> answers.add("ousted"));
        loop.runAll();
        assertEquals(List.of("null"), answers);
        group.detachAll(client -> true); // nobody is to be taken for alive
    }

    /** The primary's last word of a synchronisation. */
    private void catchUp() {
        isHeld = false;
        final List<String> answers = beginToCatchUp();
        run(() -> !answers.isEmpty());
        assertEquals(List.of("null"), answers);
    }

    private List<String> beginToCatchUp() {
        final SecondaryDisk disk = group.disks().get(0);
        final long epoch = group.openEpoch();
        disk.endEpoch();
        final List<String> answers = new ArrayList<>();
        disk.whenDrained(
                () ->
                        group.session()
                                .caughtUp(0, SYNCHRONISATION, epoch, why -> answers.add("" + why)));
        return answers;
    }

    private Verdict verdict() {
        return group.node().orElseThrow().verdict().orElseThrow();
    }

    private Disk guest() {
        return group.guestExports().getFirst().disk();
    }

    private byte[] content() {
        try {
            return Files.readAllBytes(image());
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static byte[] fill(final int blocks, final int value) {
        final byte[] bytes = new byte[blocks * BLOCK_LENGTH];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    private void submit(final long offset, final byte[] bytes) {
        final MemorySegment memory = Arena.ofAuto().allocate(bytes.length);
        MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, 0, bytes.length);
        errno = -1;
        pending++;
        stream.write(
                offset,
                bytes.length,
                memory,
                0,
                (token, result) -> {
                    pending--;
                    errno = result;
                },
                0);
        stream.poll();
    }

    private void write(final long offset, final byte[] bytes) {
        submit(offset, bytes);
        run(() -> errno != -1);
        assertEquals(0, errno);
    }

    private byte[] read(final Disk disk, final long offset, final int length) {
        errno = -1;
        final MemorySegment memory = Arena.ofAuto().allocate(length);
        disk.read(offset, length, memory, 0, (token, result) -> errno = result, 0);
        disk.poll();
        run(() -> errno != -1);
        assertEquals(0, errno);
        return memory.toArray(ValueLayout.JAVA_BYTE);
    }

    private void run(final BooleanSupplier condition) {
        while (!condition.getAsBoolean()) {
            if (!loop.runNext()) {
                local.poll();
                Thread.onSpinWait();
                assertFalse(Thread.interrupted(), "it comes to no end");
            }
        }
    }

    private void finish(final CompletableFuture<?> future) {
        run(
                () -> {
                    loop.runTimers();
                    return future.isDone();
                });
        if (future.isCompletedExceptionally()) {
            throw new IllegalStateException(future.exceptionNow());
        }
    }

    private void settle() {
        run(
                () -> {
                    loop.runTimers();
                    return group.status().state() == GroupStatus.State.ALONE;
                });
        loop.runAll();
    }
}

package io.lockstep.engine.secondary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.RecordStore;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Selves;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Verdict;
import io.lockstep.engine.server.ControlSpace;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * A secondary whose disk its primary writes, too: what it knows of that, and when it takes over.
 */
final class SharingTest {
    private static final int LENGTH = 1 << 16;
    private static final int BLOCK_LENGTH = 4096;
    private static final Id LATER_SESSION = new Id(3, 2);

    @TempDir private Path folder;

    private final ManualLoop loop = new ManualLoop();
    private final HelperThreads helpers = new HelperThreads();
    private final List<Runnable> held = new ArrayList<>();
    private boolean isStorageHeld;
    private String storageFailure = "";
    private boolean isDiskRefused;
    private final Self self = Selves.fresh(1, this::store);
    private ControlSpace.Client primary = () -> {};
    private DiskFile file;
    private FileDisk local;
    private SecondaryGroup group;

    @BeforeEach
    void start() throws IOException {
        writeDisk(1);
        file = DiskFile.open("vda", folder.resolve("image"), false);
        local = new FileDisk(file, loop, helpers);
        group =
                SecondaryGroup.open(
                        loop,
                        List.of(local),
                        self,
                        SecondaryOptions.in(folder.resolve("buffers"), 1, LENGTH)
                                .sharing(this::takeOver),
                        (event, disk, epoch, sentence) -> {});
        done(group.start());
    }

    @AfterEach
    void close() {
        group.close();
        local.close();
        file.close();
        helpers.close();
    }

    private void store(final NodeRecord record, final RecordStore.Stored whenStored) {
        if (isStorageHeld) {
            held.add(() -> whenStored.onStored(Optional.empty()));
        } else {
            whenStored.onStored(
                    storageFailure.isEmpty() ? Optional.empty() : Optional.of(storageFailure));
        }
    }

    private void takeOver() throws IOException {
        if (isDiskRefused) {
            throw new IOException("it is gone");
        }
    }

    // ---- Who may have gone on without it.

    /**
     * The one before may have overwritten what it has not announced; that there is nothing to go
     * back to is known when it is recorded.
     */
    @Test
    void theOneBeforeMayHaveGoneOnUntilItsCheckpointIsRecordedToBeNone() {
        assertEquals(0, attach(Selves.SESSION, ControlRecord.GOES_ON));
        assertEquals(Standing.FOLLOWING, self.node().standing());
        isStorageHeld = true;
        final int[] answer = beginToAttach(LATER_SESSION, 0);
        loop.runAll();
        assertEquals(1, held.size());
        group.fenced();
        final Verdict verdict = group.succession().verdict();
        assertTrue(verdict.reason().contains("may have gone on"), verdict::reason);

        isStorageHeld = false;
        held.getFirst().run();
        await(answer);
        assertEquals(0, answer[0]);
        assertEquals(Standing.INCONSISTENT, self.node().standing());
        final int flags = ControlRecord.CAUGHT_UP | ControlRecord.AND_COMMIT;
        assertEquals(0, command(ControlRecord.SEAL, group.openEpoch(), flags));
        group.detachAll(client -> false);
        group.fenced();
        done(group.failOver(false));
    }

    /** What to do is about the one disk that there is. */
    @Test
    void oneWithoutACheckpointIsNotToldToTakeACopy() {
        assertEquals(0, attach(Selves.SESSION, 0));
        isStorageHeld = true;
        final int[] answer = beginToAttach(LATER_SESSION, 0);
        loop.runAll();
        isStorageHeld = false;
        held.getFirst().run();
        await(answer);
        assertEquals(0, answer[0]);
        assertEquals(Standing.INCONSISTENT, self.node().standing());
        group.detachAll(client -> false);
        group.fenced();
        final String refusal = refusal(group.failOver(false));
        assertTrue(refusal.contains("start the primary again"), refusal);
        assertTrue(refusal.contains("lockstep failover --force"), refusal);
    }

    // ---- A takeover that fails.

    /** Why a takeover may fail. */
    enum Failure {
        THE_DISK_CANNOT_BE_WRITTEN,
        IT_CANNOT_BE_RECORDED
    }

    /** What may be no checkpoint is dropped when the node has taken over, and not before. */
    @ParameterizedTest
    @EnumSource(Failure.class)
    void aForcedFailoverThatFailsDropsNothing(final Failure failure) throws IOException {
        assertEquals(0, attach(Selves.SESSION, ControlRecord.GOES_ON));
        assertEquals(0, announce());
        writeDisk(2);
        assertEquals(1, seenByGuest());
        isDiskRefused = failure == Failure.THE_DISK_CANNOT_BE_WRITTEN;
        storageFailure = failure == Failure.IT_CANNOT_BE_RECORDED ? "no space" : "";
        final String refusal = refusal(group.failOver(true));
        assertTrue(refusal.contains(isDiskRefused ? "it is gone" : "no space"), refusal);
        assertEquals(0, group.status().committedEpoch());
        assertEquals(1, seenByGuest());

        isDiskRefused = false;
        storageFailure = "";
        done(group.failOver(true));
        assertEquals(2, seenByGuest());
    }

    // ---- The primary.

    private void writeDisk(final int value) throws IOException {
        try (RandomAccessFile image =
                new RandomAccessFile(folder.resolve("image").toFile(), "rw")) {
            image.setLength(LENGTH);
            image.write(value);
        }
    }

    private ControlSpace control() {
        return group.streamExports().getFirst().control();
    }

    /** Answers the error number. */
    private int attach(final Id session, final int policy) {
        final int[] answer = beginToAttach(session, policy);
        await(answer);
        return answer[0];
    }

    /** A process of the primary, with disks that are empty when it begins. */
    private int[] beginToAttach(final Id session, final int policy) {
        primary = () -> {};
        final boolean isFirst = session.equals(Selves.SESSION);
        final Summary first = Selves.primary(isFirst);
        final Summary summary =
                new Summary(
                        first.node(),
                        first.group(),
                        isFirst ? Id.NONE : self.node().record().node(),
                        first.standing(),
                        first.lineage(),
                        0,
                        session,
                        Id.NONE,
                        -1,
                        false,
                        isFirst);
        final MemorySegment record =
                Arena.ofAuto().allocate(ControlRecord.LENGTH_WITH_SUMMARY, Long.BYTES);
        final int flags = ControlRecord.SHARED | policy;
        ControlRecord.write(record, 0, ControlRecord.ATTACH, 0, 0, session, flags);
        ControlRecord.summary(record, 0, summary);
        return submit(record);
    }

    /** Answers the error number. */
    private int command(final int kind, final long epoch, final int flags) {
        final MemorySegment record = Arena.ofAuto().allocate(ControlRecord.LENGTH, Long.BYTES);
        ControlRecord.write(record, 0, kind, epoch, 0, LATER_SESSION, flags);
        final int[] answer = submit(record);
        await(answer);
        return answer[0];
    }

    private int[] submit(final MemorySegment record) {
        final int[] answer = {-1};
        control()
                .write(
                        primary,
                        0,
                        (int) record.byteSize(),
                        record,
                        0,
                        (token, errno) -> answer[0] = errno,
                        0);
        return answer;
    }

    /** It will overwrite the first block. Answers the error number. */
    private int announce() {
        final int[] answer = {-1};
        control().announce(primary, 0, BLOCK_LENGTH, (token, errno) -> answer[0] = errno, 0);
        group.streamExports().getFirst().disk().poll();
        await(answer);
        return answer[0];
    }

    private int seenByGuest() {
        final Disk guest = group.guestExports().getFirst().disk();
        final MemorySegment memory = Arena.ofAuto().allocate(1);
        final int[] answer = {-1};
        guest.read(0, 1, memory, 0, (token, errno) -> answer[0] = errno, 0);
        guest.poll();
        await(answer);
        assertEquals(0, answer[0]);
        return memory.get(ValueLayout.JAVA_BYTE, 0);
    }

    private void await(final int[] answer) {
        while (answer[0] < 0) {
            if (!loop.runNext()) {
                Thread.onSpinWait();
            }
        }
    }

    private <T> T done(final CompletableFuture<T> future) {
        while (!future.isDone()) {
            if (!loop.runNext()) {
                Thread.onSpinWait();
            }
        }
        return future.join();
    }

    private String refusal(final CompletableFuture<?> future) {
        return assertThrows(CompletionException.class, () -> done(future)).getCause().getMessage();
    }
}

package io.lockstep.engine.secondary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Lineage;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Reign;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Selves;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.server.ControlSpace;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.Proxy;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;
import java.util.function.UnaryOperator;

/** A primary presents itself: whom a secondary takes, and what it says to whom it doesn't. */
final class AttachTest {
    private static final int LENGTH = 1 << 16;
    private static final int BLOCK_LENGTH = 4096;
    private static final long BUFFER_LIMIT = 4L * BLOCK_LENGTH;

    private Self self = Selves.fresh(1);

    @TempDir private Path folder;

    private final ManualLoop loop = new ManualLoop();
    private final HelperThreads helpers = new HelperThreads();
    private ControlSpace.Client primary = () -> {};
    private final List<String> told = new ArrayList<>();
    private DiskFile file;
    private FileDisk local;

    /** What the secondary sees of its disk. */
    private UnaryOperator<Disk> face = disk -> disk;

    private SecondaryGroup group;

    @BeforeEach
    void start() throws IOException {
        try (RandomAccessFile image = new RandomAccessFile(image().toFile(), "rw")) {
            image.setLength(LENGTH);
        }
        open();
        done(group.start());
    }

    private Path image() {
        return folder.resolve("image");
    }

    private void open() throws IOException {
        file = DiskFile.open("vda", image(), false);
        local = new FileDisk(file, loop, helpers);
        group =
                SecondaryGroup.open(
                        loop,
                        List.of(face.apply(local)),
                        self,
                        SecondaryOptions.in(folder.resolve("buffers"), 1, BUFFER_LIMIT),
                        (event, disk, epoch, sentence) -> told.add(sentence));
    }

    @AfterEach
    void close() {
        closeGroup();
        helpers.close();
    }

    private void closeGroup() {
        group.close();
        local.close();
        file.close();
    }

    /** As often as it was started: nobody has written. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 3})
    void twoEmptyDisksArePairedHoweverOftenTheSecondaryWasStarted(final int restarts)
            throws IOException {
        for (int i = 0; i < restarts; i++) {
            closeGroup();
            open();
        }
        assertEquals(0, attach(true, Word.NONE));
        assertTrue(group.status().linked());
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aDiskThatAPlainClientHasWrittenToIsNotEmpty(final boolean isRestarted) throws IOException {
        assertEquals(0, write(new byte[] {1}));
        if (isRestarted) {
            closeGroup();
            open();
        }
        assertEquals("", group.status().unlinkedReason());
        assertEquals(Errno.EPERM, attach(true, Word.NONE));
        assertTrue(reason().contains("not known to be equal"), reason());
        assertFalse(group.status().linked());
        assertTrue(
                group.status()
                        .unlinkedReason()
                        .contains(
                                "disk vda has data of its own; if that may be overwritten, say"
                                        + " 'lockstep join' here, once"),
                group.status().unlinkedReason());
        assertEquals(0, attach(false, Word.AT_FIRST));
        assertEquals("", group.status().unlinkedReason());
    }

    /** Failover would lead back to data that the primary never had. */
    @Test
    void aDiskWhoseDataWasZeroedSinceTheCheckpointIsNotEmpty() throws IOException {
        closeGroup();
        Files.write(image(), new byte[] {1});
        try (RandomAccessFile image = new RandomAccessFile(image().toFile(), "rw")) {
            image.setLength(LENGTH);
        }
        open();
        final int[] errno = {-1};
        final Disk stream = group.streamExports().getFirst().disk();
        stream.zero(0, LENGTH, 0, (token, result) -> errno[0] = result, 0);
        stream.poll();
        await(errno);
        assertEquals(0, errno[0]);
        assertEquals(Errno.EPERM, attach(true, Word.NONE));
        done(group.checkpoint());
        assertEquals(0, attach(true, Word.NONE));
    }

    /**
     * The same primary comes on another connection: what is under way from the one before ends
     * first, and nothing more is taken from there.
     */
    @Test
    void aConnectionThatAttachesFencesTheOneBefore() throws IOException {
        final Arena arena = Arena.ofAuto();
        final List<Runnable> held = new ArrayList<>();
        final boolean[] isHolding = new boolean[1];
        closeGroup();
        face = disk -> withWritesHeld(disk, () -> isHolding[0], held);
        open();
        final boolean[] isEvicted = new boolean[1];
        final ControlSpace.Client before = () -> isEvicted[0] = true;
        primary = before;
        assertEquals(0, attach(true, Word.NONE));
        assertTrue(control().mayChange(before));
        isHolding[0] = true;
        final Disk stream = group.streamExports().getFirst().disk();
        final int[] old = submit(arena, stream, 1);

        primary = () -> {};
        assertEquals(0, attach(true, Word.NONE));
        assertTrue(isEvicted[0]);
        assertFalse(control().mayChange(before));
        assertTrue(control().mayChange(primary));
        final int[] newer = submit(arena, stream, 2);
        while (loop.runNext()) {}
        assertEquals(1, held.size(), "the newer one waits");
        isHolding[0] = false;
        held.getFirst().run();
        await(old);
        await(newer);
        assertEquals(List.of(0, 0), List.of(old[0], newer[0]));
        assertEquals(2, Files.readAllBytes(image())[0]);
    }

    private static Disk withWritesHeld(
            final Disk disk, final BooleanSupplier isHolding, final List<Runnable> held) {
        return (Disk)
                Proxy.newProxyInstance(
                        Disk.class.getClassLoader(),
                        new Class<?>[] {Disk.class},
                        (proxy, method, arguments) -> {
                            if (!method.getName().equals("write") || !isHolding.getAsBoolean()) {
                                return method.invoke(disk, arguments);
                            }
                            held.add(
                                    () -> {
                                        try {
                                            method.invoke(disk, arguments);
                                        } catch (final ReflectiveOperationException e) {
                                            throw new IllegalStateException(e);
                                        }
                                        disk.poll();
                                    });
                            return null;
                        });
    }

    private static int[] submit(final Arena arena, final Disk stream, final int value) {
        final MemorySegment memory = arena.allocate(1);
        memory.set(ValueLayout.JAVA_BYTE, 0, (byte) value);
        final int[] answer = {-1};
        stream.write(0, 1, memory, 0, (token, errno) -> answer[0] = errno, 0);
        stream.poll();
        return answer;
    }

    @Test
    void anEmptyDiskIsMadeEqualFirstToAPrimaryThatHasData() {
        assertEquals(0, attach(false, Word.NONE));
        assertEquals(Standing.INCONSISTENT, self.node().standing());
        assertTrue(refusal(group.failOver(false)).contains("between two checkpoints"));
    }

    @Test
    void aCheckpointIsThePrimarysOnceOneIsAttached() {
        assertEquals(1L, (long) done(group.checkpoint()), "of whoever writes");
        assertEquals(0, attach(true, Word.NONE));
        final String sentence = refusal(group.checkpoint());
        assertTrue(sentence.contains("nothing was checkpointed"), sentence);
        assertEquals(1, group.status().committedEpoch());

        assertEquals(0, command(ControlRecord.SEAL, 2, 0));
        assertEquals(2L, (long) done(group.checkpoint()), "what the primary has sealed");
        assertTrue(refusal(group.checkpoint()).contains("nothing was checkpointed"));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void thePrimaryIsToldHowReplicationHasEnded(final boolean failover) {
        assertEquals(0, attach(true, Word.NONE));
        done(failover ? group.failOver(true) : group.stop(false));
        assertEquals(failover, group.hasFailedOver());
        final String expected = failover ? "failed over to epoch 0" : "was stopped";
        final String other = failover ? "was stopped" : "failed over";
        assertEquals(Errno.EPERM, attach(true, Word.NONE));
        assertTrue(reason().contains("the peer is newer: it took over"), reason());
        for (final String sentence : List.of(group.ending(), refusal(group.checkpoint()))) {
            assertTrue(sentence.contains(expected), sentence);
            assertFalse(sentence.contains(other), sentence);
        }
        done(group.stop(!failover)); // QEMU takes it again, and does nothing
        done(group.start());
        assertEquals(failover, group.hasFailedOver());
    }

    /** It was frozen, or is in doubt about a switch, and one behind it has taken over. */
    @Test
    void whoHasTakenOverIsAskedAgainByTheNextOne() {
        assertEquals(0, attach(true, Word.NONE));
        done(group.failOver(true));
        done(self.node().rejoin(self.node().record().peer(), 0)); // which it had made equal
        final NodeRecord own = self.node().record();
        assertEquals(Standing.REIGNING, own.standing());
        final Summary next =
                new Summary(
                        own.peer(),
                        own.group(),
                        own.node(),
                        Standing.REIGNING,
                        own.lineage().begin(new Reign(new Id(2, 9), 0, 0)),
                        0,
                        new Id(3, 9),
                        Id.NONE,
                        -1,
                        false,
                        false);
        assertEquals(
                Errno.ESHUTDOWN,
                attach(next, Word.NONE),
                () -> "it becomes its secondary: " + reason());
        assertTrue(reason().contains("failed over to epoch 0"), reason());
    }

    @Test
    void whoWritesIsToldWhichBufferIsFull() throws IOException {
        assertEquals(0, attach(true, Word.NONE));
        assertEquals(0, write(new byte[8 * BLOCK_LENGTH]));
        assertEquals(0, command(ControlRecord.SEAL, 1, ControlRecord.AND_COMMIT));
        assertEquals("", control().refusal());
        assertEquals(0, write(new byte[3 * BLOCK_LENGTH]));
        assertEquals(Errno.ENOSPC, write(3 * BLOCK_LENGTH, new byte[3 * BLOCK_LENGTH]));
        final String sentence = control().refusal();
        assertEquals(sentence, group.error().orElseThrow().sentence());
        for (final String part :
                List.of(
                        "secondary's hidden disk is full",
                        "--buffer-limit",
                        "12288 of 16384 bytes (--buffer-limit)",
                        folder.resolve("buffers").toString(),
                        "raise --buffer-limit, or checkpoint more often",
                        "fail over to epoch 1")) {
            assertTrue(sentence.contains(part), sentence);
        }
    }

    /** However often somebody checkpoints, one change of that length would have no room. */
    @Test
    void whatIsLongerThanABufferIsToldThat() throws IOException {
        final String expected =
                "0 of 16384 bytes \\(--buffer-limit\\) taken, .* one change of 20480 bytes needs"
                        + " more than the limit: raise --buffer-limit(, or name .* --spill;.*)?";
        assertEquals(0, attach(true, Word.NONE));
        assertEquals(0, write(new byte[8 * BLOCK_LENGTH]));
        assertEquals(0, command(ControlRecord.SEAL, 1, ControlRecord.AND_COMMIT));
        final Disk guest = group.guestExports().getFirst().disk();
        assertEquals(Errno.ENOSPC, write(guest, 0, new byte[5 * BLOCK_LENGTH]));
        assertTrue(
                told.getLast().matches(".*the active disk is full: " + expected), told::toString);
        assertEquals(Errno.ENOSPC, write(new byte[5 * BLOCK_LENGTH]));
        final String sentence = control().refusal();
        assertTrue(sentence.matches(".*hidden disk is full \\(ENOSPC\\): " + expected), sentence);
    }

    // ---- Killed in the midst of an attachment.

    /** Where a process is killed that takes a primary: the stores are in this order. */
    enum Cut {
        /** The one half of the session's name is in the page. */
        IN_THE_SESSIONS_NAME,
        /** The session is in the page, and the record is not stored. */
        BEFORE_THE_RECORD,
        /** The record is stored, and nobody has been told. */
        BEHIND_THE_RECORD
    }

    @ParameterizedTest
    @EnumSource(Cut.class)
    void nobodyElseSlipsInWhereAnAttachmentWasCut(final Cut cut) throws IOException {
        cutAttachment(cut);
        assertFalse(group.status().linked());
        final boolean isRecorded = cut == Cut.BEHIND_THE_RECORD;
        assertEquals(
                isRecorded ? Standing.FOLLOWING : Standing.FRESH, self.node().record().standing());
        final ControlSpace.Client stranger = () -> {};
        assertFalse(control().mayChange(stranger), "of one who has not presented itself");
        assertEquals(Errno.EPERM, attach(other(), Word.NONE));
        assertTrue(
                reason().contains(isRecorded ? "nothing in common" : "not known to be equal"),
                reason());
        if (isRecorded) {
            assertEquals(Errno.EPERM, attach(other(), Word.AT_FIRST));
        }
        assertFalse(control().mayChange(primary), "of one who was refused");
        assertEquals(0, attach(false, Word.AT_FIRST), "it is tried again");
        assertEquals(Standing.FOLLOWING, self.node().record().standing());
        assertTrue(control().mayChange(primary));
    }

    /** Has a process die there, and the next one begin. */
    private void cutAttachment(final Cut cut) throws IOException {
        closeGroup();
        try (RandomAccessFile data = new RandomAccessFile(image().toFile(), "rw")) {
            data.write(1);
        }
        final AtomicReference<NodeRecord> stored = new AtomicReference<>();
        self = Selves.fresh(1, (record, whenStored) -> stored.set(record)); // and never answers
        final NodeRecord before = self.node().record();
        open();
        if (cut == Cut.IN_THE_SESSIONS_NAME) {
            closeGroup();
            storeHalfOfTheSession();
        } else {
            final int[] answer = {-1};
            try (Arena arena = Arena.ofConfined()) {
                submitAttachment(arena, Selves.primary(false), Word.AT_FIRST, answer);
                while (stored.get() == null) {
                    loop.runNext();
                }
                assertEquals(-1, answer[0], "it may write before that is recorded");
            }
            closeGroup();
        }
        self = Selves.of(cut == Cut.BEHIND_THE_RECORD ? stored.get() : before);
        open();
    }

    /** What a process leaves that is killed in {@code GroupPage.session}. */
    private void storeHalfOfTheSession() throws IOException {
        final Path page = SecondaryOptions.in(folder.resolve("buffers"), 1, BUFFER_LIMIT).page();
        try (RandomAccessFile file = new RandomAccessFile(page.toFile(), "rw")) {
            file.seek(40); // where its lower half is
            final long low = Selves.SESSION.low();
            file.writeLong(
                    ByteOrder.nativeOrder() == ByteOrder.BIG_ENDIAN ? low : Long.reverseBytes(low));
        }
    }

    /** Another primary, of another group, with data. */
    private static Summary other() {
        return new Summary(
                new Id(1, 9),
                new Id(7, 9),
                Id.NONE,
                Standing.REIGNING,
                Lineage.NONE.begin(new Reign(new Id(2, 9), 0, 0)),
                0,
                new Id(3, 9),
                Id.NONE,
                -1,
                false,
                false);
    }

    // ---- The primary.

    private ControlSpace control() {
        return group.streamExports().getFirst().control();
    }

    private String reason() {
        return control().reason();
    }

    private int attach(final boolean isEmpty, final Word word) {
        return attach(Selves.primary(isEmpty), word);
    }

    /** Answers the error number. */
    private int attach(final Summary summary, final Word word) {
        final int[] answer = {-1};
        try (Arena arena = Arena.ofConfined()) {
            submitAttachment(arena, summary, word, answer);
            await(answer);
        }
        return answer[0];
    }

    private void submitAttachment(
            final Arena arena, final Summary summary, final Word word, final int[] answer) {
        final MemorySegment record = arena.allocate(ControlRecord.LENGTH_WITH_SUMMARY, Long.BYTES);
        ControlRecord.write(
                record,
                0,
                ControlRecord.ATTACH,
                0,
                0,
                summary.session(),
                ControlRecord.flagsOf(word));
        ControlRecord.summary(record, 0, summary);
        submit(record, answer);
    }

    private void submit(final MemorySegment record, final int[] answer) {
        control()
                .write(
                        primary,
                        0,
                        (int) record.byteSize(),
                        record,
                        0,
                        (token, errno) -> answer[0] = errno,
                        0);
    }

    /** Answers the error number. */
    private int command(final int kind, final long epoch, final int flags) {
        final int[] answer = {-1};
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment record = arena.allocate(ControlRecord.LENGTH, Long.BYTES);
            ControlRecord.write(record, 0, kind, epoch, 0, Selves.SESSION, flags);
            submit(record, answer);
            await(answer);
        }
        return answer[0];
    }

    /** Answers the error number. */
    private int write(final byte[] bytes) {
        return write(0, bytes);
    }

    private int write(final long offset, final byte[] bytes) {
        return write(group.streamExports().getFirst().disk(), offset, bytes);
    }

    private int write(final Disk disk, final long offset, final byte[] bytes) {
        final int[] answer = {-1};
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment memory = arena.allocate(bytes.length);
            memory.copyFrom(MemorySegment.ofArray(bytes));
            disk.write(offset, bytes.length, memory, 0, (token, errno) -> answer[0] = errno, 0);
            disk.poll();
            await(answer);
        }
        return answer[0];
    }

    /** Where the folder is on a device, a helper does it. */
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

    private static String refusal(final CompletableFuture<?> future) {
        return assertThrows(CompletionException.class, future::join).getCause().getMessage();
    }
}

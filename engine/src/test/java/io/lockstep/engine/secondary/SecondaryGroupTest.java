package io.lockstep.engine.secondary;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import static java.nio.file.StandardCopyOption.REPLACE_EXISTING;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.Storage;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Selves;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Word;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/** A secondary over a file, whose disk completes at once; the simulator has disks that don't. */
final class SecondaryGroupTest {
    private static final int LENGTH = (1 << 20) + 1000;
    private static final long BUFFER_LIMIT = 64 << 20;

    private Self self = Selves.fresh(1);

    @TempDir private Path folder;

    private final ManualLoop loop = new ManualLoop();
    private HelperThreads helpers;
    private DiskFile file;
    private FileDisk local;

    /** What the group sees of the disk. */
    private UnaryOperator<Disk> face = disk -> disk;

    private SecondaryGroup group;
    private Disk stream;
    private Disk guest;
    private int errno;

    @BeforeEach
    void makeDisk() throws IOException {
        try (RandomAccessFile image = new RandomAccessFile(imagePath().toFile(), "rw")) {
            image.setLength(LENGTH);
        }
    }

    @AfterEach
    void close() {
        closeGroup();
    }

    private Path imagePath() {
        return folder.resolve("image");
    }

    private Path buffers() {
        return folder.resolve("buffers");
    }

    private void open(final long bufferLimit) throws IOException {
        file = DiskFile.open("vda", imagePath(), false);
        helpers = new HelperThreads();
        local = new FileDisk(file, loop, helpers);
        group =
                SecondaryGroup.open(
                        loop,
                        List.of(face.apply(local)),
                        self,
                        SecondaryOptions.in(buffers(), 1, bufferLimit),
                        (event, disk, epoch, sentence) -> {});
        stream = group.streamExports().getFirst().disk();
        guest = group.guestExports().getFirst().disk();
    }

    private void start() throws IOException {
        open(BUFFER_LIMIT);
        finish(group.start());
    }

    private void closeGroup() {
        if (group != null) {
            helpers.close(); // a call that is still under way holds the file, and its lock
            group.close();
            local.close();
            file.close();
            group = null;
            self = Selves.again(self); // which the next process finds
        }
    }

    @Test
    void secondaryGuestSeesTheCheckpointAndItsOwnWrites() throws IOException {
        start();
        write(stream, 0, fill(LENGTH, 0x11));
        finish(group.checkpoint());
        write(stream, 100_000, fill(50_000, 0x22));
        write(stream, 200_000, fill(50_000, 0x44));
        write(guest, 200_000, fill(1_000, 0x33));
        assertEquals(0x11, read(guest, 100_000, 1)[0]);
        assertEquals(0x33, read(guest, 200_000, 1)[0]);
        assertEquals(0x11, read(guest, 201_000, 1)[0]);
        assertEquals(0x44, read(stream, 200_000, 1)[0]);

        finish(group.failOver(true));
        assertEquals(0x33, read(guest, 200_999, 1)[0]);
        settle();
        final byte[] expected = fill(LENGTH, 0x11);
        Arrays.fill(expected, 200_000, 201_000, (byte) 0x33);
        assertArrayEquals(expected, Files.readAllBytes(imagePath()));
        assertFalse(Files.exists(buffers()), "the buffers are left behind");
        assertEquals(GroupStatus.State.ALONE, group.status().state());
    }

    @Test
    void aSealedEpochIsUndoneUntilItIsCommitted() throws IOException {
        start();
        write(stream, 0, fill(8192, 1));
        assertEquals(1L, (long) finish(group.seal()));
        write(stream, 0, fill(4096, 2));
        assertEquals(0, read(guest, 0, 1)[0]);
        finish(group.commit(1));
        assertEquals(1, read(guest, 0, 1)[0]);
        assertEquals(1, read(guest, 4096, 1)[0]);
        finish(group.failOver(true));
        settle();
        assertArrayEquals(fill(8192, 1), Arrays.copyOf(Files.readAllBytes(imagePath()), 8192));
    }

    @Test
    void refusesAThirdUncommittedEpochAndACommitOfNone() throws IOException {
        start();
        finish(group.seal());
        assertThrows(IllegalStateException.class, () -> finish(group.seal()));
        assertThrows(IllegalStateException.class, () -> finish(group.commit(2)));
        assertThrows(IllegalStateException.class, () -> finish(group.start()));
        finish(group.commit(1));
        finish(group.seal());
    }

    /** Whatever is dirty: nothing in the buffers is as much as written to (I4). */
    @Test
    void aCommitChangesOneWordAndNothingElse() throws IOException {
        start();
        write(stream, 0, fill(LENGTH, 1));
        finish(group.checkpoint());
        write(stream, 0, fill(LENGTH, 2));
        write(guest, 5000, fill(100_000, 3));
        finish(group.seal());
        final Map<Path, byte[]> before = contentOfBuffers();
        finish(group.commit(2));
        final Map<Path, byte[]> after = contentOfBuffers();
        final Path page = buffers().resolve("group");
        final byte[] pageBefore = before.remove(page);
        final byte[] pageAfter = after.remove(page);
        final int word = Arrays.mismatch(pageBefore, pageAfter) / Long.BYTES * Long.BYTES;
        assertEquals(2, pageAfter[word]);
        System.arraycopy(pageBefore, word, pageAfter, word, Long.BYTES);
        assertArrayEquals(pageBefore, pageAfter);
        assertEquals(before.keySet(), after.keySet());
        before.forEach((path, bytes) -> assertArrayEquals(bytes, after.get(path), path::toString));
        assertEquals(2, read(guest, 5000, 1)[0]);
    }

    /** Killed when the overwriting has just been done: the pre-image is in the buffers (I3, I9). */
    @Test
    void aBlockIsOverwrittenWhenItsPreImageIsThereForWhoeverComesAfterAKill() throws IOException {
        final Path killed = folder.resolve("killed");
        final boolean[] isArmed = new boolean[1];
        face =
                disk ->
                        withActionAfterWrites(
                                disk,
                                () -> {
                                    if (isArmed[0]) {
                                        copyFiles(folder, killed);
                                    }
                                });
        start();
        write(stream, 0, fill(8192, 1));
        finish(group.checkpoint());
        isArmed[0] = true;
        write(stream, 1000, fill(5000, 2));
        closeGroup();
        copyFiles(killed, folder);
        open(BUFFER_LIMIT);
        finish(group.failOver(true));
        settle();
        assertArrayEquals(fill(8192, 1), Arrays.copyOf(Files.readAllBytes(imagePath()), 8192));
    }

    /** The disk, after whose writes something is done while whoever submitted them still waits. */
    private Disk withActionAfterWrites(final Disk disk, final Runnable action) {
        return (Disk)
                Proxy.newProxyInstance(
                        Disk.class.getClassLoader(),
                        new Class<?>[] {Disk.class},
                        (proxy, method, arguments) -> {
                            if (method.getName().equals("write") && arguments.length == 6) {
                                overwrite(arguments);
                                action.run();
                            }
                            return method.invoke(disk, arguments);
                        });
    }

    /** As the disk does, which takes its time. */
    private void overwrite(final Object[] write) throws IOException {
        final MemorySegment bytes =
                ((MemorySegment) write[2]).asSlice((long) write[3], (int) write[1]);
        try (RandomAccessFile image = new RandomAccessFile(imagePath().toFile(), "rw")) {
            image.seek((long) write[0]);
            image.write(bytes.toArray(ValueLayout.JAVA_BYTE));
        }
    }

    /** Copies image and buffers over those that are there. */
    private static void copyFiles(final Path from, final Path to) {
        try {
            Files.createDirectories(to.resolve("buffers"));
            Files.copy(from.resolve("image"), to.resolve("image"), REPLACE_EXISTING);
            try (Stream<Path> files = Files.list(from.resolve("buffers"))) {
                for (final Path file : files.toList()) {
                    Files.copy(
                            file,
                            to.resolve("buffers").resolve(file.getFileName()),
                            REPLACE_EXISTING);
                }
            }
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Where a file system or a device has smaller blocks than ours, a hole may begin in one. */
    @Test
    void aBlockOfWhichOnlyAPartIsAHoleIsSaved() throws IOException {
        face = disk -> withExtents(disk, 1000);
        start();
        write(stream, 0, fill(1000, 1));
        finish(group.checkpoint());
        write(stream, 0, fill(8192, 2));
        assertEquals(1, read(guest, 999, 1)[0]);
        assertEquals(0, read(guest, 4096, 1)[0]);
    }

    /** The disk, which says of itself that data comes first and then a hole. */
    private static Disk withExtents(final Disk disk, final int dataLength) {
        final InvocationHandler handler =
                (proxy, method, arguments) -> {
                    if (!method.getName().equals("extents")) {
                        return method.invoke(disk, arguments);
                    }
                    final ExtentList into = (ExtentList) arguments[2];
                    into.clear();
                    into.add(dataLength, ExtentList.DATA);
                    into.add((long) arguments[1] - dataLength, ExtentList.HOLE);
                    ((Disk.Completion) arguments[3]).onComplete((long) arguments[4], 0);
                    return null;
                };
        return (Disk)
                Proxy.newProxyInstance(
                        Disk.class.getClassLoader(), new Class<?>[] {Disk.class}, handler);
    }

    /** It is all of the one epoch or all of the other (I4). */
    @Test
    void aReadInWhichACommitFallsIsOfOneEpoch() throws IOException {
        final List<Runnable> held = new ArrayList<>();
        final boolean[] isHolding = new boolean[1];
        face = disk -> HeldCalls.of(disk, "read", () -> isHolding[0], held);
        start();
        write(stream, 0, fill(4096, 1)); // the guest has this block from its pre-image
        final MemorySegment memory = Arena.ofAuto().allocate(8192);
        isHolding[0] = true;
        errno = -1;
        guest.read(0, 8192, memory, 0, (token, result) -> errno = result, 0);
        guest.poll();
        isHolding[0] = false;
        assertEquals(1, held.size(), "the other block comes from the disk");
        final int result = errno;
        write(stream, 4096, fill(4096, 1));
        finish(group.checkpoint());
        errno = result;
        held.forEach(Runnable::run);
        awaitHelpers(guest);
        assertEquals(0, errno);
        assertEquals(memory.get(ValueLayout.JAVA_BYTE, 0), memory.get(ValueLayout.JAVA_BYTE, 4096));
    }

    /** What completes a partial block is of the epoch in which the write counts (I4). */
    @Test
    void aPartialWriteInWhichACommitFallsKeepsTheRestAsItIsAfterwards() throws IOException {
        final List<Runnable> held = new ArrayList<>();
        final boolean[] isHolding = new boolean[1];
        face = disk -> HeldCalls.of(disk, "read", () -> isHolding[0], held);
        start();
        write(stream, 0, fill(4096, 1)); // the guest has this block from its pre-image
        isHolding[0] = true;
        errno = -1;
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment memory = arena.allocate(4096).fill((byte) 3);
            guest.write(100, 4096, memory, 0, (token, result) -> errno = result, 0);
            guest.poll();
            isHolding[0] = false;
            assertEquals(1, held.size(), "the rest of the other block comes from the disk");
            final int result = errno;
            finish(group.checkpoint());
            errno = result;
            held.forEach(Runnable::run);
            awaitHelpers(guest);
        }
        assertEquals(0, errno);
        assertArrayEquals(fill(100, 1), read(guest, 0, 100));
        assertArrayEquals(fill(4096, 3), read(guest, 100, 4096));
    }

    /** In a merge a part may be in a buffer, and the rest with a disk that can't do it fast. */
    @Test
    void aFastZeroThatIsRefusedHasChangedNothing() throws IOException {
        face = SecondaryGroupTest::withoutFastZeroes;
        start();
        write(guest, 0, fill(4096, 3)); // stays in the active disk until the merge begins
        finish(group.failOver(true));
        errno = -1;
        guest.zero(2048, 4096, Disk.ZERO_FAST, (token, result) -> errno = result, 0);
        awaitHelpers(guest);
        final int first = errno;
        assertArrayEquals(fill(2048, first == 0 ? 0 : 3), read(guest, 2048, 2048));
        errno = -1;
        guest.zero(8192, 4096, Disk.ZERO_FAST, (token, result) -> errno = result, 0);
        awaitHelpers(guest);
        assertEquals(Errno.EOPNOTSUPP, errno, "the disk's own word");
    }

    /** The disk, which does no zeroes fast. */
    private static Disk withoutFastZeroes(final Disk disk) {
        return (Disk)
                Proxy.newProxyInstance(
                        Disk.class.getClassLoader(),
                        new Class<?>[] {Disk.class},
                        (proxy, method, arguments) -> {
                            if (!method.getName().equals("zero")
                                    || ((int) arguments[2] & Disk.ZERO_FAST) == 0) {
                                return method.invoke(disk, arguments);
                            }
                            ((Disk.Completion) arguments[3])
                                    .onComplete((long) arguments[4], Errno.EOPNOTSUPP);
                            return null;
                        });
    }

    /** What can't be saved is not overwritten (I3). */
    @Test
    void aBlockWhosePreImageCanNotBeReadStaysAsItIs() throws IOException {
        final boolean[] isBad = new boolean[1];
        face = disk -> withReadsThatFail(disk, () -> isBad[0]);
        start();
        write(stream, 0, fill(4096, 1));
        finish(group.checkpoint());
        isBad[0] = true;
        errno = -1;
        submitWrite(stream, 0, fill(4096, 2));
        assertEquals(Errno.EIO, errno);
        assertEquals(ReplicationError.Kind.PRE_IMAGE, group.error().orElseThrow().kind());
        isBad[0] = false;
        assertArrayEquals(fill(4096, 1), read(stream, 0, 4096));
    }

    /** The disk, whose reads fail while it is told to. */
    private static Disk withReadsThatFail(final Disk disk, final BooleanSupplier isBad) {
        return withCallsThatFail(disk, "read", isBad);
    }

    /** The disk, whose operations of a name fail while they are told to. */
    private static Disk withCallsThatFail(
            final Disk disk, final String name, final BooleanSupplier isBad) {
        return (Disk)
                Proxy.newProxyInstance(
                        Disk.class.getClassLoader(),
                        new Class<?>[] {Disk.class},
                        (proxy, method, arguments) -> {
                            if (!method.getName().equals(name) || !isBad.getAsBoolean()) {
                                return method.invoke(disk, arguments);
                            }
                            ((Disk.Completion) arguments[arguments.length - 2])
                                    .onComplete((long) arguments[arguments.length - 1], Errno.EIO);
                            return null;
                        });
    }

    private Map<Path, byte[]> contentOfBuffers() throws IOException {
        final Map<Path, byte[]> contents = new HashMap<>();
        try (Stream<Path> files = Files.list(buffers())) {
            for (final Path path : files.toList()) {
                contents.put(path, Files.readAllBytes(path));
            }
        }
        return contents;
    }

    /** What the buffers alone have is lost with the host's memory (I12). */
    @Test
    void aFlushInAMergeIsAnsweredWhenTheDiskHasAllOfIt() throws IOException {
        final List<String> calls = new ArrayList<>();
        face = disk -> withCallsNoted(disk, calls);
        start();
        write(stream, 0, fill(LENGTH, 1));
        write(guest, 0, fill(8192, 2));
        finish(group.failOver(true));
        write(guest, 4096, fill(4096, 3));
        calls.clear();
        final int[] answer = flushGuest();
        while (answer[0] == -1 && loop.runNext()) {}
        assertEquals(GroupStatus.State.MERGING, group.status().state());
        assertEquals(-1, answer[0], "answered before the merge has begun");
        settle();
        awaitAnswer(answer);
        assertEquals(0, answer[0]);
        assertEquals("flush", calls.getLast(), "of what the guest wrote behind the merge's");
        assertEquals(2, calls.stream().filter("flush"::equals).count());
        final byte[] expected = new byte[LENGTH];
        Arrays.fill(expected, 0, 4096, (byte) 2);
        Arrays.fill(expected, 4096, 8192, (byte) 3);
        assertArrayEquals(expected, Files.readAllBytes(imagePath()));
        assertTrue(calls.size() < 10, "it hurries, in large turns: " + calls);
    }

    /** Until then a node that lost its buffers would take its whole disk for a torn one (I12). */
    @Test
    void aFlushInAMergeIsAnsweredWhenItsEndIsRecorded() throws IOException {
        final List<Runnable> held = new ArrayList<>();
        self =
                Selves.fresh(
                        1,
                        (record, whenStored) -> {
                            final Runnable stored = () -> whenStored.onStored(Optional.empty());
                            if (record.standing().isPrimary() && !record.isMerging()) {
                                held.add(stored);
                            } else {
                                stored.run();
                            }
                        });
        start();
        write(guest, 0, fill(8192, 2));
        finish(group.failOver(true));
        final int[] before = flushGuest();
        while (held.isEmpty()) {
            if (!loop.runNext()) {
                loop.runTimers();
                Thread.onSpinWait();
            }
        }
        final int[] behind = flushGuest();
        loop.runAll();
        assertEquals(-1, before[0], "the disk has it, and nobody would know");
        assertEquals(-1, behind[0]);
        held.forEach(Runnable::run);
        awaitAnswer(before);
        awaitAnswer(behind);
        assertEquals(0, before[0]);
        assertEquals(0, behind[0]);
        assertEquals(GroupStatus.State.ALONE, group.status().state());
    }

    @Test
    void aFlushInAMergeThatFailsIsAnErrorAndTheNextOneIsNot() throws IOException {
        final boolean[] isBad = {true};
        face = disk -> withCallsThatFail(disk, "write", () -> isBad[0]);
        start();
        write(guest, 0, fill(8192, 2));
        finish(group.failOver(true));
        final int[] first = flushGuest();
        loop.runTimers();
        loop.runAll();
        assertEquals(Errno.EIO, first[0]);
        final int[] second = flushGuest();
        isBad[0] = false;
        settle();
        awaitAnswer(second);
        assertEquals(0, second[0]);
    }

    @Test
    void aFlushInAMergeThatIsGivenUpIsAnError() throws IOException {
        start();
        write(guest, 0, fill(8192, 2));
        finish(group.failOver(true));
        final int[] answer = flushGuest();
        final CompletableFuture<Void> merged = group.merge().finish();
        group.merge().giveUp();
        assertEquals(Errno.ESHUTDOWN, answer[0]);
        loop.runTimers();
        loop.runAll();
        assertFalse(merged.isDone());
        closeGroup();
        open(BUFFER_LIMIT); // and the next process goes on
        finish(group.merge().finish(), () -> loop.runTimers());
        assertArrayEquals(fill(8192, 2), Arrays.copyOf(Files.readAllBytes(imagePath()), 8192));
    }

    /** A write that waits for a piece of the merge, whose process then ends without it. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aWriteBehindAMergeThatIsGivenUpIsAnswered(final boolean isUnderWay) throws IOException {
        final List<Runnable> held = new ArrayList<>();
        final boolean[] isHolding = {false};
        face = disk -> HeldCalls.of(disk, "write", () -> isHolding[0], held);
        start();
        isHolding[0] = true;
        write(guest, 0, fill(8192, 2));
        finish(group.failOver(true));
        loop.runTimers();
        if (isUnderWay) {
            while (held.isEmpty()) {
                assertTrue(loop.runNext());
            }
        }
        final int[] answer = {-1};
        final MemorySegment memory = Arena.ofAuto().allocate(4096);
        guest.write(0, 4096, memory, 0, (token, result) -> answer[0] = result, 0);
        guest.poll();
        assertEquals(-1, answer[0], "it waits for the merge");
        group.merge().giveUp();
        isHolding[0] = false;
        held.forEach(Runnable::run);
        final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(10);
        while (answer[0] == -1 && System.nanoTime() < deadline) {
            guest.poll();
            loop.runNext();
        }
        assertEquals(0, answer[0]);
    }

    private int[] flushGuest() {
        final int[] answer = {-1};
        guest.flush((token, result) -> answer[0] = result, 0);
        guest.poll();
        return answer;
    }

    private void awaitAnswer(final int[] answer) {
        while (answer[0] == -1) {
            guest.poll();
            if (!loop.runNext()) {
                Thread.onSpinWait();
            }
        }
    }

    /** The disk, of which is noted what is asked of it that changes or flushes it. */
    private static Disk withCallsNoted(final Disk disk, final List<String> calls) {
        return (Disk)
                Proxy.newProxyInstance(
                        Disk.class.getClassLoader(),
                        new Class<?>[] {Disk.class},
                        (proxy, method, arguments) -> {
                            if (List.of("write", "zero", "flush").contains(method.getName())) {
                                calls.add(method.getName());
                            }
                            return method.invoke(disk, arguments);
                        });
    }

    /**
     * Buffers on a disk: the next boot of the host has them where the process ended in good order,
     * and is between two checkpoints where it was killed, or the power failed (I13).
     */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aRebootLeavesBuffersOnADiskThatWereClosedInGoodOrder(final boolean isInGoodOrder)
            throws IOException {
        assumeFalse(Storage.isMemory(folder), "the folder lies in memory");
        start();
        write(stream, 0, fill(8192, 1));
        finish(group.checkpoint());
        follow();
        write(stream, 0, fill(4096, 2));
        write(guest, 4096, fill(4096, 3));
        helpers.close();
        if (isInGoodOrder) {
            group.closeInGoodOrder();
        }
        closeGroup();
        reboot();

        open(BUFFER_LIMIT);
        if (isInGoodOrder) {
            assertEquals(1, group.committedEpoch());
            assertEquals(1, read(guest, 0, 1)[0]);
            assertEquals(3, read(guest, 4096, 1)[0]);
            assertEquals(Standing.FOLLOWING, self.node().standing());
        } else {
            assertEquals(Standing.INCONSISTENT, self.node().standing());
        }
    }

    /** A primary of our own kind was here. */
    private void follow() {
        group.session()
                .offer(
                        0,
                        () -> {},
                        Selves.primary(true),
                        ControlRecord.flagsOf(Word.NONE),
                        true,
                        0,
                        refusal -> {},
                        () -> {});
        while (loop.runNext()) {}
        assertEquals(Standing.FOLLOWING, self.node().standing());
    }

    private void reboot() {
        self = Selves.again(self);
        self.node().open(new Id(8, 2), List.of());
    }

    @Test
    void nobodyWritesToTheStreamOfAFailedOverSecondary() throws IOException {
        start();
        write(stream, 0, fill(8192, 1));
        finish(group.checkpoint());
        finish(group.failOver(true));
        errno = -1;
        submitWrite(stream, 0, fill(4096, 2));
        assertEquals(Errno.ESHUTDOWN, errno, "while it merges");
        settle();
        errno = -1;
        submitWrite(stream, 0, fill(4096, 2));
        assertEquals(Errno.ESHUTDOWN, errno, "when the disk stands alone");
        assertEquals(1, read(guest, 0, 1)[0]);
    }

    @Test
    void aFullBufferStopsTheStreamBeforeItOverwrites() throws IOException {
        open(8192);
        finish(group.start());
        write(stream, 0, fill(8192, 1)); // over holes, whose pre-images take no room
        finish(group.checkpoint());
        write(stream, 0, fill(8192, 2));
        finish(group.checkpoint());
        final byte[] before = read(guest, 0, 20_000);
        write(stream, 8192, fill(4096, 1));
        finish(group.checkpoint());
        errno = -1;
        submitWrite(stream, 0, fill(12_288, 3));
        assertTrue(errno > 0, "there is no room for three pre-images");
        assertEquals(ReplicationError.Kind.PRE_IMAGE, group.error().orElseThrow().kind());
        assertEquals(2, read(stream, 0, 1)[0]);
        assertArrayEquals(Arrays.copyOf(before, 8192), read(guest, 0, 8192));
    }

    /** What repeats itself takes nothing: the limit is that of the distinct blocks, to the byte. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void whateverIsDoneToAFewBlocksTakesNoMoreThanTheyDo(final long seed) throws IOException {
        final int blocks = 8;
        final Random random = new Random(seed);
        open(blocks * 4096);
        finish(group.start());
        for (int epoch = 0; epoch < 3; epoch++) {
            for (int i = 0; i < 5000; i++) {
                final Disk disk = random.nextBoolean() ? stream : guest;
                final int first = random.nextInt(blocks);
                final int offset = 28 * 4096 * first + random.nextInt(2) * random.nextInt(4096);
                final int length = 1 + random.nextInt(4096 - offset % 4096);
                switch (random.nextInt(4)) {
                    case 0 -> write(disk, offset, fill(length, i));
                    case 1 -> zero(disk, offset, length);
                    case 2 -> zero(disk, offset / 4096 * 4096L, 4096);
                    default -> zero(disk, 0, LENGTH); // what is no hole of it are those blocks
                }
            }
            assertTrue(group.status().bufferUsed() <= 2L * blocks * 4096);
            finish(group.checkpoint());
        }
    }

    /** As many runs as there can be: each block by itself, first as zeroes and then as data. */
    @Test
    void aBufferHasRoomForTheRunsOfAllBlocks() throws IOException {
        final int blocks = ((64 << 10) - 4096) / (2 * 16); // to the last entry of a chunk
        try (RandomAccessFile image = new RandomAccessFile(imagePath().toFile(), "rw")) {
            image.setLength(blocks * 4096L);
        }
        start();
        for (int pass = 0; pass < 3; pass++) {
            for (int block = blocks - 1; block >= 0; block--) {
                zero(guest, block * 4096L, 4096);
            }
        }
        for (int pass = 0; pass < 3; pass++) {
            for (int block = blocks - 1; block >= 0; block--) {
                write(guest, block * 4096L, fill(4096, 7));
            }
        }
        assertEquals(blocks * 4096L, group.status().bufferUsed());
    }

    /** What was written before it may be lost, and nobody is told again. */
    @Test
    void aFlushOfTheStreamThatFailsStopsItForGood() throws IOException {
        final boolean[] isBad = new boolean[1];
        face = disk -> withCallsThatFail(disk, "flush", () -> isBad[0]);
        start();
        write(stream, 0, fill(4096, 1));
        isBad[0] = true;
        errno = -1;
        stream.flush((token, result) -> errno = result, 0);
        awaitHelpers(stream);
        assertEquals(Errno.EIO, errno);
        isBad[0] = false;
        final ReplicationError error = group.error().orElseThrow();
        assertEquals(ReplicationError.Kind.SECONDARY_DISK, error.kind());
        assertTrue(error.sentence().contains("flushing the secondary disk"), error.sentence());
        assertEquals(GroupStatus.State.BROKEN, group.status().state());
        assertThrows(IllegalStateException.class, () -> finish(group.checkpoint()));
        errno = -1;
        submitWrite(stream, 0, fill(4096, 2));
        assertEquals(Errno.EIO, errno);
        closeGroup();
        open(BUFFER_LIMIT);
        assertEquals(GroupStatus.State.BROKEN, group.status().state());
    }

    /** What was saved is used, whatever may be saved from now on (I13). */
    @Test
    void aRestartWithASmallerLimitKeepsTheWayBackToTheCheckpoint() throws IOException {
        start();
        final byte[] checkpoint = fill(LENGTH, 1);
        write(stream, 0, checkpoint);
        finish(group.checkpoint());
        write(stream, 0, fill(LENGTH, 2));
        closeGroup();
        open(8192);
        assertArrayEquals(checkpoint, read(guest, 0, LENGTH));
        finish(group.stop(true));
        settle();
        assertArrayEquals(checkpoint, Files.readAllBytes(imagePath()));
    }

    @Test
    void refusesBuffersOfAnotherDisk() throws IOException {
        start();
        closeGroup();
        try (RandomAccessFile image = new RandomAccessFile(imagePath().toFile(), "rw")) {
            image.setLength(LENGTH + 4096);
        }
        final IOException refused = assertThrows(IOException.class, () -> open(BUFFER_LIMIT));
        assertTrue(refused.getMessage().contains("other names or lengths"), refused.getMessage());
        helpers.close();
        local.close();
        file.close();
        group = null;
    }

    /** Random work against a model in plain arrays; reopened now and then as after a kill. */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
    void agreesWithAModel(final long seed) throws IOException {
        final Random random = new Random(seed);
        start();
        final byte[] disk = new byte[LENGTH];
        byte[] view = new byte[LENGTH];
        byte[] sealed = null;
        for (int i = 0; i < 400; i++) {
            final int offset = random.nextInt(LENGTH);
            final int length = Math.min(LENGTH - offset, 1 + random.nextInt(20_000));
            final byte[] bytes = new byte[length];
            switch (random.nextInt(10)) {
                case 0, 1, 2 -> {
                    random.nextBytes(bytes);
                    write(stream, offset, bytes);
                    System.arraycopy(bytes, 0, disk, offset, length);
                }
                case 3 -> {
                    zero(stream, offset, length);
                    Arrays.fill(disk, offset, offset + length, (byte) 0);
                }
                case 4, 5 -> {
                    random.nextBytes(bytes);
                    write(guest, offset, bytes);
                    System.arraycopy(bytes, 0, view, offset, length);
                }
                case 6 -> {
                    zero(guest, offset, length);
                    Arrays.fill(view, offset, offset + length, (byte) 0);
                }
                case 7 -> {
                    if (sealed == null) {
                        sealed = disk.clone();
                        finish(group.seal());
                    } else {
                        finish(group.commit(group.status().sealedEpoch()));
                        view = sealed;
                        sealed = null;
                    }
                }
                case 8 -> {
                    closeGroup();
                    open(BUFFER_LIMIT);
                }
                default -> {}
            }
            assertArrayEquals(
                    Arrays.copyOfRange(view, offset, offset + length), read(guest, offset, length));
        }
        assertArrayEquals(disk, read(stream, 0, LENGTH));
        assertArrayEquals(view, read(guest, 0, LENGTH));
        finish(group.failOver(true));
        for (int i = 0; i < 50; i++) {
            final int offset = random.nextInt(LENGTH);
            final byte[] bytes = new byte[Math.min(LENGTH - offset, random.nextInt(9_000))];
            random.nextBytes(bytes);
            write(guest, offset, bytes);
            System.arraycopy(bytes, 0, view, offset, bytes.length);
            if (!loop.runNext()) {
                loop.runTimers(); // the merge begins behind the guest's head start
            }
            assertArrayEquals(view, read(guest, 0, LENGTH));
            if (random.nextInt(20) == 0 && group.status().state() == GroupStatus.State.MERGING) {
                closeGroup();
                open(BUFFER_LIMIT);
            }
        }
        settle();
        assertArrayEquals(view, Files.readAllBytes(imagePath()));
        assertFalse(Files.exists(buffers()), "the buffers are left behind");
    }

    // ---- The little that a test needs of a disk.

    private static byte[] fill(final int length, final int value) {
        final byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    private void submitWrite(final Disk disk, final long offset, final byte[] bytes) {
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment memory = arena.allocate(Math.max(1, bytes.length));
            MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, 0, bytes.length);
            disk.write(offset, bytes.length, memory, 0, (token, result) -> errno = result, 0);
            awaitHelpers(disk);
        }
    }

    private void write(final Disk disk, final long offset, final byte[] bytes) {
        errno = -1;
        submitWrite(disk, offset, bytes);
        assertEquals(0, errno);
    }

    private void zero(final Disk disk, final long offset, final long length) {
        errno = -1;
        disk.zero(offset, length, 0, (token, result) -> errno = result, 0);
        awaitHelpers(disk);
        assertEquals(0, errno);
    }

    /** Where the folder is on a device, a helper does it. */
    private void awaitHelpers(final Disk disk) {
        disk.poll();
        while (errno == -1) {
            if (!loop.runNext()) {
                Thread.onSpinWait();
            }
        }
    }

    private byte[] read(final Disk disk, final long offset, final int length) {
        errno = -1;
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment memory = arena.allocate(length);
            disk.read(offset, length, memory, 0, (token, result) -> errno = result, 0);
            awaitHelpers(disk);
            assertEquals(0, errno);
            return memory.toArray(ValueLayout.JAVA_BYTE);
        }
    }

    private <T> T finish(final CompletableFuture<T> future) {
        return finish(future, () -> {});
    }

    private <T> T finish(final CompletableFuture<T> future, final Runnable whenIdle) {
        while (!future.isDone()) {
            if (!loop.runNext()) {
                whenIdle.run();
                Thread.onSpinWait();
            }
        }
        if (future.isCompletedExceptionally()) {
            throw new IllegalStateException(future.exceptionNow());
        }
        return future.join();
    }

    private void settle() {
        while (group.status().state() == GroupStatus.State.MERGING) {
            if (!loop.runNext()) {
                loop.runTimers();
                Thread.onSpinWait();
            }
        }
        loop.runAll();
    }
}

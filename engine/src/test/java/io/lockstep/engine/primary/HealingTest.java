package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.SynchronisationStatus;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.memory.Posix;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Selves;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.secondary.SecondaryGroup;
import io.lockstep.engine.secondary.SecondaryOptions;
import io.lockstep.engine.server.ConnectionLimit;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.engine.tracking.Tracking;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** Two nodes that met again, and are not equal, become so, and no more is sent than has to be. */
final class HealingTest {
    private static final List<String> NAMES = List.of("vda", "vdb");
    private static final int LENGTH = (8 << 20) + 1000;
    private static final int LOG_LENGTH = 16 << 20;
    private static final long PATIENCE_SECONDS = 30;

    @TempDir private Path folder;

    private final HelperThreads helpers = new HelperThreads();
    private final List<Throwable> errors = new ArrayList<>();
    private final BlockingQueue<GroupEvents.Event> events = new LinkedBlockingQueue<>();
    private final List<byte[]> content = List.of(new byte[LENGTH], new byte[LENGTH]);
    private Tracking trackingThere = Tracking.inMemory(List.of((long) LENGTH, (long) LENGTH));
    private boolean isFormerPrimary;
    private Tracking tracking = Tracking.inMemory(List.of((long) LENGTH, (long) LENGTH));
    private final Random random = new Random(1);

    private FullLogPolicy fullLog = FullLogPolicy.BLOCK;
    private Self primarySelf = Selves.fresh(2);
    private Self secondarySelf = Selves.fresh(1);
    private Life primaryLife;
    private Life secondaryLife;
    private PrimaryGroup primary;
    private SecondaryGroup secondary;

    @AfterEach
    void close() throws Exception {
        killPrimary();
        killSecondary();
        helpers.close();
        assertEquals(List.of(), errors);
    }

    @Test
    void anEmptySecondaryGetsTheDataAndNoHoles() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        awaitEqual();
        assertEquals(Standing.FOLLOWING, secondarySelf.node().standing());
        assertEquals(Standing.REIGNING, primarySelf.node().standing());
        assertTrue(blocksOf("secondary-vda") <= blocksOf("primary-vda") + 16, "holes were filled");
        checkpointsWork();
    }

    @Test
    void aSecondaryThatLostItsBuffersGetsWhatItMayLack() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        awaitEqual();
        checkpointsWork();
        killSecondary();
        write(0, 3 << 20, 100_000);
        removeBuffers();
        tear("secondary-vda", 3 << 20, 50_000); // the host lost what was not flushed
        startSecondary();
        final long sent = awaitEqual();
        assertEquals(Standing.FOLLOWING, secondarySelf.node().standing());
        assertTrue(sent < LENGTH, sent + " bytes were sent where few were changed");
        checkpointsWork();
    }

    @Test
    void aPrimaryThatWasKilledSendsWhatItNoted() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        awaitEqual();
        killSecondary(); // so that it lacks that, and the notes alone know
        write(1, 0, 70_000);
        killPrimary();
        startSecondary();
        startPrimary();
        final long sent = awaitEqual();
        assertTrue(sent < LENGTH, sent + " bytes were sent where few were changed");
        checkpointsWork();
    }

    @Test
    void whileItIsMadeEqualItsLastCheckpointStays() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        awaitEqual();
        checkpointsWork();
        final byte[] checkpoint = content.getFirst().clone();
        final long before = call(secondaryLife, () -> secondary.status().committedEpoch());
        killSecondary();
        write(0, 0, LENGTH / 2);
        killPrimary();
        // The link dies behind the first bytes of the synchronisation.
        startSecondary();
        startPrimary();
        while (call(secondaryLife, () -> secondary.status().disks().getFirst().writes()) < 2) {
            Thread.onSpinWait();
        }
        killPrimary();
        final boolean wasDone =
                call(secondaryLife, () -> secondary.status().committedEpoch()) > before;
        onLoop(secondaryLife, () -> secondary.failOver(true));
        while (call(secondaryLife, () -> secondary.status().state()) == GroupStatus.State.MERGING) {
            Thread.onSpinWait();
        }
        final byte[] found = Files.readAllBytes(folder.resolve("secondary-vda"));
        assertArrayEquals(wasDone ? content.getFirst() : checkpoint, found);
    }

    @Test
    void whatNobodyNotedIsFoundByComparing() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        awaitEqual();
        checkpointsWork();
        killPrimary();
        tracking = Tracking.inMemory(List.of((long) LENGTH, (long) LENGTH)); // as after a reboot
        tear("secondary-vda", 1 << 20, 100);
        tear("secondary-vdb", LENGTH - 10, 10);
        final long before = writtenThere();
        startPrimary();
        for (int i = 0; i < 30; i++) {
            write(i % 2, i * 100_000, 5000);
        }
        assertTrue(awaitEqual() > LENGTH, "all is compared");
        final long sent = writtenThere() - before;
        assertTrue(sent >= 2 * 65536 && sent < 2 << 20, sent + " bytes were sent");
        checkpointsWork();
    }

    private long writtenThere() throws Exception {
        return call(
                secondaryLife,
                () ->
                        secondary.status().disks().stream()
                                .mapToLong(GroupStatus.DiskStatus::writtenBytes)
                                .sum());
    }

    @Test
    void theFormerPrimaryIsMadeEqualToTheOneThatTookOver() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        awaitEqual();
        checkpointsWork();
        final byte[] checkpoint = content.getFirst().clone();
        write(0, 2 << 20, 50_000); // the tail
        drain();
        killPrimary();
        onLoop(secondaryLife, () -> secondary.failOver(true));
        while (call(secondaryLife, () -> secondary.status().state()) != GroupStatus.State.ALONE) {
            Thread.onSpinWait();
        }
        System.arraycopy(checkpoint, 0, content.getFirst(), 0, LENGTH);
        writeGuest(secondaryLife, secondary.guestExports().get(1).disk(), 1, 5 << 20, 30_000);
        killSecondary();

        exchangeHosts();
        isFormerPrimary = true;
        startSecondary();
        startPrimary();
        final long sent = awaitEqual();
        assertTrue(sent < 1 << 20, sent + " bytes were sent where few were changed");
        assertEquals(Standing.FOLLOWING, secondarySelf.node().standing());
        isFormerPrimary = false;
        checkpointsWork();
    }

    /** Who was the one is the other. */
    private void exchangeHosts() throws IOException {
        for (final String name : NAMES) {
            final Path spare = folder.resolve("spare");
            Files.move(path("primary", name), spare);
            Files.move(path("secondary", name), path("primary", name));
            Files.move(spare, path("secondary", name));
        }
        final Self self = primarySelf;
        primarySelf = secondarySelf;
        secondarySelf = self;
        final Tracking noted = tracking;
        tracking = trackingThere;
        trackingThere = noted;
    }

    /** Both were empty once; what has been written since is in no log any more. */
    @Test
    void anotherEmptySecondaryInThePlaceOfTheFirstGetsWhatThereIs() throws Exception {
        startSecondary();
        startPrimary();
        awaitLinked();
        write(0, 1 << 20, 300_000);
        checkpointsWork();
        killSecondary();
        removeBuffers();
        for (final String name : NAMES) {
            Files.delete(path("secondary", name));
        }
        secondarySelf = Selves.fresh(3);
        startSecondary();
        awaitEqual();
        checkpointsWork();
    }

    private void awaitLinked() throws Exception {
        while (events.poll(PATIENCE_SECONDS, TimeUnit.SECONDS) != GroupEvents.Event.LINK_UP) {}
    }

    @Test
    void whoJoinsIsOverwrittenOnce() throws Exception {
        fill("primary");
        fill("secondary");
        content.forEach(bytes -> Arrays.fill(bytes, (byte) 0));
        fill("primary");
        startSecondary();
        onLoop(secondaryLife, () -> secondary.join());
        startPrimary();
        awaitEqual();
        assertFalse(secondarySelf.node().record().isJoining());
        checkpointsWork();
    }

    @Test
    void theGuestGoesOnMeanwhileAndLosesNothing() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        for (int i = 0; i < 300; i++) {
            write(random.nextInt(2), random.nextInt(LENGTH - 9000), 1 + random.nextInt(9000));
        }
        awaitEqual();
        checkpointsWork();
    }

    @Test
    void theGuestPullsAheadOfASecondaryThatIsAway() throws Exception {
        fullLog = FullLogPolicy.AHEAD;
        fill("primary");
        startSecondary();
        startPrimary();
        awaitEqual();
        checkpointsWork();
        killSecondary();
        for (int i = 0; i < 5; i++) {
            write(i % 2, 0, LENGTH - i); // more than the log holds
        }
        startSecondary();
        awaitEqual();
        checkpointsWork();
    }

    // ---- What is looked at.

    private long awaitEqual() throws Exception {
        long most = 0;
        GroupEvents.Event event = null;
        while (event != GroupEvents.Event.SYNCHRONISED) {
            final long left =
                    call(primaryLife, () -> primary.synchronisation())
                            .map(SynchronisationStatus::total)
                            .orElse(0L);
            most = Math.max(most, left);
            event = events.poll(1, TimeUnit.MILLISECONDS);
        }
        drain();
        assertDisksEqual();
        return most;
    }

    private void checkpointsWork() throws Exception {
        write(0, 12345, 20_000);
        write(1, 12345, 20_000);
        final long epoch = onLoop(primaryLife, () -> primary.checkpoint());
        assertEquals(epoch, call(secondaryLife, () -> secondary.status().committedEpoch()));
        assertDisksEqual();
    }

    private void drain() throws Exception {
        onLoop(
                primaryLife,
                () -> {
                    final CompletableFuture<Void> drained = new CompletableFuture<>();
                    primary.drain(() -> drained.complete(null));
                    return drained;
                });
    }

    private void assertDisksEqual() throws IOException {
        for (int i = 0; i < NAMES.size(); i++) {
            final String name = NAMES.get(i);
            assertArrayEquals(
                    content.get(i), Files.readAllBytes(folder.resolve("primary-" + name)), name);
            assertArrayEquals(
                    content.get(i), Files.readAllBytes(folder.resolve("secondary-" + name)), name);
        }
    }

    private long blocksOf(final String name) throws IOException {
        final int fd = Posix.open(folder.resolve(name).toString(), Posix.O_RDONLY);
        long holes = 0;
        for (long at = 0; at < LENGTH; at += 4096) {
            holes += Posix.lseek(fd, at, Posix.SEEK_DATA) == at ? 0 : 1;
        }
        Posix.close(fd);
        return LENGTH / 4096 - holes;
    }

    // ---- What is done.

    private void fill(final String side) throws IOException {
        for (int i = 0; i < NAMES.size(); i++) {
            try (RandomAccessFile file =
                    new RandomAccessFile(path(side, NAMES.get(i)).toFile(), "rw")) {
                file.setLength(LENGTH);
                for (final int offset : new int[] {0, 1 << 20, LENGTH - 5000}) {
                    final byte[] bytes = new byte[5000];
                    random.nextBytes(bytes);
                    System.arraycopy(bytes, 0, content.get(i), offset, bytes.length);
                    file.seek(offset);
                    file.write(bytes);
                }
            }
        }
    }

    private void tear(final String name, final long offset, final int length) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(folder.resolve(name).toFile(), "rw")) {
            file.seek(offset);
            file.write(new byte[length]);
        }
    }

    private Path path(final String side, final String name) {
        return folder.resolve(side + "-" + name);
    }

    private void write(final int disk, final int offset, final int length) throws Exception {
        writeGuest(primaryLife, primary.guestDisks().get(disk), disk, offset, length);
    }

    private void writeGuest(
            final Life life, final Disk guest, final int disk, final int offset, final int length)
            throws Exception {
        final byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        System.arraycopy(bytes, 0, content.get(disk), offset, length);
        final MemorySegment memory = Arena.ofAuto().allocate(length);
        MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, 0, length);
        final int errno =
                onLoop(
                        life,
                        () -> {
                            final CompletableFuture<Integer> written = new CompletableFuture<>();
                            guest.write(
                                    offset,
                                    length,
                                    memory,
                                    0,
                                    (token, result) -> written.complete(result),
                                    0);
                            guest.poll();
                            return written;
                        });
        assertEquals(0, errno);
    }

    private void removeBuffers() throws IOException {
        try (Stream<Path> files = Files.list(folder.resolve("buffers"))) {
            for (final Path file : files.toList()) {
                Files.delete(file);
            }
        }
    }

    // ---- Lives.

    /** A process: its loops, and what is closed with it. */
    private static final class Life {
        private final List<NioLoop> loops = new ArrayList<>();
        private final List<AutoCloseable> opened = new ArrayList<>();

        NioLoop loop() {
            return loops.getFirst();
        }

        void end() throws Exception {
            loops.forEach(NioLoop::close);
            for (final AutoCloseable one : opened.reversed()) {
                one.close();
            }
        }
    }

    private Life begin(final String... names) throws IOException {
        final Life life = new Life();
        for (final String name : names) {
            final NioLoop loop = new NioLoop(name, 20_000, errors::add);
            life.loops.add(loop);
            loop.start();
        }
        return life;
    }

    private List<Disk> open(final String side, final Life life) throws IOException {
        final List<Disk> disks = new ArrayList<>();
        for (final String name : NAMES) {
            try (RandomAccessFile file = new RandomAccessFile(path(side, name).toFile(), "rw")) {
                file.setLength(LENGTH);
            }
            final DiskFile file = DiskFile.open(name, path(side, name), false);
            life.opened.add(file);
            final FileDisk disk = new FileDisk(file, life.loop(), helpers);
            life.opened.add(disk);
            disks.add(disk);
        }
        return disks;
    }

    private void startSecondary() throws Exception {
        final Life life = begin("secondary");
        secondaryLife = life;
        final List<Disk> disks = open("secondary", life);
        secondarySelf = Selves.again(secondarySelf);
        final SecondaryOptions options =
                SecondaryOptions.in(folder.resolve("buffers"), NAMES.size(), 64 << 20);
        onLoop(
                life,
                () -> {
                    secondary =
                            SecondaryGroup.open(
                                    life.loop(),
                                    disks,
                                    secondarySelf,
                                    trackingThere,
                                    isFormerPrimary ? options.formerPrimary() : options,
                                    (event, name, epoch, sentence) -> {});
                    life.opened.add(secondary);
                    final NbdServer server =
                            new NbdServer(
                                    life.loop(),
                                    secondary.streamExports(),
                                    new ConnectionLimit(16),
                                    new Silence());
                    Files.deleteIfExists(folder.resolve("socket"));
                    life.loop()
                            .listen(
                                    endpoint(),
                                    accepted -> accepted.open(life.loop(), server::connect));
                    return secondary.status().state() == GroupStatus.State.IDLE
                            ? secondary.start()
                            : CompletableFuture.completedFuture(null);
                });
    }

    private Endpoint endpoint() {
        return new Endpoint.Unix(folder.resolve("socket"));
    }

    private void startPrimary() throws Exception {
        final Life life = begin("guest", "link");
        primaryLife = life;
        final List<Disk> disks = open("primary", life);
        primarySelf = Selves.again(primarySelf);
        final List<Peer> peers = NAMES.stream().map(name -> new Peer(endpoint(), name)).toList();
        onLoop(
                life,
                () -> {
                    primary =
                            PrimaryGroup.open(
                                    life.loop(),
                                    life.loops.get(1),
                                    disks,
                                    peers,
                                    primarySelf,
                                    tracking,
                                    new PrimaryOptions(LOG_LENGTH, fullLog, Word.NONE),
                                    (event, name, epoch, sentence) -> events.add(event));
                    life.opened.add(primary);
                    return primary.start();
                });
    }

    private void killPrimary() throws Exception {
        if (primaryLife != null) {
            primaryLife.end();
            primaryLife = null;
        }
    }

    private void killSecondary() throws Exception {
        if (secondaryLife != null) {
            secondaryLife.end();
            secondaryLife = null;
        }
    }

    private static <T> T onLoop(final Life life, final Callable<CompletableFuture<T>> operation)
            throws Exception {
        final CompletableFuture<T> result = new CompletableFuture<>();
        life.loop()
                .execute(
                        () -> {
                            try {
                                operation
                                        .call()
                                        .whenComplete(
                                                (value, thrown) -> {
                                                    if (thrown != null) {
                                                        result.completeExceptionally(thrown);
                                                    } else {
                                                        result.complete(value);
                                                    }
                                                });
                            } catch (final Exception e) {
                                result.completeExceptionally(e);
                            }
                        });
        return result.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    private static <T> T call(final Life life, final Callable<T> operation) throws Exception {
        return onLoop(life, () -> CompletableFuture.completedFuture(operation.call()));
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

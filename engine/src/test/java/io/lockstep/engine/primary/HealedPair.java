package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.Job;
import io.lockstep.engine.group.SynchronisationStatus;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.memory.Posix;
import io.lockstep.engine.node.DiskIdentity;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Selves;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.secondary.SecondaryGroup;
import io.lockstep.engine.secondary.SecondaryOptions;
import io.lockstep.engine.secondary.StreamPlace;
import io.lockstep.engine.server.ConnectionLimit;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.engine.tracking.Tracking;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Stream;

/** Two nodes of two disks each, in this process, which end and begin again. */
abstract class HealedPair {
    static final List<String> NAMES = List.of("vda", "vdb");
    static final int LENGTH = (8 << 20) + 1000;
    static final int LOG_LENGTH = 16 << 20;
    static final long PATIENCE_SECONDS = 30;

    @TempDir Path folder;

    final HelperThreads helpers = new HelperThreads();
    final List<Throwable> errors = new ArrayList<>();
    final BlockingQueue<GroupEvents.Event> events = new LinkedBlockingQueue<>();

    /** What the primary has told with them. */
    final BlockingQueue<String> told = new LinkedBlockingQueue<>();

    final List<byte[]> content = List.of(new byte[LENGTH], new byte[LENGTH]);
    Tracking trackingThere = Tracking.inMemory(List.of((long) LENGTH, (long) LENGTH));
    boolean isFormerPrimary;
    Tracking tracking = Tracking.inMemory(List.of((long) LENGTH, (long) LENGTH));
    final Random random = new Random(1);

    /** Hears of the primary's jobs, on its loop. */
    Consumer<Job.Report> onJob = report -> {};

    /** What the primary sees of its disks. */
    UnaryOperator<Disk> primaryFace = disk -> disk;

    /** What is done on its loop before replication is started. */
    Runnable beforeStart = () -> {};

    FullLogPolicy fullLog = FullLogPolicy.BLOCK;
    LostLinkPolicy lostLink = LostLinkPolicy.CONTINUE;
    Self primarySelf = Selves.fresh(2);
    Self secondarySelf = Selves.fresh(1);
    Life primaryLife;
    Life secondaryLife;
    PrimaryGroup primary;
    SecondaryGroup secondary;

    @AfterEach
    void close() throws Exception {
        killPrimary();
        killSecondary();
        helpers.close();
        assertEquals(List.of(), errors);
    }

    /** A node that knows its disks and how long they are. */
    static Self withDisks(final long seed) {
        final Self self = Selves.fresh(seed);
        self.node()
                .open(
                        new Id(8, 1),
                        NAMES.stream().map(name -> new DiskIdentity(name, LENGTH, "")).toList())
                .join();
        return self;
    }

    // ---- What is looked at.

    long awaitEqual() throws Exception {
        long most = 0;
        GroupEvents.Event event = null;
        while (event != GroupEvents.Event.SYNCHRONISED) {
            final long left =
                    call(primaryLife, () -> primary.healing().synchronisation())
                            .map(SynchronisationStatus::total)
                            .orElse(0L);
            most = Math.max(most, left);
            event = events.poll(1, TimeUnit.MILLISECONDS);
        }
        drain();
        assertDisksEqual();
        return most;
    }

    void checkpointsWork() throws Exception {
        write(0, 12345, 20_000);
        write(1, 12345, 20_000);
        final long epoch = onLoop(primaryLife, () -> primary.checkpoint());
        assertEquals(epoch, call(secondaryLife, () -> secondary.status().committedEpoch()));
        assertDisksEqual();
    }

    void drain() throws Exception {
        onLoop(
                primaryLife,
                () -> {
                    final CompletableFuture<Void> drained = new CompletableFuture<>();
                    primary.drain(() -> drained.complete(null));
                    return drained;
                });
    }

    void assertDisksEqual() throws IOException {
        for (int i = 0; i < NAMES.size(); i++) {
            final String name = NAMES.get(i);
            assertArrayEquals(
                    content.get(i), Files.readAllBytes(folder.resolve("primary-" + name)), name);
            assertArrayEquals(
                    content.get(i), Files.readAllBytes(folder.resolve("secondary-" + name)), name);
        }
    }

    long blocksOf(final String name) throws IOException {
        final int fd = Posix.open(folder.resolve(name).toString(), Posix.O_RDONLY);
        long holes = 0;
        for (long at = 0; at < LENGTH; at += 4096) {
            holes += Posix.lseek(fd, at, Posix.SEEK_DATA) == at ? 0 : 1;
        }
        Posix.close(fd);
        return LENGTH / 4096 - holes;
    }

    // ---- What is done.

    void fill(final String side) throws IOException {
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

    void tear(final String name, final long offset, final int length) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(folder.resolve(name).toFile(), "rw")) {
            file.seek(offset);
            file.write(new byte[length]);
        }
    }

    Path path(final String side, final String name) {
        return folder.resolve(side + "-" + name);
    }

    void write(final int disk, final int offset, final int length) throws Exception {
        writeGuest(primaryLife, primary.guestDisks().get(disk), disk, offset, length);
    }

    void writeGuest(
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

    void removeBuffers() throws IOException {
        try (Stream<Path> files = Files.list(folder.resolve("buffers"))) {
            for (final Path file : files.toList()) {
                Files.delete(file);
            }
        }
    }

    // ---- Lives.

    /** A process: its loops, and what is closed with it. */
    static final class Life {
        private final List<NioLoop> loops = new ArrayList<>();
        final List<AutoCloseable> opened = new ArrayList<>();

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

    Life begin(final String... names) throws IOException {
        final Life life = new Life();
        for (final String name : names) {
            final NioLoop loop = new NioLoop(name, 20_000, errors::add);
            life.loops.add(loop);
            loop.start();
        }
        return life;
    }

    List<Disk> open(final String side, final Life life) throws IOException {
        final List<Disk> disks = new ArrayList<>();
        for (final String name : NAMES) {
            try (RandomAccessFile file = new RandomAccessFile(path(side, name).toFile(), "rw")) {
                file.setLength(LENGTH);
            }
            final DiskFile file = DiskFile.open(name, path(side, name), false);
            life.opened.add(file);
            final FileDisk disk = new FileDisk(file, life.loop(), helpers);
            life.opened.add(disk);
            disks.add(side.equals("primary") ? primaryFace.apply(disk) : disk);
        }
        return disks;
    }

    void startSecondary() throws Exception {
        final Life life = begin("secondary");
        secondaryLife = life;
        final List<Disk> disks = open("secondary", life);
        secondarySelf = again(secondarySelf);
        final SecondaryOptions options =
                with(SecondaryOptions.in(folder.resolve("buffers"), NAMES.size(), 64 << 20));
        onLoop(
                life,
                () -> {
                    secondary =
                            SecondaryGroup.open(
                                    life.loop(),
                                    disks,
                                    StreamPlace.on(life.loop(), disks),
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

    SecondaryOptions with(final SecondaryOptions options) {
        return options;
    }

    PrimaryOptions with(final PrimaryOptions options) {
        return options;
    }

    /** A node in the memory of its next process. */
    Self again(final Self before) {
        return Selves.again(before);
    }

    Endpoint endpoint() {
        return new Endpoint.Unix(folder.resolve("socket"));
    }

    /** Both, of which the secondary is made equal first. */
    void startEqualPair() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        awaitEqual();
        checkpointsWork();
        events.clear();
    }

    void startPrimary() throws Exception {
        beginPrimary().get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    /** Opens it; answers when it has met its peer. */
    CompletableFuture<Void> beginPrimary() throws Exception {
        final Life life = begin("guest", "link");
        primaryLife = life;
        final List<Disk> disks = open("primary", life);
        primarySelf = again(primarySelf);
        final List<Peer> peers = NAMES.stream().map(name -> new Peer(endpoint(), name)).toList();
        return call(
                life,
                () -> {
                    primary =
                            PrimaryGroup.open(
                                    life.loop(),
                                    life.loops.get(1),
                                    PrimaryPlace.on(life.loop(), disks),
                                    peers,
                                    primarySelf,
                                    tracking,
                                    with(
                                            new PrimaryOptions(LOG_LENGTH, fullLog, Word.NONE)
                                                    .withLostLink(lostLink)),
                                    new Ear());
                    life.opened.add(primary);
                    beforeStart.run();
                    return primary.start();
                });
    }

    void killPrimary() throws Exception {
        if (primaryLife != null) {
            primaryLife.end();
            primaryLife = null;
        }
    }

    void killSecondary() throws Exception {
        if (secondaryLife != null) {
            secondaryLife.end();
            secondaryLife = null;
        }
    }

    static <T> T onLoop(final Life life, final Callable<CompletableFuture<T>> operation)
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

    static <T> T call(final Life life, final Callable<T> operation) throws Exception {
        return onLoop(life, () -> CompletableFuture.completedFuture(operation.call()));
    }

    private final class Ear implements GroupEvents {
        @Override
        public void onEvent(
                final Event event, final String disk, final long epoch, final String sentence) {
            told.add(sentence);
            events.add(event);
        }

        @Override
        public void onJob(final Job.Report report) {
            onJob.accept(report);
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

    long writtenThere() throws Exception {
        return call(
                secondaryLife,
                () ->
                        secondary.status().disks().stream()
                                .mapToLong(GroupStatus.DiskStatus::writtenBytes)
                                .sum());
    }

    void awaitLinked() throws Exception {
        while (events.poll(PATIENCE_SECONDS, TimeUnit.SECONDS) != GroupEvents.Event.LINK_UP) {}
    }
}

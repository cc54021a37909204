package io.lockstep.engine.service;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.MirrorLimits;
import io.lockstep.engine.primary.Peer;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.server.ExportCounters;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.engine.server.WritePolicy;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Queue;
import java.util.Random;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A disk of an engine is mirrored to a plain server, while its guest goes on. */
@Timeout(60)
final class MirrorTest {
    private static final int LENGTH = 24 << 20;
    private static final String READY = "ready";
    private static final String COMPLETED = "completed";
    private static final String UNREAD = "unread";

    @TempDir private Path folder;

    private final Queue<String> told = new ConcurrentLinkedQueue<>();
    private final BlockingQueue<String> heard = new LinkedBlockingQueue<>();
    private final Random random = new Random(1);
    private Engine engine;
    private Engine server;
    private EngineDisk disk;
    private EngineDisk there;
    private Peer target;

    /** Whether a mirror goes on without what can't be read. */
    private boolean goesOnUnread;

    @BeforeEach
    void start() throws IOException {
        make("source");
        make("target");
        fill("source", LENGTH / 2);
        engine = engine();
        server = engine();
        disk = engine.open("source", folder.resolve("source"), false);
        there = server.open("target", folder.resolve("target"), false);
        server.nbdServer().start(4);
        final Path socket = folder.resolve("socket");
        server.nbdServer().listen(new Endpoint.Unix(socket));
        server.exportRaw(
                server.nbdServer(),
                new ExportRequest("target", "", false, WritePolicy.PLAIN, new ExportCounters()),
                there);
        target = new Peer(new Endpoint.Unix(socket), "target");
    }

    @AfterEach
    void stop() {
        assertTrue(engine.stop());
        assertTrue(server.stop());
        assertEquals(0, told.size(), told::toString);
    }

    private Engine engine() throws IOException {
        return Engine.start(
                new EngineOptions(
                        4,
                        0,
                        new PrimaryOptions(1 << 20, FullLogPolicy.BLOCK, Word.NOW),
                        1,
                        1 << 20,
                        null,
                        null,
                        true,
                        false,
                        (event, name, epoch, sentence) -> told.add(sentence),
                        new ServerEvents() {
                            @Override
                            public void onDiskError(final String sentence) {
                                told.add(sentence);
                            }

                            @Override
                            public void onClientProblem(final String peer, final String sentence) {
                                // a connection that is cut is one
                            }
                        },
                        thrown -> told.add(thrown.toString())));
    }

    private void make(final String name) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(folder.resolve(name).toFile(), "rw")) {
            file.setLength(LENGTH);
        }
    }

    private void fill(final String name, final int length) throws IOException {
        final byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        try (RandomAccessFile file = new RandomAccessFile(folder.resolve(name).toFile(), "rw")) {
            file.write(bytes);
        }
    }

    private EngineMirror begin() throws IOException {
        return engine.mirror(
                disk,
                target,
                MirrorLimits.NONE,
                new EngineMirror.Owner() {
                    @Override
                    public void onBegun(final EngineMirror mirror) {}

                    @Override
                    public void onReady() {
                        heard.add(READY);
                    }

                    @Override
                    public void onCompleted() {
                        heard.add(COMPLETED);
                    }

                    @Override
                    public void onFailed(final boolean isOfSource, final String reason) {
                        heard.add(reason);
                    }

                    @Override
                    public boolean mayGoOn(final String reason) {
                        if (goesOnUnread) {
                            heard.add(UNREAD);
                        }
                        return goesOnUnread;
                    }
                });
    }

    private UnreadableDisk spoil() {
        final UnreadableDisk spoilt = new UnreadableDisk(disk.local(), LENGTH / 4);
        final CompletableFuture<Void> done = new CompletableFuture<>();
        onLoop(() -> disk.guest().switchTo(spoilt, () -> done.complete(null)));
        done.join();
        return spoilt;
    }

    @Test
    void whatCanNotBeReadEndsIt() throws Exception {
        spoil();
        begin();
        final String reason = next();
        assertTrue(reason.contains("can't be read at"), reason);
    }

    /** It is never said to be ready before it has been read. */
    @Test
    void whatCanNotBeReadIsTriedAgainWhereThatIsWanted() throws Exception {
        final UnreadableDisk spoilt = spoil();
        goesOnUnread = true;
        final EngineMirror mirror = begin();
        final long start = System.nanoTime();
        while (System.nanoTime() - start < TimeUnit.MILLISECONDS.toNanos(1500)) {
            assertEquals(UNREAD, next());
        }
        write(0, 4096);
        spoilt.heal();
        String last = next();
        while (last.equals(UNREAD)) {
            last = next();
        }
        assertEquals(READY, last);
        onLoop(mirror::complete);
        assertEquals(COMPLETED, next());
        assertArrayEquals(contentOf("source"), contentOf("target"));
    }

    private String next() throws InterruptedException {
        final String next = heard.poll(30, TimeUnit.SECONDS);
        return next == null ? "nothing" : next;
    }

    private void onLoop(final Runnable action) {
        CompletableFuture.runAsync(action, engine.loop()::execute).join();
    }

    private byte[] contentOf(final String name) throws IOException {
        return Files.readAllBytes(folder.resolve(name));
    }

    /** One write of the guest's, to its end. */
    private void write(final int offset, final int length) throws IOException {
        final byte[] bytes = new byte[length];
        random.nextBytes(bytes);
        assertEquals(0, submitted(offset, bytes).join());
    }

    private CompletableFuture<Integer> submitted(final int offset, final byte[] bytes) {
        final CompletableFuture<Integer> done = new CompletableFuture<>();
        final MemorySegment memory = Arena.ofAuto().allocate(bytes.length);
        MemorySegment.copy(bytes, 0, memory, ValueLayout.JAVA_BYTE, 0, bytes.length);
        engine.loop()
                .execute(
                        () -> {
                            final Disk guest = disk.guest();
                            guest.write(
                                    offset,
                                    bytes.length,
                                    memory,
                                    0,
                                    (token, errno) -> done.complete(errno),
                                    0);
                            guest.poll();
                        });
        return done;
    }

    /** Holes too: what the target had there is gone. */
    @Test
    void theTargetBecomesEqualAndStaysSo() throws Exception {
        fill("target", LENGTH);
        final EngineMirror mirror = begin();
        assertEquals(READY, next());
        write(1000, 5000);
        write(LENGTH - 4096, 4096);
        onLoop(mirror::complete);
        assertEquals(COMPLETED, next());
        assertArrayEquals(contentOf("source"), contentOf("target"));
        write(0, 4096);
        assertFalse(Arrays.equals(contentOf("source"), contentOf("target")));
    }

    /** What is acknowledged when it is ordered to end is there, whatever is written meanwhile. */
    @Test
    void aGuestThatWritesAllTheTimeLosesNothing() throws Exception {
        final EngineMirror mirror = begin();
        final byte[] pattern = new byte[64 << 10];
        CompletableFuture<Integer> last = CompletableFuture.completedFuture(0);
        int rounds = 0;
        while (heard.isEmpty()) {
            last = writeRound(pattern, rounds++);
        }
        assertEquals(READY, next());
        for (int i = 0; i < 20; i++) {
            last = writeRound(pattern, rounds++);
        }
        assertEquals(0, last.join());
        final byte[] acknowledged = contentOf("source");
        onLoop(mirror::complete);
        assertEquals(COMPLETED, next());
        assertArrayEquals(acknowledged, contentOf("target"));
    }

    private CompletableFuture<Integer> writeRound(final byte[] pattern, final int round) {
        random.nextBytes(pattern);
        final int offset = random.nextInt(LENGTH / 4096 - 16) * 4096;
        final CompletableFuture<Integer> written = submitted(offset, pattern.clone());
        if (round % 8 == 7) {
            assertEquals(0, written.join());
        }
        return written;
    }

    @Test
    void aMirrorThatIsCancelledLetsGoOfTheDisk() throws Exception {
        final EngineMirror mirror = begin();
        final IOException refused = assertThrows(IOException.class, this::begin);
        assertTrue(refused.getMessage().contains("in use by block job"), refused.getMessage());
        final CompletableFuture<Void> ended = new CompletableFuture<>();
        engine.loop().execute(() -> mirror.cancel(() -> ended.complete(null)));
        ended.get(10, TimeUnit.SECONDS);
        write(0, 4096);
        begin();
        assertEquals(READY, next());
    }

    /** Nobody knows what a plain server still has when it is there again. */
    @Test
    void aMirrorWhoseTargetIsLostHasFailed() throws Exception {
        begin();
        assertEquals(READY, next());
        server.nbdServer().stop();
        final String reason = next();
        assertTrue(reason.contains("connection is lost"), reason);
        write(0, 4096);
    }

    /** The log is shorter than what is written; what does not fit is sent later. */
    @Test
    void aGuestIsNotStoppedByATargetThatAnswersNothing() throws Exception {
        final EngineMirror mirror = begin();
        assertEquals(READY, next());
        holdTargetUp();
        for (int round = 0; round < 2; round++) {
            for (int offset = 0; offset < LENGTH; offset += 1 << 20) {
                write(offset, 1 << 20);
            }
        }
        assertTrue(heard.isEmpty(), heard::toString);
        onLoop(mirror::complete);
        server.loop().execute(() -> there.guest().resume());
        assertEquals(COMPLETED, next());
        assertArrayEquals(contentOf("source"), contentOf("target"));
    }

    private void holdTargetUp() {
        final CompletableFuture<Void> quiet = new CompletableFuture<>();
        server.loop().execute(() -> there.guest().pause(() -> quiet.complete(null)));
        quiet.join();
    }

    @Test
    void itHasNotEndedBeforeTheTargetHasAnswered() throws Exception {
        final EngineMirror mirror = begin();
        assertEquals(READY, next());
        holdTargetUp();
        write(0, 4 << 20);
        onLoop(mirror::complete);
        assertNull(heard.poll(300, TimeUnit.MILLISECONDS), "it ended while answers were owed");
        server.loop().execute(() -> there.guest().resume());
        assertEquals(COMPLETED, next());
        assertArrayEquals(contentOf("source"), contentOf("target"));
    }

    /** Its parts are longer than the log; they wait, and belong to what the target holds. */
    @Test
    void aWriteInWhichItIsOrderedToEndIsThereAsAWhole() throws Exception {
        final EngineMirror mirror = begin();
        assertEquals(READY, next());
        holdTargetUp();
        final byte[] all = new byte[LENGTH];
        random.nextBytes(all);
        final CompletableFuture<Integer> written = submitted(0, all);
        onLoop(mirror::complete);
        assertNull(heard.poll(300, TimeUnit.MILLISECONDS), "it ended while answers were owed");
        server.loop().execute(() -> there.guest().resume());
        assertEquals(COMPLETED, next());
        assertEquals(0, written.join());
        assertArrayEquals(all, contentOf("target"));
    }

    @Test
    void replicationIsRefusedMeanwhile() throws Exception {
        begin();
        assertEquals(READY, next());
        engine.attach(disk, target);
        final CompletableFuture<Void> started =
                CompletableFuture.supplyAsync(engine.group()::start, engine.loop()::execute)
                        .thenCompose(done -> done);
        final Exception refused =
                assertThrows(Exception.class, () -> started.get(10, TimeUnit.SECONDS));
        assertTrue(refused.getMessage().contains("block-job-cancel"), refused.getMessage());
    }

    /** Who starts it says that the disks are equal, relying on the mirror's end. */
    @Test
    void replicationThatWaitsForAMirrorIsNotStartedWhereThatFails() throws Exception {
        final EngineMirror mirror = begin();
        assertEquals(READY, next());
        holdTargetUp();
        write(0, 4 << 20);
        onLoop(mirror::complete);
        engine.attach(disk, target);
        final CompletableFuture<Void> started =
                CompletableFuture.supplyAsync(engine.group()::start, engine.loop()::execute)
                        .thenCompose(done -> done);
        onLoop(() -> assertFalse(started.isDone()));
        server.nbdServer().stop();
        final Exception refused =
                assertThrows(Exception.class, () -> started.get(10, TimeUnit.SECONDS));
        assertTrue(refused.getMessage().contains("mirror it again"), refused.getMessage());
        server.loop().execute(() -> there.guest().resume());
    }
}

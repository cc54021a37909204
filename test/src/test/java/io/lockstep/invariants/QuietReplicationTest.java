package io.lockstep.invariants;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;

import io.lockstep.bench.load.OwnLoad;
import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.Peer;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.secondary.BufferFiles;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.engine.service.Engine;
import io.lockstep.engine.service.EngineDisk;
import io.lockstep.engine.service.EngineOptions;
import io.lockstep.engine.service.ExportRequest;
import io.lockstep.engine.service.GuestView;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;

/**
 * Invariant I8 for a pair: replicated writes allocate nothing, by the JVM's own count for each
 * thread, on the primary's loops and on the secondary's.
 */
final class QuietReplicationTest {
    private static final ExportRequest EXPORT = new ExportRequest("d", "measured", false);
    private static final int KIB = 1 << 10;
    private static final long DISK_LENGTH = 64 << 20;

    /** Of one connection of a guest, as in {@link QuietSteadyStateTest}. */
    private static final long ALLOCATED_MAX = 80_000;

    private static final int LOG_LENGTH = 16 << 20;
    private static final long BUFFER_LIMIT = 2L << 30;

    /** In memory where that can be had: there long payloads have a way of their own. */
    private MemoryFolder folder;

    private Path directory;

    private final Queue<String> problems = new ConcurrentLinkedQueue<>();

    @BeforeEach
    void makeFolder() throws IOException {
        folder = new MemoryFolder();
        directory = folder.path();
    }

    @AfterEach
    void removeFolder() throws IOException {
        folder.close();
    }

    @ParameterizedTest
    @Timeout(value = 5, unit = TimeUnit.MINUTES)
    @CsvSource({
        "unix, 4,    16, 4, 500_000",
        "unix, 64,   16, 1, 40_000",
        "unix, 1024, 4,  1, 5_000",
        "tcp,  64,   16, 1, 40_000",
        "tcp,  1024, 4,  1, 5_000"
    })
    void replicatedWritesAllocateNothing(
            final String transport,
            final int kibibytes,
            final int depth,
            final int connections,
            final String requests)
            throws Exception {
        final long count = Long.parseLong(requests.replace("_", ""));
        final Endpoint wanted =
                transport.equals("unix")
                        ? new Endpoint.Unix(directory.resolve("link"))
                        : new Endpoint.Tcp("127.0.0.1", 0);
        final Endpoint guest = new Endpoint.Unix(directory.resolve("guest"));
        try (Engine secondary = engine(false);
                Engine primary = engine(true)) {
            final EngineDisk secondaryDisk = secondary.open("d", image("secondary"), false);
            secondary.makeSecondary(secondaryDisk, BufferFiles.in(directory.resolve("buffers"), 0));
            secondary.openSecondary();
            secondary.loop().execute(() -> secondary.group().start());
            secondary.nbdServer().start(16);
            secondary.exportRaw(secondary.nbdServer(), EXPORT, secondaryDisk);
            secondary.nbdServer().listen(wanted);
            final Endpoint link = secondary.nbdServer().endpoints().getFirst();
            final EngineDisk primaryDisk = primary.open("d", image("primary"), false);
            primary.attach(primaryDisk, new Peer(link, "d"));
            primary.exportGuest(primary.guests(), EXPORT, GuestView.of(primaryDisk));
            primary.guests().listen(guest);
            final CompletableFuture<Void> linked = new CompletableFuture<>();
            primary.loop()
                    .execute(
                            () ->
                                    primary.group()
                                            .start()
                                            .whenComplete((none, thrown) -> end(linked, thrown)));
            linked.get(30, TimeUnit.SECONDS);
            final String uri = "nbd+unix:///d?socket=" + directory.resolve("guest");
            final int length = kibibytes * KIB;
            // As many before: on a busy machine the compiler comes late.
            OwnLoad.requests(uri, DISK_LENGTH, true, length, depth, connections, count);
            final long before = allocated();
            OwnLoad.requests(uri, DISK_LENGTH, true, length, depth, connections, count);
            final long allocated = allocated() - before;
            System.out.printf(
                    "%d replicated writes of %d KiB (%s) allocated %d bytes in the loops of both"
                            + " sides%n",
                    count, kibibytes, transport, allocated);
            assertTrue(
                    allocated < ALLOCATED_MAX * connections,
                    () -> allocated + " bytes were allocated");
        }
        assertTrue(problems.isEmpty(), problems::toString);
    }

    private static void end(final CompletableFuture<Void> future, final Throwable thrown) {
        if (thrown == null) {
            future.complete(null);
        } else {
            future.completeExceptionally(thrown);
        }
    }

    private Path image(final String name) throws IOException {
        final Path image = directory.resolve(name);
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(DISK_LENGTH);
        }
        return image;
    }

    private Engine engine(final boolean isPrimary) throws IOException {
        final GroupEvents groupEvents =
                (event, disk, epoch, sentence) -> {
                    if (event == GroupEvents.Event.REPLICATION_ERROR) {
                        problems.add(sentence);
                    }
                };
        return Engine.start(
                new EngineOptions(
                        16,
                        20_000,
                        new PrimaryOptions(LOG_LENGTH, FullLogPolicy.BLOCK, Word.NONE),
                        0,
                        BUFFER_LIMIT,
                        isPrimary ? null : directory.resolve("buffers"),
                        null,
                        true,
                        false,
                        groupEvents,
                        new Problems(),
                        thrown -> problems.add(thrown.toString())));
    }

    private static long allocated() {
        final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long allocated = 0;
        for (final Thread thread : Thread.getAllStackTraces().keySet()) {
            if (List.of("lockstep-engine", "lockstep-link").contains(thread.getName())) {
                allocated += threads.getThreadAllocatedBytes(thread.threadId());
            }
        }
        return allocated;
    }

    private final class Problems implements ServerEvents {
        @Override
        public void onDiskError(final String sentence) {
            problems.add(sentence);
        }

        @Override
        public void onClientProblem(final String peer, final String sentence) {
            // A stop cuts the link: that is none.
        }
    }
}

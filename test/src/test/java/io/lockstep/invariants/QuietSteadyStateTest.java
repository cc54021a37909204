package io.lockstep.invariants;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;

import io.lockstep.bench.load.OwnLoad;
import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.server.DiskService;
import io.lockstep.engine.server.ServerEvents;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;

/**
 * Invariant I8: a million requests allocate nothing, by the JVM's own count for each thread, on the
 * server's loops and on the client's.
 */
final class QuietSteadyStateTest {
    private static final int KIB = 1 << 10;
    private static final long DISK_LENGTH = 64 << 20;

    /**
     * Of one connection: it is made and ended within the count, which takes 36 kB, and neither that
     * nor what the JIT may compile once more depends on the number of requests. There is no room
     * for an object a request, the smallest of which has 16 bytes.
     */
    private static final long ALLOCATED_MAX = 80_000;

    /**
     * Of one request of a disk on a device, whose loop may have left a thread, and handed calls to
     * helpers meanwhile: there is no room for an object in every fourth.
     */
    private static final long ALLOCATED_MAX_ON_DEVICE = 4;

    /** Mostly on a device. */
    @TempDir private Path temporary;

    /** In memory where that can be had: there long payloads have a way of their own. */
    private MemoryFolder folder;

    private final Queue<String> problems = new ConcurrentLinkedQueue<>();

    @BeforeEach
    void makeFolder() throws IOException {
        folder = new MemoryFolder();
    }

    @AfterEach
    void removeFolder() throws IOException {
        folder.close();
    }

    @ParameterizedTest
    @Timeout(value = 5, unit = TimeUnit.MINUTES)
    @CsvSource({
        "unix, 4,    16, 4, 1_000_000, true",
        "unix, 4,    16, 1, 300_000,   false",
        "unix, 64,   16, 1, 40_000,    true",
        "unix, 1024, 4,  1, 5_000,     true",
        "tcp,  64,   16, 1, 40_000,    true",
        "tcp,  1024, 4,  1, 5_000,     true"
    })
    void writesAndReadsAllocateNothing(
            final String transport,
            final int kibibytes,
            final int depth,
            final int connections,
            final String requests,
            final boolean inMemory)
            throws IOException, InterruptedException {
        final long count = Long.parseLong(requests.replace("_", ""));
        final Path image = (inMemory ? folder.path() : temporary).resolve("image");
        final long allocatedMax =
                inMemory ? ALLOCATED_MAX * connections : ALLOCATED_MAX_ON_DEVICE * count;
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(DISK_LENGTH);
        }
        final boolean isUnix = transport.equals("unix");
        final Endpoint endpoint =
                isUnix
                        ? new Endpoint.Unix(folder.path().resolve("s"))
                        : new Endpoint.Tcp("127.0.0.1", 0);
        final DiskService.Configuration configuration =
                new DiskService.Configuration(
                        List.of(DiskFile.open("d", image, false)),
                        List.of(endpoint),
                        2,
                        16,
                        20_000,
                        new Problems(),
                        thrown -> problems.add(thrown.toString()));
        try (DiskService service = DiskService.start(configuration)) {
            final Endpoint bound = service.endpoints().getFirst();
            final String uri = isUnix ? "nbd+unix:///d?socket=" + bound : "nbd://" + bound + "/d";
            for (final boolean write : new boolean[] {true, false}) {
                final int length = kibibytes * KIB;
                OwnLoad.requests(uri, DISK_LENGTH, write, length, depth, connections, count / 3);
                final long before = allocatedByServer();
                OwnLoad.requests(uri, DISK_LENGTH, write, length, depth, connections, count);
                final long allocated = allocatedByServer() - before;
                System.out.printf(
                        "%d %s of %d KiB (%s) allocated %d bytes in the server's loops%n",
                        count, write ? "writes" : "reads", kibibytes, transport, allocated);
                assertTrue(allocated < allocatedMax, () -> allocated + " bytes were allocated");
            }
        }
        assertTrue(problems.isEmpty(), problems::toString);
    }

    private static long allocatedByServer() {
        final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long allocated = 0;
        for (final Thread thread : Thread.getAllStackTraces().keySet()) {
            if (thread.getName().startsWith("lockstep-loop-")) {
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
            problems.add(sentence);
        }
    }
}

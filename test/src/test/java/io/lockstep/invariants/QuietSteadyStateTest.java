package io.lockstep.invariants;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;

import io.lockstep.bench.OwnLoad;
import io.lockstep.bench.ServeComparison;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.server.DiskService;
import io.lockstep.engine.server.ServerEvents;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
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
    private static final long REQUESTS = 1_000_000;
    private static final long WARM_UP_REQUESTS = 300_000;

    /**
     * Connections are made and ended within the count, and the JIT may compile once more: both
     * allocate, and neither depends on the number of requests. Half a byte a request leaves room
     * for that and for no object of 16 bytes in every thirty requests.
     */
    private static final long ALLOCATED_MAX = REQUESTS / 2;

    @TempDir private Path directory;

    @Test
    @Timeout(value = 5, unit = TimeUnit.MINUTES)
    void aMillionWritesAndAMillionReadsAllocateNothing() throws IOException, InterruptedException {
        final Path image = directory.resolve("image");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(ServeComparison.DISK_LENGTH);
        }
        final Path socket = directory.resolve("s");
        final Queue<String> problems = new ConcurrentLinkedQueue<>();
        final ServerEvents events =
                new ServerEvents() {
                    @Override
                    public void onDiskError(final String sentence) {
                        problems.add(sentence);
                    }

                    @Override
                    public void onClientProblem(final String peer, final String sentence) {
                        problems.add(sentence);
                    }
                };
        final DiskService.Configuration configuration =
                new DiskService.Configuration(
                        List.of(DiskFile.open("d", image, false)),
                        List.of(new Endpoint.Unix(socket)),
                        2,
                        16,
                        20_000,
                        events,
                        thrown -> problems.add(thrown.toString()));
        final String uri = "nbd+unix:///d?socket=" + socket;
        try (DiskService service = DiskService.start(configuration)) {
            assertEquals(1, service.endpoints().size());
            for (final boolean write : new boolean[] {true, false}) {
                OwnLoad.requests(uri, write, 16, 4, WARM_UP_REQUESTS);
                final long serverBefore = allocatedByServer();
                OwnLoad.requests(uri, write, 16, 4, REQUESTS);
                final long allocated = allocatedByServer() - serverBefore;
                System.out.printf(
                        "%d %s allocated %d bytes in the server's loops%n",
                        REQUESTS, write ? "writes" : "reads", allocated);
                assertTrue(allocated < ALLOCATED_MAX, () -> allocated + " bytes were allocated");
            }
        }
        assertTrue(problems.isEmpty(), problems::toString);
        Files.delete(image);
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
}

package io.lockstep.engine.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.loop.Cores;
import io.lockstep.engine.loop.Endpoint;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

final class DiskServiceTest {
    @TempDir private Path directory;

    private final Queue<String> problems = new ConcurrentLinkedQueue<>();

    @Test
    @Timeout(60)
    void aLoopForEachCoreStaysOnIt() throws IOException {
        final int loops = Cores.count();
        final List<String> cores = coresOfLoops(loops);
        assertEquals(loops, cores.size());
        assertEquals(loops, new HashSet<>(cores).size(), cores::toString);
    }

    @Test
    @Timeout(60)
    void moreLoopsThanCoresGoWhereThereIsRoom() throws IOException {
        final int loops = Cores.count() + 1;
        final List<String> cores = coresOfLoops(loops);
        assertEquals(loops, cores.size());
        assertEquals(1, new HashSet<>(cores).size(), cores::toString);
    }

    /** Of each loop of a service, the cores that it may run on, as {@code proc(5)} lists them. */
    private List<String> coresOfLoops(final int loops) throws IOException {
        final Path image = directory.resolve("image");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength(1 << 20);
        }
        final DiskService.Configuration configuration =
                new DiskService.Configuration(
                        List.of(DiskFile.open("d", image, false)),
                        List.of(new Endpoint.Unix(directory.resolve("s"))),
                        loops,
                        16,
                        0,
                        new Problems(),
                        thrown -> problems.add(thrown.toString()));
        final List<String> cores;
        try (DiskService service = DiskService.start(configuration)) {
            assertEquals(1, service.endpoints().size());
            cores = coresOfSleepingLoops(loops);
        }
        assertTrue(problems.isEmpty(), problems::toString);
        return cores;
    }

    /** Waits until all sleep: one that does has found its core. */
    private static List<String> coresOfSleepingLoops(final int loops) throws IOException {
        final List<String> cores = new ArrayList<>();
        while (cores.size() < loops) {
            cores.clear();
            try (DirectoryStream<Path> tasks =
                    Files.newDirectoryStream(Path.of("/proc/self/task"))) {
                for (final Path task : tasks) {
                    final List<String> status = statusOf(task);
                    if (field(status, "Name:").startsWith("lockstep-loop-")
                            && field(status, "State:").startsWith("S")) {
                        cores.add(field(status, "Cpus_allowed_list:"));
                    }
                }
            }
        }
        return cores;
    }

    /** Nothing of a thread that has ended meanwhile. */
    private static List<String> statusOf(final Path task) {
        try {
            return Files.readAllLines(task.resolve("status"));
        } catch (final IOException e) {
            return List.of();
        }
    }

    private static String field(final List<String> status, final String name) {
        return status.stream()
                .filter(line -> line.startsWith(name))
                .map(line -> line.substring(name.length()).strip())
                .findFirst()
                .orElse("");
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

package io.lockstep.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.bench.load.EagerGuest;
import io.lockstep.bench.load.PacedGuest;
import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.bench.report.Measurement;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.server.DiskService;
import io.lockstep.engine.server.ServerEvents;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;

/** The guests of the benchmarks do what the reports say of them, on a served disk of holes. */
@Timeout(value = 1, unit = TimeUnit.MINUTES)
final class LoadTest {
    private static final int BLOCK_LENGTH = 4 << 10;
    private static final int BLOCKS = 1000;
    private static final int DEPTH = 16;

    private final Queue<String> problems = new ConcurrentLinkedQueue<>();
    private MemoryFolder folder;
    private Path image;
    private DiskService service;

    @BeforeEach
    void serve() throws IOException {
        folder = new MemoryFolder();
        image = folder.path().resolve("image");
        try (RandomAccessFile file = new RandomAccessFile(image.toFile(), "rw")) {
            file.setLength((long) BLOCKS * BLOCK_LENGTH);
        }
        service =
                DiskService.start(
                        new DiskService.Configuration(
                                List.of(DiskFile.open("d", image, false)),
                                List.of(new Endpoint.Unix(folder.path().resolve("s"))),
                                1,
                                2,
                                0,
                                new Problems(),
                                thrown -> problems.add(thrown.toString())));
    }

    @AfterEach
    void stop() throws IOException {
        service.close();
        folder.close();
        assertTrue(problems.isEmpty(), problems::toString);
    }

    private String uri() {
        return "nbd+unix:///d?socket=" + service.endpoints().getFirst();
    }

    /** Which blocks are no holes any more. */
    private List<Integer> written() throws IOException {
        final byte[] content = Files.readAllBytes(image);
        return IntStream.range(0, BLOCKS)
                .filter(block -> content[block * BLOCK_LENGTH] != 0)
                .boxed()
                .toList();
    }

    @ParameterizedTest
    @ValueSource(ints = {BLOCKS / 2, BLOCKS})
    void placesAtRandomAreEachUsedOnce(final int count) throws Exception {
        final List<Integer> written = writeOnceEach(true, count);
        assertEquals(count, written.size());
        assertTrue(written.getLast() > BLOCKS * 3 / 4, "they lie in a part of the disk only");
    }

    @Test
    void placesInSequenceAreTheFirstOnes() throws Exception {
        assertEquals(IntStream.range(0, BLOCKS / 2).boxed().toList(), writeOnceEach(false, 500));
    }

    private List<Integer> writeOnceEach(final boolean isRandom, final int count)
            throws IOException, InterruptedException {
        final EagerGuest.Work work = new EagerGuest.Work(true, isRandom, BLOCK_LENGTH, DEPTH, 1, 0);
        final long area = (long) BLOCKS * BLOCK_LENGTH;
        try (EagerGuest guest = EagerGuest.onceEach(work, area, count, 1)) {
            guest.run(uri());
            assertEquals(count, guest.requests());
        }
        return written();
    }

    /** The flush behind the last write falls due when the other places have nothing left to do. */
    @ParameterizedTest
    @ValueSource(ints = {1, BLOCKS / 2, BLOCKS})
    void anEagerGuestMakesTheFlushesBehindItsLastWritesToo(final int flushEvery) throws Exception {
        final EagerGuest.Work work =
                new EagerGuest.Work(true, true, BLOCK_LENGTH, DEPTH, 1, flushEvery);
        final long area = (long) BLOCKS * BLOCK_LENGTH;
        try (EagerGuest guest = EagerGuest.forCount(work, area, BLOCKS, 1)) {
            guest.run(uri());
            assertEquals(BLOCKS, guest.requests());
            final double flushes = guest.flushes().requestsPerSecond() * guest.seconds();
            assertEquals((double) BLOCKS / flushEvery, flushes, 1e-6);
        }
    }

    @Test
    void aPacedGuestThatIsEndedAccountsForAllThatFellDue()
            throws IOException, InterruptedException, ExecutionException {
        final double perSecond = 1000;
        try (PacedGuest guest =
                new PacedGuest(perSecond, 0, (long) BLOCKS * BLOCK_LENGTH, 3600, 1)) {
            guest.connect(uri());
            assertEquals(List.of(), written());
            final FutureTask<Measurement> writing = new FutureTask<>(guest::write);
            new Thread(writing).start();
            while (guest.interval().getTotalCount() == 0) {
                Thread.sleep(1);
            }
            guest.end();
            assertEquals(perSecond, writing.get().requestsPerSecond(), 1e-6);
        }
    }

    private final class Problems implements ServerEvents {
        @Override
        public void onDiskError(final String sentence) {
            problems.add(sentence);
        }

        @Override
        public void onClientProblem(final String peer, final String sentence) {
            problems.add(peer + ": " + sentence);
        }
    }
}

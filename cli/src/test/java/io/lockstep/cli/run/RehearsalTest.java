package io.lockstep.cli.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.cli.argument.ForwardOptions;
import io.lockstep.cli.argument.StateOptions;
import io.lockstep.cli.control.QmpClient;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.memory.PrivateFiles;
import io.lockstep.engine.memory.VirtualMemory;
import io.lockstep.engine.secondary.BufferFiles;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A process that rehearses a load or a failover is the same afterwards. */
@Timeout(60)
final class RehearsalTest {
    private static final String DISK = "vda";
    private static final Duration TIMEOUT = Duration.ofSeconds(10);
    private static final int BLOCK = 4096;

    @TempDir private Path folder;
    private final List<String> events = new CopyOnWriteArrayList<>();
    private EngineRun standby;

    /** A secondary with something in each of its buffers. */
    @BeforeEach
    void start() throws IOException, InterruptedException {
        try (RandomAccessFile image = new RandomAccessFile(at("image").toFile(), "rw")) {
            image.setLength(1 << 20);
        }
        final Console console = Console.silent();
        standby =
                EngineRun.start(
                        console,
                        8,
                        ForwardOptions.none(),
                        0,
                        1 << 20,
                        at("buffers"),
                        new StateOptions(),
                        false);
        standby.graph().addSecondary(DISK, at("image"), BufferFiles.in(at("buffers"), 0));
        standby.startSecondary();
        standby.serveSecondary(
                List.of(DISK),
                8,
                List.of(new Endpoint.Unix(at("stream"))),
                List.of(new Endpoint.Unix(at("guest"))));
        standby.control(at("control"));
        write("stream", 0, 1);
        try (QmpClient control = QmpClient.connect(at("control"), TIMEOUT)) {
            control.execute("xen-colo-do-checkpoint", TIMEOUT);
        }
        write("stream", 0, 2);
        write("guest", BLOCK, 3);
        while (standby.engine().nbdServer().clientsOf(DISK) > 0
                || standby.engine().guests().clientsOf(DISK) > 0) {
            Thread.onSpinWait(); // they have left, and their memory is still there
        }
        console.forwardTo((event, disk, epoch, sentence) -> events.add(sentence));
    }

    @AfterEach
    void stop() {
        assertTrue(standby.stop());
    }

    private Path at(final String name) {
        return folder.resolve(name);
    }

    private void write(final String socket, final long offset, final int value)
            throws IOException, InterruptedException {
        final byte[] block = new byte[BLOCK];
        Arrays.fill(block, (byte) value);
        try (BlockingGuest client = BlockingGuest.connect(at(socket), DISK)) {
            client.write(offset, ByteBuffer.wrap(block));
        }
    }

    /** But for the time that passes. */
    private JsonElement status() throws IOException {
        try (QmpClient control = QmpClient.connect(at("control"), TIMEOUT)) {
            final JsonObject status = control.execute("x-lockstep-status", TIMEOUT);
            status.getAsJsonObject("lost").remove("age-ns");
            return status;
        }
    }

    /** All that there is on disk, but for counters and epochs, which change by themselves. */
    private Map<String, Integer> files() throws IOException {
        final Map<String, Integer> files = new TreeMap<>();
        try (Stream<Path> all = Files.walk(folder)) {
            for (final Path file : all.filter(Files::isRegularFile).toList()) {
                if (!file.toString().matches(".*[.](counters|epochs)")) {
                    files.put(
                            folder.relativize(file).toString(),
                            Arrays.hashCode(Files.readAllBytes(file)));
                }
            }
        }
        return files;
    }

    private static Set<Long> threads() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(thread -> thread.getName().startsWith("lockstep"))
                .map(Thread::threadId)
                .collect(Collectors.toSet());
    }

    /** Whoever can exchange the directory could have another removed. */
    @Test
    void nothingIsPlayedWhereOthersCanExchangeIt() throws IOException {
        final Path shared = Files.createDirectory(at("shared"));
        Files.setPosixFilePermissions(shared, PosixFilePermissions.fromString("rwxrwx---"));
        final AtomicInteger rounds = new AtomicInteger();
        new Rehearsal(
                        shared.resolve("control.rehearsal"),
                        () -> rounds.incrementAndGet() < 3,
                        () -> false)
                .run();
        assertEquals(0, rounds.get());
        assertFalse(Files.exists(shared.resolve("control.rehearsal")));
    }

    private interface Played {
        void run() throws IOException, InterruptedException;
    }

    private void requireNothingChanges(final Played played)
            throws IOException, InterruptedException {
        final JsonElement statusBefore = status();
        final Map<String, Integer> filesBefore = files();
        final Set<Long> threadsBefore = threads();
        final long memoryBefore = VirtualMemory.reservedBytes();

        played.run();

        assertFalse(Files.exists(at("control.rehearsal")));
        assertEquals(filesBefore, files());
        assertEquals(threadsBefore, threads());
        assertEquals(memoryBefore, VirtualMemory.reservedBytes());
        assertEquals(List.of(), events);
        assertEquals(statusBefore, status());
        try (BlockingGuest guest = BlockingGuest.connect(at("guest"), DISK)) {
            assertEquals(1, guest.read(0, 1)[0], "the guest lost the last checkpoint");
            assertEquals(3, guest.read(BLOCK, 1)[0], "the guest lost a write of its own");
        }
    }

    @Test
    void theGroupIsAsItWasAndNothingIsLeftBehind() throws IOException, InterruptedException {
        final AtomicInteger rounds = new AtomicInteger();
        final Rehearsal failovers =
                new Rehearsal(
                        at("control.rehearsal"),
                        () -> {
                            rounds.incrementAndGet();
                            return true;
                        },
                        () -> false);
        requireNothingChanges(failovers::run);
        assertTrue(rounds.get() > 1, "nothing was played");
    }

    @Test
    void norDoesALoadLeaveAnything() throws IOException, InterruptedException {
        final List<Boolean> wasThere = new ArrayList<>();
        requireNothingChanges(
                () -> {
                    PrivateFiles.createDirectory(at("control.rehearsal"));
                    LoadRehearsal.play(
                            at("control.rehearsal"),
                            new CountDownLatch(1),
                            () -> wasThere.add(Files.exists(at("control.rehearsal/link"))));
                    DirectoryTree.remove(at("control.rehearsal"));
                });
        assertEquals(List.of(true), wasThere, "it is told of before the pair is taken apart");
    }

    @Test
    void aLoadIsPlayedBeforeFailoversAndIsWaitedFor() throws IOException, InterruptedException {
        final Path guest = at("control.rehearsal").resolve("guest");
        final List<Boolean> wasLoaded = new CopyOnWriteArrayList<>();
        requireNothingChanges(
                () -> {
                    final AtomicReference<Rehearsal> self = new AtomicReference<>();
                    self.set(
                            new Rehearsal(
                                    at("control.rehearsal"),
                                    () -> {
                                        wasLoaded.add(self.get().isLoaded());
                                        return false;
                                    },
                                    () -> false,
                                    true,
                                    0));
                    self.get().start();
                    while (!Files.exists(guest)) {
                        Thread.onSpinWait(); // a guest of the load's, where failovers have another
                    }
                    self.get().awaitLoad();
                    while (wasLoaded.isEmpty()) {
                        Thread.onSpinWait();
                    }
                    self.get().end();
                });
        assertEquals(List.of(true), wasLoaded);
    }

    /** Where it can't be played nobody waits for it. */
    @Test
    void nobodyWaitsForALoadThatIsNotPlayed() throws IOException {
        Files.write(at("file"), new byte[1]);
        final Rehearsal rehearsal =
                new Rehearsal(at("file").resolve("below"), () -> false, () -> false, true, 0);
        rehearsal.run();
        assertTrue(rehearsal.isLoaded());
    }

    @Test
    void nothingIsPlayedWhenTheFailoverHasCome() throws IOException {
        final Map<String, Integer> before = files();
        new Rehearsal(at("control.rehearsal"), () -> false, () -> false).run();
        assertFalse(Files.exists(at("control.rehearsal")));
        assertEquals(before, files());
    }

    /** It would take a core from what makes the standby equal, and there is no failover yet. */
    @Test
    void nothingIsPlayedWhileTheStandbyIsMadeEqual() {
        final List<Boolean> wasThere = new ArrayList<>();
        final AtomicInteger rounds = new AtomicInteger();
        new Rehearsal(
                        at("control.rehearsal"),
                        () -> rounds.incrementAndGet() < 5,
                        () -> {
                            wasThere.add(Files.exists(at("control.rehearsal")));
                            return wasThere.size() < 3;
                        })
                .run();
        assertEquals(List.of(false, false, false, false), wasThere);
        assertEquals(5, rounds.get(), "it was asked again each time");
    }

    @Test
    void whatAKilledProcessLeftIsRemoved() throws IOException {
        Files.createDirectories(at("control.rehearsal").resolve("buffers"));
        Files.write(at("control.rehearsal").resolve("buffers/hidden"), new byte[BLOCK]);
        new Rehearsal(at("control.rehearsal"), () -> false, () -> false).run();
        assertFalse(Files.exists(at("control.rehearsal")));
    }

    @Test
    void itEndsWithTheProcessInTheMidstOfARound() throws InterruptedException {
        final AtomicInteger rounds = new AtomicInteger();
        final Rehearsal rehearsal =
                Rehearsal.start(
                        at("control.rehearsal"), () -> rounds.incrementAndGet() > 0, () -> false);
        while (rounds.get() == 0) {
            Thread.onSpinWait();
        }
        rehearsal.end();
        assertFalse(Files.exists(at("control.rehearsal")));
        assertEquals(1, rounds.get(), "it went on");
    }

    @Test
    void whereASocketsPathIsTooLongNothingIsLeftEither() throws IOException {
        final Map<String, Integer> before = files();
        final Path directory = at("control".repeat(20) + ".rehearsal");
        new Rehearsal(directory, () -> true, () -> false).run();
        assertFalse(Files.exists(directory));
        assertEquals(before, files());
    }

    @Test
    void thereIsNoRoomForIt() throws IOException {
        Files.write(at("control.rehearsal"), new byte[] {1});
        final Path below = at("control.rehearsal").resolve("below"); // a file is no directory
        new Rehearsal(below, () -> true, () -> false).run();
        assertArrayEquals(new byte[] {1}, Files.readAllBytes(at("control.rehearsal")));
        assertEquals(List.of(), events);
    }
}

package io.lockstep.cli.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.sun.management.ThreadMXBean;

import io.lockstep.engine.group.GroupEvents.Event;
import io.lockstep.engine.group.ReplicationGroup.Role;
import io.lockstep.engine.loop.NioLoop;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.BufferedReader;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.OptionalLong;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/** What a control socket's clients, and those who wait beside it, hear of a group's epochs. */
@Timeout(60)
final class EpochServiceTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);

    private final Queue<Throwable> problems = new ConcurrentLinkedQueue<>();
    private Path directory;
    private Path socket;
    private NioLoop groupLoop;
    private FakeGroup group;
    private ControlService service;

    @BeforeEach
    void start() throws IOException {
        directory = Files.createTempDirectory("ls"); // a Unix socket's path must be short
        socket = directory.resolve("control");
        groupLoop = new NioLoop("group", 0, problems::add);
        groupLoop.start();
        group = new FakeGroup(Role.PRIMARY);
        service =
                ControlService.start(
                        List.of(ControlAddress.at(socket)),
                        new ControlledGroup(group, groupLoop, () -> {}),
                        problems::add);
    }

    @AfterEach
    void stop() throws IOException {
        if (Files.exists(socket)) {
            service.close();
        }
        groupLoop.close();
        Files.delete(directory);
        assertEquals(List.of(), List.copyOf(problems));
    }

    /** A client that has negotiated, and reads lines. */
    private final class Client implements AutoCloseable {
        private final SocketChannel channel;
        private final BufferedReader reader;

        Client() throws IOException {
            channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            channel.connect(UnixDomainSocketAddress.of(socket));
            reader = new BufferedReader(Channels.newReader(channel, StandardCharsets.UTF_8));
            assertTrue(read().has("QMP"));
            channel.write(
                    ByteBuffer.wrap(
                            "{'execute':'qmp_capabilities'}".getBytes(StandardCharsets.UTF_8)));
            assertTrue(read().has("return"));
        }

        JsonObject read() throws IOException {
            final String line = reader.readLine();
            return line == null ? null : JsonParser.parseString(line).getAsJsonObject();
        }

        /** Such as "CHECKPOINT 7". */
        String event() throws IOException {
            final JsonObject event = read();
            return event.get("event").getAsString().replace("X_LOCKSTEP_", "")
                    + " "
                    + event.getAsJsonObject("data").get("epoch");
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    @Test
    void anEpochIsToldWithASentence() throws IOException {
        try (Client client = new Client()) {
            groupLoop.execute(() -> service.onEpoch(Event.CHECKPOINT, 3));
            assertEquals(
                    "{\"epoch\":3,\"reason\":\"epoch 3 is committed\"}",
                    client.read().get("data").toString());
            groupLoop.execute(() -> service.onEpoch(Event.DURABLE, 3));
            final JsonObject durable = client.read();
            assertEquals("X_LOCKSTEP_DURABLE", durable.get("event").getAsString());
            assertEquals(
                    "{\"epoch\":3,\"reason\":\"epoch 3 is on the secondary's stable storage\"}",
                    durable.get("data").toString());
        }
    }

    @Test
    void ofABurstTheLastIsToldAndBeforeWhatComesBehindIt() throws IOException {
        try (Client client = new Client()) {
            groupLoop.execute(
                    () -> {
                        for (int epoch = 1; epoch <= 10_000; epoch++) {
                            service.onEpoch(Event.CHECKPOINT, epoch);
                            service.onEpoch(Event.DURABLE, epoch / 2);
                        }
                        service.onEvent(Event.LINK_DOWN, "", 10_000, "cut");
                        service.onEpoch(Event.DURABLE, 10_000);
                    });
            long committed = 0;
            long durable = 0;
            int count = 0;
            String event = client.event();
            while (!event.equals("LINK_DOWN 10000")) {
                final long epoch = Long.parseLong(event.substring(event.indexOf(' ') + 1));
                if (event.startsWith("CHECKPOINT")) {
                    assertTrue(epoch > committed, event);
                    committed = epoch;
                } else {
                    assertTrue(epoch > durable && epoch <= committed, event);
                    durable = epoch;
                }
                count++;
                event = client.event();
            }
            assertEquals(10_000, committed);
            assertTrue(count < 2_000, "they are combined");
            // What came behind may be told before already; what came before is never told behind.
            if (durable != 10_000) {
                assertEquals(5_000, durable);
                assertEquals("DURABLE 10000", client.event());
            }
        }
    }

    @Test
    void nobodyIsToldAtNoCost() throws Exception {
        final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        final CompletableFuture<Long> least = new CompletableFuture<>();
        groupLoop.execute(
                () -> {
                    long allocated = Long.MAX_VALUE;
                    for (int round = 0; round < 20; round++) {
                        final long before = threads.getCurrentThreadAllocatedBytes();
                        for (int i = 1; i <= 10_000; i++) {
                            final long epoch = round * 10_000L + i;
                            service.onOpened(epoch + 1);
                            service.onEpoch(Event.CHECKPOINT, epoch);
                            service.onEpoch(Event.DURABLE, epoch);
                        }
                        allocated =
                                Math.min(
                                        allocated,
                                        threads.getCurrentThreadAllocatedBytes() - before);
                    }
                    least.complete(allocated);
                });
        assertTrue(least.get() < 10_000, () -> least.join() + " bytes for 10000 epochs");
    }

    /** As with any other events, whatever is combined. */
    @Test
    void aClientThatReadsNoEpochsIsCut() throws Exception {
        final AtomicBoolean isOver = new AtomicBoolean();
        try (Client idle = new Client()) {
            final Thread load =
                    Thread.ofPlatform()
                            .start(
                                    () -> {
                                        for (long i = 1; !isOver.get(); i++) {
                                            final long epoch = i;
                                            groupLoop.execute(
                                                    () -> {
                                                        service.onEpoch(Event.CHECKPOINT, epoch);
                                                        service.onEpoch(Event.DURABLE, epoch);
                                                    });
                                            pause();
                                        }
                                    });
            while (isServed()) {
                TimeUnit.MILLISECONDS.sleep(20);
            }
            isOver.set(true);
            load.join();
            JsonObject last = idle.read();
            while (last != null) {
                last = idle.read();
            }
            assertNull(last);
        }
    }

    private static void pause() {
        try {
            Thread.sleep(0, 200_000);
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Whether one more client than there is room for beside the idle one is turned away. */
    private boolean isServed() throws IOException {
        final Client[] others = new Client[QmpServer.CLIENTS_MAX - 1];
        try {
            for (int i = 0; i < others.length; i++) {
                others[i] = new Client();
            }
            try (SocketChannel extra = SocketChannel.open(StandardProtocolFamily.UNIX)) {
                extra.connect(UnixDomainSocketAddress.of(socket));
                final BufferedReader reader =
                        new BufferedReader(Channels.newReader(extra, StandardCharsets.UTF_8));
                return reader.readLine().contains("too many clients");
            }
        } finally {
            for (final Client other : others) {
                if (other != null) {
                    other.close();
                }
            }
        }
    }

    // ---- The file beside it.

    @Test
    void whoWaitsBesideTheSocketHearsOfEpochsAndOfTheEnd() throws Exception {
        try (EpochWatch watch = EpochWatch.open(socket, TimeUnit.HOURS.toNanos(1))) {
            groupLoop.execute(() -> service.onOpened(2));
            groupLoop.execute(() -> service.onEpoch(Event.CHECKPOINT, 1));
            assertTrue(watch.await(OptionalLong.of(1), false, PATIENCE.toNanos()).isReached());
            groupLoop.execute(() -> service.onEpoch(Event.DURABLE, 2));
            assertTrue(watch.await(OptionalLong.of(2), true, PATIENCE.toNanos()).isReached());
            final CompletableFuture<EpochWatch.Outcome> vain =
                    CompletableFuture.supplyAsync(
                            () -> watch.await(OptionalLong.of(9), false, PATIENCE.toNanos()),
                            action -> Thread.ofPlatform().start(action));
            TimeUnit.MILLISECONDS.sleep(20);
            service.close();
            assertFalse(vain.get().isReached());
            assertTrue(vain.get().reason().contains("has ended"), vain.get()::reason);
            final CompletableFuture<Void> after = new CompletableFuture<>();
            groupLoop.execute(() -> service.onEpoch(Event.CHECKPOINT, 3)); // the file is gone
            groupLoop.execute(() -> service.onOpened(4));
            groupLoop.execute(() -> after.complete(null));
            after.get();
        }
    }

    /** No event tells of it: whoever waits hears of it all the same. */
    @Test
    void whoWaitsHearsThatReplicationWasStopped() throws Exception {
        try (EpochWatch watch = EpochWatch.open(socket, TimeUnit.HOURS.toNanos(1));
                QmpClient client = QmpClient.connect(socket, PATIENCE)) {
            final CompletableFuture<EpochWatch.Outcome> vain =
                    CompletableFuture.supplyAsync(
                            () -> watch.await(OptionalLong.of(9), false, PATIENCE.toNanos()),
                            action -> Thread.ofPlatform().start(action));
            client.execute("x-lockstep-stop", PATIENCE);
            assertTrue(vain.get().reason().contains("replication has ended"), vain.get()::reason);
        }
    }

    // ---- The commands.

    private static JsonObject arguments(final String text) {
        return JsonParser.parseString(text).getAsJsonObject();
    }

    @Test
    void aCheckpointThatIsToBeDurableWaitsForThat() throws Exception {
        try (QmpClient client = QmpClient.connect(socket, PATIENCE)) {
            final JsonObject made =
                    client.execute("x-lockstep-checkpoint", arguments("{'durable':true}"), PATIENCE)
                            .getAsJsonObject();
            assertEquals(1, made.get("epoch").getAsLong());
            assertTrue(made.get("duration-ns").getAsLong() >= 0);
            client.execute("x-lockstep-checkpoint", arguments("{'durable':false}"), PATIENCE);
        }
        assertEquals(List.of("checkpoint", "durable 1", "checkpoint"), calls());
    }

    @Test
    void aLevelIsHandedOnAndWhatIsNoneIsRefused() throws Exception {
        try (QmpClient client = QmpClient.connect(socket, PATIENCE)) {
            for (final String level : List.of("flush", "write,durable", "local")) {
                client.execute(
                        "x-lockstep-set-ack", arguments("{'level':'" + level + "'}"), PATIENCE);
            }
            for (final String level : List.of("local,durable", "FLUSH", "")) {
                final QmpClient.RefusedException refused =
                        assertThrows(
                                QmpClient.RefusedException.class,
                                () ->
                                        client.execute(
                                                "x-lockstep-set-ack",
                                                arguments("{'level':'" + level + "'}"),
                                                PATIENCE));
                assertEquals(
                        "Parameter 'level' expects local, flush, write, flush,durable or"
                                + " write,durable, not '"
                                + level
                                + "'",
                        refused.getMessage());
            }
        }
        assertEquals(List.of("ack flush", "ack write,durable", "ack local"), calls());
    }

    private List<String> calls() throws Exception {
        final CompletableFuture<List<String>> calls = new CompletableFuture<>();
        groupLoop.execute(() -> calls.complete(group.calls()));
        return calls.get();
    }
}

package io.lockstep.cli.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;

import io.lockstep.cli.graph.JsonText;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.group.ReplicationGroup.Role;
import io.lockstep.engine.loop.NioLoop;

import org.HdrHistogram.Histogram;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** The control socket over a real one, with a group that only counts. */
final class ControlServiceTest {
    private static final Duration PATIENCE = Duration.ofSeconds(30);
    private static final String HELLO = "{'execute':'qmp_capabilities'}";

    private final Queue<Throwable> problems = new ConcurrentLinkedQueue<>();
    private final CountDownLatch quit = new CountDownLatch(1);
    private Path directory;
    private Path socket;
    private NioLoop groupLoop;
    private FakeGroup group;
    private ControlService service;

    @BeforeEach
    void start() throws IOException {
        directory = Files.createTempDirectory("ls"); // a Unix socket's path must be short
        socket = directory.resolve("control");
        start(Role.SECONDARY);
    }

    private void start(final Role role) throws IOException {
        groupLoop = new NioLoop("group", 0, problems::add);
        groupLoop.start();
        group = new FakeGroup(role);
        service =
                ControlService.start(
                        List.of(ControlAddress.at(socket)),
                        new ControlledGroup(group, groupLoop, quit::countDown),
                        problems::add);
    }

    @AfterEach
    void stop() throws IOException {
        end();
        assertFalse(Files.exists(socket));
        assertFalse(Files.exists(ControlService.countersPath(socket)));
        assertFalse(Files.exists(EpochFile.pathFor(socket)));
        Files.delete(directory);
        assertEquals(List.of(), List.copyOf(problems));
    }

    private void end() {
        service.close();
        groupLoop.close();
    }

    private void restartAs(final Role role) throws IOException {
        end();
        start(role);
    }

    /** A client that sends what it is told, and reads whole lines. */
    private final class Client implements AutoCloseable {
        private final SocketChannel channel;
        private final StringBuilder received = new StringBuilder();

        Client() throws IOException {
            channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            channel.connect(UnixDomainSocketAddress.of(socket));
        }

        void send(final String text) throws IOException {
            final ByteBuffer bytes = ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
            while (bytes.hasRemaining()) {
                channel.write(bytes);
            }
        }

        /** The next line; null where there is none any more. */
        JsonObject read() throws IOException {
            final ByteBuffer bytes = ByteBuffer.allocate(65536);
            int end = received.indexOf("\r\n");
            while (end < 0) {
                if (channel.read(bytes.clear()) < 0) {
                    return null;
                }
                received.append(StandardCharsets.UTF_8.decode(bytes.flip()));
                end = received.indexOf("\r\n");
            }
            final String line = received.substring(0, end);
            received.delete(0, end + 2);
            return JsonText.value(line).getAsJsonObject();
        }

        String ask(final String request) throws IOException {
            send(request);
            return read().toString();
        }

        Client greeted() throws IOException {
            assertTrue(read().has("QMP"));
            assertEquals("{\"return\":{}}", ask(HELLO));
            return this;
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }

    private static String refusal(final String sentence) {
        return "{\"error\":{\"class\":\"GenericError\",\"desc\":\"" + sentence + "\"}}";
    }

    // ---- The protocol

    @Test
    void itGreetsWithAVersionAndItsCapabilities() throws IOException {
        try (Client client = new Client()) {
            final JsonObject about = client.read().getAsJsonObject("QMP");
            assertTrue(about.getAsJsonObject("version").getAsJsonObject("qemu").has("major"));
            assertEquals("[\"oob\"]", about.get("capabilities").toString());
        }
    }

    @Test
    void beforeTheNegotiationThereAreNoCommandsAndAfterItNoNegotiation() throws IOException {
        try (Client client = new Client()) {
            client.read();
            assertEquals(
                    "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"Expecting capabilities"
                            + " negotiation with 'qmp_capabilities'\"},\"id\":7}",
                    client.ask("{'execute':'query-version','id':7}"));
            assertEquals(
                    refusal("QMP input member 'exec-oob' is unexpected"),
                    client.ask("{'exec-oob':'x-lockstep-status'}"));
            assertEquals(
                    refusal("Parameter 'enable[1]' does not accept value 'x'; there is oob"),
                    client.ask(
                            "{'execute':'qmp_capabilities','arguments':{'enable':['oob','x']}}"));
            assertEquals("{\"return\":{}}", client.ask(HELLO));
            assertEquals(
                    "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"Capabilities negotiation"
                            + " is already complete, command ignored\"}}",
                    client.ask(HELLO));
        }
    }

    @Test
    void anIdOfAnyKindComesBack() throws IOException {
        try (Client client = new Client().greeted()) {
            assertEquals(
                    "{\"return\":{\"epoch\":1},\"id\":{\"a\":[1.50,\"é\"]}}",
                    client.ask("{'execute':'x-lockstep-seal','id':{'a':[1.50,'é']}}"));
            final String deepest =
                    "[".repeat(QmpFramer.NESTING_MAX - 1) + "]".repeat(QmpFramer.NESTING_MAX - 1);
            assertEquals(
                    "{\"return\":{},\"id\":" + deepest + "}",
                    client.ask("{'execute':'query-name','id':" + deepest + "}"));
        }
    }

    /** They are more than is kept for a client that doesn't read. */
    @Test
    void aThousandErrorsInOneGoHoldUpNothing() throws IOException {
        try (Client client = new Client().greeted()) {
            client.send("]".repeat(2000) + "{'execute':'query-name','id':1}\n");
            for (int i = 0; i < 2000; i++) {
                assertTrue(client.read().has("error"));
            }
            assertEquals("{\"return\":{},\"id\":1}", client.read().toString());
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "[]|QMP input must be a JSON object",
                "42 |QMP input must be a JSON object",
                "{}|QMP input lacks member 'execute'",
                "{\"execute\":1}|QMP input member 'execute' must be a string",
                "{\"execute\":\"a\",\"b\":1}|QMP input member 'b' is unexpected",
                "{\"execute\":\"a\",\"arguments\":[]}"
                        + "|QMP input member 'arguments' must be an object",
                "{\"execute\":\"query-status\",\"arguments\":{\"x\":1}}"
                        + "|Parameter 'x' is unexpected",
                "{\"execute\":\"x-lockstep-commit\"}|Parameter 'epoch' is missing",
                "{\"execute\":\"x-lockstep-commit\",\"arguments\":{\"epoch\":\"1\"}}"
                        + "|Invalid parameter type for 'epoch', expected: integer",
                "{\"execute\":\"x-lockstep-commit\",\"arguments\":{\"epoch\":1.5}}"
                        + "|Invalid parameter type for 'epoch', expected: integer",
                "{\"execute\":\"xen-set-replication\",\"arguments\":{\"enable\":1}}"
                        + "|Invalid parameter type for 'enable', expected: boolean",
                "{\"execute\":\"xen-set-replication\",\"arguments\":{\"enable\":true}}"
                        + "|Parameter 'primary' is missing",
                "{\"execute\":\"x-lockstep-commit\",\"arguments\":{\"epoch\":9}}"
                        + "|epoch is not sealed",
            })
    void wrongRequestsAreRefusedInQemusWords(final String request, final String sentence)
            throws IOException {
        try (Client client = new Client().greeted()) {
            assertEquals(refusal(sentence), client.ask(request + "\n"));
        }
    }

    @Test
    void anUnknownCommandHasAClassOfItsOwn() throws IOException {
        try (Client client = new Client().greeted()) {
            assertEquals(
                    "{\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"The command nonsense has"
                            + " not been found\"}}",
                    client.ask("{'execute':'nonsense'}"));
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "{\"a\":}",
                "{execute}",
                "{\"a\" 1}",
                "{\"a\":1,}",
                "[1 2]",
                "nul ",
                "]\n",
                "{'execute':'quit','execute':'quit'}",
                "{'execute':'query-name','id':{'a':1,'a':2}}",
                "{'execute':'query-name','id':'\\ud800'}",
                "{'execute':'query-name','id':'\\udc00\\ud800'}",
                "{'execute':'query-name','\\udfff':1}",
                "{'execute':'query-name','id':'\\uffff'}",
                "{'execute':'query-name','id':'\\q'}",
                "{'execute':'query-name','id':'\\u12'}"
            })
    void whatIsNoJsonIsToldAndTheConnectionGoesOn(final String garbage) throws IOException {
        try (Client client = new Client().greeted()) {
            final String answer = client.ask(garbage + "\n");
            assertTrue(
                    answer.startsWith(
                            "{\"error\":{\"class\":\"GenericError\",\"desc\":\"JSON parse error"),
                    answer);
            assertEquals("{\"return\":{\"epoch\":1}}", client.ask("{'execute':'x-lockstep-seal'}"));
        }
    }

    @Test
    void aMessageOverTheLimitIsToldAndTheConnectionGoesOn() throws IOException {
        try (Client client = new Client().greeted()) {
            client.send("{'execute':'" + "a".repeat(10_000_000) + "'}");
            assertEquals(refusal("JSON message size limit exceeded"), client.read().toString());
            assertEquals("{\"return\":{\"epoch\":1}}", client.ask("{'execute':'x-lockstep-seal'}"));
        }
    }

    @Test
    void halfAMessageHoldsNobodyUp() throws IOException {
        try (Client half = new Client().greeted();
                Client other = new Client().greeted()) {
            half.send("{'execute':'x-lockstep-se");
            assertEquals("{\"return\":{\"epoch\":1}}", other.ask("{'execute':'x-lockstep-seal'}"));
            assertEquals("{\"return\":{\"epoch\":2}}", half.ask("al'}"));
        }
    }

    @Test
    void aCommandThatTakesLongHoldsUpItsClientOnly() throws IOException {
        final CompletableFuture<Long> held = new CompletableFuture<>();
        groupLoop.execute(() -> group.hold(held));
        try (Client waiting = new Client().greeted();
                Client other = new Client().greeted()) {
            waiting.send("{'execute':'xen-colo-do-checkpoint','id':1}");
            waiting.send("{'execute':'x-lockstep-seal','id':2}".repeat(3));
            assertEquals(
                    "{\"return\":{\"error\":false}}",
                    other.ask("{'execute':'query-xen-replication-status'}"));
            groupLoop.execute(() -> held.complete(5L));
            assertEquals("{\"return\":{},\"id\":1}", waiting.read().toString());
            for (int i = 1; i <= 3; i++) {
                assertEquals(
                        "{\"return\":{\"epoch\":" + i + "},\"id\":2}", waiting.read().toString());
            }
        }
    }

    /** However many ask while one is under way: the next is of all of them. */
    @Test
    void whoAsksForACheckpointMeanwhileSharesTheNext() throws IOException {
        final CompletableFuture<Long> held = new CompletableFuture<>();
        groupLoop.execute(() -> group.hold(held));
        final List<Client> clients = new ArrayList<>();
        try (Client other = new Client().greeted()) {
            for (int i = 0; i < 5; i++) {
                clients.add(new Client().greeted());
                clients.getLast().send("{'execute':'x-lockstep-checkpoint'}");
            }
            for (int i = 0; i < 3; i++) { // behind what the others have sent
                other.ask("{'execute':'query-xen-replication-status'}");
            }
            groupLoop.execute(() -> held.complete(5L));
            for (final Client client : clients) {
                assertEquals(5, client.read().getAsJsonObject("return").get("epoch").getAsInt());
            }
            assertEquals(List.of("checkpoint", "checkpoint"), group.calls());
        } finally {
            for (final Client client : clients) {
                client.close();
            }
        }
    }

    /** QEMU takes what means nothing after the end; our own commands say that it means nothing. */
    @ParameterizedTest
    @CsvSource({"true,it took over", "false,it was stopped"})
    void afterTheEndOurCommandsSayThatNothingWasDone(final boolean failover, final String ending)
            throws IOException {
        try (Client client = new Client().greeted()) {
            final String disable =
                    "{'execute':'xen-set-replication','arguments':"
                            + "{'enable':false,'primary':false,'failover':"
                            + failover
                            + "}}";
            for (final String command :
                    List.of(
                            disable,
                            disable,
                            "{'execute':'xen-colo-do-checkpoint'}",
                            "{'execute':'x-colo-lost-heartbeat'}")) {
                assertEquals("{\"return\":{}}", client.ask(command), command);
            }
            assertEquals(refusal(ending), client.ask("{'execute':'x-lockstep-checkpoint'}"));
            assertEquals(
                    "{\"return\":{\"done-before\":true,\"reason\":\"" + ending + "\"}}",
                    client.ask("{'execute':'x-lockstep-stop'}"));
            assertEquals(
                    failover
                            ? "{\"return\":{\"epoch\":0,\"done-before\":true}}"
                            : refusal("there is no checkpoint to fail over to: " + ending),
                    client.ask("{'execute':'x-lockstep-failover'}"));
        }
    }

    /** Many times what a session may hold, and only then does the client read. */
    @Test
    void aHundredThousandRequestsInOneGoAreAllAnswered() throws Exception {
        final int count = 100_000;
        try (Client client = new Client().greeted()) {
            final Thread sender =
                    Thread.ofPlatform()
                            .start(
                                    () -> {
                                        try {
                                            final String hundred =
                                                    "{'execute':'x-lockstep-seal'}".repeat(100);
                                            for (int i = 0; i < count / 100; i++) {
                                                client.send(hundred);
                                            }
                                        } catch (final IOException e) {
                                            problems.add(e);
                                        }
                                    });
            for (int i = 1; i <= count; i++) {
                assertEquals(i, client.read().getAsJsonObject("return").get("epoch").getAsInt());
            }
            sender.join();
        }
    }

    /** It gets no more than it takes, however many requests it has ready; others are served. */
    @Test
    void aFloodOfAMillionRequestsHoldsUpItsSenderOnly() throws IOException {
        final ByteBuffer flood =
                ByteBuffer.wrap(
                        "{'execute':'query-version'}"
                                .repeat(1_000_000)
                                .getBytes(StandardCharsets.UTF_8));
        try (Client flooding = new Client().greeted();
                Client other = new Client().greeted()) {
            flooding.channel.configureBlocking(false);
            int epoch = 0;
            for (int idle = 0; idle < 100 && flood.hasRemaining(); idle++) {
                if (flooding.channel.write(flood) > 0) {
                    idle = 0;
                }
                epoch++;
                assertEquals(
                        "{\"return\":{\"epoch\":" + epoch + "}}",
                        other.ask("{'execute':'x-lockstep-seal'}"));
            }
            assertTrue(
                    flood.position() < flood.capacity() / 2,
                    () -> flood.position() + " bytes were taken, and no answer was read");
            flooding.channel.configureBlocking(true);
            assertTrue(flooding.read().has("return"), "it is served as it reads");
        }
    }

    @Test
    void aClientThatReadsNoEventsIsCut() throws IOException {
        try (Client idle = new Client().greeted();
                Client reading = new Client().greeted()) {
            final String sentence = "x".repeat(10_000);
            for (int i = 0; i < 1000; i++) {
                groupLoop.execute(
                        () -> service.onEvent(GroupEvents.Event.LINK_UP, "", 1, sentence));
                assertEquals("X_LOCKSTEP_LINK_UP", reading.read().get("event").getAsString());
            }
            JsonObject last = idle.read();
            int count = 0;
            while (last != null) {
                last = idle.read();
                count++;
            }
            assertTrue(count < 1000, () -> "it got all events");
        }
    }

    @Test
    void oneClientTooManyIsToldSo() throws IOException {
        final List<Client> clients = new ArrayList<>();
        try {
            for (int i = 0; i < QmpServer.CLIENTS_MAX; i++) {
                clients.add(new Client().greeted());
            }
            try (Client extra = new Client()) {
                assertEquals(refusal("too many clients: 16 are served"), extra.read().toString());
                assertEquals(null, extra.read());
            }
            clients.removeFirst().close();
            boolean served = false;
            while (!served) {
                try (Client next = new Client()) {
                    served = next.read().has("QMP");
                }
            }
        } finally {
            for (final Client client : clients) {
                client.close();
            }
        }
    }

    @Test
    void aClientThatStopsSendingStillGetsItsAnswers() throws IOException {
        try (Client client = new Client()) {
            client.send(HELLO + "{'execute':'x-lockstep-seal'}".repeat(2));
            client.channel.shutdownOutput();
            assertTrue(client.read().has("QMP"));
            assertEquals("{\"return\":{}}", client.read().toString());
            assertEquals("{\"return\":{\"epoch\":1}}", client.read().toString());
            assertEquals("{\"return\":{\"epoch\":2}}", client.read().toString());
            assertEquals(null, client.read());
        }
    }

    // ---- The commands

    @Test
    void replicationInQemusWords() throws IOException {
        try (Client client = new Client().greeted()) {
            assertEquals(
                    refusal("replication is already running"),
                    client.ask(
                            "{'execute':'xen-set-replication',"
                                    + "'arguments':{'enable':true,'primary':false}}"));
            assertEquals(
                    refusal(
                            "The parameter mode's value is invalid, needs secondary, but got"
                                    + " primary"),
                    client.ask(
                            "{'execute':'xen-set-replication',"
                                    + "'arguments':{'enable':true,'primary':true}}"));
            assertEquals(
                    refusal("Parameter 'failover' is only for stopping replication"),
                    client.ask(
                            "{'execute':'xen-set-replication','arguments':"
                                    + "{'enable':true,'primary':false,'failover':true}}"));
            assertEquals("{\"return\":{}}", client.ask("{'execute':'xen-colo-do-checkpoint'}"));
            assertEquals(
                    "{\"return\":{}}",
                    client.ask(
                            "{'execute':'xen-set-replication','arguments':"
                                    + "{'enable':false,'primary':false,'failover':true}}"));
            assertEquals(List.of("start", "checkpoint", "stop true"), group.calls());
        }
    }

    @Test
    void anErrorOfReplicationIsReported() throws IOException {
        groupLoop.execute(
                () ->
                        group.breakWith(
                                new ReplicationError(
                                        ReplicationError.Kind.FORWARD, "vda", 0, "EIO", "broken")));
        try (Client client = new Client().greeted()) {
            assertEquals(
                    "{\"return\":{\"error\":true,\"desc\":\"broken\"}}",
                    client.ask("{'execute':'query-xen-replication-status'}"));
        }
    }

    @Test
    void failoverIsForTheSecondary() throws IOException {
        restartAs(Role.PRIMARY);
        try (Client client = new Client().greeted()) {
            assertTrue(
                    client.ask("{'execute':'x-lockstep-failover'}")
                            .contains("this is the primary"));
            assertEquals(
                    "{\"return\":{\"done-before\":false,\"reason\":\"\"}}",
                    client.ask("{'execute':'x-lockstep-stop'}"));
            assertEquals(List.of("stop false"), group.calls());
        }
    }

    @Test
    void theMergeIsAJob() throws IOException {
        try (Client client = new Client().greeted()) {
            assertEquals("{\"return\":[]}", client.ask("{'execute':'query-block-jobs'}"));
            assertEquals(
                    "{\"return\":{\"epoch\":0,\"done-before\":false}}",
                    client.ask("{'execute':'x-lockstep-failover'}"));
            client.send("{'execute':'query-block-jobs'}");
            final JsonObject job = client.read().getAsJsonArray("return").get(0).getAsJsonObject();
            assertEquals("commit", job.get("type").getAsString());
            assertEquals(50, job.get("offset").getAsLong());
            assertEquals(60, job.get("len").getAsLong());
        }
    }

    @Test
    void aJobIsPausedAndCancelledAsInQemu() throws IOException {
        group.addJob();
        final String done = "{\"return\":{}}";
        try (Client client = new Client().greeted()) {
            client.send("{'execute':'query-block-jobs'}");
            final JsonObject job = client.read().getAsJsonArray("return").get(0).getAsJsonObject();
            assertEquals("mirror", job.get("type").getAsString());
            assertEquals("sync", job.get("device").getAsString());
            assertEquals("running", job.get("status").getAsString());
            assertContains(
                    "Can't resume a job that was not paused",
                    client.ask("{'execute':'job-resume','arguments':{'id':'sync'}}"));
            assertEquals(done, client.ask("{'execute':'job-pause','arguments':{'id':'sync'}}"));
            assertContains(
                    "Job is already paused",
                    client.ask("{'execute':'block-job-pause','arguments':{'device':'sync'}}"));
            assertContains("'paused'", client.ask("{'execute':'query-jobs'}").replace('"', '\''));
            assertContains(
                    "The block job for device 'sync' is currently paused",
                    client.ask("{'execute':'block-job-cancel','arguments':{'device':'sync'}}"));
            assertContains(
                    "expects a non-negative value",
                    client.ask(
                            "{'execute':'block-job-set-speed','arguments':{'device':'sync',"
                                    + "'speed':-1}}"));
            assertEquals(
                    done,
                    client.ask(
                            "{'execute':'block-job-set-speed','arguments':{'device':'sync',"
                                    + "'speed':5000}}"));
            assertContains("\"speed\":5000", client.ask("{'execute':'query-block-jobs'}"));
            assertContains(
                    "Job 'sync' in state 'paused' cannot accept command verb 'dismiss'",
                    client.ask("{'execute':'job-dismiss','arguments':{'id':'sync'}}"));
            assertEquals(
                    done,
                    client.ask(
                            "{'execute':'block-job-cancel','arguments':{'device':'sync',"
                                    + "'force':true}}"));
            assertContains(
                    "DeviceNotActive",
                    client.ask("{'execute':'block-job-pause','arguments':{'device':'sync'}}"));
            assertContains(
                    "Job not found",
                    client.ask("{'execute':'job-cancel','arguments':{'id':'sync'}}"));
        }
    }

    @Test
    void theMergeCantBePaused() throws IOException {
        try (Client client = new Client().greeted()) {
            client.ask("{'execute':'x-lockstep-failover'}");
            assertContains(
                    "Job 'merge' in state 'running' cannot accept command verb 'pause'",
                    client.ask("{'execute':'job-pause','arguments':{'id':'merge'}}"));
        }
    }

    private static void assertContains(final String part, final String answer) {
        assertTrue(answer.contains(part), answer);
    }

    @Test
    void commandsAreListed() throws IOException {
        try (Client client = new Client().greeted()) {
            final String commands = client.ask("{'execute':'query-commands'}");
            assertTrue(commands.contains("{\"name\":\"x-lockstep-status\"}"), commands);
            assertTrue(client.ask("{'execute':'query-status'}").contains("running"));
        }
    }

    @Test
    void quitAnswersFirst() throws Exception {
        try (Client client = new Client().greeted()) {
            client.send("{'execute':'quit'}");
            assertEquals("SHUTDOWN", client.read().get("event").getAsString());
            assertEquals("{\"return\":{}}", client.read().toString());
            assertTrue(quit.await(PATIENCE.toSeconds(), TimeUnit.SECONDS));
        }
    }

    @Test
    void eventsGoToThoseWhoHaveNegotiated() throws IOException {
        try (Client quiet = new Client();
                Client client = new Client().greeted()) {
            groupLoop.execute(
                    () -> service.onEvent(GroupEvents.Event.GUEST_IO_ERROR, "vda", 3, "it failed"));
            final JsonObject first = client.read();
            assertEquals("BLOCK_IO_ERROR", first.get("event").getAsString());
            assertTrue(first.getAsJsonObject("timestamp").has("microseconds"));
            final JsonObject second = client.read();
            assertEquals("X_LOCKSTEP_GUEST_IO_ERROR", second.get("event").getAsString());
            assertEquals(
                    "{\"device\":\"vda\",\"epoch\":3,\"reason\":\"it failed\"}",
                    second.get("data").toString());
            quiet.greeted(); // whose first answer is not an event
        }
    }

    // ---- Our own client, and the counters

    @Test
    void histogramsHoldWhatCheckpointsTook() throws IOException {
        try (QmpClient client = QmpClient.connect(socket, PATIENCE)) {
            client.execute("x-lockstep-checkpoint", PATIENCE);
            client.execute("x-lockstep-checkpoint", PATIENCE);
            final JsonObject report = client.execute("x-lockstep-histograms", PATIENCE);
            final Histogram checkpoints =
                    HistogramText.decode(report.get("checkpoints").getAsString());
            assertEquals(2, checkpoints.getTotalCount());
            assertFalse(report.has("commits"), "this group does not say what commits took");
        }
    }

    @Test
    void whatIsNoHistogramIsRefused() {
        assertThrows(IOException.class, () -> HistogramText.decode("nonsense!"));
        assertThrows(IOException.class, () -> HistogramText.decode("aGVsbG8sIHdvcmxkLCBoZWxsbw=="));
    }

    @Test
    void theClientPassesEventsOverAndTellsRefusals() throws IOException {
        try (QmpClient client = QmpClient.connect(socket, PATIENCE)) {
            groupLoop.execute(
                    () -> service.onEvent(GroupEvents.Event.CHECKPOINT, "", 1, "committed"));
            final JsonObject made = client.execute("x-lockstep-checkpoint", PATIENCE);
            assertEquals(1, made.get("epoch").getAsLong());
            assertTrue(made.get("duration-ns").getAsLong() >= 0);
            final QmpClient.RefusedException refused =
                    assertThrows(
                            QmpClient.RefusedException.class,
                            () -> client.execute("nonsense", PATIENCE));
            assertEquals("The command nonsense has not been found", refused.getMessage());
            final JsonObject status = client.execute("x-lockstep-status", PATIENCE);
            assertEquals(
                    1,
                    status.getAsJsonObject("checkpoints").get("count").getAsLong(),
                    status::toString);
        }
    }

    @Test
    void theClientDoesNotWaitForEver() throws IOException {
        final CompletableFuture<Long> held = new CompletableFuture<>();
        groupLoop.execute(() -> group.hold(held));
        try (QmpClient client = QmpClient.connect(socket, PATIENCE)) {
            assertThrows(
                    QmpClient.NoAnswerException.class,
                    () -> client.execute("x-lockstep-checkpoint", Duration.ofMillis(50)));
        }
        assertThrows(
                QmpClient.NoAnswerException.class,
                () -> QmpClient.connect(directory.resolve("missing"), PATIENCE));
    }

    @Test
    void theCountersHoldTheLatestStatus() throws Exception {
        String status = "";
        while (!status.contains("\"committed-epoch\":1,")) {
            try {
                final CounterFile.LastWords words = CounterFile.read(socket);
                assertTrue(words.isRunning());
                assertEquals(ProcessHandle.current().pid(), words.process());
                status = words.status();
            } catch (final IOException e) {
                status = ""; // nothing was written yet
            }
            groupLoop.execute(
                    () -> {
                        if (group.calls().isEmpty()) {
                            group.checkpoint();
                        }
                    });
            TimeUnit.MILLISECONDS.sleep(10);
        }
    }

    // ---- Out of band

    private Client outOfBand() throws IOException {
        final Client client = new Client();
        assertTrue(client.read().has("QMP"));
        assertEquals(
                "{\"return\":{}}",
                client.ask("{'execute':'qmp_capabilities','arguments':{'enable':['oob']}}"));
        return client;
    }

    private static String id(final JsonObject answer) {
        assertTrue(answer.has("return") || answer.has("error"), answer::toString);
        return answer.has("id") ? answer.get("id").getAsString() : "";
    }

    @Test
    void whatIsOutOfBandOvertakesACommandThatTakesLongAndTheRestStaysInOrder() throws IOException {
        final CompletableFuture<Long> held = new CompletableFuture<>();
        groupLoop.execute(() -> group.hold(held));
        try (Client client = outOfBand()) {
            client.send("{'execute':'xen-colo-do-checkpoint','id':'long'}");
            client.send("{'execute':'x-lockstep-seal','id':'behind'} ] {'execute':5,'id':'bad'}");
            client.send("{'exec-oob':'x-lockstep-status','id':'status'}");
            assertEquals("status", id(client.read()));
            client.send("{'exec-oob':'x-lockstep-status','id':'again'}");
            assertEquals("again", id(client.read()));
            groupLoop.execute(() -> held.complete(5L));
            for (final String id : List.of("long", "behind", "", "bad")) {
                assertEquals(id, id(client.read()));
            }
        }
    }

    /** The ninth command in a row is not read before there is room for it, whatever it is. */
    @ParameterizedTest
    @CsvSource({"7,status", "8,long"})
    void eightCommandsMayWaitForTheOneThatRuns(final int waiting, final String first)
            throws IOException {
        final CompletableFuture<Long> held = new CompletableFuture<>();
        try (Client client = outOfBand()) {
            groupLoop.execute(() -> group.hold(held));
            client.send("{'execute':'xen-colo-do-checkpoint','id':'long'}");
            client.send("{'execute':'x-lockstep-seal','id':'behind'}".repeat(waiting));
            client.send("{'exec-oob':'x-lockstep-status','id':'status'}");
            if (first.equals("status")) {
                assertEquals("status", id(client.read()));
            }
            groupLoop.execute(() -> held.complete(5L));
            final List<String> ids = new ArrayList<>();
            for (int i = first.equals("status") ? 1 : 0; i < waiting + 2; i++) {
                ids.add(id(client.read()));
            }
            assertEquals("long", ids.getFirst());
            assertEquals(waiting, ids.stream().filter("behind"::equals).count());
        }
    }

    @Test
    void notAllCommandsMayBeRunOutOfBand() throws IOException {
        try (Client client = outOfBand()) {
            assertEquals(
                    refusal("The command quit does not support OOB"),
                    client.ask("{'exec-oob':'quit'}"));
            assertEquals(
                    refusal("The command qmp_capabilities does not support OOB"),
                    client.ask("{'exec-oob':'qmp_capabilities'}"));
            assertEquals(
                    refusal("QMP input member 'execute' clashes with 'exec-oob'"),
                    client.ask("{'exec-oob':'quit','execute':'quit'}"));
            assertTrue(client.ask("{'exec-oob':'nonsense'}").contains("CommandNotFound"));
        }
    }

    // ---- What goes wrong below

    @Test
    void whatALowerLayerThrowsIsAnErrorWithASentence() throws IOException {
        try (Client client = new Client().greeted()) {
            for (final Throwable thrown :
                    List.of(
                            new IOException("the sentence"),
                            new IOException((String) null),
                            new NoSuchFileException("/some/file"),
                            new IllegalArgumentException("the sentence"),
                            new CompletionException(new UncheckedIOException(new IOException())))) {
                groupLoop.execute(() -> group.hold(CompletableFuture.failedFuture(thrown)));
                final JsonObject error =
                        JsonParser.parseString(client.ask("{'execute':'xen-colo-do-checkpoint'}"))
                                .getAsJsonObject()
                                .getAsJsonObject("error");
                assertEquals("GenericError", error.get("class").getAsString());
                assertTrue(
                        error.get("desc")
                                .getAsString()
                                .matches("the sentence|it failed: .+|/some/file: no such .+"),
                        error::toString);
            }
        }
    }

    @Test
    void ofWhatNobodyExpectsTheConsoleHearsTooAndTheConnectionGoesOn() throws IOException {
        try (Client client = new Client().greeted()) {
            groupLoop.execute(
                    () -> group.hold(CompletableFuture.failedFuture(new NullPointerException())));
            assertTrue(
                    client.ask("{'execute':'xen-colo-do-checkpoint'}")
                            .contains("the command failed unexpectedly"));
            assertEquals("{\"return\":{\"epoch\":1}}", client.ask("{'execute':'x-lockstep-seal'}"));
            assertTrue(problems.remove().getCause() instanceof NullPointerException);
        }
    }
}

package io.lockstep.engine.loop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.lockstep.engine.memory.IoBuffer;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.stream.Stream;

final class NioLoopTest {
    private static final long DEADLINE_SECONDS = 30;

    @TempDir private Path directory;

    private final Queue<Throwable> errors = new ConcurrentLinkedQueue<>();
    private NioLoop loop;

    @BeforeEach
    void startLoop() throws IOException {
        loop = new NioLoop("test-loop", 1000, errors::add);
        loop.start();
    }

    @AfterEach
    void closeLoop() {
        loop.close();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void carriesMoreThanTheSocketsHoldBothWaysUnchanged(final boolean unix) throws Exception {
        final byte[] content = new byte[5 << 20];
        new java.util.Random(1).nextBytes(content);
        final Echo server = new Echo();
        final Endpoint listening =
                onLoop(
                                () ->
                                        loop.listen(
                                                endpoint(unix),
                                                accepted -> accepted.open(loop, server::open)))
                        .endpoint();
        final Sender client = new Sender(content);
        loop.execute(() -> loop.connect(listening, client));
        assertArrayEquals(content, client.received.get(DEADLINE_SECONDS, TimeUnit.SECONDS));
        assertTrue(errors.isEmpty(), errors::toString);
    }

    @Test
    @Timeout(DEADLINE_SECONDS)
    void loopsWithACoreStayThereWhileBothHaveWork() throws Exception {
        final String everyCore = onLoop(NioLoopTest::coresOfThisThread);
        final NioLoop one = new NioLoop("test-one", 1000, errors::add);
        final NioLoop other = new NioLoop("test-other", 1000, errors::add);
        try {
            one.startOnCore(0);
            other.startOnCore(Cores.count() - 1);
            try (SocketChannel toOne = echoing(one, "one");
                    SocketChannel toOther = echoing(other, "other")) {
                final String first = everyCore.split("[-,]", 2)[0];
                final String last = everyCore.substring(everyCore.lastIndexOf(',') + 1);
                do {
                    ping(toOne);
                    ping(toOther);
                } while (!coresOf(one).equals(first)
                        || !coresOf(other).equals(last.substring(last.lastIndexOf('-') + 1)));
                assertEquals(first, onLoop(one, NioLoopTest::coresOfAThreadOfThisOne));
                assertEquals(everyCore, onLoop(one, NioLoopTest::coresOfAThreadThatAskedForAll));
                do {
                    ping(toOne);
                } while (!coresOf(one).equals(everyCore));
            }
        } finally {
            one.close();
            other.close();
        }
        assertTrue(errors.isEmpty(), errors::toString);
    }

    private SocketChannel echoing(final NioLoop echoLoop, final String name) throws Exception {
        final Path path = directory.resolve(name);
        final Echo server = new Echo();
        onLoop(
                echoLoop,
                () ->
                        echoLoop.listen(
                                new Endpoint.Unix(path),
                                accepted -> accepted.open(echoLoop, server::open)));
        return SocketChannel.open(UnixDomainSocketAddress.of(path));
    }

    private static void ping(final SocketChannel channel) throws IOException {
        final ByteBuffer one = ByteBuffer.allocate(1);
        channel.write(one);
        channel.read(one.clear());
    }

    private String coresOf(final NioLoop asked) throws Exception {
        return onLoop(asked, NioLoopTest::coresOfThisThread);
    }

    private static String coresOfAThreadOfThisOne() throws Exception {
        final FutureTask<String> task = new FutureTask<>(NioLoopTest::coresOfThisThread);
        Thread.ofPlatform().start(task);
        return task.get();
    }

    private static String coresOfAThreadThatAskedForAll() throws Exception {
        final FutureTask<String> task =
                new FutureTask<>(
                        () -> {
                            Cores.useAll();
                            return coresOfThisThread();
                        });
        Thread.ofPlatform().start(task);
        return task.get();
    }

    /** As {@code proc(5)} lists them: {@code 0-3,7}. */
    private static String coresOfThisThread() {
        try (Stream<String> lines = Files.lines(Path.of("/proc/thread-self/status"))) {
            return lines.filter(line -> line.startsWith("Cpus_allowed_list:"))
                    .map(line -> line.substring(line.indexOf(':') + 1).strip())
                    .findFirst()
                    .orElseThrow();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void runsTasksInOrderAndTimersByTheirTime() throws Exception {
        final List<String> ran = new ArrayList<>();
        final CountDownLatch last = new CountDownLatch(1);
        loop.execute(() -> ran.add("first task"));
        loop.execute(() -> ran.add("second task"));
        loop.execute(
                () -> {
                    loop.schedule(
                            TimeUnit.MILLISECONDS.toNanos(30),
                            () -> {
                                ran.add("late timer");
                                last.countDown();
                            });
                    loop.schedule(TimeUnit.MILLISECONDS.toNanos(10), () -> ran.add("early timer"));
                    loop.schedule(
                                    TimeUnit.MILLISECONDS.toNanos(5),
                                    () -> ran.add("cancelled timer"))
                            .cancel();
                    ran.add("third task");
                });
        assertTrue(last.await(DEADLINE_SECONDS, TimeUnit.SECONDS));
        assertEquals(
                List.of("first task", "second task", "third task", "early timer", "late timer"),
                ran);
    }

    @Test
    void timersThatAreAlwaysDueKeepNothingElseFromItsTurn() throws Exception {
        loop.execute(
                () -> {
                    for (int i = 0; i < 100; i++) {
                        repeat(100_000);
                    }
                });
        for (int i = 0; i < 10; i++) {
            assertEquals("a turn", onLoop(() -> "a turn"));
        }
    }

    /** All of them together take longer than they wait. */
    private void repeat(final long nanos) {
        final long start = System.nanoTime();
        while (System.nanoTime() - start < nanos) {
            Thread.onSpinWait();
        }
        loop.schedule(nanos, () -> repeat(nanos));
    }

    /** A task that never returns must not keep the process from its end. */
    @Test
    void aLoopThatIsStuckIsLeftBehindAndTold() throws Exception {
        final CountDownLatch isStuck = new CountDownLatch(1);
        final CountDownLatch mayGoOn = new CountDownLatch(1);
        loop.execute(
                () -> {
                    isStuck.countDown();
                    while (mayGoOn.getCount() > 0) {
                        Thread.onSpinWait();
                    }
                });
        assertTrue(isStuck.await(DEADLINE_SECONDS, TimeUnit.SECONDS));
        try {
            loop.close();
            final String told = errors.remove().getMessage();
            assertTrue(told.contains("test-loop") && told.contains("does not return"), told);
        } finally {
            mayGoOn.countDown();
        }
    }

    @Test
    void reportsWhatATaskThrowsAndGoesOn() throws Exception {
        loop.execute(
                () -> {
                    throw new IllegalStateException("on purpose");
                });
        assertEquals("still there", onLoop(() -> "still there"));
        assertEquals("on purpose", errors.remove().getMessage());
    }

    @Test
    void closesTheConnectionWhoseHandlerThrowsAndTellsIt() throws Exception {
        final CompletableFuture<Throwable> told = new CompletableFuture<>();
        final Endpoint listening =
                onLoop(
                                () ->
                                        loop.listen(
                                                endpoint(true),
                                                accepted ->
                                                        accepted.open(
                                                                loop,
                                                                connection -> {
                                                                    connection.interest(
                                                                            true, false);
                                                                    return new ConnectionHandler() {
                                                                        @Override
                                                                        public void onReadable() {
                                                                            throw new IllegalStateException(
                                                                                    "on purpose");
                                                                        }

                                                                        @Override
                                                                        public void onWritable() {}

                                                                        @Override
                                                                        public void onFailure(
                                                                                final Throwable
                                                                                        cause) {
                                                                            told.complete(cause);
                                                                        }
                                                                    };
                                                                })))
                        .endpoint();
        final Sender client = new Sender(new byte[1]);
        loop.execute(() -> loop.connect(listening, client));
        assertEquals("on purpose", told.get(DEADLINE_SECONDS, TimeUnit.SECONDS).getMessage());
        final Exception cut =
                assertThrows(
                        ExecutionException.class,
                        () -> client.received.get(DEADLINE_SECONDS, TimeUnit.SECONDS));
        assertInstanceOf(IOException.class, cut.getCause());
        assertEquals("on purpose", errors.remove().getMessage());
    }

    @Test
    void saysWhereItCannotListenAndWhy() throws Exception {
        final Endpoint taken =
                onLoop(() -> loop.listen(new Endpoint.Tcp("127.0.0.1", 0), accepted -> {}))
                        .endpoint();
        assertListenFails(taken, "cannot listen on " + taken + ": somebody else listens there");
        final Endpoint socket = endpoint(true);
        assertNotNull(onLoop(() -> loop.listen(socket, accepted -> {})));
        assertListenFails(socket, "somebody else listens there");
        final Path file = Files.createFile(directory.resolve("file"));
        assertListenFails(new Endpoint.Unix(file), "a file is in the way that is no socket");
        final Path tooLong = directory.resolve("x".repeat(200));
        assertListenFails(new Endpoint.Unix(tooLong), "choose a shorter one");
        assertListenFails(new Endpoint.Tcp("no.such.host.invalid", 0), "unknown host");
        assertListenFails(new Endpoint.Tcp("127.0.0.1", 70_000), "port out of range");
    }

    /**
     * The longest path that the kernel takes, in whatever way the JDK can be brought to take it.
     */
    @ParameterizedTest
    @ValueSource(ints = {105, 106, 107})
    void listensAndConnectsAtTheLongestPath(final int length) throws Exception {
        final Path folder = Files.createTempDirectory(Path.of("/tmp"), "ls");
        try {
            for (final String name : List.of("x", "ü")) {
                final int rest = length - folder.toString().length() - 1;
                final Path path =
                        folder.resolve(name + "s".repeat(rest - name.getBytes(UTF_8).length));
                final Endpoint endpoint = new Endpoint.Unix(path);
                for (int i = 0; i < 2; i++) {
                    final IoLoop.Listener listener = onLoop(() -> listen(endpoint));
                    assertListenFails(endpoint, "somebody else listens there");
                    final byte[] content = {1, 2, 3};
                    final Sender client = new Sender(content);
                    loop.execute(() -> loop.connect(endpoint, client));
                    assertArrayEquals(
                            content, client.received.get(DEADLINE_SECONDS, TimeUnit.SECONDS));
                    assertNull(onLoop(() -> close(listener)));
                    assertFalse(Files.exists(path));
                }
            }
            try (Stream<Path> left = Files.list(folder)) {
                assertEquals(List.of(), left.toList());
            }
        } finally {
            Files.delete(folder);
        }
    }

    /** The socket of a server that was killed is in the way of none, however long its path. */
    @Test
    void takesOverTheLongestPathToo() throws Exception {
        final Path folder = Files.createTempDirectory(Path.of("/tmp"), "ls");
        final Path path = folder.resolve("s".repeat(107 - folder.toString().length() - 1));
        try (ServerSocketChannel killed = ServerSocketChannel.open(StandardProtocolFamily.UNIX)) {
            UnixSocketPath.bind(killed, path, 1);
        }
        assertTrue(Files.exists(path));
        final IoLoop.Listener listener = onLoop(() -> listen(new Endpoint.Unix(path)));
        assertNull(onLoop(() -> close(listener)));
        Files.delete(folder);
    }

    private IoLoop.Listener listen(final Endpoint endpoint) throws IOException {
        return loop.listen(endpoint, accepted -> accepted.open(loop, new Echo()::open));
    }

    private static Void close(final IoLoop.Listener listener) {
        listener.close();
        return null;
    }

    /** An address of one family is none of the other. */
    @Test
    void listensInTheFamilyOfTheAddressAlone() throws Exception {
        final IoLoop.Listener four = onLoop(() -> listen(new Endpoint.Tcp("0.0.0.0", 0)));
        final int port = ((Endpoint.Tcp) four.endpoint()).port();
        final String listening = Files.readString(Path.of("/proc/net/tcp6"));
        assertFalse(listening.contains(":%04X 0000".formatted(port)), listening);
        assertTrue(
                Files.readString(Path.of("/proc/net/tcp"))
                        .contains("00000000:%04X 0000".formatted(port)));
        assertNull(onLoop(() -> close(four)));
    }

    /** A name is all of its addresses: the first that takes the connection is the one. */
    @Test
    void connectsToWhicheverAddressOfANameTakesIt() throws Exception {
        final IoLoop.Listener listener = onLoop(() -> listen(new Endpoint.Tcp("127.0.0.1", 0)));
        final int port = ((Endpoint.Tcp) listener.endpoint()).port();
        final Sender client = new Sender(new byte[] {7});
        loop.execute(() -> loop.connect(new Endpoint.Tcp("localhost", port), client));
        assertArrayEquals(new byte[] {7}, client.received.get(DEADLINE_SECONDS, TimeUnit.SECONDS));
        assertNull(onLoop(() -> close(listener)));
    }

    /** Or descriptors would be lost, one with each client. */
    @Test
    void aConnectionWhoseHandlerCannotBeMadeIsClosed() throws Exception {
        final IoLoop.Listener listener =
                onLoop(
                        () ->
                                loop.listen(
                                        endpoint(true),
                                        accepted ->
                                                accepted.open(
                                                        loop,
                                                        connection -> {
                                                            throw new NoClassDefFoundError("gone");
                                                        })));
        final Sender client = new Sender(new byte[1]);
        loop.execute(() -> loop.connect(listener.endpoint(), client));
        assertThrows(
                ExecutionException.class,
                () -> client.received.get(DEADLINE_SECONDS, TimeUnit.SECONDS));
        final Throwable told = errors.remove();
        assertEquals(IOException.class, told.getClass(), "it is no reason to end");
        assertEquals(NoClassDefFoundError.class, told.getCause().getClass());
        assertNull(onLoop(() -> close(listener)));
    }

    /** What NIO throws without a word, or as if we had called it wrongly. */
    @Test
    void everyFailureHasASentence() {
        final SocketFailure failure =
                new SocketFailure("connect to", new Endpoint.Tcp("::1", 10809));
        assertEquals(
                "cannot connect to [::1]:10809: ClosedChannelException",
                failure.of(new ClosedChannelException()).getMessage());
    }

    @Test
    void messagesThatRepeatThemselvesAreBounded() {
        final MessageLimit limit = new MessageLimit(2, 1000);
        assertEquals("a", limit.take("a", -50));
        assertEquals("b", limit.take("b", 0));
        assertNull(limit.take("c", 1));
        assertNull(limit.take("d", 949));
        assertEquals("e; 2 like it were left out", limit.take("e", 950));
        assertEquals("f", limit.take("f", 951));
        assertNull(limit.take("g", 952));
        assertEquals("h; 1 like it were left out", limit.take("h", 9000));
    }

    @Test
    void takesOverTheSocketOfAServerThatWasKilledAndRemovesItAtTheEnd() throws Exception {
        final Endpoint.Unix endpoint = (Endpoint.Unix) endpoint(true);
        final java.nio.channels.ServerSocketChannel killed =
                java.nio.channels.ServerSocketChannel.open(java.net.StandardProtocolFamily.UNIX);
        killed.bind(java.net.UnixDomainSocketAddress.of(endpoint.path()));
        killed.close(); // the path stays, as after kill -9
        assertTrue(Files.exists(endpoint.path()));
        final IoLoop.Listener listener = onLoop(() -> loop.listen(endpoint, accepted -> {}));
        assertNull(
                onLoop(
                        () -> {
                            listener.close();
                            return null;
                        }));
        assertFalse(Files.exists(endpoint.path()));
    }

    @Test
    void saysWhereItCannotConnectAndWhy() throws Exception {
        assertConnectFails(endpoint(true), "No such file or directory");
        final Endpoint free;
        try (java.net.ServerSocket socket = new java.net.ServerSocket(0)) {
            free = new Endpoint.Tcp("127.0.0.1", socket.getLocalPort());
        }
        assertConnectFails(free, "Connection refused");
        assertConnectFails(new Endpoint.Tcp("no.such.host.invalid", 1), "unknown host");
    }

    private Endpoint endpoint(final boolean unix) {
        return unix ? new Endpoint.Unix(directory.resolve("s")) : new Endpoint.Tcp("127.0.0.1", 0);
    }

    private void assertListenFails(final Endpoint endpoint, final String reason) {
        final ExecutionException thrown =
                assertThrows(
                        ExecutionException.class,
                        () -> onLoop(() -> loop.listen(endpoint, accepted -> {})));
        assertTrue(thrown.getCause().getMessage().contains(reason), thrown.getCause()::getMessage);
    }

    private void assertConnectFails(final Endpoint endpoint, final String reason) {
        final Sender client = new Sender(new byte[1]);
        loop.execute(() -> loop.connect(endpoint, client));
        final ExecutionException thrown =
                assertThrows(
                        ExecutionException.class,
                        () -> client.received.get(DEADLINE_SECONDS, TimeUnit.SECONDS));
        final String message = thrown.getCause().getMessage();
        assertTrue(message.startsWith("cannot connect to " + endpoint), message);
        assertTrue(message.contains(reason), message);
    }

    private <T> T onLoop(final Callable<T> action)
            throws ExecutionException, InterruptedException, TimeoutException {
        return onLoop(loop, action);
    }

    private static <T> T onLoop(final NioLoop asked, final Callable<T> action)
            throws ExecutionException, InterruptedException, TimeoutException {
        final CompletableFuture<T> result = new CompletableFuture<>();
        asked.execute(
                () -> {
                    try {
                        result.complete(action.call());
                    } catch (final Exception e) {
                        result.completeExceptionally(e);
                    }
                });
        return result.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
    }

    /** Sends back what it receives. */
    private static final class Echo {
        private static final int LENGTH = 1 << 16;

        private ConnectionHandler open(final Connection connection) {
            final IoBuffer buffer = IoBuffer.reserve(LENGTH);
            connection.interest(true, false);
            return new ConnectionHandler() {
                private int start;
                private int end;

                @Override
                public void onReadable() {
                    turn();
                }

                @Override
                public void onWritable() {
                    turn();
                }

                private void turn() {
                    try {
                        if (start == end) {
                            start = 0;
                            end = connection.receive(buffer, 0, LENGTH);
                        }
                        if (end < 0) {
                            connection.close();
                            buffer.close();
                            return;
                        }
                        start += connection.send(buffer, start, end - start);
                        connection.interest(start == end, start < end);
                    } catch (final IOException e) {
                        throw new java.io.UncheckedIOException(e);
                    }
                }

                @Override
                public void onFailure(final Throwable cause) {
                    buffer.close();
                }
            };
        }
    }

    /** Sends some bytes, ends, and collects what comes back until the other end ends. */
    private static final class Sender implements IoLoop.ConnectHandler {
        private final CompletableFuture<byte[]> received = new CompletableFuture<>();
        private final byte[] content;
        private final IoBuffer outgoing;
        private final IoBuffer incoming;
        private int sent;
        private int end;

        Sender(final byte[] content) {
            this.content = content;
            outgoing = IoBuffer.reserve(content.length);
            incoming = IoBuffer.reserve(content.length);
            MemorySegment.copy(
                    content, 0, outgoing.segment(), ValueLayout.JAVA_BYTE, 0, content.length);
        }

        @Override
        public ConnectionHandler onConnected(final Connection connection) {
            connection.interest(true, true);
            return new ConnectionHandler() {
                @Override
                public void onWritable() {
                    try {
                        sent += connection.send(outgoing, sent, content.length - sent);
                        connection.interest(true, sent < content.length);
                    } catch (final IOException e) {
                        fail(e);
                    }
                }

                @Override
                public void onReadable() {
                    try {
                        final int count = connection.receive(incoming, end, content.length - end);
                        end += Math.max(count, 0);
                        if (end == content.length) {
                            received.complete(incoming.segment().toArray(ValueLayout.JAVA_BYTE));
                            connection.close();
                        } else if (count < 0) {
                            fail(new IOException("cut"));
                        }
                    } catch (final IOException e) {
                        fail(e);
                    }
                }

                private void fail(final IOException cause) {
                    received.completeExceptionally(cause);
                    connection.close();
                }

                @Override
                public void onFailure(final Throwable cause) {
                    received.completeExceptionally(cause);
                }
            };
        }

        @Override
        public void onConnectFailed(final IOException cause) {
            received.completeExceptionally(cause);
        }
    }
}

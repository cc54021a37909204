package io.lockstep.interop;

import io.lockstep.engine.client.ClientLimits;
import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.ClientNegotiated;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.Nbd;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;

/**
 * Lockstep's client on a loop of its own, for a test's thread: what waits has a deadline, and what
 * doesn't answers futures.
 */
final class WaitingClient implements Rig.Ending {
    private static final long DEADLINE_SECONDS = Program.DEADLINE.toSeconds();

    private final NioLoop loop;
    private final ConcurrentLinkedQueue<Throwable> problems = new ConcurrentLinkedQueue<>();

    /** Requests that were not taken yet; the loop's. */
    private final Deque<Waiting> waiting = new ArrayDeque<>();

    private final List<IoBuffer> buffers = new ArrayList<>();
    private final CompletableFuture<Void> ready = new CompletableFuture<>();
    private final CompletableFuture<String> closed = new CompletableFuture<>();
    private final NbdClient client;

    private WaitingClient(
            final Endpoint endpoint, final ClientOptions options, final ClientLimits limits) {
        try {
            loop = new NioLoop("test-client", 0, problems::add);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        loop.start();
        final CompletableFuture<NbdClient> made = new CompletableFuture<>();
        loop.execute(
                () ->
                        made.complete(
                                NbdClient.connect(loop, endpoint, options, limits, new Events())));
        client = await(made);
    }

    /** Connects; requests may be made once {@link #awaitReady} has returned. */
    static WaitingClient connect(
            final Endpoint endpoint, final ClientOptions options, final ClientLimits limits) {
        return new WaitingClient(endpoint, options, limits);
    }

    /** Connects to an export, with what is known of its allocation, and waits for that. */
    static WaitingClient connect(final Endpoint endpoint, final String export) {
        final ClientOptions options =
                ClientOptions.use(export).withMetaContexts(Nbd.CONTEXT_BASE_ALLOCATION);
        final WaitingClient client = connect(endpoint, options, ClientLimits.DEFAULT);
        try {
            client.awaitReady();
            return client;
        } catch (final AssertionError e) {
            client.close();
            throw e;
        }
    }

    private final class Events implements NbdClient.Listener {
        @Override
        public void onReady(final NbdClient ignored) {
            ready.complete(null);
        }

        @Override
        public void onClosed(final NbdClient ignored, final String reason) {
            makeRequests();
            closed.complete(reason);
            ready.completeExceptionally(new IOException(reason));
        }
    }

    static <T> T await(final Future<T> future) {
        try {
            return future.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        } catch (final ExecutionException | TimeoutException e) {
            throw new AssertionError(e);
        }
    }

    void awaitReady() {
        await(ready);
    }

    /** Waits for the connection's end; answers its reason. */
    String awaitClosed() {
        return await(closed);
    }

    ClientNegotiated negotiated() {
        return client.negotiated();
    }

    boolean has(final int flag) {
        return negotiated().has(flag);
    }

    /** How a request ended. */
    static final class Reply {
        private final int errno;
        private final String text;
        private final byte[] data;

        Reply(final int errno, final String text, final byte[] data) {
            this.errno = errno;
            this.text = text;
            this.data = data;
        }

        /** 0 for success. */
        int errno() {
            return errno;
        }

        /** What was read. */
        byte[] data() {
            return data;
        }

        Reply requireSuccess() {
            if (errno != 0) {
                throw new AssertionError("error " + errno + ": " + text);
            }
            return this;
        }
    }

    /** Makes a request; answers whether it was taken. */
    interface Attempt {
        boolean make(Disk.Completion completion);
    }

    /** Has a request made on the loop, as soon as the client takes it. */
    private CompletableFuture<Reply> submit(final Attempt attempt, final Supplier<byte[]> data) {
        final Waiting request = new Waiting(attempt, data, new CompletableFuture<>());
        loop.execute(
                () -> {
                    waiting.add(request);
                    makeRequests();
                });
        return request.reply();
    }

    /** Makes as many of the requests that wait as the client takes. On the loop. */
    private void makeRequests() {
        while (!waiting.isEmpty() && waiting.peek().make()) {
            waiting.remove();
        }
        client.send();
        if (client.negotiated() != null && !client.isReady()) {
            waiting.forEach(request -> request.refuse());
            waiting.clear();
        }
    }

    /** A request that waits for its turn. */
    private final class Waiting {
        private final Attempt attempt;
        private final Supplier<byte[]> data;
        private final CompletableFuture<Reply> reply;

        Waiting(
                final Attempt attempt,
                final Supplier<byte[]> data,
                final CompletableFuture<Reply> reply) {
            this.attempt = attempt;
            this.data = data;
            this.reply = reply;
        }

        CompletableFuture<Reply> reply() {
            return reply;
        }

        boolean make() {
            return attempt.make(this::complete);
        }

        private void complete(final long token, final int errno) {
            final byte[] read = errno == 0 ? data.get() : new byte[0];
            reply.complete(new Reply(errno, client.errorText(), read));
            makeRequests();
        }

        void refuse() {
            reply.complete(new Reply(Errno.ESHUTDOWN, "the client takes no requests", new byte[0]));
        }
    }

    private IoBuffer buffer(final int length) {
        final IoBuffer buffer = IoBuffer.reserve(Math.max(1, length));
        buffers.add(buffer);
        return buffer;
    }

    private static byte[] nothing() {
        return new byte[0];
    }

    CompletableFuture<Reply> read(final long offset, final int length) {
        final IoBuffer into = buffer(length);
        return submit(
                completion -> client.read(offset, length, into, 0, completion, 0),
                () -> into.segment().asSlice(0, length).toArray(ValueLayout.JAVA_BYTE));
    }

    CompletableFuture<Reply> write(final long offset, final byte[] bytes, final int flags) {
        final IoBuffer from = buffer(bytes.length);
        MemorySegment.copy(bytes, 0, from.segment(), ValueLayout.JAVA_BYTE, 0, bytes.length);
        return submit(
                completion -> client.write(offset, bytes.length, from, 0, flags, completion, 0),
                WaitingClient::nothing);
    }

    CompletableFuture<Reply> flush() {
        return submit(completion -> client.flush(completion, 0), WaitingClient::nothing);
    }

    CompletableFuture<Reply> trim(final long offset, final long length, final int flags) {
        return submit(
                completion -> client.trim(offset, length, flags, completion, 0),
                WaitingClient::nothing);
    }

    CompletableFuture<Reply> cache(final long offset, final long length) {
        return submit(
                completion -> client.cache(offset, length, completion, 0), WaitingClient::nothing);
    }

    CompletableFuture<Reply> zero(final long offset, final long length, final int flags) {
        return submit(
                completion -> client.writeZeroes(offset, length, flags, completion, 0),
                WaitingClient::nothing);
    }

    byte[] readNow(final long offset, final int length) {
        return await(read(offset, length)).requireSuccess().data();
    }

    void writeNow(final long offset, final byte[] bytes) {
        await(write(offset, bytes, 0)).requireSuccess();
    }

    /** The layout of the whole export, as block status tells it. */
    FileLayout layout() {
        final List<FileLayout.Extent> extents = new ArrayList<>();
        final long size = negotiated().export().size();
        long at = 0;
        while (at < size) {
            final long start = at;
            final CompletableFuture<Reply> reply =
                    submit(
                            completion ->
                                    client.blockStatus(
                                            start,
                                            Math.min(size - start, negotiated().effectLengthMax()),
                                            0,
                                            (token, context, offset, length, flags) ->
                                                    add(extents, offset, length, flags),
                                            completion,
                                            0),
                            WaitingClient::nothing);
            await(reply).requireSuccess();
            final FileLayout.Extent last = extents.getLast();
            at = last.offset() + last.length();
        }
        return new FileLayout(extents);
    }

    private static void add(
            final List<FileLayout.Extent> extents,
            final long offset,
            final long length,
            final long flags) {
        final boolean isHole = (flags & Nbd.STATE_HOLE) != 0;
        final FileLayout.Extent last = extents.isEmpty() ? null : extents.getLast();
        if (last != null && last.isHole() == isHole) {
            extents.removeLast();
            extents.add(new FileLayout.Extent(last.offset(), last.length() + length, isHole));
        } else {
            extents.add(new FileLayout.Extent(offset, length, isHole));
        }
    }

    /** Leaves in the protocol's way. Answers the reason that the client gives. */
    String disconnect() {
        loop.execute(client::disconnect);
        return awaitClosed();
    }

    @Override
    public void close() {
        try {
            disconnect();
        } finally {
            loop.close();
            buffers.forEach(IoBuffer::close);
        }
        if (!problems.isEmpty()) {
            throw new AssertionError(problems.peek());
        }
    }
}

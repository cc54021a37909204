package io.lockstep.bench.load;

import io.lockstep.engine.client.ClientLimits;
import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.NbdUri;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A guest that is connected and writes a block when it is told to: for the time to the first write
 * after a failover. Used by one thread.
 */
public final class GuestWriter implements NbdClient.Listener, AutoCloseable {
    private static final int BLOCK_LENGTH = 4096;
    private static final long DEADLINE_SECONDS = 30;

    private final CompletableFuture<NbdClient> ready = new CompletableFuture<>();
    private final IoBuffer buffer = IoBuffer.reserve(BLOCK_LENGTH);
    private final NioLoop loop;

    private GuestWriter() throws IOException {
        loop = new NioLoop("lockstep-guest", 0, ready::completeExceptionally);
    }

    /** Connects to an export, and waits until it is served. */
    public static GuestWriter connect(final String text) throws IOException, InterruptedException {
        final NbdUri uri = NbdUri.parse(text);
        final Endpoint endpoint = GuestEndpoint.of(uri);
        final GuestWriter writer = new GuestWriter();
        writer.loop.start();
        writer.loop.execute(
                () ->
                        NbdClient.connect(
                                writer.loop,
                                endpoint,
                                ClientOptions.use(uri.exportName()),
                                ClientLimits.DEFAULT,
                                writer));
        boolean connected = false;
        try {
            await(writer.ready);
            connected = true;
            return writer;
        } finally {
            if (!connected) {
                writer.close();
            }
        }
    }

    /** Writes 4 KiB, and waits until that is acknowledged; answers the error, 0 for none. */
    public int write(final long offset) throws IOException, InterruptedException {
        final CompletableFuture<Integer> written = new CompletableFuture<>();
        loop.execute(
                () -> {
                    final NbdClient client = ready.join();
                    client.write(
                            offset,
                            BLOCK_LENGTH,
                            buffer,
                            0,
                            0,
                            (token, errno) -> written.complete(errno),
                            0);
                    client.send();
                });
        return await(written);
    }

    private static <T> T await(final CompletableFuture<T> future)
            throws IOException, InterruptedException {
        try {
            return future.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
        } catch (final ExecutionException e) {
            throw new IOException(e.getCause().getMessage(), e);
        } catch (final TimeoutException e) {
            throw new IOException("the export answers no more", e);
        }
    }

    @Override
    public void onReady(final NbdClient client) {
        ready.complete(client);
    }

    @Override
    public void onClosed(final NbdClient client, final String reason) {
        ready.completeExceptionally(new IOException(reason));
    }

    @Override
    public void close() {
        // The loop may still use the buffer until it has ended.
        loop.close();
        buffer.close();
    }
}

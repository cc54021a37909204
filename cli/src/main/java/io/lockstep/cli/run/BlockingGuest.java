package io.lockstep.cli.run;

import io.lockstep.engine.client.ClientLimits;
import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.ClientOptions;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * A guest of one disk: an NBD client that waits for each of its calls, and can have a load of
 * random writes go on beside. Used by one thread.
 */
public final class BlockingGuest implements AutoCloseable {
    /** What one read or write moves at most, in bytes. */
    public static final int CHUNK_LENGTH = 1 << 20;

    /** Of the load's writes, in bytes. */
    public static final int BLOCK_LENGTH = 4096;

    /** Of the load's writes, how many are under way. */
    public static final int LOAD_DEPTH = 16;

    private static final long SECONDS_MAX = 30;

    private final NioLoop loop;

    /** Fails when something went wrong on the loop: who waits then waits in vain. */
    private final CompletableFuture<Void> broken;

    private final IoBuffer chunk = IoBuffer.reserve(CHUNK_LENGTH);
    private final IoBuffer blocks = IoBuffer.reserve(LOAD_DEPTH * CHUNK_LENGTH);
    private final Disk.Completion onLoadWritten = this::onLoadWritten;

    // The loop's.
    private NbdClient client;
    private SplittableRandom random;
    private boolean loading;
    private int loadInFlight;
    private long loadWrites;
    private int loadLength;
    private long loadBlocks;
    private CompletableFuture<Long> loadEnded = new CompletableFuture<>();

    private interface Request {
        boolean make(Disk.Completion completion);
    }

    private BlockingGuest(final NioLoop loop, final CompletableFuture<Void> broken) {
        this.loop = loop;
        this.broken = broken;
    }

    /** Connects to a disk. */
    public static BlockingGuest connect(final Path socket, final String disk)
            throws IOException, InterruptedException {
        final CompletableFuture<Void> broken = new CompletableFuture<>();
        final NioLoop loop =
                new NioLoop("lockstep-guest-" + disk, 0, broken::completeExceptionally);
        loop.start();
        final BlockingGuest guest = new BlockingGuest(loop, broken);
        boolean connected = false;
        try {
            guest.connect(new Endpoint.Unix(socket), disk);
            connected = true;
            return guest;
        } finally {
            if (!connected) {
                guest.close();
            }
        }
    }

    private void connect(final Endpoint endpoint, final String disk)
            throws IOException, InterruptedException {
        final CompletableFuture<Void> ready = new CompletableFuture<>();
        loop.execute(
                () ->
                        client =
                                NbdClient.connect(
                                        loop,
                                        endpoint,
                                        ClientOptions.use(disk),
                                        ClientLimits.DEFAULT,
                                        new NbdClient.Listener() {
                                            @Override
                                            public void onReady(final NbdClient nbd) {
                                                ready.complete(null);
                                            }

                                            @Override
                                            public void onClosed(
                                                    final NbdClient nbd, final String reason) {
                                                ready.completeExceptionally(
                                                        new IOException(reason));
                                            }
                                        }));
        await(ready);
    }

    private <T> T await(final CompletableFuture<T> future)
            throws IOException, InterruptedException {
        try {
            CompletableFuture.anyOf(future, broken).get(SECONDS_MAX, TimeUnit.SECONDS);
            return future.join();
        } catch (final ExecutionException e) {
            throw new IOException("guest: " + e.getCause().getMessage(), e.getCause());
        } catch (final TimeoutException e) {
            throw new IOException("guest: no answer in " + SECONDS_MAX + " seconds", e);
        }
    }

    private void call(final String what, final Request request)
            throws IOException, InterruptedException {
        final CompletableFuture<Void> done = new CompletableFuture<>();
        loop.execute(
                () -> {
                    final boolean taken =
                            request.make(
                                    (token, errno) -> {
                                        if (errno == 0) {
                                            done.complete(null);
                                        } else {
                                            done.completeExceptionally(
                                                    new IOException(
                                                            what
                                                                    + " failed: "
                                                                    + Errno.meaning(errno)));
                                        }
                                    });
                    if (taken) {
                        client.send();
                    } else {
                        done.completeExceptionally(new IOException(what + " was not taken"));
                    }
                });
        await(done);
    }

    /** Writes what remains in a buffer, at most a chunk. */
    public void write(final long offset, final ByteBuffer bytes)
            throws IOException, InterruptedException {
        final int length = bytes.remaining();
        MemorySegment.copy(MemorySegment.ofBuffer(bytes), 0, chunk.segment(), 0, length);
        call("a write", completion -> client.write(offset, length, chunk, 0, 0, completion, 0));
    }

    /** Reads so many bytes, at most a chunk. */
    public byte[] read(final long offset, final int length)
            throws IOException, InterruptedException {
        call("a read", completion -> client.read(offset, length, chunk, 0, completion, 0));
        return chunk.segment().asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
    }

    /** Waits until all that was written is on stable storage. */
    public void flush() throws IOException, InterruptedException {
        call("a flush", completion -> client.flush(completion, 0));
    }

    // ---- The load.

    /**
     * Writes blocks at random places until {@link #endLoad}, or until the server is gone. Each
     * begins with a random number of its own, and is random otherwise.
     *
     * @param length of the part of the disk, at its front, in which they lie, in bytes
     */
    public void startLoad(final long seed, final long length) {
        startLoad(seed, length, BLOCK_LENGTH, LOAD_DEPTH);
    }

    /**
     * The same with writes of another length.
     *
     * @param length of the part of the disk, at its front, in which they lie, in bytes
     * @param writeLength of each, in bytes, at most a chunk
     * @param depth how many are under way, at most {@value #LOAD_DEPTH}
     */
    public void startLoad(
            final long seed, final long length, final int writeLength, final int depth) {
        loop.execute(
                () -> {
                    random = new SplittableRandom(seed);
                    loading = true;
                    loadWrites = 0;
                    loadLength = writeLength;
                    loadBlocks = length / writeLength;
                    loadEnded = new CompletableFuture<>();
                    for (int i = 0; i < depth * writeLength; i += Long.BYTES) {
                        blocks.segment().set(ValueLayout.JAVA_LONG, i, random.nextLong());
                    }
                    for (int slot = 0; slot < depth; slot++) {
                        writeBlock(slot);
                    }
                    client.send();
                });
    }

    private void writeBlock(final int slot) {
        final int start = slot * loadLength;
        blocks.segment().set(ValueLayout.JAVA_LONG, start, random.nextLong());
        final long offset = random.nextLong(loadBlocks) * loadLength;
        if (client.write(offset, loadLength, blocks, start, 0, onLoadWritten, slot)) {
            loadInFlight++;
        }
    }

    private void onLoadWritten(final long slot, final int errno) {
        loadInFlight--;
        loadWrites += errno == 0 ? 1 : 0;
        if (loading && errno == 0) {
            writeBlock((int) slot);
        } else if (loadInFlight == 0) {
            loadEnded.complete(loadWrites);
        }
    }

    /**
     * Ends the load: when this returns every write of it has been answered.
     *
     * @return how many were written
     */
    public long endLoad() throws IOException, InterruptedException {
        final CompletableFuture<CompletableFuture<Long>> ended = new CompletableFuture<>();
        loop.execute(
                () -> {
                    loading = false;
                    ended.complete(loadEnded);
                });
        return await(await(ended));
    }

    /** Cuts the connection. */
    @Override
    public void close() {
        final CompletableFuture<Void> left = new CompletableFuture<>();
        loop.execute(
                () -> {
                    if (client != null) {
                        client.abort("the guest has left");
                    }
                    left.complete(null);
                });
        left.join();
        loop.close();
        chunk.close();
        blocks.close();
    }
}

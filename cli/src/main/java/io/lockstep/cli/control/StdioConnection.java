package io.lockstep.cli.control;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.IoBuffer;

import org.agrona.ErrorHandler;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.Semaphore;
import java.util.function.Function;

/**
 * A connection over two streams that block, such as those of the process: a thread for each
 * direction waits in the loop's place. It holds one piece of {@link #PIECE_LENGTH} bytes each way,
 * and takes the next when that is used up. Owned by its loop; closing it ends no thread that waits
 * for its stream, and both are daemons.
 */
final class StdioConnection implements Connection {
    private static final int PIECE_LENGTH = 64 << 10;
    private static final ByteBuffer NOTHING = ByteBuffer.allocate(0);

    private final IoLoop loop;
    private final InputStream in;
    private final OutputStream out;
    private final ErrorHandler errorHandler;

    /** For the writing thread: one piece at most. */
    private final BlockingQueue<byte[]> toWrite = new ArrayBlockingQueue<>(1);

    /** Tells the reading thread that its piece is used up. */
    private final Semaphore used = new Semaphore(0);

    private ConnectionHandler handler;

    /** What has come and was not received. */
    private ByteBuffer piece = NOTHING;

    private boolean ended;
    private boolean writing;
    private IOException failure;
    private boolean wantsToReceive;
    private boolean wantsToSend;
    private boolean isScheduled;
    private boolean closed;

    private StdioConnection(
            final IoLoop loop,
            final InputStream in,
            final OutputStream out,
            final ErrorHandler errorHandler) {
        this.loop = loop;
        this.in = in;
        this.out = out;
        this.errorHandler = errorHandler;
    }

    /** Opens one; on the loop. */
    static void open(
            final IoLoop loop,
            final InputStream in,
            final OutputStream out,
            final ErrorHandler errorHandler,
            final Function<Connection, ConnectionHandler> handler) {
        final StdioConnection connection = new StdioConnection(loop, in, out, errorHandler);
        connection.handler = handler.apply(connection);
        Thread.ofPlatform().daemon().name("lockstep-stdin").start(connection::readAll);
        Thread.ofPlatform().daemon().name("lockstep-stdout").start(connection::writeAll);
    }

    // ---- The two threads.

    private void readAll() {
        final byte[] bytes = new byte[PIECE_LENGTH];
        try {
            int count = in.read(bytes);
            while (count >= 0) {
                final ByteBuffer read = ByteBuffer.wrap(bytes, 0, count);
                loop.execute(() -> onRead(read));
                used.acquire();
                count = in.read(bytes);
            }
        } catch (final IOException e) {
            loop.execute(() -> onFailure(e));
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        loop.execute(this::onEnd);
    }

    private void writeAll() {
        try {
            while (true) {
                out.write(toWrite.take());
                out.flush();
                loop.execute(this::onWritten);
            }
        } catch (final IOException e) {
            loop.execute(() -> onFailure(e));
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    // ---- On the loop.

    private void onRead(final ByteBuffer read) {
        piece = read;
        schedule();
    }

    private void onEnd() {
        ended = true;
        schedule();
    }

    private void onWritten() {
        writing = false;
        schedule();
    }

    private void onFailure(final IOException cause) {
        failure = cause;
        schedule();
    }

    private boolean canReceive() {
        return piece.hasRemaining() || ended || failure != null;
    }

    private boolean isReady() {
        return !closed && ((wantsToReceive && canReceive()) || (wantsToSend && !writing));
    }

    /** Calls the handler soon, if there is something for it. */
    private void schedule() {
        if (!isScheduled && isReady()) {
            isScheduled = true;
            loop.execute(this::call);
        }
    }

    private void call() {
        isScheduled = false;
        try {
            if (!closed && wantsToSend && !writing) {
                handler.onWritable();
            }
            if (!closed && wantsToReceive && canReceive()) {
                handler.onReadable();
            }
        } catch (final RuntimeException | Error e) {
            errorHandler.onError(e);
            close();
            handler.onFailure(e);
        }
        schedule();
    }

    @Override
    public int receive(final IoBuffer into, final int position, final int length)
            throws IOException {
        throwFailure();
        if (!piece.hasRemaining()) {
            return ended ? -1 : 0;
        }
        final int count = Math.min(length, piece.remaining());
        into.view(position, count).put(piece.slice(piece.position(), count));
        piece.position(piece.position() + count);
        if (!piece.hasRemaining()) {
            piece = NOTHING;
            used.release();
        }
        return count;
    }

    @Override
    public int send(final IoBuffer from, final int position, final int length) throws IOException {
        throwFailure();
        if (writing) {
            return 0;
        }
        final byte[] bytes = new byte[Math.min(length, PIECE_LENGTH)];
        from.view(position, bytes.length).get(bytes);
        writing = true;
        toWrite.add(bytes);
        return bytes.length;
    }

    private void throwFailure() throws IOException {
        if (failure != null) {
            throw failure;
        }
    }

    @Override
    public void interest(final boolean readable, final boolean writable) {
        wantsToReceive = readable;
        wantsToSend = writable;
        schedule();
    }

    @Override
    public void shutdownOutput() {}

    @Override
    public void close() {
        closed = true;
    }

    @Override
    public String peer() {
        return "on standard input";
    }
}

package io.lockstep.hardening;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.IoBuffer;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Comparator;
import java.util.PriorityQueue;
import java.util.Queue;

/**
 * A connection whose client is a string of bytes, and the loop that it is on: time passes when the
 * fuzz target says so.
 */
final class FuzzedConnection implements Connection {
    private static final int SEND_MAX = 700;

    private final byte[] stream;
    private final Portions portions;
    private final Portions sending;
    private final boolean breaks;
    private final ByteArrayOutputStream sent = new ByteArrayOutputStream();
    private int available;
    private int position;
    private int budget;
    private boolean readable;
    private boolean writable;
    private boolean outputEnded;
    private boolean closed;

    /**
     * A connection.
     *
     * @param stream what the client sends
     * @param portions how it comes
     * @param sending how the socket takes what the server sends; seed 0 takes all
     * @param breaks whether it breaks at the end of the stream, rather than end there
     */
    FuzzedConnection(
            final byte[] stream,
            final Portions portions,
            final Portions sending,
            final boolean breaks) {
        this.stream = stream;
        this.portions = portions;
        this.sending = sending;
        this.breaks = breaks;
        budget = sending.next(Integer.MAX_VALUE);
    }

    /** What is ready for the handler, as a selector would tell. Answers whether there was any. */
    boolean serve(final ConnectionHandler handler) {
        boolean served = false;
        if (writable && !closed) {
            budget = sending.next(SEND_MAX);
            handler.onWritable();
            served = true;
        }
        if (readable && !closed) {
            if (available < stream.length && position == available) {
                available += portions.next(stream.length - available);
            }
            handler.onReadable();
            served = true;
        }
        return served;
    }

    private boolean isBroken() {
        return breaks && position == stream.length;
    }

    @Override
    public int receive(final IoBuffer into, final int at, final int length) throws IOException {
        FuzzCheck.that(!closed, "receives after closing");
        FuzzCheck.that(length > 0, "receives nothing");
        if (isBroken()) {
            throw new IOException("broken");
        }
        if (position == stream.length) {
            return -1;
        }
        final int count = Math.min(length, available - position);
        into.view(at, length).put(stream, position, count);
        position += count;
        return count;
    }

    @Override
    public int send(final IoBuffer from, final int at, final int length) throws IOException {
        FuzzCheck.that(!closed && !outputEnded, "sends after the end");
        if (isBroken()) {
            throw new IOException("broken");
        }
        final int count = Math.min(length, budget);
        budget -= count;
        final byte[] taken = new byte[count];
        from.view(at, length).get(taken);
        sent.writeBytes(taken);
        return count;
    }

    @Override
    public void interest(final boolean newReadable, final boolean newWritable) {
        readable = newReadable;
        writable = newWritable;
    }

    @Override
    public void shutdownOutput() {
        outputEnded = true;
    }

    @Override
    public void close() {
        closed = true;
    }

    @Override
    public String peer() {
        return "fuzzer";
    }

    boolean isClosed() {
        return closed;
    }

    byte[] sent() {
        return sent.toByteArray();
    }

    /** A loop that does nothing by itself. */
    static final class Loop implements IoLoop {
        private final Queue<Runnable> tasks = new ArrayDeque<>();
        private final PriorityQueue<Timed> timers =
                new PriorityQueue<>(Comparator.comparingLong(Timed::nanos));
        private long now;

        private record Timed(long nanos, Runnable action) {}

        boolean runTasks() {
            boolean ran = false;
            Runnable task = tasks.poll();
            while (task != null) {
                task.run();
                ran = true;
                task = tasks.poll();
            }
            return ran;
        }

        /** Lets time pass, with all that is due on the way. */
        void pass(final long nanos) {
            final long end = now + nanos;
            while (!timers.isEmpty() && timers.peek().nanos() <= end) {
                final Timed timed = timers.poll();
                now = timed.nanos();
                timed.action().run();
            }
            now = end;
        }

        @Override
        public Timer schedule(final long delayNanos, final Runnable action) {
            final Timed timed = new Timed(now + delayNanos, action);
            timers.add(timed);
            return () -> timers.remove(timed);
        }

        @Override
        public void execute(final Runnable action) {
            tasks.add(action);
        }

        @Override
        public long nanoTime() {
            return now;
        }

        @Override
        public Listener listen(final Endpoint endpoint, final AcceptHandler handler) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void connect(final Endpoint endpoint, final ConnectHandler handler) {
            throw new UnsupportedOperationException();
        }
    }
}

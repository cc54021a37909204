package io.lockstep.engine.client;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.IoBuffer;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import java.util.function.Function;

/**
 * A loop for one client and one server in the thread of the test: the bytes between them are moved
 * in pieces that a seed makes, through a pipe that holds few of them, and time passes when the test
 * says so.
 */
final class MemoryLoop implements IoLoop {
    private final Random random;
    private final int pipeCapacity;
    private final Deque<Runnable> tasks = new ArrayDeque<>();
    private final List<MemoryTimer> timers = new ArrayList<>();
    private final List<End> ends = new ArrayList<>();
    private Function<Connection, ConnectionHandler> server;
    private long now;

    MemoryLoop(final long seed, final int pipeCapacity) {
        random = new Random(seed);
        this.pipeCapacity = pipeCapacity;
    }

    /** Has connections served. */
    void serve(final Function<Connection, ConnectionHandler> handler) {
        server = handler;
    }

    /** Both ends of the connection that was made: the client's, then the server's. */
    List<End> ends() {
        return ends;
    }

    /** Lets everything happen that can, until nothing does. */
    void run() {
        boolean progress = true;
        while (progress) {
            progress = false;
            while (!tasks.isEmpty()) {
                tasks.removeFirst().run();
                progress = true;
            }
            for (final End end : List.copyOf(ends)) {
                progress |= end.dispatch();
            }
        }
    }

    /** Lets time pass, and what is due happen. */
    void pass(final long nanos) {
        now += nanos;
        for (final MemoryTimer timer : List.copyOf(timers)) {
            if (timer.deadline <= now) {
                timers.remove(timer);
                timer.action.run();
            }
        }
        run();
    }

    int timers() {
        return timers.size();
    }

    @Override
    public void connect(final Endpoint endpoint, final ConnectHandler handler) {
        execute(
                () -> {
                    if (server == null) {
                        handler.onConnectFailed(new IOException("cannot connect to " + endpoint));
                        return;
                    }
                    final Pipe toServer = new Pipe();
                    final Pipe toClient = new Pipe();
                    final End client = new End("server", toClient, toServer);
                    final End accepted = new End("client", toServer, toClient);
                    ends.add(client);
                    ends.add(accepted);
                    accepted.handler = server.apply(accepted);
                    client.handler = handler.onConnected(client);
                });
    }

    @Override
    public Listener listen(final Endpoint endpoint, final AcceptHandler handler) {
        throw new UnsupportedOperationException();
    }

    @Override
    public Timer schedule(final long delayNanos, final Runnable action) {
        final MemoryTimer timer = new MemoryTimer(now + delayNanos, action);
        timers.add(timer);
        return timer;
    }

    @Override
    public void execute(final Runnable action) {
        tasks.addLast(action);
    }

    @Override
    public long nanoTime() {
        return now;
    }

    private final class MemoryTimer implements Timer {
        private final long deadline;
        private final Runnable action;

        MemoryTimer(final long deadline, final Runnable action) {
            this.deadline = deadline;
            this.action = action;
        }

        @Override
        public void cancel() {
            timers.remove(this);
        }
    }

    /** Bytes in one direction. */
    private static final class Pipe {
        private byte[] bytes = {};
        private boolean ended;
    }

    /** One end of a connection. */
    final class End implements Connection {
        private final String peer;
        private final Pipe in;
        private final Pipe out;
        private ConnectionHandler handler;
        private boolean readable;
        private boolean writable;
        private boolean closed;
        private boolean broken;
        private int sends;
        private long sent;

        private End(final String peer, final Pipe in, final Pipe out) {
            this.peer = peer;
            this.in = in;
            this.out = out;
        }

        private boolean dispatch() {
            if (closed) {
                return false;
            }
            final boolean isReadable = readable && (in.bytes.length > 0 || in.ended || broken);
            final boolean isWritable =
                    writable && (out.bytes.length < pipeCapacity || out.ended || broken);
            try {
                if (isWritable) {
                    handler.onWritable();
                }
                if (isReadable && !closed) {
                    handler.onReadable();
                }
            } catch (final RuntimeException e) {
                close();
                handler.onFailure(e);
            }
            return isReadable || isWritable;
        }

        /** From now on every use of the socket fails. */
        void breakDown() {
            broken = true;
        }

        boolean isClosed() {
            return closed;
        }

        int sends() {
            return sends;
        }

        long sent() {
            return sent;
        }

        private void requireWhole() throws IOException {
            if (broken || closed) {
                throw new IOException("Connection reset by peer");
            }
        }

        @Override
        public int receive(final IoBuffer into, final int position, final int length)
                throws IOException {
            requireWhole();
            if (in.bytes.length == 0) {
                return in.ended ? -1 : 0;
            }
            final int count = Math.min(length, 1 + random.nextInt(in.bytes.length));
            MemorySegment.copy(in.bytes, 0, into.segment(), ValueLayout.JAVA_BYTE, position, count);
            in.bytes = Arrays.copyOfRange(in.bytes, count, in.bytes.length);
            return count;
        }

        @Override
        public int send(final IoBuffer from, final int position, final int length)
                throws IOException {
            requireWhole();
            if (out.ended) {
                throw new IOException("Broken pipe");
            }
            final int room = Math.min(length, pipeCapacity - out.bytes.length);
            final int held = out.bytes.length;
            out.bytes = Arrays.copyOf(out.bytes, held + room);
            MemorySegment.copy(
                    from.segment(), ValueLayout.JAVA_BYTE, position, out.bytes, held, room);
            sends++;
            sent += room;
            return room;
        }

        @Override
        public void interest(final boolean wantsReadable, final boolean wantsWritable) {
            readable = wantsReadable;
            writable = wantsWritable;
        }

        @Override
        public void shutdownOutput() {
            out.ended = true;
        }

        @Override
        public void close() {
            closed = true;
            out.ended = true;
        }

        @Override
        public String peer() {
            return peer;
        }
    }
}

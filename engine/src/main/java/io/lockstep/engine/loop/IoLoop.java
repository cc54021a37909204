package io.lockstep.engine.loop;

import java.io.IOException;
import java.util.function.Function;

/**
 * The seam between state machines and the world of sockets and time: one thread that owns
 * connections and timers and calls their handlers. {@link NioLoop} is the real one; the simulator
 * has another, in which network and clock are made from a seed.
 *
 * <p>Unless it says otherwise a method is called from the loop's own thread. A handler must not
 * block.
 */
public interface IoLoop {
    /** Takes what a listener accepted. */
    interface AcceptHandler {
        /** A connection waits to be opened on a loop or refused, before this method returns. */
        void onAccept(Accepted accepted);
    }

    /** A connection that was accepted and has no loop yet. */
    interface Accepted {
        /**
         * Opens it on a loop, which may be another one.
         *
         * @param loop who shall own it
         * @param handler makes its handler, on that loop's thread
         */
        void open(IoLoop loop, Function<Connection, ConnectionHandler> handler);

        /** Closes it unserved. */
        void refuse();
    }

    /** Takes the outcome of a {@link #connect}. */
    interface ConnectHandler {
        /** It stands; answers who handles it. */
        ConnectionHandler onConnected(Connection connection);

        /** It came to nothing; {@link NobodyListensException} where nobody listens there. */
        void onConnectFailed(IOException cause);
    }

    /** A listening socket. */
    interface Listener extends AutoCloseable {
        /** Where it listens, with the port that was chosen where 0 was asked for. */
        Endpoint endpoint();

        /** Stops listening, and removes a Unix socket's path. Harmless when closed already. */
        @Override
        void close();
    }

    /** Something that will run once. */
    interface Timer {
        /** It will not run, unless it already has. */
        void cancel();
    }

    /**
     * Listens from now on.
     *
     * @throws IOException where the endpoint can't be had; the message names it and the reason
     */
    Listener listen(Endpoint endpoint, AcceptHandler handler) throws IOException;

    /** Connects, without waiting; the handler hears of it later. */
    void connect(Endpoint endpoint, ConnectHandler handler);

    /** Runs an action after a delay in nanoseconds; exact to about a millisecond. */
    Timer schedule(long delayNanos, Runnable action);

    /** Runs an action soon, on the loop's thread, in the order of the calls. From any thread. */
    void execute(Runnable action);

    /**
     * Makes a call soon that may stand still, while no handler and no action is under way. If it
     * does, the loop goes on without it. Calls begin in the order in which they were submitted.
     */
    default void call(final DeviceCall call) {
        execute(
                () -> {
                    call.make();
                    call.onMade();
                });
    }

    /** The loop's clock in nanoseconds; only differences mean something. From any thread. */
    long nanoTime();
}

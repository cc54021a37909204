package io.lockstep.engine.loop;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.BiConsumer;
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

    /**
     * Runs an action behind a future that nobody keeps what follows of, as {@link
     * CompletableFuture#whenComplete} does: at once and in the caller where the future is done, and
     * otherwise in whoever completes it. What the action throws, a future would keep to itself, and
     * an operation might stay half done with nobody told: it is thrown again in a task of this
     * loop, and does what anything that a task throws does. From any thread.
     *
     * @param action takes the value, or why there is none
     */
    @SuppressWarnings("FutureReturnValueIgnored") // what it would tell the loop is told
    default <T> void after(
            final CompletableFuture<T> future,
            final BiConsumer<? super T, ? super Throwable> action) {
        future.whenComplete(
                (value, thrown) -> {
                    try {
                        action.accept(value, thrown);
                    } catch (final RuntimeException | Error e) {
                        execute(
                                () -> {
                                    throw e;
                                });
                    }
                });
    }

    /** The same behind a future that can't fail: if it does, that is thrown in the same way. */
    default void after(final CompletableFuture<?> future, final Runnable action) {
        after(
                future,
                (value, thrown) -> {
                    if (thrown != null) {
                        throw new IllegalStateException("what can't fail has failed", thrown);
                    }
                    action.run();
                });
    }

    /**
     * Whether who asks may do what only this loop does: always, on a loop's own thread. Of a {@link
     * GroupTurn} only in the turn.
     */
    default boolean isHad() {
        return true;
    }

    /** Runs an action at once where this loop is had ({@link #isHad}), and otherwise soon. */
    default void within(final Runnable action) {
        if (isHad()) {
            action.run();
        } else {
            execute(action);
        }
    }

    /**
     * Runs an action, at once, while other loops stand between two of their handlers, each behind
     * the actions that it was given before. What is theirs may be used as if it ran on them.
     */
    default void whileStanding(final List<IoLoop> others, final Runnable action) {
        throw new IllegalStateException("no other loop stands for this one");
    }

    /** The loop's clock in nanoseconds; only differences mean something. From any thread. */
    long nanoTime();
}

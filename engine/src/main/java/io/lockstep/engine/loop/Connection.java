package io.lockstep.engine.loop;

import io.lockstep.engine.memory.IoBuffer;

import java.io.IOException;
import java.util.function.Function;

/**
 * One connected stream socket that never blocks. Owned by the loop that made it: every method is
 * called from that loop's thread. This is also the place of TLS: a connection that encrypts wraps
 * one that does not.
 */
public interface Connection {
    /**
     * Receives what is there, at most {@code length} bytes.
     *
     * @return how many bytes; 0 where nothing is there now; -1 where the peer has sent its last
     *     byte
     * @throws IOException where the connection is broken
     */
    int receive(IoBuffer into, int position, int length) throws IOException;

    /**
     * Has the peer told at once that all has come which was received, where the transport would
     * wait with that for something to send: {@code TCP_QUICKACK} of {@code tcp(7)}.
     *
     * @throws IOException where the connection is broken
     */
    default void acknowledge() throws IOException {}

    /**
     * Sends as much as the socket takes.
     *
     * @return how many bytes; 0 where the socket takes none now
     * @throws IOException where the connection is broken
     */
    int send(IoBuffer from, int position, int length) throws IOException;

    /**
     * Whether long pieces of a file's memory are handed over as the pages they lie in: see {@link
     * IoBuffer#isOfFile}.
     */
    default boolean takesPages() {
        return false;
    }

    /**
     * Says which events the handler wants from now on; none at first.
     *
     * @param readable to be called when there is something to receive, the end included
     * @param writable to be called when the socket takes bytes again
     */
    void interest(boolean readable, boolean writable);

    /**
     * Makes it another loop's: no event follows here, and this object must not be used any more.
     * The last thing that a handler does.
     *
     * @param loop of the same kind
     * @param handler takes the connection as that loop has it, and makes its handler, on that loop
     * @param whenFailed runs on that loop where it could not be had, and is closed
     */
    default void moveTo(
            final IoLoop loop,
            final Function<Connection, ConnectionHandler> handler,
            final Runnable whenFailed) {
        throw new IllegalStateException("this connection has one loop for good");
    }

    /** Tells the peer that nothing more will be sent. */
    void shutdownOutput() throws IOException;

    /** Closes at once; no event follows. Harmless when closed already. */
    void close();

    /** Who is at the other end, for messages. */
    String peer();
}

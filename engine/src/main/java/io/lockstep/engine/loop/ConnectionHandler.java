package io.lockstep.engine.loop;

/** Takes the events of one connection, on its loop's thread. */
public interface ConnectionHandler {
    /** There is something to receive, or the peer has ended. */
    void onReadable();

    /** The socket takes bytes again. */
    void onWritable();

    /**
     * The loop closed the connection because a handler's method threw: give back what it holds.
     *
     * @param cause what was thrown; the loop has reported it
     */
    void onFailure(Throwable cause);
}

package io.lockstep.engine.server;

/** Hears of what a person who runs a server may want to know. Called on the server's loops. */
public interface ServerEvents {
    /** A disk failed a request; the sentence says which, where and how. */
    void onDiskError(String sentence);

    /** A client broke the protocol, or its connection broke. */
    void onClientProblem(String peer, String sentence);
}

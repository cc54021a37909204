package io.lockstep.cli.graph;

/** Hears of children of quorums that have failed, on any thread. */
public interface BadChildListener {
    /**
     * One has: nothing more is written there until it is added anew.
     *
     * @param nodeName its node
     * @param length of it, in bytes
     * @param reason a sentence
     */
    void onBadChild(String nodeName, long length, String reason);
}

package io.lockstep.cli.graph;

import io.lockstep.engine.server.ExportCounters;

/** Hears of children of quorums that have failed, on any thread. */
public interface BadChildListener {
    /**
     * One has.
     *
     * @param nodeName its node
     * @param kind what it has not done
     * @param offset where, in bytes
     * @param length of what was not done, in bytes: all of it where nothing more is written there
     *     until it is added anew
     * @param reason a sentence
     */
    void onBadChild(
            String nodeName, ExportCounters.Kind kind, long offset, long length, String reason);
}

package io.lockstep.interop;

import java.nio.file.Path;

/**
 * A database in a directory, set up as whoever trusts it with something has it: a commit is
 * flushed. Its clients commit one transaction after the other, each of several rows that bear the
 * client's number and the transaction's, from 1.
 */
interface Database {
    /** How many clients it has, from 0. */
    int clients();

    /** Makes one without any transaction. */
    void make(Path directory);

    /**
     * Starts the clients, which say {@code begun CLIENT NUMBER} and {@code committed CLIENT NUMBER}
     * until the disk is gone.
     *
     * @param before the number of each one's last transaction that is there
     */
    Program work(Path directory, int[] before);

    /** Ends whatever has the directory in use; what is in it is not cared for. */
    void end();

    /**
     * Recovers from how it was left, and must be in order then, with each transaction whole.
     *
     * @return the number of each client's last one
     */
    int[] check(Path directory);
}

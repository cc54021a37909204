package io.lockstep.simulator;

import java.util.ArrayList;
import java.util.List;

/** A disk as its guests see it: who judges what they read, and which ranges are in use. */
abstract class JudgedDisk {
    private final List<long[]> claims = new ArrayList<>();

    /** Its export's name. */
    abstract String name();

    /** In bytes. */
    abstract long length();

    /** Knows what it may hold. */
    abstract DiskOracle model();

    /** What was asked for in another era than the present one is not judged. */
    abstract int era();

    /** A guest was told that a change succeeded, which it asked for with those flags. */
    abstract void succeeded(int flags);

    /** A guest was told of an error. */
    abstract void failed(int command, int errno);

    /** Reserves a range for one request, where no other has a part of it. */
    boolean claim(final long from, final long end) {
        for (final long[] claim : claims) {
            if (from < claim[1] && claim[0] < end) {
                return false;
            }
        }
        claims.add(new long[] {from, end});
        return true;
    }

    void release(final long from, final long end) {
        claims.removeIf(claim -> claim[0] == from && claim[1] == end);
    }
}

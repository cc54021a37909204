package io.lockstep.engine.loop;

import java.time.Instant;

/** The time of day, for people to compare with their logs; nothing is decided by it. Stateless. */
public final class WallClock {
    private WallClock() {}

    /** Seconds since 1970. */
    public static long seconds() {
        return Math.max(0, Instant.now().getEpochSecond());
    }
}

package io.lockstep.engine.throttle;

import java.util.List;

/**
 * One user's way through some {@link ThrottleGroup}s, one behind the other. On the user's loop, but
 * for what hears of changes.
 */
public final class Throttle {
    /** Through none. */
    public static final Throttle NONE = new Throttle(List.of());

    private final ThrottleGroup[] groups;

    /** Through some groups. */
    public Throttle(final List<ThrottleGroup> groups) {
        this.groups = groups.toArray(ThrottleGroup[]::new);
    }

    /** Whether there are any limits now. */
    public boolean isLimiting() {
        for (final ThrottleGroup group : groups) {
            if (group.isLimiting()) {
                return true;
            }
        }
        return false;
    }

    /**
     * Counts the next thing, which goes when it has waited so long.
     *
     * @param length in bytes
     * @param nowNanos by the loop's clock
     * @return in nanoseconds; 0 for not at all
     */
    public long reserve(final ThrottleDirection direction, final long length, final long nowNanos) {
        long wait = 0;
        for (final ThrottleGroup group : groups) {
            wait = Math.max(wait, group.reserve(direction, length, nowNanos));
        }
        return wait;
    }

    /**
     * Has somebody hear of other limits, until that is closed: what has to wait may be asked for
     * anew.
     *
     * @param user run on the thread of whoever changes them
     */
    public Listening listen(final Runnable user) {
        for (final ThrottleGroup group : groups) {
            group.add(user);
        }
        return () -> {
            for (final ThrottleGroup group : groups) {
                group.remove(user);
            }
        };
    }

    /** Ends what {@link #listen} began. */
    public interface Listening extends AutoCloseable {
        @Override
        void close();
    }
}

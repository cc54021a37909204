package io.lockstep.engine.primary;

import io.lockstep.engine.throttle.Throttle;

/**
 * What limits a {@link DiskMirror}: an immutable value.
 *
 * @param source of what it reads by itself, to send it
 * @param target of all that it sends, and of what the guest changes, too
 */
public record MirrorLimits(Throttle source, Throttle target) {
    /** Nothing. */
    public static final MirrorLimits NONE = new MirrorLimits(Throttle.NONE, Throttle.NONE);
}

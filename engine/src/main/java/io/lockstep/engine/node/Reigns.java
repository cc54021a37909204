package io.lockstep.engine.node;

import java.util.function.LongSupplier;
import java.util.random.RandomGenerator;

/**
 * Where new names, and the times at which reigns begin, come from.
 *
 * @param random must not be guessed by strangers, nor repeat itself
 * @param secondsNow since 1970, for people
 */
public record Reigns(RandomGenerator random, LongSupplier secondsNow) {
    /** A new name. */
    public Id name() {
        return Id.random(random);
    }

    /** A reign that begins now, at an epoch of the one before it. */
    public Reign begin(final long origin) {
        return new Reign(name(), origin, secondsNow.getAsLong());
    }
}

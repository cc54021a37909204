package io.lockstep.simulator;

import java.util.SplittableRandom;

/**
 * Choices from a seed. Each part of a simulation throws dice of its own ({@link #split}), so that
 * one part's choices don't shift another's.
 */
public final class Dice {
    private final SplittableRandom random;

    /** Dice from a seed. */
    public Dice(final long seed) {
        this(new SplittableRandom(seed));
    }

    private Dice(final SplittableRandom random) {
        this.random = random;
    }

    /** New dice, whose throws are independent of these. */
    public Dice split() {
        return new Dice(random.split());
    }

    /** True with a probability. */
    public boolean chance(final double probability) {
        return probability > 0 && random.nextDouble() < probability;
    }

    /** A number from {@code min} to {@code max}, both included. */
    public long between(final long min, final long max) {
        return random.nextLong(min, max + 1);
    }

    /** A number from {@code min} to {@code max}, both included. */
    public int between(final int min, final int max) {
        return random.nextInt(min, max + 1);
    }

    /** Any number. */
    public long any() {
        return random.nextLong();
    }

    /** One of some. */
    @SafeVarargs
    public final <T> T oneOf(final T... choices) {
        return choices[random.nextInt(choices.length)];
    }

    /** Fills an array. */
    public void fill(final byte[] bytes) {
        random.nextBytes(bytes);
    }
}

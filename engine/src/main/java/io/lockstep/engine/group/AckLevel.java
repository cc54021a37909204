package io.lockstep.engine.group;

import java.util.Locale;
import java.util.Optional;

/**
 * What has to hold before the guest is answered: a level, and whether the secondary's memory or its
 * stable storage counts. An immutable value. See docs/acknowledgements.md.
 *
 * @param isDurable the secondary's stable storage counts; false with {@link Level#LOCAL}
 */
public record AckLevel(Level level, boolean isDurable) {
    /** As of old: nobody waits for the secondary. */
    public static final AckLevel LOCAL = new AckLevel(Level.LOCAL, false);

    /** What there is, for people. */
    public static final String NAMES = "local, flush, write, flush,durable or write,durable";

    private static final String DURABLE = ",durable";

    /** Which answers wait for the secondary. */
    public enum Level {
        /** None. */
        LOCAL,
        /** Those of flushes, and of writes with FUA: for a checkpoint that has all before them. */
        FLUSH,
        /** Those of changes as well, each for a checkpoint that has it. */
        WRITE
    }

    /** Refuses what makes no sense. */
    public AckLevel {
        if (isDurable && level == Level.LOCAL) {
            throw new IllegalArgumentException("local is never about the secondary");
        }
    }

    /** Reads what {@link #toString} writes; empty where it is none of those. */
    public static Optional<AckLevel> parse(final String text) {
        for (final Level level : Level.values()) {
            final AckLevel volatileOne = new AckLevel(level, false);
            if (text.equals(volatileOne.toString())) {
                return Optional.of(volatileOne);
            }
            if (level != Level.LOCAL && text.equals(volatileOne + DURABLE)) {
                return Optional.of(new AckLevel(level, true));
            }
        }
        return Optional.empty();
    }

    /** Whether anything ever waits for the secondary. */
    public boolean isAboutSecondary() {
        return level != Level.LOCAL;
    }

    /** As on the command line: {@code flush,durable}. */
    @Override
    public String toString() {
        return level.name().toLowerCase(Locale.ROOT) + (isDurable ? DURABLE : "");
    }
}

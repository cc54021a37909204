package io.lockstep.engine.node;

import static io.lockstep.engine.node.Standing.ALONE;
import static io.lockstep.engine.node.Standing.FOLLOWING;
import static io.lockstep.engine.node.Standing.FRESH;
import static io.lockstep.engine.node.Standing.INCONSISTENT;
import static io.lockstep.engine.node.Standing.OUTDATED;
import static io.lockstep.engine.node.Standing.REIGNING;

import java.util.EnumMap;
import java.util.Map;
import java.util.Optional;

/**
 * The table of a node's states: where it stands after something has happened, or that it can't
 * happen there. Stateless. The same table is in docs/lives.md; a test compares them.
 *
 * <p>Whether a primary may attach ({@link Happening#FOLLOW}) is {@link Meeting}'s word, which knows
 * both sides; the table says what that makes of the node.
 */
public final class Transition {
    private static final Map<Happening, Map<Standing, Standing>> TABLE =
            new EnumMap<>(Happening.class);

    static {
        row(Happening.REIGN).put(FRESH, REIGNING);
        all(Happening.FOLLOW, FOLLOWING, FRESH, FOLLOWING, INCONSISTENT, OUTDATED);
        all(Happening.CATCH_UP, INCONSISTENT, FRESH, INCONSISTENT, REIGNING);
        row(Happening.CATCH_UP).put(FOLLOWING, FOLLOWING);
        row(Happening.CATCH_UP).put(OUTDATED, OUTDATED);
        all(Happening.TEAR, INCONSISTENT, FOLLOWING, INCONSISTENT, OUTDATED, REIGNING, ALONE);
        all(Happening.OUTDATE, OUTDATED, FOLLOWING, OUTDATED);
        row(Happening.OUTDATE).put(INCONSISTENT, INCONSISTENT);
        row(Happening.PROMOTE).put(FOLLOWING, ALONE);
        all(Happening.FORCE, ALONE, FRESH, FOLLOWING, INCONSISTENT, OUTDATED);
        all(Happening.PART, ALONE, REIGNING, ALONE);
        all(Happening.REJOIN, REIGNING, REIGNING, ALONE);
        row(Happening.HAND_OVER).put(REIGNING, OUTDATED);
        all(Happening.CONCEDE, OUTDATED, REIGNING, ALONE);
        all(Happening.FORGET, FRESH, Standing.values());
    }

    private Transition() {}

    private static Map<Standing, Standing> row(final Happening happening) {
        return TABLE.computeIfAbsent(happening, absent -> new EnumMap<>(Standing.class));
    }

    private static void all(
            final Happening happening, final Standing after, final Standing... before) {
        for (final Standing standing : before) {
            row(happening).put(standing, after);
        }
    }

    /** Where a node stands afterwards; empty where it can't happen to it. */
    public static Optional<Standing> of(final Standing before, final Happening happening) {
        return Optional.ofNullable(row(happening).get(before));
    }
}

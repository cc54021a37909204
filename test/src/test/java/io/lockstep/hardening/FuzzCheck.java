package io.lockstep.hardening;

/**
 * What must hold in a fuzz target. It is called a million times: it builds no text unless needed.
 */
final class FuzzCheck {
    private FuzzCheck() {}

    static void that(final boolean condition, final String what) {
        if (!condition) {
            throw new AssertionError(what);
        }
    }

    static void that(final boolean condition, final String what, final long number) {
        if (!condition) {
            throw new AssertionError(what + number);
        }
    }

    static void that(
            final boolean condition, final String what, final long number, final String rest) {
        if (!condition) {
            throw new AssertionError(what + number + rest);
        }
    }

    static void that(
            final boolean condition,
            final String what,
            final long number,
            final String more,
            final long second) {
        if (!condition) {
            throw new AssertionError(what + number + more + second);
        }
    }
}

package io.lockstep.simulator;

/** A simulation went wrong: says with which seed, what happened last, and how to see it again. */
public final class SimulationFailure extends AssertionError {
    private static final long serialVersionUID = 1;

    SimulationFailure(final String message, final Throwable cause) {
        super(message, cause);
    }
}

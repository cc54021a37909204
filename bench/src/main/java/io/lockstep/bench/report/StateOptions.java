package io.lockstep.bench.report;

import picocli.CommandLine.Option;

import java.io.IOException;

/** The same for commands that measure processes either just started or warmed up. */
public final class StateOptions extends ImageOptions {
    /** What the processes have done before. */
    private enum State {
        /** Nothing, as a user meets them. */
        FRESH,
        /** The same for seconds. */
        WARM
    }

    @Option(
            names = "--state",
            paramLabel = "fresh|warm",
            defaultValue = "warm",
            description =
                    "Whether the processes have just been started, anew for each measurement, on"
                        + " disks just made, or have been warmed up (default: ${DEFAULT-VALUE}).")
    private State state;

    /** For picocli. */
    public StateOptions() {}

    /** Whether everything is started anew for each measurement. */
    public boolean isFresh() {
        return state == State.FRESH;
    }

    @Override
    public String arguments() {
        return (isFresh() ? " --state fresh" : "") + super.arguments();
    }

    @Override
    public String sentence(final String what, final DiskImages disks) throws IOException {
        return super.sentence((isFresh() ? "a fresh " : "a warm ") + what, disks);
    }
}

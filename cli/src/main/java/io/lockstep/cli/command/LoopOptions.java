package io.lockstep.cli.command;

import io.lockstep.engine.service.Engine;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

import java.io.IOException;

/** How many loops the disks of a pair have. */
final class LoopOptions {
    @Option(
            names = "--loops",
            paramLabel = "N",
            description =
                    "How many loops, each with a thread, the disks have at most: on a primary for"
                            + " their guests, on a secondary for their streams. One a disk while"
                            + " there are enough, then they share (default: half as many as"
                            + " cores).")
    private Integer loops;

    /**
     * Demands that it makes sense.
     *
     * @throws ParameterException where it does not
     */
    void require(final CommandSpec spec) {
        PairOptions.requireAtLeastOne(spec, "--loops", loops == null ? 1 : loops);
    }

    /** Has an engine do so that has no disk yet. */
    void apply(final Engine engine) throws IOException {
        if (loops != null) {
            engine.diskLoops().atMost(loops);
        }
    }
}

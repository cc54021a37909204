package io.lockstep.cli.argument;

import com.google.gson.JsonObject;

import picocli.CommandLine.Option;

/** Somebody's word, for an order that has a primary go on alone, that its secondary is fenced. */
public final class FencedOption {
    @Option(
            names = "--fenced",
            description =
                    "The secondary's host is fenced, or its process gone: of disks that the two"
                            + " share a primary goes on alone when its secondary has recorded that"
                            + " it is left behind, or somebody knows that. A secondary that is"
                            + " started again takes over by force only, until the two have met.")
    private boolean isFenced;

    /** What is said of it over QMP. */
    public JsonObject arguments() {
        final JsonObject arguments = new JsonObject();
        arguments.addProperty("fenced", isFenced);
        return arguments;
    }
}

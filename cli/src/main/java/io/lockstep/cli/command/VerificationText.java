package io.lockstep.cli.command;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.cli.run.Quantity;

/** What the status says of a verification, for people. */
final class VerificationText {
    private static final int PERCENT = 100;

    private VerificationText() {}

    /** In one line. */
    static String of(final JsonObject verification) {
        final String found =
                number(verification, "pieces") == 0
                        ? "no difference"
                        : number(verification, "pieces")
                                + " pieces differ, of "
                                + bytes(verification, "differing");
        final String state = verification.get("state").getAsString();
        if (state.equals("running")) {
            return percent(verification)
                    + " % of "
                    + bytes(verification, "total")
                    + " compared"
                    + (verification.get("paused").getAsBoolean() ? ", paused" : "")
                    + ": "
                    + found;
        }
        return bytes(verification, "compared")
                + " of disks "
                + names(verification)
                + " compared in "
                + Quantity.nanos(number(verification, "duration-ns"))
                + ", "
                + Quantity.nanos(number(verification, "age-ns"))
                + " ago: "
                + found.replace("differ,", "differed,")
                + (state.equals("completed")
                        ? ""
                        : "; it ended early: " + verification.get("ending").getAsString());
    }

    static int percent(final JsonObject verification) {
        final long total = number(verification, "total");
        return total == 0 ? PERCENT : (int) (PERCENT * number(verification, "compared") / total);
    }

    private static String names(final JsonObject verification) {
        return String.join(
                ", ",
                verification.getAsJsonArray("disks").asList().stream()
                        .map(JsonElement::getAsString)
                        .toList());
    }

    private static long number(final JsonObject object, final String member) {
        return object.get(member).getAsLong();
    }

    private static String bytes(final JsonObject object, final String member) {
        return Quantity.bytes(number(object, member));
    }
}

package io.lockstep.cli.command;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.cli.run.Quantity;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.state.Boot;

import java.io.IOException;
import java.io.PrintWriter;
import java.util.Locale;

/** A node's record in lines for people, from the report that is its JSON. Stateless. */
final class StateText {
    private StateText() {}

    /**
     * Prints it.
     *
     * @param report see {@link io.lockstep.cli.control.StateReport}
     * @throws IOException where this host does not tell which boot it is
     */
    static void print(final PrintWriter out, final JsonObject report) throws IOException {
        out.println("node " + text(report, "node") + " " + standing(report).sentence());
        if (!report.get("group").isJsonNull()) {
            out.println(
                    "pair: group "
                            + text(report, "group")
                            + ", "
                            + (report.get("peer").isJsonNull()
                                    ? "no peer yet"
                                    : "peer " + text(report, "peer")));
            out.println(
                    "epoch: " + text(report, "committed-epoch") + " was committed, as last heard");
        }
        if (report.get("joining").getAsBoolean()) {
            out.println(
                    "joining: the primary that comes next may overwrite its disks, and it is that"
                            + " one's secondary");
        }
        if (report.get("merging").getAsBoolean()) {
            out.println("merge: not done; the buffers hold what the disks lack");
        }
        if (report.get("forced").getAsBoolean()) {
            out.println("forced: it took over because somebody insisted");
        }
        if (report.has("gave-way-to")) {
            out.println(
                    "gave way: in a split brain, to node "
                            + text(report, "gave-way-to")
                            + ", which makes it equal; until then its own way is there still");
        }
        out.println("process: " + process(report));
        for (final JsonElement element : report.getAsJsonArray("lineage")) {
            final JsonObject reign = element.getAsJsonObject();
            out.println(
                    "generation "
                            + text(reign, "generation")
                            + ": from epoch "
                            + text(reign, "origin")
                            + ", since "
                            + text(reign, "began")
                            + (reign.get("torn").getAsBoolean()
                                    ? "; forced, from a torn disk that was no checkpoint"
                                    : ""));
        }
        for (final JsonElement element : report.getAsJsonArray("disks")) {
            final JsonObject disk = element.getAsJsonObject();
            final String backing = text(disk, "backing");
            out.println(
                    "disk "
                            + text(disk, "name")
                            + ": "
                            + Quantity.bytes(disk.get("length").getAsLong())
                            + (backing.isEmpty() ? "" : "; " + backing));
        }
    }

    private static String text(final JsonObject object, final String member) {
        return object.get(member).getAsString();
    }

    private static Standing standing(final JsonObject report) {
        return Standing.valueOf(text(report, "standing").toUpperCase(Locale.ROOT));
    }

    private static String process(final JsonObject report) throws IOException {
        if (report.get("in-use").getAsBoolean()) {
            return "runs";
        }
        final boolean isOfThisBoot = text(report, "boot").equals(Boot.current().toString());
        return (report.get("clean").getAsBoolean()
                        ? "stopped in good order"
                        : "not stopped in good order")
                + (isOfThisBoot ? "" : ", before the host was started again");
    }
}

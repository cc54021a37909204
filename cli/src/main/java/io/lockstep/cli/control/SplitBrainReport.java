package io.lockstep.cli.control;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.engine.group.SplitBrainStatus;
import io.lockstep.engine.node.Stance;

import java.time.Instant;

/** What the two sides of a split brain have, as JSON. Stateless. */
final class SplitBrainReport {
    private SplitBrainReport() {}

    static JsonElement of(final SplitBrainStatus status) {
        final JsonObject report = new JsonObject();
        report.addProperty("discarded", status.isDiscarded());
        report.addProperty("reason", status.discarded());
        report.add("own", way(status.own()));
        report.add("peer", way(status.peer()));
        final JsonArray disks = new JsonArray();
        for (final SplitBrainStatus.DiskChange change : status.disks()) {
            final JsonObject disk = new JsonObject();
            disk.addProperty("disk", change.disk());
            addChanged(disk, change.changed());
            disks.add(disk);
        }
        report.add("disks", disks);
        return report;
    }

    private static JsonObject way(final SplitBrainStatus.Way way) {
        final JsonObject object = new JsonObject();
        object.addProperty("node", way.node());
        object.addProperty("reason", way.toString());
        addChanged(object, way.changed());
        way.parting()
                .ifPresent(
                        reign -> {
                            object.addProperty("since-epoch", reign.origin());
                            object.addProperty(
                                    "since", Instant.ofEpochSecond(reign.began()).toString());
                        });
        object.addProperty("guest", way.hasGuest());
        return object;
    }

    /** Left out where it is not known. */
    private static void addChanged(final JsonObject object, final long changed) {
        if (changed != Stance.UNKNOWN) {
            object.addProperty("changed", changed);
        }
    }
}

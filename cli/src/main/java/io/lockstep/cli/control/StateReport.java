package io.lockstep.cli.control;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;

import io.lockstep.engine.node.DiskIdentity;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Reign;

import java.time.Instant;
import java.util.Locale;

/** A node's record as JSON. Stateless. Names of 128 bits are 32 hexadecimal digits, or null. */
public final class StateReport {
    private StateReport() {}

    /**
     * What a record says.
     *
     * @param isInUse whether a process has the state open
     */
    public static JsonObject of(final NodeRecord record, final boolean isInUse) {
        final JsonObject report = new JsonObject();
        report.addProperty("node", record.node().toString());
        report.addProperty("standing", record.standing().name().toLowerCase(Locale.ROOT));
        report.addProperty("group", name(record.group()));
        report.addProperty("peer", name(record.peer()));
        report.addProperty("committed-epoch", record.committedEpoch());
        report.addProperty("left-session", name(record.leftSession()));
        report.addProperty("clean", record.isClean());
        report.addProperty("joining", record.isJoining());
        report.addProperty("merging", record.isMerging());
        report.addProperty("forced", record.isForced());
        report.addProperty("peer-out", record.isPeerOut());
        if (!record.concession().isNone()) {
            report.addProperty("gave-way-to", record.concession().peer().toString());
        }
        report.addProperty("boot", name(record.boot()));
        final JsonArray lineage = new JsonArray();
        record.lineage().reigns().forEach(reign -> lineage.add(reign(reign)));
        report.add("lineage", lineage);
        final JsonArray disks = new JsonArray();
        record.disks().forEach(disk -> disks.add(disk(disk)));
        report.add("disks", disks);
        report.addProperty("in-use", isInUse);
        return report;
    }

    private static JsonObject reign(final Reign reign) {
        final JsonObject object = new JsonObject();
        object.addProperty("generation", reign.generation().toString());
        object.addProperty("origin", reign.origin());
        object.addProperty("began", Instant.ofEpochSecond(reign.began()).toString());
        object.addProperty("torn", reign.isTorn());
        return object;
    }

    private static JsonObject disk(final DiskIdentity disk) {
        final JsonObject object = new JsonObject();
        object.addProperty("name", disk.name());
        object.addProperty("length", disk.length());
        object.addProperty("backing", disk.backing());
        return object;
    }

    private static String name(final Id id) {
        return id.isNone() ? null : id.toString();
    }
}

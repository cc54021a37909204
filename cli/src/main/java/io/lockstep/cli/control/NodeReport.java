package io.lockstep.cli.control;

import com.google.gson.JsonObject;

import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.RoomStatus;
import io.lockstep.engine.node.Verdict;

import java.util.Locale;

/** What a group's node knows of itself as JSON. Stateless. */
final class NodeReport {
    private NodeReport() {}

    /** Adds it to the group's status. */
    static void addTo(final JsonObject report, final NodeStatus node) {
        report.addProperty("standing", standing(node));
        report.addProperty("waiting", node.waiting());
        final JsonObject brief = new JsonObject();
        brief.addProperty("node", node.record().node().brief());
        brief.addProperty("group", node.record().group().brief());
        brief.addProperty("generation", node.record().lineage().newest().brief());
        report.add("lineage", brief);
        node.verdict()
                .ifPresent(
                        verdict -> {
                            report.add("verdict", verdict(verdict));
                            report.add("lost", loss(node.loss()));
                        });
        node.room()
                .filter(room -> room.expected() > 0)
                .ifPresent(room -> report.add("pre-image-room", room(room)));
    }

    private static JsonObject room(final RoomStatus room) {
        final JsonObject object = new JsonObject();
        object.addProperty("expected", room.expected());
        object.addProperty("left", room.left());
        object.addProperty("enough", !room.isShort());
        return object;
    }

    /** Whether a secondary may take over, to what, and what would be lost. */
    static JsonObject verdict(final GroupStatus status, final NodeStatus node) {
        final JsonObject report = verdict(node.verdict().orElseThrow());
        report.addProperty("standing", standing(node));
        report.addProperty("epoch", status.committedEpoch());
        report.add("lost", loss(node.loss()));
        return report;
    }

    private static String standing(final NodeStatus node) {
        return node.record().standing().name().toLowerCase(Locale.ROOT);
    }

    private static JsonObject verdict(final Verdict verdict) {
        final JsonObject object = new JsonObject();
        object.addProperty("allowed", verdict.isAllowed());
        object.addProperty("reason", verdict.reason());
        object.addProperty("warning", verdict.warning());
        return object;
    }

    private static JsonObject loss(final NodeStatus.Loss loss) {
        final JsonObject object = new JsonObject();
        object.addProperty("age-ns", loss.nanos());
        object.addProperty("bytes", loss.length());
        object.addProperty("writes", loss.writes());
        return object;
    }
}

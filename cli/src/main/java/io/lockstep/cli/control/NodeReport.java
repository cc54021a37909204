package io.lockstep.cli.control;

import com.google.gson.JsonObject;

import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.RoomStatus;
import io.lockstep.engine.node.Verdict;

import java.util.Locale;
import java.util.Optional;

/** What a group's node knows of itself as JSON. Stateless. */
final class NodeReport {
    private NodeReport() {}

    /** Adds it to the group's status. */
    static void addTo(final JsonObject report, final NodeStatus node) {
        report.addProperty("standing", standing(node));
        report.addProperty("waiting", node.waiting());
        if (!node.onLostLink().isEmpty()) {
            report.addProperty("on-lost-link", node.onLostLink());
        }
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

    /**
     * Whether a node may take over, to what, and what would be lost; also of one that is no
     * secondary, or of none.
     */
    static JsonObject verdict(final GroupStatus status, final Optional<NodeStatus> node) {
        final JsonObject report =
                verdict(node.flatMap(NodeStatus::verdict).orElseGet(() -> ofNoSecondary(node)));
        report.addProperty("standing", node.map(NodeReport::standing).orElse(null));
        report.addProperty("epoch", status.committedEpoch());
        report.add("lost", loss(node.map(NodeStatus::loss).orElse(NodeStatus.Loss.NONE)));
        return report;
    }

    private static Verdict ofNoSecondary(final Optional<NodeStatus> node) {
        final boolean isPrimary =
                node.filter(known -> known.record().standing().isPrimary()).isPresent();
        return isPrimary
                ? Verdict.of(node.get().record().standing(), Optional.empty(), 0)
                : new Verdict(
                        false,
                        "this is no secondary, and replicates nothing: there is nothing to take"
                                + " over from here",
                        "");
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

package io.lockstep.cli.control;

import com.google.gson.JsonObject;

import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationGroup;

/**
 * A group's event as QMP tells it: always one with a name of our own, and before it one of QEMU's
 * where managers may wait for that. An immutable value.
 *
 * @param name ours
 * @param data of ours
 * @param qemuName QEMU's; empty where it has none
 * @param qemuData of QEMU's
 */
record EventReport(String name, JsonObject data, String qemuName, JsonObject qemuData) {
    private static final String PREFIX = "X_LOCKSTEP_";

    /** Takes it; on the group's loop. */
    static EventReport of(
            final GroupEvents.Event event,
            final String disk,
            final long epoch,
            final String sentence,
            final ReplicationGroup group) {
        final JsonObject data = new JsonObject();
        if (!disk.isEmpty()) {
            data.addProperty("device", disk);
        }
        data.addProperty("epoch", epoch);
        data.addProperty("reason", sentence);
        final String name = nameOf(event);
        return switch (event) {
            case GUEST_IO_ERROR -> new EventReport(name, data, "BLOCK_IO_ERROR", ioError(data));
            case REPLICATION_ERROR ->
                    new EventReport(name, data, "COLO_EXIT", coloExit(group, "error"));
            case FAILOVER -> new EventReport(name, data, "COLO_EXIT", coloExit(group, "request"));
            case MERGE_COMPLETED ->
                    new EventReport(name, data, "BLOCK_JOB_COMPLETED", merge(group.status(), ""));
            case MERGE_FAILED ->
                    new EventReport(name, data, "BLOCK_JOB_ERROR", merge(group.status(), sentence));
            case LINK_UP,
                    LINK_DOWN,
                    DETACHED,
                    CHECKPOINT,
                    DURABLE,
                    CHECKPOINT_AT_RISK,
                    CHECKPOINT_GIVEN_UP,
                    SYNCHRONISING,
                    SYNCHRONISED,
                    HANDED_OVER,
                    LEFT_BEHIND,
                    NOT_HANDED_OVER,
                    VERIFIED ->
                    new EventReport(name, data, "", new JsonObject());
        };
    }

    /** What ours is called. */
    static String nameOf(final GroupEvents.Event event) {
        return PREFIX + event.name();
    }

    /** The group doesn't say whether it was a read; QEMU's member {@code operation} is left out. */
    private static JsonObject ioError(final JsonObject data) {
        final JsonObject error = new JsonObject();
        error.add("device", data.get("device"));
        error.addProperty("action", "report");
        error.add("reason", data.get("reason"));
        return error;
    }

    private static JsonObject coloExit(final ReplicationGroup group, final String reason) {
        final JsonObject exit = new JsonObject();
        exit.addProperty(
                "mode", group.role() == ReplicationGroup.Role.PRIMARY ? "primary" : "secondary");
        exit.addProperty("reason", reason);
        return exit;
    }

    private static JsonObject merge(final GroupStatus status, final String error) {
        return GroupJob.merge(status, error).eventData();
    }

    void sendTo(final QmpServer server) {
        if (!qemuName.isEmpty()) {
            server.sendEvent(qemuName, qemuData);
        }
        server.sendEvent(name, data);
    }
}

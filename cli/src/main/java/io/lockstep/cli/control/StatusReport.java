package io.lockstep.cli.control;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;

import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.group.SynchronisationStatus;

import org.HdrHistogram.Histogram;

import java.util.Locale;
import java.util.Optional;

/** A group's status as JSON: what x-lockstep-status answers, and what the counters hold. */
final class StatusReport {
    private StatusReport() {}

    /** Takes it; on the group's loop. */
    static JsonObject of(final ReplicationGroup group, final Checkpoints checkpoints) {
        final GroupStatus status = group.status();
        final JsonObject report = new JsonObject();
        report.addProperty("role", lowerCase(status.role()));
        report.addProperty("state", lowerCase(status.state()));
        report.addProperty("peer", status.peer());
        report.addProperty("linked", status.linked());
        report.addProperty("unlinked-ns", status.unlinkedNanos());
        report.addProperty("unlinked-reason", status.unlinkedReason());
        report.addProperty("ending", group.ending());
        report.addProperty("open-epoch", status.openEpoch());
        report.addProperty("sealed-epoch", status.sealedEpoch());
        report.addProperty("committed-epoch", status.committedEpoch());
        report.addProperty("durable-epoch", status.durableEpoch());
        if (status.role() == ReplicationGroup.Role.PRIMARY) {
            report.add("ack", acknowledging(status.acknowledging()));
        }
        report.addProperty("lag-bytes", status.lagBytes());
        report.addProperty("lag-ns", status.lagNanos());
        report.addProperty("buffer-used", status.bufferUsed());
        report.addProperty("buffer-limit", status.bufferLimit());
        report.addProperty("merge-done", status.mergeDone());
        report.addProperty("merge-total", status.mergeTotal());
        report.add("checkpoints", durations(checkpoints.durations()));
        group.commitDurations().ifPresent(commits -> report.add("commits", durations(commits)));
        final Optional<ReplicationError> error = group.error();
        error.ifPresent(found -> report.add("error", error(found)));
        group.node().ifPresent(node -> NodeReport.addTo(report, node));
        group.healing()
                .synchronisation()
                .ifPresent(one -> report.add("synchronisation", synchronisation(one)));
        group.healing()
                .verification()
                .ifPresent(one -> report.add("verification", VerificationReport.of(one)));
        final JsonArray disks = new JsonArray();
        status.disks().forEach(disk -> disks.add(disk(disk)));
        report.add("disks", disks);
        return report;
    }

    private static JsonObject acknowledging(final GroupStatus.Acknowledging acknowledging) {
        final JsonObject object = new JsonObject();
        object.addProperty("level", acknowledging.level().toString());
        object.addProperty("in-force", acknowledging.isInForce());
        return object;
    }

    private static JsonObject durations(final Checkpoints.Durations durations) {
        final JsonObject object = new JsonObject();
        object.addProperty("count", durations.count());
        object.addProperty("last-ns", durations.last());
        object.addProperty("p50-ns", durations.p50());
        object.addProperty("p99-ns", durations.p99());
        object.addProperty("max-ns", durations.max());
        return object;
    }

    private static JsonObject durations(final Histogram durations) {
        final JsonObject object = new JsonObject();
        object.addProperty("count", durations.getTotalCount());
        object.addProperty("p50-ns", durations.getValueAtPercentile(50));
        object.addProperty("p99-ns", durations.getValueAtPercentile(99));
        object.addProperty("p999-ns", durations.getValueAtPercentile(99.9));
        object.addProperty("max-ns", durations.getMaxValue());
        return object;
    }

    private static JsonObject synchronisation(final SynchronisationStatus status) {
        final JsonObject object = new JsonObject();
        object.addProperty("left", status.left());
        object.addProperty("total", status.total());
        object.addProperty("rate", status.rate());
        object.addProperty("age-ns", status.nanos());
        object.addProperty("state", lowerCase(status.state()));
        object.addProperty("paused", status.isPaused());
        object.addProperty("limit", status.limit());
        return object;
    }

    private static JsonObject error(final ReplicationError error) {
        final JsonObject object = new JsonObject();
        object.addProperty("kind", lowerCase(error.kind()));
        object.addProperty("disk", error.disk());
        object.addProperty("offset", error.offset());
        object.addProperty("errno", error.errno());
        object.addProperty("desc", error.sentence());
        return object;
    }

    private static JsonObject disk(final GroupStatus.DiskStatus disk) {
        final JsonObject object = new JsonObject();
        object.addProperty("name", disk.name());
        object.addProperty("length", disk.length());
        object.addProperty("writes", disk.writes());
        object.addProperty("written-bytes", disk.writtenBytes());
        object.addProperty("hidden-used", disk.hiddenUsed());
        object.addProperty("active-used", disk.activeUsed());
        object.addProperty("dirty", disk.dirty());
        return object;
    }

    private static String lowerCase(final Enum<?> value) {
        return value.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }
}

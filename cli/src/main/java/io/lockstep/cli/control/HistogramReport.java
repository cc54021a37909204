package io.lockstep.cli.control;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.engine.group.ReplicationGroup;

import org.HdrHistogram.Histogram;

import java.util.Optional;

/**
 * All durations that a group has counted, in nanoseconds: what x-lockstep-histograms answers.
 * Copied on the group's loop, where it is quick; encoded elsewhere, since that takes longer.
 *
 * @param checkpoints from the seal to the moment at which the commit is acknowledged
 * @param commits inside the secondary; empty on a primary
 */
record HistogramReport(Histogram checkpoints, Optional<Histogram> commits) {
    /** Takes it; on the group's loop. */
    static HistogramReport of(final ReplicationGroup group, final Checkpoints checkpoints) {
        return new HistogramReport(
                checkpoints.histogram(), group.commitDurations().map(Histogram::copy));
    }

    /** As JSON; each histogram as {@link HistogramText}. */
    JsonElement toJson() {
        final JsonObject report = new JsonObject();
        report.addProperty("checkpoints", HistogramText.encode(checkpoints));
        commits.ifPresent(found -> report.addProperty("commits", HistogramText.encode(found)));
        return report;
    }
}

package io.lockstep.cli.control;

import com.google.gson.JsonObject;

import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.Job;

/**
 * A job as managers see it: an immutable value. Source: QEMU's {@code qapi/job.json} and {@code
 * qapi/block-core.json}.
 *
 * @param id by which it is named; of a block job it is the device as well
 * @param type one of QEMU's JobType, or of ours
 * @param report how it stands
 * @param job to be paused or cancelled; null where it can't be
 */
record ManagedJob(String id, String type, Job.Report report, Job job) {
    static final String MERGE = "merge";
    private static final String SYNCHRONISATION = "sync";
    private static final String VERIFICATION = "verify";

    /** QEMU has no job that compares. */
    static final String VERIFICATION_TYPE = "x-lockstep-verify";

    /** One that is under way. */
    static ManagedJob of(final Job job) {
        return of(job.report(), job);
    }

    /** What is told of one. */
    static ManagedJob of(final Job.Report report) {
        return of(report, null);
    }

    private static ManagedJob of(final Job.Report report, final Job job) {
        return switch (report.kind()) {
            case SYNCHRONISATION -> new ManagedJob(SYNCHRONISATION, "mirror", report, job);
            case VERIFICATION -> new ManagedJob(VERIFICATION, VERIFICATION_TYPE, report, job);
            case MERGE -> new ManagedJob(MERGE, "commit", report, job);
        };
    }

    /** That of a secondary which has failed over. */
    static ManagedJob merge(final GroupStatus status, final String error) {
        return of(
                new Job.Report(
                        Job.Kind.MERGE,
                        Job.State.RUNNING,
                        false,
                        status.mergeDone(),
                        status.mergeTotal(),
                        0,
                        error),
                null);
    }

    /** In QEMU's words: those of a job that is there. */
    String status() {
        return switch (report.state()) {
            case CREATED -> "created";
            case RUNNING -> report.isPaused() ? "paused" : "running";
            case READY -> report.isPaused() ? "standby" : "ready";
            case COMPLETED, CANCELLED, FAILED -> "concluded";
        };
    }

    /** As query-jobs tells. */
    JsonObject jobInfo() {
        final JsonObject info = new JsonObject();
        info.addProperty("id", id);
        info.addProperty("type", type);
        info.addProperty("status", status());
        info.addProperty("current-progress", report.done());
        info.addProperty("total-progress", report.total());
        return info;
    }

    /** As query-block-jobs tells. */
    JsonObject blockJobInfo() {
        final JsonObject info = eventData();
        info.remove("error");
        info.addProperty("busy", !report.isPaused() && report.state() == Job.State.RUNNING);
        info.addProperty("paused", report.isPaused());
        info.addProperty("ready", report.state() == Job.State.READY);
        info.addProperty("status", status());
        info.addProperty("io-status", "ok");
        info.addProperty("auto-finalize", true);
        info.addProperty("auto-dismiss", true);
        return info;
    }

    /** As the events of block jobs tell. */
    JsonObject eventData() {
        final JsonObject data = new JsonObject();
        data.addProperty("type", type);
        data.addProperty("device", id);
        data.addProperty("len", report.total());
        data.addProperty("offset", report.done());
        data.addProperty("speed", report.speed());
        if (!report.error().isEmpty()) {
            data.addProperty("error", report.error());
        }
        return data;
    }
}

package io.lockstep.cli.control;

import com.google.gson.JsonObject;

import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.Job;

/**
 * A job of a group as managers see it, which finalizes and dismisses itself: an immutable value.
 * Source: QEMU's {@code qapi/job.json} and {@code qapi/block-core.json}.
 *
 * @param id by which it is named; of a block job it is the device as well
 * @param type one of QEMU's JobType, or of ours
 * @param report how it stands
 * @param job to be paused or cancelled; null where it can't be
 */
record GroupJob(String id, String type, Job.Report report, Job job) implements ManagedJob {
    static final String MERGE = "merge";
    private static final String SYNCHRONISATION = "sync";
    private static final String VERIFICATION = "verify";

    /** QEMU has no job that compares. */
    static final String VERIFICATION_TYPE = "x-lockstep-verify";

    /** One that is under way. */
    static GroupJob of(final Job job) {
        return of(job.report(), job);
    }

    /** What is told of one. */
    static GroupJob of(final Job.Report report) {
        return of(report, null);
    }

    private static GroupJob of(final Job.Report report, final Job job) {
        return switch (report.kind()) {
            case SYNCHRONISATION -> new GroupJob(SYNCHRONISATION, "mirror", report, job);
            case VERIFICATION -> new GroupJob(VERIFICATION, VERIFICATION_TYPE, report, job);
            case MERGE -> new GroupJob(MERGE, "commit", report, job);
        };
    }

    /** That of a secondary which has failed over. */
    static GroupJob merge(final GroupStatus status, final String error) {
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

    @Override
    public JsonObject jobInfo() {
        final JsonObject info = new JsonObject();
        info.addProperty("id", id);
        info.addProperty("type", type);
        info.addProperty("status", status());
        info.addProperty("current-progress", report.done());
        info.addProperty("total-progress", report.total());
        return info;
    }

    @Override
    public JsonObject blockJobInfo() {
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

    // ---- By hand.

    private QmpException refusal(final String verb) {
        return ManagedJob.refusal(id, status(), verb);
    }

    private Job require(final String verb) {
        if (job == null) {
            throw refusal(verb);
        }
        return job;
    }

    @Override
    public void pause() {
        if (require("pause").report().isPaused()) {
            throw QmpException.generic("Job is already paused");
        }
        job.pause();
    }

    @Override
    public void resume() {
        if (!require("resume").report().isPaused()) {
            throw QmpException.generic("Can't resume a job that was not paused");
        }
        job.resume();
    }

    @Override
    public void cancel(final boolean isForced) {
        if (require("cancel").report().isPaused() && !isForced) {
            throw QmpException.generic("The block job for device '" + id + "' is currently paused");
        }
        job.cancel();
    }

    @Override
    public void speed(final long bytes) {
        require("set-speed").speed(bytes);
    }

    @Override
    public void complete() {
        throw refusal("complete");
    }

    @Override
    public void finish() {
        throw refusal("finalize");
    }

    @Override
    public void dismiss() {
        throw refusal("dismiss");
    }
}

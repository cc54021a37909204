package io.lockstep.cli.control;

import com.google.gson.JsonObject;

import io.lockstep.engine.service.EngineMirror;

import java.util.Locale;
import java.util.function.BiConsumer;
import java.util.function.Consumer;

/**
 * A mirror as QEMU's managers see it: a job, with its states and events in QEMU's order. On the
 * engine's loop. Source: QEMU's {@code qapi/job.json}, {@code qapi/block-core.json}, {@code job.c},
 * and what 7.2 was seen to tell.
 */
final class MirrorJob implements ManagedJob, EngineMirror.Owner {
    /** What it is told to be, in QEMU's words. */
    private static final String TYPE = "mirror";

    private static final String CANCELLED = "Operation canceled";

    /** Where it stands. */
    private enum Status {
        UNDEFINED,
        CREATED,
        RUNNING,
        PAUSED,
        READY,
        STANDBY,
        WAITING,
        PENDING,
        ABORTING,
        CONCLUDED,
        NULL;

        String word() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    private final String id;
    private final boolean isFinalizedByItself;
    private final boolean isDismissedByItself;
    private final long speed;
    private final boolean goesOnUnread;
    private final BiConsumer<String, JsonObject> events;

    /** Nothing of the graph is used by it any more. */
    private final Runnable whenEnded;

    /** It can be found, by its name. */
    private final Consumer<MirrorJob> whenBegun;

    /** It is dismissed. */
    private final Runnable whenGone;

    private EngineMirror mirror;
    private Status status = Status.UNDEFINED;
    private boolean isEnding;
    private String error = "";

    /** How far it is when it has ended, in bytes. */
    private long doneAtEnd;

    /**
     * What was said of one.
     *
     * @param id its name
     * @param isFinalizedByItself whether it ends without being told to
     * @param isDismissedByItself whether nobody has to look at it when it has ended
     * @param speed in bytes a second; 0 for as fast as it can
     * @param goesOnUnread whether what can't be read is tried again and again, and does not end it
     */
    record Wish(
            String id,
            boolean isFinalizedByItself,
            boolean isDismissedByItself,
            long speed,
            boolean goesOnUnread) {}

    /**
     * One that has not begun.
     *
     * @param events takes events, by their names
     */
    MirrorJob(
            final Wish wish,
            final BiConsumer<String, JsonObject> events,
            final Runnable whenEnded,
            final Consumer<MirrorJob> whenBegun,
            final Runnable whenGone) {
        id = wish.id();
        isFinalizedByItself = wish.isFinalizedByItself();
        isDismissedByItself = wish.isDismissedByItself();
        speed = wish.speed();
        goesOnUnread = wish.goesOnUnread();
        this.events = events;
        this.whenEnded = whenEnded;
        this.whenBegun = whenBegun;
        this.whenGone = whenGone;
    }

    @Override
    public String id() {
        return id;
    }

    @Override
    public void onBegun(final EngineMirror begun) {
        mirror = begun;
        whenBegun.accept(this);
        change(Status.CREATED);
        change(Status.RUNNING);
        mirror.speed(speed);
    }

    // ---- Events.

    private void change(final Status now) {
        status = now;
        final JsonObject data = new JsonObject();
        data.addProperty("status", now.word());
        data.addProperty("id", id);
        events.accept("JOB_STATUS_CHANGE", data);
    }

    private void tell(final String event, final String reason) {
        final JsonObject data = progress();
        if (!reason.isEmpty()) {
            data.addProperty("error", reason);
        }
        events.accept(event, data);
    }

    private JsonObject progress() {
        final JsonObject data = new JsonObject();
        data.addProperty("type", TYPE);
        data.addProperty("device", id);
        data.addProperty("len", mirror.length());
        data.addProperty("offset", done());
        data.addProperty("speed", mirror.speed());
        return data;
    }

    private long done() {
        return hasEnded() ? doneAtEnd : Math.max(0, mirror.length() - mirror.left());
    }

    private boolean hasEnded() {
        return switch (status) {
            case WAITING, PENDING, ABORTING, CONCLUDED, NULL -> true;
            default -> false;
        };
    }

    // ---- Of the mirror.

    @Override
    public void onReady() {
        if (status == Status.PAUSED) {
            status = Status.STANDBY;
        }
        change(Status.READY);
        tell("BLOCK_JOB_READY", "");
    }

    @Override
    public void onCompleted() {
        doneAtEnd = mirror.length();
        whenEnded.run();
        change(Status.WAITING);
        change(Status.PENDING);
        if (isFinalizedByItself) {
            complete("");
        } else {
            final JsonObject data = new JsonObject();
            data.addProperty("type", TYPE);
            data.addProperty("id", id);
            events.accept("BLOCK_JOB_PENDING", data);
        }
    }

    @Override
    public boolean mayGoOn(final String reason) {
        if (goesOnUnread) {
            tellError(true, "ignore");
        }
        return goesOnUnread;
    }

    private void tellError(final boolean isOfSource, final String action) {
        final JsonObject data = new JsonObject();
        data.addProperty("device", id);
        data.addProperty("operation", isOfSource ? "read" : "write");
        data.addProperty("action", action);
        events.accept("BLOCK_JOB_ERROR", data);
    }

    @Override
    public void onFailed(final boolean isOfSource, final String reason) {
        tellError(isOfSource, "report");
        doneAtEnd = Math.max(0, mirror.length() - mirror.left());
        whenEnded.run();
        change(Status.ABORTING);
        complete(reason);
    }

    private void complete(final String reason) {
        error = reason;
        tell("BLOCK_JOB_COMPLETED", reason);
        conclude();
    }

    private void conclude() {
        change(Status.CONCLUDED);
        if (isDismissedByItself) {
            gone();
        }
    }

    private void gone() {
        change(Status.NULL);
        whenGone.run();
    }

    // ---- By hand.

    private void require(final String verb, final Status... allowed) {
        for (final Status one : allowed) {
            if (status == one) {
                return;
            }
        }
        throw ManagedJob.refusal(id, status.word(), verb);
    }

    private void requireUnderWay(final String verb) {
        require(verb, Status.CREATED, Status.RUNNING, Status.PAUSED, Status.READY, Status.STANDBY);
    }

    /** Ends it: with the target equal where it was so before, unless it must be at once. */
    @Override
    public void cancel(final boolean isForced) {
        require(
                "cancel",
                Status.CREATED,
                Status.RUNNING,
                Status.PAUSED,
                Status.READY,
                Status.STANDBY,
                Status.WAITING,
                Status.PENDING);
        if (status == Status.PENDING) {
            abort();
        } else if (!isForced && (status == Status.READY || status == Status.STANDBY)) {
            if (!isEnding) {
                isEnding = true;
                mirror.complete();
            }
        } else if (status != Status.WAITING) {
            mirror.cancel(this::abort);
        }
    }

    private void abort() {
        if (status == Status.PENDING || !hasEnded()) {
            if (status != Status.PENDING) {
                doneAtEnd = Math.max(0, mirror.length() - mirror.left());
                whenEnded.run();
            }
            change(Status.ABORTING);
            error = CANCELLED;
            tell("BLOCK_JOB_CANCELLED", "");
            conclude();
        }
    }

    /** QEMU's guest goes on with the target then; here it can't. */
    @Override
    public void complete() {
        require("complete", Status.READY);
        throw QmpException.generic(
                "The active block job '"
                        + id
                        + "' cannot be completed: the guest's disk is on this host, and can't be"
                        + " changed for the target; end the job with block-job-cancel, which leaves"
                        + " the target equal");
    }

    /** Nothing is sent but what the guest changes. */
    @Override
    public void pause() {
        requireUnderWay("pause");
        if (mirror.isPaused()) {
            throw QmpException.generic("Job is already paused");
        }
        mirror.paused(true);
        change(status == Status.READY ? Status.STANDBY : Status.PAUSED);
    }

    /** It goes on. */
    @Override
    public void resume() {
        requireUnderWay("resume");
        if (!mirror.isPaused()) {
            throw QmpException.generic("Can't resume a job that was not paused");
        }
        mirror.paused(false);
        change(status == Status.STANDBY ? Status.READY : Status.RUNNING);
    }

    /** Sets how fast it is at most, in bytes a second; 0 for as fast as it can. */
    @Override
    public void speed(final long bytes) {
        requireUnderWay("set-speed");
        mirror.speed(bytes);
    }

    /** Ends it where it waits to be told so. */
    @Override
    public void finish() {
        require("finalize", Status.PENDING);
        complete("");
    }

    /** Nobody wants to look at it any more. */
    @Override
    public void dismiss() {
        require("dismiss", Status.CONCLUDED);
        gone();
    }

    // ---- What there is to know.

    /** As {@code query-block-jobs} tells. */
    @Override
    public JsonObject blockJobInfo() {
        final JsonObject info = progress();
        info.addProperty("busy", status == Status.RUNNING);
        info.addProperty("paused", mirror.isPaused());
        info.addProperty("ready", status == Status.READY || status == Status.STANDBY);
        info.addProperty("status", status.word());
        info.addProperty("io-status", "ok");
        info.addProperty("auto-finalize", isFinalizedByItself);
        info.addProperty("auto-dismiss", isDismissedByItself);
        if (!error.isEmpty()) {
            info.addProperty("error", error);
        }
        return info;
    }

    /** As {@code query-jobs} tells. */
    @Override
    public JsonObject jobInfo() {
        final JsonObject info = new JsonObject();
        info.addProperty("id", id);
        info.addProperty("type", TYPE);
        info.addProperty("status", status.word());
        info.addProperty("current-progress", done());
        info.addProperty("total-progress", mirror.length());
        if (!error.isEmpty()) {
            info.addProperty("error", error);
        }
        return info;
    }
}

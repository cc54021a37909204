package io.lockstep.cli.control;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.engine.group.Job;
import io.lockstep.engine.loop.IoLoop;

import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * The commands on jobs, in QEMU's words. They are run on the control server's loop, and do their
 * work on the group's. Source: QEMU's {@code qapi/job.json}, {@code qapi/block-core.json}, {@code
 * job-qmp.c}, {@code blockdev.c}.
 */
final class JobCommands {
    private static final String DEVICE = "device";

    /** A job that is there is paused, resumed, and so on; ours dismiss themselves. */
    private static final String DISMISS = "dismiss";

    private final IoLoop groupLoop;
    private final Jobs jobs;

    private JobCommands(final IoLoop groupLoop, final Jobs jobs) {
        this.groupLoop = groupLoop;
        this.jobs = jobs;
    }

    /** Adds them to a server. */
    static void addTo(final QmpServer server, final IoLoop groupLoop, final Jobs jobs) {
        final JobCommands commands = new JobCommands(groupLoop, jobs);
        commands.addTo(server);
    }

    private void addTo(final QmpServer server) {
        addQuery(server, "query-jobs", ManagedJob::jobInfo);
        addQuery(server, "query-block-jobs", ManagedJob::blockJobInfo);
        server.add("job-pause", arguments -> onJob(arguments, "pause", JobCommands::pause));
        server.add("job-resume", arguments -> onJob(arguments, "resume", JobCommands::resume));
        server.add("job-cancel", arguments -> onJob(arguments, "cancel", Job::cancel));
        server.add("job-dismiss", arguments -> onJob(arguments, DISMISS, job -> {}));
        server.add(
                "block-job-pause", arguments -> onBlockJob(arguments, "pause", JobCommands::pause));
        server.add(
                "block-job-resume",
                arguments -> onBlockJob(arguments, "resume", JobCommands::resume));
        server.add("block-job-cancel", this::cancelBlockJob);
        server.add("block-job-set-speed", this::setSpeed);
    }

    private void addQuery(
            final QmpServer server,
            final String name,
            final Function<ManagedJob, JsonObject> report) {
        server.add(
                name,
                arguments -> {
                    arguments.end();
                    return onGroup(
                            () -> {
                                final JsonArray told = new JsonArray();
                                jobs.all().forEach(job -> told.add(report.apply(job)));
                                return told;
                            });
                });
    }

    private CompletableFuture<JsonElement> cancelBlockJob(final QmpArguments arguments) {
        final boolean isForced = arguments.optionalBoolean("force").orElse(false);
        return onBlockJob(
                arguments,
                "cancel",
                job -> {
                    if (job.report().isPaused() && !isForced) {
                        throw QmpException.generic(
                                "The block job for device '"
                                        + ManagedJob.of(job).id()
                                        + "' is currently paused");
                    }
                    job.cancel();
                });
    }

    private CompletableFuture<JsonElement> setSpeed(final QmpArguments arguments) {
        final long speed = arguments.requireInteger("speed");
        return onBlockJob(
                arguments,
                "set-speed",
                job -> {
                    if (speed < 0) {
                        throw QmpException.generic(
                                "Parameter 'speed' expects a non-negative value");
                    }
                    job.speed(speed);
                });
    }

    private static void pause(final Job job) {
        if (job.report().isPaused()) {
            throw QmpException.generic("Job is already paused");
        }
        job.pause();
    }

    private static void resume(final Job job) {
        if (!job.report().isPaused()) {
            throw QmpException.generic("Can't resume a job that was not paused");
        }
        job.resume();
    }

    private CompletableFuture<JsonElement> onJob(
            final QmpArguments arguments, final String verb, final Consumer<Job> action) {
        final String id = arguments.requireString("id");
        arguments.end();
        return apply(id, verb, action, QmpException.generic("Job not found"));
    }

    private CompletableFuture<JsonElement> onBlockJob(
            final QmpArguments arguments, final String verb, final Consumer<Job> action) {
        final String device = arguments.requireString(DEVICE);
        arguments.end();
        return apply(
                device,
                verb,
                action,
                new QmpException(
                        QmpException.DEVICE_NOT_ACTIVE, "Block job '" + device + "' not found"));
    }

    private CompletableFuture<JsonElement> apply(
            final String id,
            final String verb,
            final Consumer<Job> action,
            final QmpException ifMissing) {
        return onGroup(
                () -> {
                    final ManagedJob job = jobs.find(id).orElseThrow(() -> ifMissing);
                    if (job.job() == null || verb.equals(DISMISS)) {
                        throw QmpException.generic(
                                "Job '"
                                        + id
                                        + "' in state '"
                                        + job.status()
                                        + "' cannot accept command verb '"
                                        + verb
                                        + "'");
                    }
                    action.accept(job.job());
                    return new JsonObject();
                });
    }

    /** What is done on the group's loop. */
    private interface Action {
        JsonElement run();
    }

    private CompletableFuture<JsonElement> onGroup(final Action action) {
        final CompletableFuture<JsonElement> answer = new CompletableFuture<>();
        groupLoop.execute(
                () -> {
                    try {
                        answer.complete(action.run());
                    } catch (final RuntimeException | Error e) {
                        answer.completeExceptionally(e); // who answers reports it
                    }
                });
        return answer;
    }
}

package io.lockstep.cli.control;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

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

    private static final String ID = "id";
    private static final String NO_JOB = "Job not found";

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
        add(server, "job-pause", ManagedJob::pause);
        add(server, "job-resume", ManagedJob::resume);
        add(server, "job-cancel", job -> job.cancel(true));
        add(server, "job-complete", ManagedJob::complete);
        add(server, "job-finalize", ManagedJob::finish);
        add(server, "job-dismiss", ManagedJob::dismiss);
        addBlock(server, "block-job-pause", DEVICE, ManagedJob::pause);
        addBlock(server, "block-job-resume", DEVICE, ManagedJob::resume);
        addBlock(server, "block-job-complete", DEVICE, ManagedJob::complete);
        addBlock(server, "block-job-finalize", ID, ManagedJob::finish);
        addBlock(server, "block-job-dismiss", ID, ManagedJob::dismiss);
        server.add("block-job-cancel", this::cancelBlockJob);
        server.add("block-job-set-speed", this::setSpeed);
    }

    private void add(final QmpServer server, final String name, final Consumer<ManagedJob> action) {
        server.add(
                name,
                arguments -> apply(arguments, ID, action, id -> QmpException.generic(NO_JOB)));
    }

    private void addBlock(
            final QmpServer server,
            final String name,
            final String key,
            final Consumer<ManagedJob> action) {
        server.add(name, arguments -> apply(arguments, key, action, JobCommands::notFound));
    }

    private static QmpException notFound(final String id) {
        return new QmpException(QmpException.DEVICE_NOT_ACTIVE, "Block job '" + id + "' not found");
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
        return apply(arguments, DEVICE, job -> job.cancel(isForced), JobCommands::notFound);
    }

    private CompletableFuture<JsonElement> setSpeed(final QmpArguments arguments) {
        final long speed = arguments.requireInteger("speed");
        return apply(
                arguments,
                DEVICE,
                job -> {
                    if (speed < 0) {
                        throw QmpException.generic(
                                "Parameter 'speed' expects a non-negative value");
                    }
                    job.speed(speed);
                },
                JobCommands::notFound);
    }

    private CompletableFuture<JsonElement> apply(
            final QmpArguments arguments,
            final String key,
            final Consumer<ManagedJob> action,
            final Function<String, QmpException> ifMissing) {
        final String id = arguments.requireString(key);
        arguments.end();
        return onGroup(
                () -> {
                    action.accept(jobs.find(id).orElseThrow(() -> ifMissing.apply(id)));
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

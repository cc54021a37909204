package io.lockstep.cli.control;

import com.google.gson.JsonObject;

import io.lockstep.engine.group.Job;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The events by which managers follow a job from its beginning to its end, as QEMU sends them for
 * one that is finalized and dismissed by itself. On the group's loop. Source: QEMU's {@code job.c},
 * {@code qapi/job.json}.
 */
final class JobEvents {
    /** By the job's name: the last status that was told of it, while it is there. */
    private final Map<String, String> told = new HashMap<>();

    /**
     * An event.
     *
     * @param data of it
     */
    record Event(String name, JsonObject data) {}

    /** What there is to tell of a job that stands so now. */
    List<Event> of(final Job.Report report) {
        final GroupJob job = GroupJob.of(report);
        final List<Event> events = new ArrayList<>();
        if (!told.containsKey(job.id())) {
            add(events, job, "created");
        }
        switch (report.state()) {
            case CREATED, RUNNING -> add(events, job, job.status());
            case READY -> {
                final boolean wasReady = isReady(told.get(job.id()));
                add(events, job, job.status());
                if (!wasReady) {
                    events.add(new Event("BLOCK_JOB_READY", job.eventData()));
                }
            }
            case COMPLETED -> {
                add(events, job, "waiting");
                add(events, job, "pending");
                conclude(events, job, "BLOCK_JOB_COMPLETED");
            }
            case CANCELLED -> {
                add(events, job, "aborting");
                conclude(events, job, "BLOCK_JOB_CANCELLED");
            }
            case FAILED -> {
                add(events, job, "aborting");
                conclude(events, job, "BLOCK_JOB_COMPLETED"); // it bears the error
            }
        }
        return events;
    }

    private static boolean isReady(final String status) {
        return "ready".equals(status) || "standby".equals(status);
    }

    private void conclude(final List<Event> events, final GroupJob job, final String name) {
        events.add(new Event(name, job.eventData()));
        add(events, job, "concluded");
        add(events, job, "null");
        told.remove(job.id());
    }

    private void add(final List<Event> events, final GroupJob job, final String status) {
        if (!status.equals(told.put(job.id(), status))) {
            final JsonObject data = new JsonObject();
            data.addProperty("id", job.id());
            data.addProperty("status", status);
            events.add(new Event("JOB_STATUS_CHANGE", data));
        }
    }
}

package io.lockstep.cli.control;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.cli.graph.BlockGraph;
import io.lockstep.cli.graph.BlockMirrors;
import io.lockstep.engine.service.EngineMirror;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * Mirroring a disk to another host: {@code drive-mirror} and {@code blockdev-mirror}, as far as
 * they make a target equal and keep it so. What they can't do here is refused. On the graph's
 * thread. Source: QEMU's {@code qapi/block-core.json}, and what 7.2 was seen to answer.
 */
final class MirrorCommands {
    private static final String FULL = "full";
    private static final String REPORT = "report";
    private static final String IGNORE = "ignore";
    private static final long GRANULARITY_MIN = 512;
    private static final long GRANULARITY_MAX = 64 << 20;

    private final MirrorJobs jobs;
    private final BlockMirrors mirrors;

    private MirrorCommands(final MirrorJobs jobs, final BlockMirrors mirrors) {
        this.jobs = jobs;
        this.mirrors = mirrors;
    }

    /** Adds them to a server. */
    static void addTo(
            final QmpServer server,
            final BlockGraph graph,
            final GraphThread thread,
            final MirrorJobs jobs) {
        final MirrorCommands commands =
                new MirrorCommands(jobs, new BlockMirrors(graph, thread.executor()));
        thread.add(server, "drive-mirror", commands::mirrorDrive);
        thread.add(server, "blockdev-mirror", commands::mirrorNode);
    }

    private CompletableFuture<JsonElement> mirrorDrive(final QmpArguments arguments) {
        final String device = arguments.requireString("device");
        final String target = arguments.requireString("target");
        final Optional<String> format = arguments.optionalString("format");
        final String mode = arguments.optionalString("mode").orElse("absolute-paths");
        final MirrorJob.Wish wish = wish(device, arguments);
        requireUnmapped(arguments);
        arguments.end();
        if (!mode.equals("existing")) {
            throw QmpException.generic(
                    "Parameter 'mode' is '"
                            + mode
                            + "', which makes the target; here it is there already, say"
                            + " 'existing'");
        }
        if (!format.orElse("raw").equals("raw")) {
            throw QmpException.generic(
                    "Unknown driver '" + format.get() + "'; an export is mirrored to as 'raw'");
        }
        jobs.requireFree(wish.id());
        return mirrors.toTarget(device, target, whenEnded -> job(wish, whenEnded))
                .thenApply(MirrorCommands::nothing);
    }

    private CompletableFuture<JsonElement> mirrorNode(final QmpArguments arguments) {
        final String device = arguments.requireString("device");
        final String target = arguments.requireString("target");
        final MirrorJob.Wish wish = wish(device, arguments);
        arguments.end();
        jobs.requireFree(wish.id());
        return CompletableFuture.completedFuture(
                nothing(mirrors.toNode(device, target, whenEnded -> job(wish, whenEnded))));
    }

    private MirrorJob job(final MirrorJob.Wish wish, final Runnable whenEnded) {
        return jobs.make(wish, whenEnded);
    }

    private static JsonElement nothing(final EngineMirror begun) {
        return new JsonObject();
    }

    /** Takes what both have. */
    private MirrorJob.Wish wish(final String device, final QmpArguments arguments) {
        final String id =
                arguments.optionalString("job-id").orElseGet(() -> mirrors.jobName(device));
        final String sync = arguments.requireString("sync");
        final long speed = arguments.optionalInteger("speed", 0);
        requireGranularity(arguments);
        final boolean goesOnUnread =
                requireAction(arguments, "on-source-error", REPORT, IGNORE).equals(IGNORE);
        requireAction(arguments, "on-target-error", REPORT);
        // The guest never waits for the target, and yet that becomes equal: either is right.
        arguments.optionalString("copy-mode");
        final boolean isFinalized = arguments.optionalBoolean("auto-finalize").orElse(true);
        final boolean isDismissed = arguments.optionalBoolean("auto-dismiss").orElse(true);
        if (!sync.equals(FULL)) {
            throw QmpException.generic(
                    "Sync mode '"
                            + sync
                            + "' not supported; all of a disk is mirrored, say 'full'");
        }
        if (speed < 0) {
            throw QmpException.generic("Parameter 'speed' expects a non-negative value");
        }
        return new MirrorJob.Wish(id, isFinalized, isDismissed, speed, goesOnUnread);
    }

    private static void requireGranularity(final QmpArguments arguments) {
        final long granularity = arguments.optionalInteger("granularity", 0);
        arguments.optionalInteger("buf-size", 0); // it has the room that it needs
        if (granularity != 0 && (granularity < GRANULARITY_MIN || granularity > GRANULARITY_MAX)) {
            throw QmpException.generic(
                    "Parameter 'granularity' expects a value in range [512B, 64MB]");
        }
        if (Long.bitCount(granularity) > 1) {
            throw QmpException.generic("Parameter 'granularity' expects a power of 2");
        }
    }

    /** What is done at an error: one of those that can be had; the first where nothing is said. */
    private static String requireAction(
            final QmpArguments arguments, final String name, final String... known) {
        final String action = arguments.optionalString(name).orElse(known[0]);
        if (!List.of(known).contains(action)) {
            throw QmpException.generic(
                    "Parameter '"
                            + name
                            + "' can't be '"
                            + action
                            + "' here; say '"
                            + String.join("' or '", known)
                            + "'");
        }
        return action;
    }

    private static void requireUnmapped(final QmpArguments arguments) {
        if (!arguments.optionalBoolean("unmap").orElse(true)) {
            throw QmpException.generic(
                    "Parameter 'unmap' can't be false here: where the disk has holes the target may"
                            + " have some, too");
        }
    }
}

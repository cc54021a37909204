package io.lockstep.cli.control;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.cli.graph.BlockGraph;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.Healing;

import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;

/**
 * The commands by which both sides take a greater length of their disks: QEMU's, which says how
 * long, and our own, which takes what the files have. Source of QEMU's: {@code
 * qapi/block-core.json}.
 */
final class ResizeCommands {
    private final ControlledGroup controlled;

    private ResizeCommands(final ControlledGroup controlled) {
        this.controlled = controlled;
    }

    /** Adds them to a server. */
    static void addTo(
            final QmpServer server,
            final ControlledGroup controlled,
            final BlockGraph graph,
            final GraphThread thread) {
        final ResizeCommands commands = new ResizeCommands(controlled);
        server.add("x-lockstep-resize", commands::resize);
        thread.add(server, "block_resize", arguments -> commands.resizeAsQemu(arguments, graph));
    }

    private CompletableFuture<JsonElement> resize(final QmpArguments arguments) {
        final Optional<String> disk = arguments.optionalString("disk");
        arguments.end();
        return take(disk, OptionalLong.empty()).thenApply(ResizeCommands::report);
    }

    private CompletableFuture<JsonElement> resizeAsQemu(
            final QmpArguments arguments, final BlockGraph graph) {
        final Optional<String> device = arguments.optionalString("device");
        final Optional<String> node = arguments.optionalString("node-name");
        final long size = arguments.requireInteger("size");
        arguments.end();
        if (size < 0) {
            throw QmpException.generic("Parameter 'size' expects a >0 size");
        }
        if (device.isPresent() == node.isPresent()) {
            throw QmpException.generic(
                    "Either 'device' or 'node-name' names the disk, and not both");
        }
        final String disk = graph.diskOf(device.or(() -> node).orElseThrow());
        return take(Optional.of(disk), OptionalLong.of(size)).thenApply(done -> new JsonObject());
    }

    /** On the group's loop. */
    private CompletableFuture<List<Healing.Taken>> take(
            final Optional<String> disk, final OptionalLong size) {
        return CompletableFuture.supplyAsync(() -> null, controlled.loop()::execute)
                .thenCompose(
                        onLoop -> {
                            final GroupStatus status = controlled.group().status();
                            if (status.mergeDone() < status.mergeTotal()) {
                                throw QmpException.generic(
                                        "nothing was resized: the merge of a failover is under way;"
                                                + " say it again when it is done");
                            }
                            return controlled.group().healing().lengthen(disk, size);
                        });
    }

    private static JsonElement report(final List<Healing.Taken> all) {
        final JsonArray report = new JsonArray();
        for (final Healing.Taken taken : all) {
            final JsonObject object = new JsonObject();
            object.addProperty("disk", taken.disk());
            object.addProperty("before", taken.before());
            object.addProperty("length", taken.length());
            report.add(object);
        }
        return report;
    }
}

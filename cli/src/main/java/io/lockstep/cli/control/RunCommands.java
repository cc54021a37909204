package io.lockstep.cli.control;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.cli.graph.BlockGraph;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;

/**
 * Stopping the guests, and having them go on. There is no machine here: what stands still is what
 * guests ask for, which waits. On the graph's thread. Source: QEMU's {@code qapi/misc.json}, {@code
 * qapi/run-state.json}, and what 7.2 was seen to tell.
 */
final class RunCommands {
    private final QmpServer server;
    private final BlockGraph graph;

    private RunCommands(final QmpServer server, final BlockGraph graph) {
        this.server = server;
        this.graph = graph;
    }

    /** Adds them to a server. */
    static void addTo(final QmpServer server, final BlockGraph graph, final GraphThread thread) {
        final RunCommands commands = new RunCommands(server, graph);
        thread.add(server, "stop", commands::stop);
        thread.add(server, "cont", commands::goOn);
        server.add("query-status", commands::query);
    }

    private CompletableFuture<JsonElement> stop(final QmpArguments arguments) throws IOException {
        arguments.end();
        final boolean isStoppedAlready = graph.areGuestsStopped();
        return graph.stopGuests().thenApply(stopped -> done("STOP", !isStoppedAlready));
    }

    private CompletableFuture<JsonElement> goOn(final QmpArguments arguments) throws IOException {
        arguments.end();
        final boolean wasStopped = graph.areGuestsStopped();
        graph.continueGuests();
        return CompletableFuture.completedFuture(done("RESUME", wasStopped));
    }

    private CompletableFuture<JsonElement> query(final QmpArguments arguments) {
        arguments.end();
        return CompletableFuture.completedFuture(status(graph.areGuestsStopped()));
    }

    private JsonElement done(final String event, final boolean isNew) {
        if (isNew) {
            server.loop().execute(() -> server.sendEvent(event, new JsonObject()));
        }
        return new JsonObject();
    }

    /** What {@code query-status} answers. */
    static JsonObject status(final boolean isStopped) {
        final JsonObject status = new JsonObject();
        status.addProperty("status", isStopped ? "paused" : "running");
        status.addProperty("singlestep", false);
        status.addProperty("running", !isStopped);
        return status;
    }
}

package io.lockstep.cli.control;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.cli.graph.BlockGraph;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * Cutting connections from which nothing comes any more, so that what waits for them fails: those
 * of block nodes that are NBD clients. On the control server's loop; nothing is waited for, neither
 * another host nor the graph's thread, so these commands may be run out of band. Source: QEMU's
 * {@code qapi/yank.json}.
 */
final class YankCommands {
    private static final String BLOCK_NODE = "block-node";

    private final BlockGraph graph;

    private YankCommands(final BlockGraph graph) {
        this.graph = graph;
    }

    /** Adds them to a server. */
    static void addTo(final QmpServer server, final BlockGraph graph) {
        final YankCommands commands = new YankCommands(graph);
        server.add("query-yank", commands::query);
        server.add("yank", commands::yank);
    }

    private CompletableFuture<JsonElement> query(final QmpArguments arguments) {
        arguments.end();
        final JsonArray instances = new JsonArray();
        for (final String name : graph.clientNames()) {
            final JsonObject instance = new JsonObject();
            instance.addProperty("type", BLOCK_NODE);
            instance.addProperty("node-name", name);
            instances.add(instance);
        }
        return CompletableFuture.completedFuture(instances);
    }

    /** All of them are there, or nothing is cut. */
    private CompletableFuture<JsonElement> yank(final QmpArguments arguments) {
        final List<String> names = new ArrayList<>();
        for (final QmpArguments instance : arguments.requireObjects("instances")) {
            final boolean isNode = instance.requireString("type").equals(BLOCK_NODE);
            final String name = isNode ? instance.requireString("node-name") : "";
            if (!graph.clientNames().contains(name)) {
                throw new QmpException(
                        QmpException.DEVICE_NOT_FOUND,
                        "Instance not found; query-yank tells which there are");
            }
            names.add(name);
        }
        arguments.end();
        return CompletableFuture.allOf(
                        names.stream().map(graph::severClient).toArray(CompletableFuture[]::new))
                .thenApply(cut -> new JsonObject());
    }
}

package io.lockstep.cli.control;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.cli.graph.GraphObjects;

import java.util.concurrent.CompletableFuture;

/**
 * QEMU's commands on objects, of which there are throttle groups: {@code object-add}, {@code
 * object-del}, {@code qom-get} and {@code qom-set}. On the graph's thread. Source: QEMU's {@code
 * qapi/qom.json}, and what 7.2 was seen to answer.
 */
final class ObjectCommands {
    private final GraphObjects objects;

    private ObjectCommands(final GraphObjects objects) {
        this.objects = objects;
    }

    /** Adds them to a server. */
    static void addTo(
            final QmpServer server, final GraphObjects objects, final GraphThread thread) {
        final ObjectCommands commands = new ObjectCommands(objects);
        thread.add(server, "object-add", commands::add);
        thread.add(server, "object-del", commands::remove);
        thread.add(server, "qom-get", commands::get);
        thread.add(server, "qom-set", commands::set);
    }

    private static CompletableFuture<JsonElement> answer(final JsonElement value) {
        return CompletableFuture.completedFuture(value);
    }

    private CompletableFuture<JsonElement> add(final QmpArguments arguments) {
        objects.add(arguments.rest());
        return answer(new JsonObject());
    }

    private CompletableFuture<JsonElement> remove(final QmpArguments arguments) {
        final String id = arguments.requireString("id");
        arguments.end();
        objects.remove(id);
        return answer(new JsonObject());
    }

    private CompletableFuture<JsonElement> get(final QmpArguments arguments) {
        final String path = requirePath(arguments);
        final String property = arguments.requireString("property");
        arguments.end();
        requireThere(path);
        return answer(objects.get(path, property));
    }

    private CompletableFuture<JsonElement> set(final QmpArguments arguments) {
        final String path = requirePath(arguments);
        final String property = arguments.requireString("property");
        final JsonElement value = arguments.requireAny("value");
        arguments.end();
        requireThere(path);
        objects.set(path, property, value);
        return answer(new JsonObject());
    }

    private static String requirePath(final QmpArguments arguments) {
        return arguments.requireString("path");
    }

    private void requireThere(final String path) {
        if (!objects.isAt(path)) {
            throw new QmpException(
                    QmpException.DEVICE_NOT_FOUND,
                    "Device '" + path + "' not found; there are throttle groups, at /objects/ID");
        }
    }
}

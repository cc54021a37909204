package io.lockstep.cli.control;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;

import io.lockstep.cli.graph.AddressReader;
import io.lockstep.cli.graph.BlockExports;
import io.lockstep.cli.graph.BlockGraph;
import io.lockstep.cli.graph.GraphException;
import io.lockstep.engine.loop.Endpoint;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/**
 * QEMU's commands on block nodes and their exports. All on the graph's thread, one after the other:
 * a disk that is closed is flushed, and the control server's loop waits for none of that. What must
 * wait for another host is answered later. Source: QEMU's {@code qapi/block-core.json}, {@code
 * qapi/block-export.json}, and what 7.2 was seen to answer.
 */
final class GraphCommands {
    private final QmpServer server;
    private final BlockGraph graph;
    private final BlockExports exports;
    private final Executor thread;
    private final HumanCommands human;

    private GraphCommands(
            final QmpServer server,
            final BlockGraph graph,
            final BlockExports exports,
            final Executor thread) {
        this.server = server;
        this.graph = graph;
        this.exports = exports;
        this.thread = thread;
        human = new HumanCommands(graph, thread);
    }

    /**
     * Adds them to a server.
     *
     * @param thread the one that has the graph; runs what it is given in order
     */
    static void addTo(
            final QmpServer server,
            final BlockGraph graph,
            final BlockExports exports,
            final Executor thread) {
        new GraphCommands(server, graph, exports, thread).add();
    }

    private void add() {
        graph.badChildListener(new BadChildEvents(server));
        add("blockdev-add", this::addNode);
        add("blockdev-del", this::removeNode);
        add("human-monitor-command", this::execute);
        add("x-blockdev-change", this::change);
        add("nbd-server-start", this::startServer);
        add("nbd-server-stop", this::stopServer);
        add("nbd-server-add", this::addDevice);
        add("nbd-server-remove", arguments -> removeExport(arguments, "name"));
        add("block-export-add", this::addExport);
        add("block-export-del", arguments -> removeExport(arguments, "id"));
        add("query-named-block-nodes", this::queryNodes);
        add("query-block", arguments -> query(arguments, graph::reportDevices));
        add("query-blockstats", this::queryStats);
        add("query-block-exports", arguments -> query(arguments, exports::report));
    }

    private void add(final String name, final GraphThread.Command command) {
        new GraphThread(thread).add(server, name, command);
    }

    private static CompletableFuture<JsonElement> done() {
        return CompletableFuture.completedFuture(new JsonObject());
    }

    private interface Report {
        JsonElement get();
    }

    private static CompletableFuture<JsonElement> query(
            final QmpArguments arguments, final Report report) {
        arguments.end();
        return CompletableFuture.completedFuture(report.get());
    }

    // ---- Nodes.

    private CompletableFuture<JsonElement> addNode(final QmpArguments arguments) {
        return graph.addBlockdev(arguments.rest(), thread).thenApply(added -> new JsonObject());
    }

    private CompletableFuture<JsonElement> removeNode(final QmpArguments arguments) {
        final String name = arguments.requireString("node-name");
        arguments.end();
        graph.removeNode(name);
        return done();
    }

    private CompletableFuture<JsonElement> change(final QmpArguments arguments) throws IOException {
        final String parent = arguments.requireString("parent");
        final Optional<String> child = arguments.optionalString("child");
        final Optional<String> node = arguments.optionalString("node");
        arguments.end();
        graph.require(parent);
        if (child.isPresent() && node.isPresent()) {
            throw new GraphException("The parameters child and node are in conflict");
        }
        if (child.isPresent()) {
            return graph.removeChild(parent, child.get()).thenApply(removed -> new JsonObject());
        }
        if (node.isEmpty()) {
            throw new GraphException("Either child or node must be specified");
        }
        graph.addChild(parent, node.get());
        return done();
    }

    private CompletableFuture<JsonElement> execute(final QmpArguments arguments) {
        final String line = arguments.requireString("command-line");
        arguments.optionalInteger("cpu-index", 0);
        arguments.end();
        return human.execute(line).thenApply(JsonPrimitive::new);
    }

    private CompletableFuture<JsonElement> queryNodes(final QmpArguments arguments) {
        final boolean isFlat = arguments.optionalBoolean("flat").orElse(false);
        return query(arguments, () -> graph.reportNodes(isFlat));
    }

    private CompletableFuture<JsonElement> queryStats(final QmpArguments arguments)
            throws IOException {
        final boolean areNodes = arguments.optionalBoolean("query-nodes").orElse(false);
        arguments.end();
        return CompletableFuture.completedFuture(graph.reportStats(areNodes));
    }

    // ---- The NBD server and its exports.

    private CompletableFuture<JsonElement> startServer(final QmpArguments arguments)
            throws IOException {
        final List<Endpoint> candidates =
                AddressReader.listen(arguments.requireObject("addr").rest());
        final long connectionsMax = arguments.optionalInteger("max-connections", 0);
        arguments.end();
        listenAtOne(candidates, (int) Math.min(connectionsMax, Integer.MAX_VALUE));
        return done();
    }

    /** Listens at the first of several ports that can be had. */
    private void listenAtOne(final List<Endpoint> candidates, final int connectionsMax)
            throws IOException {
        IOException refused = null;
        for (final Endpoint candidate : candidates) {
            try {
                exports.start(List.of(candidate), connectionsMax);
                return;
            } catch (final IOException e) {
                refused = e;
            }
        }
        throw refused;
    }

    private CompletableFuture<JsonElement> stopServer(final QmpArguments arguments)
            throws IOException {
        arguments.end();
        exports.stop().forEach(this::tellDeleted);
        return done();
    }

    private void tellDeleted(final String id) {
        final JsonObject data = new JsonObject();
        data.addProperty("id", id);
        server.loop().execute(() -> server.sendEvent("BLOCK_EXPORT_DELETED", data));
    }

    private CompletableFuture<JsonElement> addDevice(final QmpArguments arguments)
            throws IOException {
        final String device = arguments.requireString("device");
        final String name = arguments.optionalString("name").orElse(device);
        final Optional<String> description = arguments.optionalString("description");
        final boolean isWritable = arguments.optionalBoolean("writable").orElse(false);
        arguments.end();
        // As in QEMU, where what is read-only is exported so, whatever this command asks for, and
        // a device that is not there is told before what is wrong with the export's name.
        final boolean isReadOnly = graph.isReadOnly(device);
        exports.add(name, name, description.orElse(null), isWritable && !isReadOnly, false, device);
        return done();
    }

    private CompletableFuture<JsonElement> addExport(final QmpArguments arguments)
            throws IOException {
        arguments.requireString("type"); // nbd: there is no other
        final String id = arguments.requireString("id");
        final String node = arguments.requireString("node-name");
        final String name = arguments.optionalString("name").orElse(node);
        final Optional<String> description = arguments.optionalString("description");
        final boolean isWritable = arguments.optionalBoolean("writable").orElse(false);
        final boolean isWrittenThrough = arguments.optionalBoolean("writethrough").orElse(false);
        final Optional<String> thread = arguments.optionalString("iothread");
        arguments.optionalBoolean("fixed-iothread"); // exports stay where they are
        arguments.end();
        if (thread.isPresent()) {
            throw new GraphException(
                    "iothread \""
                            + thread.get()
                            + "\" not found; one loop serves all exports here, leave it out");
        }
        exports.add(id, name, description.orElse(null), isWritable, isWrittenThrough, node);
        return done();
    }

    private CompletableFuture<JsonElement> removeExport(
            final QmpArguments arguments, final String key) throws IOException {
        final String id = arguments.requireString(key);
        final String mode = arguments.optionalString("mode").orElse("safe");
        arguments.end();
        exports.remove(id, mode.equals("hard"));
        tellDeleted(id);
        return done();
    }
}

package io.lockstep.cli.graph;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.service.Engine;
import io.lockstep.engine.service.ExportRequest;
import io.lockstep.engine.service.ExportServer;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * The NBD server that a manager starts and stops, and the nodes that it exports. Used by one thread
 * at a time, the graph's. Source: QEMU's {@code qapi/block-export.json}.
 */
public final class BlockExports {
    private final Engine engine;
    private final BlockGraph graph;
    private final ExportServer server;
    private final SequencedMap<String, Exported> exports = new LinkedHashMap<>();

    /** An export that is there: by its id, which is not always its name. */
    record Exported(String id, String name, PlacedNode node) {}

    /** Stopped. */
    public BlockExports(final BlockGraph graph) {
        this.graph = graph;
        engine = graph.engine();
        server = engine.nbdServer();
    }

    /** Starts the server; 0 connections for as many as the engine takes. */
    public void start(final List<Endpoint> endpoints, final int connectionsMax) throws IOException {
        if (server.isRunning()) {
            throw new GraphException("NBD server already running");
        }
        server.start(connectionsMax == 0 ? engine.options().connectionsMax() : connectionsMax);
        listen(endpoints);
    }

    /** Has the server listen; one that can't is stopped. */
    public void listen(final List<Endpoint> endpoints) throws IOException {
        boolean listening = false;
        try {
            for (final Endpoint endpoint : endpoints) {
                server.listen(endpoint);
            }
            listening = true;
        } finally {
            if (!listening) {
                server.stop();
            }
        }
    }

    /** Stops the server, cuts its clients, and forgets its exports; answers their ids. */
    public List<String> stop() throws IOException {
        requireRunning();
        server.stop();
        final List<String> ids = List.copyOf(exports.keySet());
        exports.values().forEach(export -> export.node().exported(-1));
        exports.clear();
        return ids;
    }

    private void requireRunning() {
        if (!server.isRunning()) {
            throw new GraphException("NBD server not running");
        }
    }

    /**
     * Exports a node, as a manager asks for it.
     *
     * @param id by which it is removed; an identifier
     * @param name for clients
     * @param description for clients
     * @param isWrittenThrough whether each change is on stable storage before it is answered
     */
    public void add(
            final String id,
            final String name,
            final String description,
            final boolean isWritable,
            final boolean isWrittenThrough,
            final String nodeName)
            throws IOException {
        requireRunning();
        Identifier.requireExportId(id);
        add(id, name, description, isWritable, isWrittenThrough, graph.find(nodeName));
    }

    /** Exports a disk to be written, under its own name, whatever that is. */
    public void addDisk(final String name, final String description) throws IOException {
        add(name, name, description, true, false, graph.find(name));
    }

    private void add(
            final String id,
            final String name,
            final String description,
            final boolean isWritable,
            final boolean isWrittenThrough,
            final PlacedNode node)
            throws IOException {
        if (exports.containsKey(id)) {
            throw new GraphException("Block export id '" + id + "' is already in use");
        }
        if (exports.values().stream().anyMatch(export -> export.name().equals(name))) {
            throw new GraphException("NBD server already has export named '" + name + "'");
        }
        if (isWritable && node.isReadOnly()) {
            throw new GraphException("Block node is read-only");
        }
        final ExportRequest request =
                new ExportRequest(
                        name,
                        description == null ? "block node" : description,
                        !isWritable,
                        node.writePolicy(isWrittenThrough),
                        node.counters());
        switch (node.node()) {
            case BlockNode.FileNode file -> {
                requireNoParent(node);
                engine.exportRaw(server, request, node.disk());
            }
            case BlockNode.Raw raw -> exportDisk(request, node);
            case BlockNode.Throttle throttle -> exportDisk(request, node);
            case BlockNode.Quorum quorum -> engine.exportGuest(server, request, node.view());
            case BlockNode.SecondaryReplication secondary ->
                    engine.exportGuest(server, request, node.view());
            default -> throw notExported(node);
        }
        node.exported(1);
        exports.put(id, new Exported(id, name, node));
    }

    /** A raw node or a throttle, whatever lies below it. */
    private void exportDisk(final ExportRequest request, final PlacedNode node) throws IOException {
        switch (node.ground()) {
            case FILE -> {
                if (node.parent() != null && !(node.parent().node() instanceof BlockNode.Extents)) {
                    requireNoParent(node);
                }
                engine.exportRaw(server, request, node.disk());
            }
            case GUEST -> engine.exportGuest(server, request, node.view());
            default -> throw notExported(node);
        }
    }

    private static GraphException notExported(final PlacedNode node) {
        return new GraphException(
                "node '"
                        + node.name()
                        + "' can't be exported; a file, a raw node, a quorum, a replication node"
                        + " with mode=secondary, and a throttle over one of these can");
    }

    private static void requireNoParent(final PlacedNode node) {
        if (node.parent() != null) {
            throw new GraphException(
                    "node '"
                            + node.name()
                            + "' is a part of '"
                            + node.parent().name()
                            + "'; export that");
        }
    }

    /**
     * Removes an export.
     *
     * @param isHard cuts its clients; otherwise it is refused while there are any
     */
    public void remove(final String id, final boolean isHard) throws IOException {
        final Exported export = exports.get(id);
        if (export == null) {
            throw new GraphException("Export '" + id + "' is not found");
        }
        if (!isHard && server.clientsOf(export.name()) > 0) {
            throw new GraphException(
                    "export '" + id + "' still in use; wait for its clients, or say mode=hard");
        }
        server.remove(export.name());
        export.node().exported(-1);
        exports.remove(id);
    }

    /** What {@code query-block-exports} answers: the latest first. */
    public JsonArray report() {
        final JsonArray report = new JsonArray();
        for (final Exported export : exports.sequencedValues().reversed()) {
            final JsonObject object = new JsonObject();
            object.addProperty("id", export.id());
            object.addProperty("type", "nbd");
            object.addProperty("node-name", export.node().nodeName());
            object.addProperty("shutting-down", false);
            report.add(object);
        }
        return report;
    }
}

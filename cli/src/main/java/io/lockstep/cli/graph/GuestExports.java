package io.lockstep.cli.graph;

import io.lockstep.engine.service.Engine;
import io.lockstep.engine.service.EngineDisk;
import io.lockstep.engine.service.ExportRequest;

import java.io.IOException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What guests use: the nodes on top, exported under their names. On the graph's thread. */
final class GuestExports {
    private final Engine engine;
    private final Map<String, PlacedNode> exports = new LinkedHashMap<>();

    GuestExports(final Engine engine) {
        this.engine = engine;
    }

    /** Exports those that are on top among these nodes, and nothing else. */
    void refresh(final List<PlacedNode> nodes) throws IOException {
        for (final PlacedNode node : List.copyOf(exports.values())) {
            if (!node.isTop()) {
                remove(node);
            }
        }
        for (final PlacedNode node : nodes) {
            if (node.isTop() && !exports.containsValue(node)) {
                final EngineDisk disk = node.disk();
                // A node without a name of its own is that disk's.
                final boolean isNamed = node.name().indexOf('#') != 0;
                final String name = isNamed ? node.name() : disk.name();
                engine.exportGuest(
                        engine.guests(),
                        new ExportRequest(
                                name,
                                "guest's disk",
                                node.isReadOnly(),
                                node.writePolicy(false),
                                node.counters()),
                        node.view());
                exports.put(name, node);
            }
        }
    }

    /** Exports a node no more; harmless where it is not. */
    void remove(final PlacedNode node) throws IOException {
        for (final Map.Entry<String, PlacedNode> export : List.copyOf(exports.entrySet())) {
            if (export.getValue() == node) {
                engine.guests().remove(export.getKey());
                exports.remove(export.getKey());
            }
        }
    }

    /** By which guests find them. */
    List<String> names() {
        return List.copyOf(exports.keySet());
    }
}

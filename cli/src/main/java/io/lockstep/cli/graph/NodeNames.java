package io.lockstep.cli.graph;

import io.lockstep.cli.graph.BlockNode.Definition;

import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The nodes of a graph by their names: as devices and as nodes, which are one name space. On the
 * graph's thread. Errors are in QEMU's words.
 */
final class NodeNames {
    private final Map<String, PlacedNode> byName = new LinkedHashMap<>();
    private final List<PlacedNode> nodes = new ArrayList<>();
    private int anonymousCount;

    /** All nodes, in the order in which they came. */
    List<PlacedNode> nodes() {
        return Collections.unmodifiableList(nodes);
    }

    /** What a node is called that was given no name: as in QEMU nobody can give such a one. */
    String nameFor(final Definition definition) {
        return definition.nodeName().isEmpty()
                ? String.format("#block%03d", ++anonymousCount)
                : definition.nodeName();
    }

    /**
     * Both of a definition's names must be free.
     *
     * @throws GraphException where one is not
     */
    void requireFree(final Definition definition) {
        for (final String name : List.of(definition.id(), definition.nodeName())) {
            final PlacedNode present = name.isEmpty() ? null : byName.get(name);
            if (present == null) {
                continue;
            }
            if (name.equals(definition.id())) {
                throw new GraphException("Duplicate ID '" + name + "' for drive");
            }
            throw new GraphException(
                    name.equals(present.id())
                            ? "node-name=" + name + " is conflicting with a device id"
                            : "Duplicate nodes with node-name='" + name + "'");
        }
    }

    void add(final PlacedNode node) {
        nodes.add(node);
        byName.put(node.nodeName(), node);
        if (!node.id().isEmpty()) {
            byName.put(node.id(), node);
        }
    }

    /** Answers whether it was there. */
    boolean remove(final PlacedNode node) {
        byName.values().removeIf(other -> other == node);
        return nodes.remove(node);
    }

    /** The node of that name; null where there is none. */
    PlacedNode get(final String name) {
        return byName.get(name);
    }

    /**
     * The node of that name.
     *
     * @throws GraphException where there is none
     */
    PlacedNode find(final String name) {
        final PlacedNode node = byName.get(name);
        if (node == null) {
            throw new GraphException(
                    "Cannot find device='" + name + "' nor node-name='" + name + "'");
        }
        return node;
    }
}

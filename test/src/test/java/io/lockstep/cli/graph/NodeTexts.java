package io.lockstep.cli.graph;

import java.util.function.Function;

/** Reads block nodes for tests that are no part of the package. Stateless. */
public final class NodeTexts {
    private NodeTexts() {}

    /** What a drive's options come to: the node, or why there is none. */
    public static String drive(final String text) {
        return read(NodeReader::drive, text);
    }

    /** What a node's options come to, in dotted keys. */
    public static String keys(final String text) {
        return read(NodeReader::blockdev, text);
    }

    /** What a node's options come to, in JSON. */
    public static String json(final String text) {
        return read(json -> NodeReader.blockdev(JsonText.object(json)), text);
    }

    private static String read(
            final Function<String, BlockNode.Definition> reader, final String text) {
        try {
            return reader.apply(text).toString();
        } catch (final GraphException e) {
            return e.getMessage();
        }
    }
}

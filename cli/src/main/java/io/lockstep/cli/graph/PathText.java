package io.lockstep.cli.graph;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** Reads the paths that nodes and addresses are given. Stateless. */
final class PathText {
    private PathText() {}

    /**
     * A text as a path.
     *
     * @param refusal how the sentence begins where it can't be one
     * @throws GraphException then
     */
    static Path read(final String text, final String refusal) {
        if (text.indexOf('\0') >= 0) {
            throw new GraphException(refusal + ": a path can't have a NUL in it");
        }
        try {
            return Path.of(text);
        } catch (final InvalidPathException e) {
            throw new GraphException(refusal + ": it can't be a file's name here");
        }
    }
}

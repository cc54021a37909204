package io.lockstep.cli.graph;

import io.lockstep.nbd.Nbd;

import java.util.regex.Pattern;

/**
 * What devices, nodes and exports may be called. Stateless. Source: QEMU's {@code util/id.c} as a
 * description of the rule, and what 7.2 was seen to answer.
 */
final class Identifier {
    /** Of nodes; QEMU has room for no more. */
    private static final int NODE_NAME_LENGTH_MAX = 31;

    /** Of all others: it may become the name of an export, which the protocol limits. */
    private static final int LENGTH_MAX = Nbd.STRING_LENGTH_MAX;

    private static final Pattern WELL_FORMED = Pattern.compile("[A-Za-z][A-Za-z0-9._-]*");
    private static final String RULE =
            "an identifier: letters, digits, '-', '.', '_', starting with a letter, at most "
                    + LENGTH_MAX
                    + " characters";

    /** So much of a wrong one is enough to know it again. */
    private static final int SHOWN_LENGTH = 64;

    private Identifier() {}

    private static boolean isWellFormed(final String name) {
        return name.length() <= LENGTH_MAX && WELL_FORMED.matcher(name).matches();
    }

    /** A device's. */
    static void requireId(final String id) {
        if (!isWellFormed(id)) {
            throw new GraphException(
                    "Parameter 'id' expects " + RULE + "; not '" + shown(id) + "'");
        }
    }

    /** A node's. */
    static void requireNodeName(final String name) {
        if (name.length() > NODE_NAME_LENGTH_MAX) {
            throw new GraphException(
                    "Node name too long: '"
                            + shown(name)
                            + "'; at most "
                            + NODE_NAME_LENGTH_MAX
                            + " characters");
        }
        if (!isWellFormed(name)) {
            throw new GraphException("Invalid node-name: '" + name + "'");
        }
    }

    /** An export's. */
    static void requireExportId(final String id) {
        if (!isWellFormed(id)) {
            throw new GraphException(
                    "Invalid block export id: '" + shown(id) + "'; it must be " + RULE);
        }
    }

    /** A name of any length, cut to what a sentence bears. */
    static String shown(final String name) {
        return name.length() <= SHOWN_LENGTH ? name : name.substring(0, SHOWN_LENGTH) + "...";
    }
}

package io.lockstep.cli.graph;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;

import io.lockstep.cli.graph.BlockNode.Child;
import io.lockstep.cli.graph.BlockNode.Definition;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.nbd.Nbd;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads what block nodes are asked for, in each of QEMU's notations. Stateless. Source: QEMU's
 * {@code qapi/block-core.json} ({@code BlockdevOptions}), and what 7.2 was seen to answer.
 */
final class NodeReader {
    /** What is taken with every driver, for sentences. */
    private static final String COMMON = "read-only, cache, discard and detect-zeroes";

    /** The drivers that there are. */
    private static final String DRIVERS =
            "raw, file, extents, nbd, replication, quorum and throttle";

    private static final long UINT32_MAX = 0xffff_ffffL;
    private static final int SECTOR_LENGTH = 512;

    /** Nodes within each other at most. */
    static final int NESTING_MAX = DottedKeys.NESTING_MAX;

    /** How a node is written. */
    enum Notation {
        /** {@code -drive}, {@code drive_add}: dotted keys, with a device's name. */
        DRIVE,
        /** {@code --blockdev} with dotted keys. */
        KEYS,
        /** {@code --blockdev} and {@code blockdev-add} with JSON. */
        JSON
    }

    private final Notation notation;

    /** What is true of the disk of which the nodes that are read now are parts. */
    private final boolean isReadOnlyAbove;

    /** How many nodes those that are read now are within. */
    private final int depth;

    private NodeReader(final Notation notation) {
        this(notation, false, 0);
    }

    private NodeReader(final Notation notation, final boolean isReadOnlyAbove, final int depth) {
        this.notation = notation;
        this.isReadOnlyAbove = isReadOnlyAbove;
        this.depth = depth;
    }

    /**
     * Reads a drive.
     *
     * @throws GraphException where it is none that can be had
     */
    static Definition drive(final String text) {
        final JsonObject options = DottedKeys.parse(text, null);
        options.remove("if"); // there is no guest bus here
        if (options.has("format")) {
            if (options.has("driver")) {
                throw new GraphException("Cannot specify both 'driver' and 'format'");
            }
            options.add("driver", options.remove("format"));
        }
        if (options.get("file") instanceof final JsonPrimitive file) {
            final JsonObject protocol = new JsonObject();
            protocol.addProperty("driver", "file");
            protocol.add("filename", file);
            options.add("file", protocol);
        }
        return new NodeReader(Notation.DRIVE).root(options);
    }

    /** Reads a drive that is to be a node alone. */
    static Definition drivenNode(final String text) {
        final Definition definition = drive(text);
        if (definition.nodeName().isEmpty()) {
            throw new GraphException("'node-name' needs to be specified");
        }
        return new Definition("", definition.nodeName(), definition.node(), definition.access());
    }

    /** Reads the argument of {@code --blockdev}: dotted keys, or JSON that is parsed already. */
    static Definition blockdev(final String text) {
        return new NodeReader(Notation.KEYS).root(DottedKeys.parse(text, "driver"));
    }

    /** Reads the arguments of {@code blockdev-add}. */
    static Definition blockdev(final JsonObject options) {
        return new NodeReader(Notation.JSON).root(options);
    }

    private Definition root(final JsonObject object) {
        final NodeOptions options = new NodeOptions(object, "", notation != Notation.JSON);
        final Definition definition = definition(options, true);
        if (notation != Notation.DRIVE && definition.nodeName().isEmpty()) {
            throw new GraphException("'node-name' must be specified for the root node");
        }
        if (definition.name().isEmpty()) {
            throw new GraphException("Parameter 'id' is missing; give the drive a name");
        }
        return definition;
    }

    private Definition definition(final NodeOptions options, final boolean isRoot) {
        final boolean hasId = isRoot && notation == Notation.DRIVE && options.has("id");
        final String id = hasId ? options.string("id") : "";
        if (hasId) {
            Identifier.requireId(id);
        }
        final boolean hasNodeName = options.has("node-name");
        final String nodeName = hasNodeName ? options.string("node-name") : "";
        if (hasNodeName) {
            Identifier.requireNodeName(nodeName);
        }
        final boolean isDrive = isRoot && notation == Notation.DRIVE;
        final Access access = new AccessReader(options, isDrive).read(isReadOnlyAbove);
        if (isDrive) {
            AccessReader.takeAio(options); // it is of the file, wherever that is
        }
        final String name = id.isEmpty() ? nodeName : id;
        final String driver = driver(options);
        final boolean isDisk =
                driver.equals("raw") || driver.equals("quorum") || driver.equals("throttle");
        final BlockNode node =
                new NodeReader(notation, isDisk && access.isReadOnly(), depth + 1)
                        .node(options, driver, name);
        requirePossible(access, node, options, name);
        return new Definition(id, nodeName, node, access);
    }

    /** What replication writes to can't be read-only; what it forwards is for its guest to say. */
    private static void requirePossible(
            final Access access,
            final BlockNode node,
            final NodeOptions options,
            final String name) {
        final boolean isRefused =
                switch (node) {
                    case BlockNode.FileNode file -> false;
                    case BlockNode.Raw raw -> false;
                    case BlockNode.Throttle throttle -> false;
                    case BlockNode.Quorum quorum -> false;
                    case BlockNode.SecondaryReplication secondary -> access.isReadOnly();
                    default -> access.isReadOnly() || access.ignoresDiscards();
                };
        if (isRefused) {
            throw new GraphException(
                    describe(options, name)
                            + ": driver '"
                            + node.driver()
                            + "' is for replication to write to; read-only and discard=ignore are"
                            + " for disks and quorums");
        }
    }

    /** A drive without one is probed by QEMU; here what lies in a file is a raw disk. */
    private String driver(final NodeOptions options) {
        if (notation == Notation.DRIVE && !options.has("driver")) {
            if (options.has("filename")) {
                return "file";
            }
            if (options.has("file")) {
                return "raw";
            }
            throw new GraphException("Must specify either driver or file");
        }
        return options.string("driver");
    }

    private BlockNode node(final NodeOptions options, final String driver, final String name) {
        return switch (driver) {
            case "file", "host_device" -> file(options);
            case "raw" -> raw(options);
            case "extents" -> extents(options);
            case "nbd" -> nbd(options);
            case "replication" -> replication(options, name);
            case "quorum" -> quorum(options, name);
            case "throttle" -> throttle(options);
            case "qcow2" ->
                    throw new GraphException(
                            describe(options, name)
                                    + ": there is no driver 'qcow2' here; active and hidden disk"
                                    + " take driver 'extents', whose filename says where the"
                                    + " buffer lives (no image need be made)");
            default ->
                    throw new GraphException(
                            (notation == Notation.DRIVE
                                            ? "Unknown driver '" + driver + "'"
                                            : "Parameter '"
                                                    + options.pathOf("driver")
                                                    + "' does not accept value '"
                                                    + driver
                                                    + "'")
                                    + "; there are "
                                    + DRIVERS);
        };
    }

    /** A node by its name; else by its place, and the outermost has none. */
    private static String describe(final NodeOptions options, final String name) {
        if (!name.isEmpty()) {
            return "node '" + name + "'";
        }
        final String path = options.pathOf("");
        return path.isEmpty() ? "the node" : "node '" + path.substring(0, path.length() - 1) + "'";
    }

    private static BlockNode file(final NodeOptions options) {
        final String name = options.string("filename");
        AccessReader.takeAio(options);
        options.end("driver 'file'", "filename, aio and " + COMMON);
        if (name.isEmpty()) {
            throw new GraphException("The 'file' block driver requires a file name");
        }
        return new BlockNode.FileNode(path(name));
    }

    /**
     * A name as a path.
     *
     * @throws GraphException where it can't be one
     */
    static Path path(final String name) {
        return PathText.read(name, "Could not open '" + name + "'");
    }

    private BlockNode raw(final NodeOptions options) {
        final Child file = child(options, "file");
        final long offset = options.size("offset", 0);
        final long size = options.size("size", BlockNode.Raw.TO_THE_END);
        options.end("driver 'raw'", "file, offset, size and " + COMMON);
        if (size > 0 && size % SECTOR_LENGTH != 0) {
            throw new GraphException("Specified size is not multiple of " + SECTOR_LENGTH);
        }
        return new BlockNode.Raw(file, offset, size);
    }

    private BlockNode throttle(final NodeOptions options) {
        if (notation == Notation.DRIVE && !options.has("throttle-group")) {
            throw new GraphException("Please specify a throttle group");
        }
        final String group = options.string("throttle-group");
        final Child file = child(options, "file");
        options.end("driver 'throttle'", "throttle-group, file and " + COMMON);
        return new BlockNode.Throttle(group, file);
    }

    private BlockNode extents(final NodeOptions options) {
        final Child file = buffer(child(options, "file"), options);
        final Child backing = options.has("backing") ? child(options, "backing") : null;
        options.end("driver 'extents'", "file and backing");
        return new BlockNode.Extents(file, backing);
    }

    /** Its files are made with it, so nobody can have named them before. */
    private static Child buffer(final Child file, final NodeOptions options) {
        if (file instanceof Child.Inline(Definition inline)
                && inline.node() instanceof BlockNode.FileNode(Path path)
                && !inline.access().isReadOnly()) {
            return new Child.Inline(
                    new Definition("", inline.nodeName(), new BlockNode.BufferFile(path)));
        }
        throw new GraphException(
                "Parameter '"
                        + options.pathOf("file")
                        + "': driver 'extents' makes its files; say where with '"
                        + options.pathOf("file.filename")
                        + "' (driver=file), and nothing of"
                        + " read-only");
    }

    private BlockNode replication(final NodeOptions options, final String name) {
        if (!options.has("mode")) {
            throw new GraphException(
                    notation == Notation.DRIVE
                            ? "Missing the option mode"
                            : "Parameter '" + options.pathOf("mode") + "' is missing");
        }
        final String mode = options.string("mode");
        final String topId = options.string("top-id", "");
        final BlockNode.SharedDisk shared =
                new BlockNode.SharedDisk(
                        options.bool("shared-disk", false), options.string("shared-disk-id", ""));
        final Child file = child(options, "file");
        options.end("driver 'replication'", "mode, top-id, shared-disk, shared-disk-id and file");
        return switch (mode) {
            case "primary" -> {
                if (!topId.isEmpty()) {
                    throw new GraphException(
                            describe(options, name)
                                    + ": The primary side does not support option top-id");
                }
                yield new BlockNode.PrimaryReplication(shared, file);
            }
            case "secondary" -> new BlockNode.SecondaryReplication(topId, shared, file);
            default ->
                    throw new GraphException(
                            notation == Notation.DRIVE
                                    ? "The option mode's value should be primary or secondary"
                                    : "Parameter '"
                                            + options.pathOf("mode")
                                            + "' does not accept value '"
                                            + mode
                                            + "'");
        };
    }

    private BlockNode quorum(final NodeOptions options, final String name) {
        if (!options.has("children") && notation == Notation.DRIVE) {
            throw new GraphException("Number of provided children must be 1 or more");
        }
        final JsonElement given = options.child("children");
        if (given == null) {
            throw new GraphException("Parameter '" + options.pathOf("children") + "' is missing");
        }
        if (!given.isJsonArray()) {
            throw options.wrongType("children", "array");
        }
        final JsonArray array = given.getAsJsonArray();
        final List<Child> children = new ArrayList<>();
        for (int i = 0; i < array.size(); i++) {
            children.add(child(array.get(i), options, "children." + i));
        }
        final long threshold = options.integer("vote-threshold");
        final String pattern = options.string("read-pattern", "quorum");
        final boolean isVerified = options.bool("blkverify", false);
        final boolean isRewritten = options.bool("rewrite-corrupted", false);
        options.end("driver 'quorum'", "children, vote-threshold and read-pattern");
        if (children.isEmpty()) {
            throw new GraphException("Number of provided children must be 1 or more");
        }
        if (threshold > children.size()) {
            throw new GraphException("threshold may not exceed children count");
        }
        if (!pattern.equals("fifo") && !pattern.equals("quorum")) {
            throw new GraphException("Please set read-pattern as fifo or quorum");
        }
        if (threshold != 1 || !pattern.equals("fifo") || isVerified || isRewritten) {
            throw new GraphException(
                    describe(options, name)
                            + ": a quorum here takes no votes; it needs vote-threshold=1 and"
                            + " read-pattern=fifo, without blkverify and rewrite-corrupted");
        }
        return new BlockNode.Quorum(children);
    }

    // ---- The NBD client, which a drive may name in the old flat way.

    private BlockNode nbd(final NodeOptions options) {
        final boolean isFlat =
                notation == Notation.DRIVE && (options.has("host") || options.has("path"));
        final Endpoint server =
                isFlat
                        ? AddressReader.connectFlat(options)
                        : AddressReader.connect(options.object("server"));
        final String export = options.string("export", "");
        if (export.getBytes(StandardCharsets.UTF_8).length > Nbd.STRING_LENGTH_MAX) {
            throw new GraphException("export name too long to send to server");
        }
        if (export.indexOf('\0') >= 0) {
            throw new GraphException("export name has a NUL in it");
        }
        // The link is set up again for as long as replication lasts, and no guest waits for it.
        options.integer("reconnect-delay", 0, 0, UINT32_MAX);
        final long openSeconds = options.integer("open-timeout", 0, 0, UINT32_MAX);
        options.end("driver 'nbd'", "server, export, reconnect-delay and open-timeout");
        return new BlockNode.NbdClient(server, export, openSeconds);
    }

    // ---- Children.

    private Child child(final NodeOptions options, final String name) {
        final JsonElement value = options.child(name);
        if (value == null) {
            throw new GraphException(
                    notation == Notation.DRIVE
                            ? "A block device must be specified for \"" + name + "\""
                            : "Parameter '" + options.pathOf(name) + "' is missing");
        }
        return child(value, options, name);
    }

    private Child child(final JsonElement value, final NodeOptions options, final String name) {
        if (value instanceof final JsonPrimitive primitive && primitive.isString()) {
            return new Child.Named(primitive.getAsString());
        }
        if (!value.isJsonObject()) {
            throw options.wrongType(name, "BlockdevRef");
        }
        if (depth == NESTING_MAX) {
            throw new GraphException(
                    "Parameter '"
                            + options.pathOf(name)
                            + "': there are more than "
                            + NESTING_MAX
                            + " nodes within each other; add the inner ones first, and name them");
        }
        return new Child.Inline(
                definition(
                        new NodeOptions(
                                value.getAsJsonObject(), options.pathOf(name), options.isTextual()),
                        false));
    }
}

package io.lockstep.cli.graph;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;

import io.lockstep.engine.throttle.ThrottleGroup;

import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;

/**
 * What a graph's nodes name that is no node: throttle groups, by their ids. On the graph's thread.
 * Errors are in QEMU's words. Source: QEMU's {@code qapi/qom.json} ({@code
 * ThrottleGroupProperties}), and what 7.2 was seen to answer.
 */
public final class GraphObjects {
    /** The only type that there is. */
    private static final String TYPE = "throttle-group";

    /** Where objects are, as QEMU's paths have it. */
    private static final String ROOT = "/objects/";

    private static final String LIMITS = "limits";

    /** Of each limit by itself, which can be said when a group is made. */
    private static final String PREFIX = "x-";

    private final Map<String, Group> groups = new ConcurrentHashMap<>();

    /** One of them. */
    private static final class Group {
        private final ThrottleGroup limited = new ThrottleGroup();
        private ThrottleValues values = ThrottleValues.NONE;
        private int nodes;

        private void set(final ThrottleValues newValues) {
            limited.limits(newValues.limits());
            values = newValues;
        }
    }

    /** Without any. */
    GraphObjects() {}

    // ---- Adding and removing.

    /**
     * Adds what an {@code -object} asks for, in dotted keys or JSON.
     *
     * @throws GraphException where it can't be had
     */
    public void add(final String text) {
        if (text.stripLeading().startsWith("{")) {
            add(JsonText.object(text));
        } else {
            add(new NodeOptions(DottedKeys.parse(text, "qom-type"), "", true));
        }
    }

    /** Adds what {@code object-add} asks for; fails as above. */
    public void add(final JsonObject options) {
        add(new NodeOptions(options, "", false));
    }

    private void add(final NodeOptions options) {
        final String type = options.string("qom-type");
        final String id = options.string("id");
        if (!type.equals(TYPE)) {
            throw new GraphException(
                    "Parameter 'qom-type' does not accept value '"
                            + Identifier.shown(type)
                            + "'; there is '"
                            + TYPE
                            + "': what belongs to a virtual machine is for QEMU, where that runs");
        }
        Identifier.requireId(id);
        if (groups.containsKey(id)) {
            throw new GraphException(
                    "attempt to add duplicate property '"
                            + id
                            + "' to object (type 'container'); object-del removes the other one");
        }
        ThrottleValues values = ThrottleValues.NONE;
        if (options.has(LIMITS)) {
            values = values.with(options.object(LIMITS));
        }
        values = values.withProperties(options, PREFIX);
        options.end("a throttle group", "limits, or each of them with x- before its name");
        final Group group = new Group();
        group.set(values);
        groups.put(id, group);
    }

    /**
     * Removes one.
     *
     * @throws GraphException where it is not there, or a node names it
     */
    public void remove(final String id) {
        final Group group = groups.get(id);
        if (group == null) {
            throw new GraphException("object '" + Identifier.shown(id) + "' not found");
        }
        if (group.nodes > 0) {
            throw new GraphException(
                    "object '"
                            + id
                            + "' is in use, can not be deleted; remove the throttle nodes that"
                            + " name it");
        }
        groups.remove(id);
    }

    // ---- Properties.

    /** The group at a path of QEMU's, or by its id alone; empty where there is none. */
    private Optional<Group> at(final String path) {
        final String id = path.startsWith(ROOT) ? path.substring(ROOT.length()) : path;
        return Optional.ofNullable(groups.get(id));
    }

    /** Whether there is one at a path of QEMU's, or by its id alone. */
    public boolean isAt(final String path) {
        return at(path).isPresent();
    }

    /**
     * One of its properties.
     *
     * @param path of one that is there
     * @throws GraphException where it has no such
     */
    public JsonElement get(final String path, final String property) {
        final Group group = at(path).orElseThrow();
        if (property.equals("type")) {
            return new JsonPrimitive(TYPE);
        }
        if (property.equals(LIMITS)) {
            return group.values.report();
        }
        return new JsonPrimitive(group.values.get(requireValue(property)));
    }

    private static String requireValue(final String property) {
        if (property.startsWith(PREFIX)
                && ThrottleValues.NAMES.contains(property.substring(PREFIX.length()))) {
            return property.substring(PREFIX.length());
        }
        throw new GraphException(
                "Property '"
                        + TYPE
                        + "."
                        + Identifier.shown(property)
                        + "' not found; there are limits, and each of them with x- before its"
                        + " name");
    }

    /**
     * Changes its limits, of which those that are not said stay; what waits hears of it.
     *
     * @param path of one that is there
     * @throws GraphException where it has no such property, it can't be changed, or not to that
     */
    public void set(final String path, final String property, final JsonElement value) {
        final Group group = at(path).orElseThrow();
        if (property.equals("type")) {
            throw new GraphException("Insufficient permission to perform this operation");
        }
        if (!property.equals(LIMITS)) {
            throw new GraphException(
                    "Property cannot be set after initialization: '"
                            + requireValue(property)
                            + "' is a member of 'limits', which can");
        }
        final JsonObject holder = new JsonObject();
        holder.add(LIMITS, value);
        final NodeOptions limits = new NodeOptions(holder, "", false).object(LIMITS);
        group.set(group.values.with(limits));
    }

    // ---- Of nodes.

    /** A node uses it from now on; fails where it is not there. */
    ThrottleGroup use(final String id) {
        final Group group = groups.get(id);
        if (group == null) {
            throw new GraphException(
                    "Throttle group '"
                            + Identifier.shown(id)
                            + "' does not exist; object-add makes one, or -object");
        }
        group.nodes++;
        return group.limited;
    }

    /** A node uses it no more. */
    void release(final String id) {
        groups.get(id).nodes--;
    }

    /** Holds up nothing, whatever the limits are, until {@link #impose}; from any thread. */
    void lift() {
        groups.values().forEach(group -> group.limited.lift());
    }

    /** Keeps to the limits again. */
    void impose() {
        groups.values().forEach(group -> group.limited.impose());
    }
}

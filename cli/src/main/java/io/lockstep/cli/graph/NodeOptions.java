package io.lockstep.cli.graph;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;

import java.util.Locale;

/**
 * The options of one node, each taken once by name; {@link #end} refuses what nobody took. Errors
 * begin with QEMU's wording, and say what would work.
 */
final class NodeOptions {
    private final JsonObject left;
    private final String path;

    /** Values are strings, whatever they mean: they were dotted keys. */
    private final boolean isTextual;

    NodeOptions(final JsonObject options, final String path, final boolean isTextual) {
        left = options.deepCopy();
        this.path = path;
        this.isTextual = isTextual;
    }

    boolean isTextual() {
        return isTextual;
    }

    boolean has(final String name) {
        return left.has(name);
    }

    /** The name of an option as the user wrote it. */
    String pathOf(final String name) {
        return path.isEmpty() ? name : path + "." + name;
    }

    String string(final String name) {
        final String value = string(name, null);
        if (value == null) {
            throw new GraphException("Parameter '" + pathOf(name) + "' is missing");
        }
        return value;
    }

    String string(final String name, final String otherwise) {
        final JsonElement value = left.remove(name);
        if (value == null) {
            return otherwise;
        }
        if (value instanceof final JsonPrimitive primitive && primitive.isString()) {
            return primitive.getAsString();
        }
        throw wrongType(name, "string");
    }

    long integer(final String name) {
        final JsonElement value = left.remove(name);
        if (value == null) {
            throw new GraphException("Parameter '" + pathOf(name) + "' is missing");
        }
        if (value instanceof final JsonPrimitive primitive
                && (isTextual ? primitive.isString() : primitive.isNumber())) {
            try {
                return Long.parseLong(primitive.getAsString());
            } catch (final NumberFormatException e) {
                throw wrongType(name, "integer");
            }
        }
        throw wrongType(name, "integer");
    }

    boolean bool(final String name, final boolean otherwise) {
        final JsonElement value = left.remove(name);
        if (value == null) {
            return otherwise;
        }
        if (value instanceof final JsonPrimitive primitive) {
            if (!isTextual && primitive.isBoolean()) {
                return primitive.getAsBoolean();
            }
            if (isTextual && primitive.isString()) {
                switch (primitive.getAsString().toLowerCase(Locale.ROOT)) {
                    case "on", "yes", "true", "y" -> {
                        return true;
                    }
                    case "off", "no", "false", "n" -> {
                        return false;
                    }
                    default -> {}
                }
            }
        }
        throw wrongType(name, "boolean");
    }

    NodeOptions object(final String name) {
        return objectOf(name, left.remove(name));
    }

    private NodeOptions objectOf(final String name, final JsonElement value) {
        if (value == null) {
            throw new GraphException("Parameter '" + pathOf(name) + "' is missing");
        }
        if (!value.isJsonObject()) {
            throw wrongType(name, "object");
        }
        return new NodeOptions(value.getAsJsonObject(), pathOf(name), isTextual);
    }

    /** A node's name, or its options; null where it is not there. */
    JsonElement child(final String name) {
        return left.remove(name);
    }

    JsonArray array(final String name) {
        final JsonElement value = left.remove(name);
        if (value == null) {
            throw new GraphException("Parameter '" + pathOf(name) + "' is missing");
        }
        if (!value.isJsonArray()) {
            throw wrongType(name, "array");
        }
        return value.getAsJsonArray();
    }

    GraphException wrongType(final String name, final String expected) {
        return new GraphException(
                "Invalid parameter type for '" + pathOf(name) + "', expected: " + expected);
    }

    /** There must be no more. */
    void end(final String whose, final String known) {
        if (!left.isEmpty()) {
            throw new GraphException(
                    "Parameter '"
                            + pathOf(left.keySet().iterator().next())
                            + "' is unexpected; "
                            + whose
                            + " takes "
                            + known);
        }
    }
}

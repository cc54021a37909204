package io.lockstep.cli.control;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The arguments of one command, each taken once by name; {@link #end} refuses what nobody took.
 * Errors have QEMU's wording.
 */
final class QmpArguments {
    private final JsonObject left;
    private final String path;

    /** Takes a copy. */
    QmpArguments(final JsonObject arguments) {
        this(arguments.deepCopy(), "");
    }

    private QmpArguments(final JsonObject left, final String path) {
        this.left = left;
        this.path = path;
    }

    /** A string that must be there. */
    String requireString(final String name) {
        return optionalString(name).orElseThrow(() -> missing(name));
    }

    /** A string that may be left out. */
    Optional<String> optionalString(final String name) {
        final JsonElement value = left.remove(name);
        if (value == null) {
            return Optional.empty();
        }
        if (value instanceof final JsonPrimitive primitive && primitive.isString()) {
            return Optional.of(primitive.getAsString());
        }
        throw wrongType(name, "string");
    }

    /** An object that must be there, whose members are taken in the same way. */
    QmpArguments requireObject(final String name) {
        final JsonElement value = left.remove(name);
        if (value == null) {
            throw missing(name);
        }
        if (!value.isJsonObject()) {
            throw wrongType(name, "object");
        }
        return new QmpArguments(value.getAsJsonObject(), path + name + ".");
    }

    /** All that nobody has taken: somebody else reads it. */
    JsonObject rest() {
        return left;
    }

    /** A boolean that must be there. */
    boolean requireBoolean(final String name) {
        return optionalBoolean(name).orElseThrow(() -> missing(name));
    }

    /** A boolean that may be left out. */
    Optional<Boolean> optionalBoolean(final String name) {
        final JsonElement value = left.remove(name);
        if (value == null) {
            return Optional.empty();
        }
        if (value instanceof final JsonPrimitive primitive && primitive.isBoolean()) {
            return Optional.of(primitive.getAsBoolean());
        }
        throw wrongType(name, "boolean");
    }

    /** A whole number that must be there. */
    long requireInteger(final String name) {
        if (!left.has(name)) {
            throw missing(name);
        }
        return optionalInteger(name, 0);
    }

    /** A whole number that may be left out. */
    long optionalInteger(final String name, final long otherwise) {
        final JsonElement value = left.remove(name);
        if (value == null) {
            return otherwise;
        }
        if (value instanceof final JsonPrimitive primitive && primitive.isNumber()) {
            try {
                return Long.parseLong(primitive.getAsString());
            } catch (final NumberFormatException e) {
                throw wrongType(name, "integer");
            }
        }
        throw wrongType(name, "integer");
    }

    /** A list of strings that may be left out. */
    List<String> optionalStrings(final String name) {
        final JsonElement value = left.remove(name);
        if (value == null) {
            return List.of();
        }
        if (!value.isJsonArray()) {
            throw wrongType(name, "array");
        }
        final List<String> strings = new ArrayList<>();
        for (final JsonElement element : value.getAsJsonArray()) {
            if (!(element instanceof final JsonPrimitive primitive) || !primitive.isString()) {
                throw wrongType(name + "[" + strings.size() + "]", "string");
            }
            strings.add(primitive.getAsString());
        }
        return strings;
    }

    /** There must be no more. */
    void end() {
        if (!left.isEmpty()) {
            throw QmpException.generic(
                    "Parameter '" + path + left.keySet().iterator().next() + "' is unexpected");
        }
    }

    private QmpException missing(final String name) {
        return QmpException.generic("Parameter '" + path + name + "' is missing");
    }

    private QmpException wrongType(final String name, final String expected) {
        return QmpException.generic(
                "Invalid parameter type for '" + path + name + "', expected: " + expected);
    }
}

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

    /** Takes a copy. */
    QmpArguments(final JsonObject arguments) {
        left = arguments.deepCopy();
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
        final JsonElement value = left.remove(name);
        if (value == null) {
            throw missing(name);
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
                    "Parameter '" + left.keySet().iterator().next() + "' is unexpected");
        }
    }

    private static QmpException missing(final String name) {
        return QmpException.generic("Parameter '" + name + "' is missing");
    }

    private static QmpException wrongType(final String name, final String expected) {
        return QmpException.generic(
                "Invalid parameter type for '" + name + "', expected: " + expected);
    }
}

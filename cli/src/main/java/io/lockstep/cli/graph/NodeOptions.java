package io.lockstep.cli.graph;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;

import java.math.BigInteger;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The options of one node, each taken once by name; {@link #end} refuses what nobody took. Errors
 * begin with QEMU's wording, and say what would work.
 */
final class NodeOptions {
    /** Each is 1024 of the one before; the first are bytes. */
    private static final String UNITS = "BKMGT";

    private static final Pattern SIZE = Pattern.compile("([0-9]{1,19})([bBkKmMgGtT]?)");

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

    boolean hasString(final String name) {
        return left.get(name) instanceof final JsonPrimitive primitive && primitive.isString();
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

    /** Whether a number is there that is below 0. */
    boolean isNegative(final String name) {
        return left.get(name) instanceof final JsonPrimitive primitive
                && primitive.getAsString().startsWith("-");
    }

    /**
     * A whole number within bounds.
     *
     * @param otherwise where it is not there
     */
    long integer(final String name, final long otherwise, final long min, final long max) {
        if (!left.has(name)) {
            return otherwise;
        }
        final long value = integer(name);
        if (value < min || value > max) {
            throw new GraphException(
                    "Parameter '"
                            + pathOf(name)
                            + "' expects a number from "
                            + min
                            + " to "
                            + max
                            + ", not "
                            + value);
        }
        return value;
    }

    /** Bytes; as text also with a suffix, such as 10G. */
    long size(final String name, final long otherwise) {
        if (!isTextual) {
            return integer(name, otherwise, 0, Long.MAX_VALUE);
        }
        final String text = string(name, null);
        if (text == null) {
            return otherwise;
        }
        final Matcher size = SIZE.matcher(text);
        if (size.matches()) {
            final String unit = size.group(2).toUpperCase(Locale.ROOT);
            final long factor = 1L << 10 * Math.max(0, UNITS.indexOf(unit));
            final BigInteger bytes =
                    new BigInteger(size.group(1)).multiply(BigInteger.valueOf(factor));
            if (bytes.bitLength() < Long.SIZE) {
                return bytes.longValue();
            }
        }
        throw new GraphException(
                "Parameter '"
                        + pathOf(name)
                        + "' expects a size, such as 512 or 10G, not '"
                        + Identifier.shown(text)
                        + "'");
    }

    /** One of several words. */
    String choice(final String name, final String otherwise, final String... words) {
        final String value = string(name, otherwise);
        if (!List.of(words).contains(value)) {
            throw new GraphException(
                    "Parameter '"
                            + pathOf(name)
                            + "' does not accept value '"
                            + Identifier.shown(value)
                            + "'; there are "
                            + String.join(", ", words));
        }
        return value;
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

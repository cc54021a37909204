package io.lockstep.cli.control;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The types of QMP's values by their names, and whether a value is of one: errors have QEMU's
 * wording. A list of a type is named {@code [NAME]}. Filled once, then only read. Source: QEMU's
 * {@code docs/devel/qapi-code-gen.rst}.
 */
final class QmpTypes {
    private final Map<String, QmpType> byName = new LinkedHashMap<>();

    QmpTypes() {
        for (final QmpType.Builtin builtin : QmpType.Builtin.values()) {
            byName.put(builtin.typeName(), builtin);
        }
    }

    /** One of a few strings. */
    QmpTypes enumeration(final String name, final String... values) {
        return put(name, new QmpType.Enumeration(List.of(values)));
    }

    /**
     * An object.
     *
     * @param members as in {@code "device: str, name?: str"}; a question mark for what may be left
     *     out
     */
    QmpTypes object(final String name, final String members) {
        return put(name, new QmpType.Structure(parse(members), "", Map.of()));
    }

    /**
     * An object whose further members hang on the value of one.
     *
     * @param members those that it always has
     * @param tag the one
     * @param variants by the tag's value, a type of object each; a value that is not here adds none
     */
    QmpTypes union(
            final String name,
            final String members,
            final String tag,
            final Map<String, String> variants) {
        return put(name, new QmpType.Structure(parse(members), tag, variants));
    }

    /** One of several types, which can be told by what is in JSON. */
    QmpTypes alternate(final String name, final String... types) {
        return put(name, new QmpType.Alternate(List.of(types)));
    }

    private QmpTypes put(final String name, final QmpType type) {
        if (byName.put(name, type) != null) {
            throw new IllegalArgumentException("type " + name + " is declared twice");
        }
        return this;
    }

    private static List<QmpType.Member> parse(final String members) {
        final List<QmpType.Member> parsed = new ArrayList<>();
        for (final String member : members.isEmpty() ? new String[0] : members.split(", ", -1)) {
            final String[] parts = member.split(": ", -1);
            final boolean isOptional = parts[0].endsWith("?");
            parsed.add(
                    new QmpType.Member(
                            isOptional ? parts[0].substring(0, parts[0].length() - 1) : parts[0],
                            parts[1],
                            isOptional));
        }
        return parsed;
    }

    /** The type of that name, which must be declared. */
    QmpType find(final String name) {
        if (name.startsWith("[")) {
            return new QmpType.ListOf(name.substring(1, name.length() - 1));
        }
        final QmpType type = byName.get(name);
        if (type == null) {
            throw new IllegalArgumentException("type " + name + " is not declared");
        }
        return type;
    }

    /** The same for one of objects. */
    QmpType.Structure structure(final String name) {
        return (QmpType.Structure) find(name);
    }

    /**
     * Whether a value is of a type.
     *
     * @param path of the value, for the error; empty for a command's arguments
     * @throws QmpException where it is not
     */
    void check(final String typeName, final JsonElement value, final String path) {
        switch (find(typeName)) {
            case QmpType.Builtin builtin -> check(builtin, value, path);
            case QmpType.Enumeration(List<String> values) -> check(values, value, path);
            case QmpType.ListOf(String element) -> {
                if (!value.isJsonArray()) {
                    throw wrongType(path, "array");
                }
                int index = 0;
                for (final JsonElement each : value.getAsJsonArray()) {
                    check(element, each, path + "[" + index++ + "]");
                }
            }
            case QmpType.Structure structure -> {
                if (!value.isJsonObject()) {
                    throw wrongType(path, "object");
                }
                check(structure, value.getAsJsonObject(), path);
            }
            case QmpType.Alternate(List<String> types) -> check(typeName, types, value, path);
        }
    }

    /** The same, answered. */
    boolean isOf(final String typeName, final JsonElement value) {
        try {
            check(typeName, value, "");
            return true;
        } catch (final QmpException notOfIt) {
            return false;
        }
    }

    private static void check(
            final QmpType.Builtin type, final JsonElement value, final String path) {
        final JsonPrimitive primitive = value instanceof final JsonPrimitive given ? given : null;
        switch (type) {
            case STR -> {
                if (primitive == null || !primitive.isString()) {
                    throw wrongType(path, "string");
                }
                if (primitive.getAsString().indexOf('\0') >= 0) {
                    throw QmpException.generic(
                            "Parameter '" + path + "' has \\u0000, which no name can have");
                }
            }
            case BOOL -> {
                if (primitive == null || !primitive.isBoolean()) {
                    throw wrongType(path, "boolean");
                }
            }
            case INT -> {
                if (wholeNumber(primitive, Long.MIN_VALUE, Long.MAX_VALUE) == null) {
                    throw wrongType(path, "integer");
                }
            }
            case UINT32 -> {
                if (wholeNumber(primitive, 0, (1L << Integer.SIZE) - 1) == null) {
                    throw QmpException.generic("Parameter '" + path + "' expects uint32_t");
                }
            }
            case NUMBER -> {
                if (primitive == null || !primitive.isNumber()) {
                    throw wrongType(path, "number");
                }
            }
            case ANY -> {}
        }
    }

    /** The number; null where it is none, has a fraction or an exponent, or is out of range. */
    private static Long wholeNumber(final JsonPrimitive value, final long min, final long max) {
        final String digits = value != null && value.isNumber() ? value.getAsString() : "";
        if (!digits.matches("-?[0-9]{1,19}")) {
            return null;
        }
        final BigInteger number = new BigInteger(digits);
        return number.bitLength() < Long.SIZE
                        && number.longValue() >= min
                        && number.longValue() <= max
                ? number.longValue()
                : null;
    }

    private static void check(
            final List<String> values, final JsonElement value, final String path) {
        check(QmpType.Builtin.STR, value, path);
        if (!values.contains(value.getAsString())) {
            throw QmpException.generic(
                    "Parameter '"
                            + path.substring(path.lastIndexOf('.') + 1)
                            + "' does not accept value '"
                            + value.getAsString()
                            + "'; "
                            + (values.size() == 1 ? "there is " : "there are ")
                            + enumerate(values));
        }
    }

    private static String enumerate(final List<String> values) {
        final int last = values.size() - 1;
        return last == 0
                ? values.getFirst()
                : String.join(", ", values.subList(0, last)) + " and " + values.get(last);
    }

    private void check(final QmpType.Structure type, final JsonObject object, final String path) {
        final String prefix = path.isEmpty() ? "" : path + ".";
        final List<QmpType.Member> members = new ArrayList<>(type.members());
        checkMembers(type.members(), object, prefix);
        if (!type.tag().isEmpty()) {
            final String variant = type.variants().get(object.get(type.tag()).getAsString());
            if (variant != null) {
                final List<QmpType.Member> more = structure(variant).members();
                checkMembers(more, object, prefix);
                members.addAll(more);
            }
        }
        for (final String name : object.keySet()) {
            if (members.stream().noneMatch(member -> member.name().equals(name))) {
                throw QmpException.generic("Parameter '" + prefix + name + "' is unexpected");
            }
        }
    }

    private void checkMembers(
            final List<QmpType.Member> members, final JsonObject object, final String prefix) {
        for (final QmpType.Member member : members) {
            final JsonElement value = object.get(member.name());
            if (value != null) {
                check(member.type(), value, prefix + member.name());
            } else if (!member.isOptional()) {
                throw QmpException.generic("Parameter '" + prefix + member.name() + "' is missing");
            }
        }
    }

    private void check(
            final String name,
            final List<String> types,
            final JsonElement value,
            final String path) {
        for (final String type : types) {
            final boolean isMeant =
                    find(type) instanceof QmpType.Structure
                            ? value.isJsonObject()
                            : value.isJsonPrimitive();
            if (isMeant) {
                check(type, value, path);
                return;
            }
        }
        throw wrongType(path, name);
    }

    private static QmpException wrongType(final String path, final String expected) {
        return QmpException.generic(
                "Invalid parameter type for '" + path + "', expected: " + expected);
    }
}

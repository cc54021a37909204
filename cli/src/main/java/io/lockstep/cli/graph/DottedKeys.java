package io.lockstep.cli.graph;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * QEMU's dotted keys, {@code a=1,b.c=2,d.0=x,d.1=y}, as a tree: names between dots are members,
 * numbers are places of a list, values are strings. A doubled comma is a comma of a value; a comma
 * at the end is passed over. Of keys that contradict each other all are refused. Stateless. Source:
 * QEMU's {@code util/keyval.c} as a description of the syntax, and what 7.2 was seen to answer.
 */
public final class DottedKeys {
    /** Names within each other at most. */
    static final int NESTING_MAX = 32;

    private static final Pattern NAME = Pattern.compile("[A-Za-z_][A-Za-z0-9_-]*|[0-9]+");
    private static final Pattern INDEX = Pattern.compile("[0-9]+");

    private DottedKeys() {}

    /**
     * Reads them.
     *
     * @param impliedKey what a first value without a key belongs to; null where it must have one
     * @throws GraphException where they are none; in QEMU's words
     */
    public static JsonObject parse(final String text, final String impliedKey) {
        final Map<String, Object> tree = new LinkedHashMap<>();
        int at = 0;
        while (at < text.length()) {
            final StringBuilder value = new StringBuilder();
            final int equals = indexOfAny(text, at);
            final String key;
            if (equals < text.length() && text.charAt(equals) == '=') {
                key = text.substring(at, equals);
                at = takeValue(text, equals + 1, value);
            } else {
                if (at > 0 || impliedKey == null) {
                    throw new GraphException(
                            "Expected '=' after parameter '" + text.substring(at, equals) + "'");
                }
                key = impliedKey;
                at = takeValue(text, at, value);
            }
            put(tree, key, value.toString());
        }
        return toTree(tree, "").getAsJsonObject();
    }

    /** Where the key ends: at an equals sign, or at a comma, or at the end. */
    private static int indexOfAny(final String text, final int from) {
        int at = from;
        while (at < text.length() && text.charAt(at) != '=' && text.charAt(at) != ',') {
            at++;
        }
        return at;
    }

    /** Takes a value; answers where the next key begins. */
    private static int takeValue(final String text, final int from, final StringBuilder into) {
        int at = from;
        while (at < text.length()) {
            if (text.charAt(at) == ',') {
                if (at + 1 == text.length() || text.charAt(at + 1) != ',') {
                    return at + 1;
                }
                at++;
            }
            into.append(text.charAt(at));
            at++;
        }
        return at;
    }

    @SuppressWarnings("unchecked") // a map's values are strings and such maps
    private static void put(final Map<String, Object> tree, final String key, final String value) {
        final String[] names = key.split("\\.", -1);
        if (names.length > NESTING_MAX) {
            throw new GraphException(
                    "Parameter '" + key + "' has more than " + NESTING_MAX + " names");
        }
        Map<String, Object> map = tree;
        for (int i = 0; i < names.length; i++) {
            // The first is a member of an object, never a place of a list.
            if (!NAME.matcher(names[i]).matches() || (i == 0 && isIndex(names[0]))) {
                throw new GraphException("Invalid parameter '" + key + "'");
            }
            final boolean isLast = i == names.length - 1;
            final Object present = map.get(names[i]);
            if (present == null) {
                final Object added = isLast ? value : new LinkedHashMap<String, Object>();
                map.put(names[i], added);
                map = isLast ? map : (Map<String, Object>) added;
            } else if (isLast && present instanceof String) {
                throw new GraphException("Parameter '" + key + "' is given twice");
            } else if (isLast || present instanceof String) {
                throw new GraphException(
                        "Parameters '"
                                + String.join(".", java.util.Arrays.copyOf(names, i + 1))
                                + ".*' used inconsistently");
            } else {
                map = (Map<String, Object>) present;
            }
        }
    }

    private static boolean isIndex(final String name) {
        return INDEX.matcher(name).matches();
    }

    @SuppressWarnings("unchecked") // a map's values are strings and such maps
    private static JsonElement toTree(final Object value, final String path) {
        if (value instanceof final String string) {
            return new JsonPrimitive(string);
        }
        final Map<String, Object> map = (Map<String, Object>) value;
        final long indices = map.keySet().stream().filter(DottedKeys::isIndex).count();
        if (indices == 0) {
            final JsonObject object = new JsonObject();
            map.forEach(
                    (name, member) ->
                            object.add(
                                    name,
                                    toTree(member, path.isEmpty() ? name : path + "." + name)));
            return object;
        }
        if (indices < map.size()) {
            throw new GraphException("Parameters '" + path + ".*' used inconsistently");
        }
        final JsonArray array = new JsonArray();
        for (int i = 0; i < map.size(); i++) {
            final Object element = map.get(Integer.toString(i));
            if (element == null) {
                throw new GraphException("Parameter '" + path + "." + i + "' missing");
            }
            array.add(toTree(element, path + "." + i));
        }
        return array;
    }
}

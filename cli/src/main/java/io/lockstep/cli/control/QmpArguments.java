package io.lockstep.cli.control;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The arguments of one command, each taken once by name. They have been checked against the
 * command's declaration; {@link #end} sees to it that the command takes all that it declares.
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

    private JsonElement require(final String name) {
        final JsonElement value = left.remove(name);
        if (value == null) {
            throw QmpException.generic("Parameter '" + path + name + "' is missing");
        }
        return value;
    }

    /** Anything that must be there. */
    JsonElement requireAny(final String name) {
        return require(name);
    }

    /** A string that must be there. */
    String requireString(final String name) {
        return require(name).getAsString();
    }

    /** A string that may be left out. */
    Optional<String> optionalString(final String name) {
        return Optional.ofNullable(left.remove(name)).map(JsonElement::getAsString);
    }

    /** An object that must be there, whose members are taken in the same way. */
    QmpArguments requireObject(final String name) {
        return new QmpArguments(require(name).getAsJsonObject(), path + name + ".");
    }

    /** A list of objects that must be there. */
    List<QmpArguments> requireObjects(final String name) {
        final List<QmpArguments> objects = new ArrayList<>();
        for (final JsonElement element : require(name).getAsJsonArray()) {
            final String each = path + name + "[" + objects.size() + "].";
            objects.add(new QmpArguments(element.getAsJsonObject(), each));
        }
        return objects;
    }

    /** All that nobody has taken: somebody else reads it. */
    JsonObject rest() {
        return left;
    }

    /** A boolean that must be there. */
    boolean requireBoolean(final String name) {
        return require(name).getAsBoolean();
    }

    /** A boolean that may be left out. */
    Optional<Boolean> optionalBoolean(final String name) {
        return Optional.ofNullable(left.remove(name)).map(JsonElement::getAsBoolean);
    }

    /** A whole number that must be there. */
    long requireInteger(final String name) {
        return require(name).getAsLong();
    }

    /** A whole number that may be left out. */
    long optionalInteger(final String name, final long otherwise) {
        final JsonElement value = left.remove(name);
        return value == null ? otherwise : value.getAsLong();
    }

    /** A list of strings that may be left out. */
    List<String> optionalStrings(final String name) {
        final JsonElement value = left.remove(name);
        return value == null
                ? List.of()
                : value.getAsJsonArray().asList().stream().map(JsonElement::getAsString).toList();
    }

    /** There must be no more. */
    void end() {
        if (!left.isEmpty()) {
            throw QmpException.generic(
                    "Parameter '" + path + left.keySet().iterator().next() + "' is unexpected");
        }
    }
}

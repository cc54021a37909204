package io.lockstep.cli.control;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;

import java.io.IOException;
import java.io.StringReader;

/**
 * One message of a client: an immutable value. Source: QEMU's {@code qmp-spec.txt} and {@code
 * qapi/qmp-dispatch.c}, from which the errors' wording is.
 *
 * @param command what to execute
 * @param arguments of the command; empty where there are none
 * @param id to be handed back in the reply; null where there is none
 */
record QmpRequest(String command, JsonObject arguments, JsonElement id) {
    /**
     * Reads text as JSON.
     *
     * @throws QmpException where it is none
     */
    static JsonElement parse(final String text) {
        final JsonReader reader = new JsonReader(new StringReader(text));
        reader.setStrictness(Strictness.STRICT);
        try {
            final JsonElement element = JsonParser.parseReader(reader);
            if (reader.peek() != JsonToken.END_DOCUMENT) {
                throw QmpException.generic("JSON parse error, something follows the value");
            }
            return element;
        } catch (final JsonParseException | IOException e) {
            throw QmpException.generic("JSON parse error, invalid JSON" + place(e));
        }
    }

    /** Where in the text it is; the rest of Gson's message is for programmers. */
    private static String place(final Exception cause) {
        final String message = String.valueOf(cause.getMessage());
        final int start = message.indexOf(" at line ");
        final int end = message.indexOf('\n');
        return start < 0 || (end >= 0 && end < start)
                ? ""
                : message.substring(start, end < 0 ? message.length() : end);
    }

    /**
     * Makes a request of what was read.
     *
     * @throws QmpException where it is no request
     */
    static QmpRequest of(final JsonElement message) {
        if (!message.isJsonObject()) {
            throw QmpException.generic("QMP input must be a JSON object");
        }
        final JsonObject object = message.getAsJsonObject();
        for (final String member : object.keySet()) {
            switch (member) {
                case "execute", "arguments", "id" -> {}
                default ->
                        throw QmpException.generic(
                                "QMP input member '" + member + "' is unexpected");
            }
        }
        final JsonElement execute = object.get("execute");
        if (execute == null) {
            throw QmpException.generic("QMP input lacks member 'execute'");
        }
        if (!execute.isJsonPrimitive() || !execute.getAsJsonPrimitive().isString()) {
            throw QmpException.generic("QMP input member 'execute' must be a string");
        }
        final JsonElement arguments = object.get("arguments");
        if (arguments != null && !arguments.isJsonObject()) {
            throw QmpException.generic("QMP input member 'arguments' must be an object");
        }
        return new QmpRequest(
                execute.getAsString(),
                arguments == null ? new JsonObject() : arguments.getAsJsonObject(),
                object.get("id"));
    }
}

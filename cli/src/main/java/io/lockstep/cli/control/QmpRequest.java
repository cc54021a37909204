package io.lockstep.cli.control;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.cli.graph.GraphException;
import io.lockstep.cli.graph.JsonText;

/**
 * One message of a client: an immutable value. Source: QEMU's {@code qmp-spec.txt} and {@code
 * qapi/qmp-dispatch.c}, from which the errors' wording is.
 *
 * @param command what to execute
 * @param isOob whether to do so out of band: beside what runs, and at once
 * @param arguments of the command; empty where there are none
 * @param id to be handed back in the reply; null where there is none
 */
record QmpRequest(String command, boolean isOob, JsonObject arguments, JsonElement id) {
    private static final String EXECUTE = "execute";
    private static final String EXEC_OOB = "exec-oob";

    /**
     * Reads text as JSON.
     *
     * @throws QmpException where it is none
     */
    static JsonElement parse(final String text) {
        try {
            return JsonText.value(text);
        } catch (final GraphException e) {
            throw QmpException.generic(e.getMessage());
        }
    }

    /**
     * Makes a request of what was read.
     *
     * @param isOobEnabled whether the client may run commands out of band
     * @throws QmpException where it is no request
     */
    static QmpRequest of(final JsonElement message, final boolean isOobEnabled) {
        if (!message.isJsonObject()) {
            throw QmpException.generic("QMP input must be a JSON object");
        }
        final JsonObject object = message.getAsJsonObject();
        for (final String member : object.keySet()) {
            final boolean isExpected =
                    switch (member) {
                        case EXECUTE, "arguments", "id" -> true;
                        case EXEC_OOB -> isOobEnabled;
                        default -> false;
                    };
            if (!isExpected) {
                throw QmpException.generic("QMP input member '" + member + "' is unexpected");
            }
        }
        final boolean isOob = object.has(EXEC_OOB);
        if (isOob && object.has(EXECUTE)) {
            throw QmpException.generic("QMP input member 'execute' clashes with 'exec-oob'");
        }
        final String key = isOob ? EXEC_OOB : EXECUTE;
        final JsonElement command = object.get(key);
        if (command == null) {
            throw QmpException.generic("QMP input lacks member 'execute'");
        }
        if (!command.isJsonPrimitive() || !command.getAsJsonPrimitive().isString()) {
            throw QmpException.generic("QMP input member '" + key + "' must be a string");
        }
        final JsonElement arguments = object.get("arguments");
        if (arguments != null && !arguments.isJsonObject()) {
            throw QmpException.generic("QMP input member 'arguments' must be an object");
        }
        return new QmpRequest(
                command.getAsString(),
                isOob,
                arguments == null ? new JsonObject() : arguments.getAsJsonObject(),
                object.get("id"));
    }
}

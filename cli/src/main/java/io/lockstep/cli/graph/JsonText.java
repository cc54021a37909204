package io.lockstep.cli.graph;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParseException;
import com.google.gson.JsonParser;
import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;

import java.io.IOException;
import java.io.StringReader;

/** JSON on the command line. Stateless. */
final class JsonText {
    private JsonText() {}

    /**
     * Reads an object.
     *
     * @throws GraphException where it is none
     */
    static JsonObject object(final String text) {
        final JsonReader reader = new JsonReader(new StringReader(text));
        reader.setStrictness(Strictness.STRICT);
        try {
            final JsonElement element = JsonParser.parseReader(reader);
            if (reader.peek() == JsonToken.END_DOCUMENT && element.isJsonObject()) {
                return element.getAsJsonObject();
            }
        } catch (final JsonParseException | IOException e) {
            throw new GraphException("JSON parse error, invalid JSON in " + text);
        }
        throw new GraphException("JSON parse error, expected an object: " + text);
    }
}

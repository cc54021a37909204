package io.lockstep.cli.graph;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;
import com.google.gson.Strictness;
import com.google.gson.ToNumberPolicy;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.MalformedJsonException;

import java.io.EOFException;
import java.io.IOException;
import java.io.StringReader;
import java.io.UncheckedIOException;

/**
 * JSON that others wrote, as RFC 8259 has it, and more strictly where it leaves a choice: a name
 * that comes twice in an object is an error, and so is what is no character (half of a surrogate
 * pair, or one that Unicode keeps free for ever). Stateless.
 */
public final class JsonText {
    /** Objects and arrays within each other at most. Source: what QEMU 7.2 was seen to take. */
    public static final int NESTING_MAX = 1024;

    private JsonText() {}

    /**
     * Reads a value.
     *
     * @throws GraphException where it is none; the sentence begins with {@code JSON parse error}
     */
    public static JsonElement value(final String text) {
        final JsonReader reader = new JsonReader(new StringReader(text));
        reader.setStrictness(Strictness.STRICT);
        reader.setNestingLimit(NESTING_MAX);
        try {
            final JsonElement value = read(reader);
            if (reader.peek() != JsonToken.END_DOCUMENT) {
                throw error("something follows the value");
            }
            return value;
        } catch (final EOFException e) {
            throw error("the value is not complete");
        } catch (final MalformedJsonException e) {
            throw error("invalid JSON" + place(e));
        } catch (final IOException e) {
            throw new UncheckedIOException(e); // of a string?
        }
    }

    /** Reads an object. */
    static JsonObject object(final String text) {
        final JsonElement value = value(text);
        if (!value.isJsonObject()) {
            throw error("expected an object: " + text);
        }
        return value.getAsJsonObject();
    }

    private static JsonElement read(final JsonReader reader) throws IOException {
        return switch (reader.peek()) {
            case BEGIN_OBJECT -> readObject(reader);
            case BEGIN_ARRAY -> readArray(reader);
            case STRING -> new JsonPrimitive(characters(reader.nextString()));
            case NUMBER ->
                    new JsonPrimitive(ToNumberPolicy.LAZILY_PARSED_NUMBER.readNumber(reader));
            case BOOLEAN -> new JsonPrimitive(reader.nextBoolean());
            case NULL -> {
                reader.nextNull();
                yield JsonNull.INSTANCE;
            }
            case END_DOCUMENT, END_OBJECT, END_ARRAY, NAME -> throw error("expecting value");
        };
    }

    private static JsonObject readObject(final JsonReader reader) throws IOException {
        final JsonObject object = new JsonObject();
        reader.beginObject();
        while (reader.hasNext()) {
            final String name = characters(reader.nextName());
            if (object.has(name)) {
                throw error("duplicate key '" + name + "'");
            }
            object.add(name, read(reader));
        }
        reader.endObject();
        return object;
    }

    private static JsonArray readArray(final JsonReader reader) throws IOException {
        final JsonArray array = new JsonArray();
        reader.beginArray();
        while (reader.hasNext()) {
            array.add(read(reader));
        }
        reader.endArray();
        return array;
    }

    private static String characters(final String text) {
        text.codePoints()
                .filter(JsonText::isNoCharacter)
                .findFirst()
                .ifPresent(
                        code -> {
                            throw error(String.format("\\u%04x is no character", code));
                        });
        return text;
    }

    private static boolean isNoCharacter(final int code) {
        return (code >= Character.MIN_SURROGATE && code <= Character.MAX_SURROGATE)
                || (code >= 0xfdd0 && code <= 0xfdef)
                || (code & 0xfffe) == 0xfffe;
    }

    private static GraphException error(final String sentence) {
        return new GraphException("JSON parse error, " + sentence);
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
}

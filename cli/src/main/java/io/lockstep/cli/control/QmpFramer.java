package io.lockstep.cli.control;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Cuts a stream of bytes into JSON values, which follow one another with nothing in between. It
 * knows only strings and nesting; whether what it found is JSON is for the parser to say.
 *
 * <p>As QEMU does it takes strings in single quotes too, which it rewrites to double ones. What
 * can't be a value is told as an error, and the stream goes on behind it: behind the value where it
 * was too long or too deep, else at the next line or object. It holds {@link #MESSAGE_LENGTH_MAX}
 * bytes at most, and only while a long message comes. Single threaded. Source: QEMU's {@code
 * qobject/json-lexer.c} and {@code json-streamer.c}.
 */
final class QmpFramer {
    /** Bytes of one message at most. */
    static final int MESSAGE_LENGTH_MAX = 1 << 20;

    /** Objects and arrays within each other at most. */
    static final int NESTING_MAX = 64;

    /** What was found. */
    enum Outcome {
        /** Nothing whole yet. */
        NEED_MORE,
        /** A value; {@link #text} is it. */
        MESSAGE,
        /** What can't be a value; {@link #text} says why. */
        ERROR
    }

    private enum State {
        /** Between values. */
        BETWEEN,
        /** Within an object or array. */
        NESTED,
        /** Within a string. */
        STRING,
        /** In a number or word that stands for itself. */
        WORD,
        /** Behind an error, looking for where to go on. */
        LOST
    }

    private static final int KEPT_LENGTH = 4096;
    private static final String STRUCTURAL = "{}[],:\"'";

    private byte[] message = new byte[KEPT_LENGTH];
    private int length;
    private State state = State.BETWEEN;
    private int depth;

    /** A bit for each level: whether it is an object. */
    private long objects;

    private char quote;
    private boolean escaped;

    /** The value was refused; only its end is looked for. */
    private boolean discarding;

    private String text = "";

    /** What the last outcome was about. */
    String text() {
        return text;
    }

    /** Takes bytes up to the next outcome; the rest stays in the buffer. */
    Outcome next(final ByteBuffer input) {
        while (input.hasRemaining()) {
            final char character = (char) (input.get() & 0xff);
            final Outcome outcome;
            if (state == State.WORD && isEndOfWord(character)) {
                input.position(input.position() - 1); // it begins what comes next
                outcome = finish();
            } else {
                outcome = take(character);
            }
            if (outcome != Outcome.NEED_MORE) {
                return outcome;
            }
        }
        return Outcome.NEED_MORE;
    }

    private Outcome take(final char character) {
        return switch (state) {
            case BETWEEN -> takeBetween(character);
            case NESTED -> takeNested(character);
            case STRING -> takeInString(character);
            case WORD -> append(character);
            case LOST -> takeLost(character);
        };
    }

    private Outcome takeBetween(final char character) {
        if (isSpace(character)) {
            return Outcome.NEED_MORE;
        }
        if (character == '{' || character == '[' || isQuote(character)) {
            return takeNested(character);
        }
        if (character < ' ' || character > '~') {
            return lose("JSON parse error, stray byte 0x" + Integer.toHexString(character));
        }
        if (STRUCTURAL.indexOf(character) >= 0) {
            return lose("JSON parse error, expecting value, not '" + character + "'");
        }
        state = State.WORD;
        return append(character);
    }

    private Outcome takeNested(final char character) {
        if (isQuote(character)) {
            quote = character;
            state = State.STRING;
            return append('"');
        }
        if (character == '{' || character == '[') {
            return open(character);
        }
        if (character == '}' || character == ']') {
            return close(character);
        }
        return append(character);
    }

    private Outcome open(final char character) {
        state = State.NESTED;
        depth++;
        if (depth > NESTING_MAX) {
            return refuse("JSON nesting depth limit exceeded");
        }
        final long bit = 1L << (depth - 1);
        objects = character == '{' ? objects | bit : objects & ~bit;
        return append(character);
    }

    private Outcome close(final char character) {
        final boolean isObject = depth <= NESTING_MAX && (objects >>> (depth - 1) & 1) != 0;
        if (!discarding && isObject != (character == '}')) {
            return lose("JSON parse error, '" + character + "' closes what is not open");
        }
        final Outcome outcome = append(character);
        depth--;
        return depth == 0 && outcome == Outcome.NEED_MORE ? finish() : outcome;
    }

    private Outcome takeInString(final char character) {
        if (character < ' ') {
            return lose("JSON parse error, control character in a string");
        }
        if (escaped) {
            escaped = false;
            // A single quote needs no escape between the double ones that we make of them.
            return character == '\'' ? append('\'') : appendEscape(character);
        }
        if (character == '\\') {
            escaped = true;
            return Outcome.NEED_MORE;
        }
        if (character == quote) {
            final Outcome outcome = append('"');
            state = State.NESTED;
            return depth == 0 && outcome == Outcome.NEED_MORE ? finish() : outcome;
        }
        return character == '"' ? appendEscape(character) : append(character);
    }

    private Outcome appendEscape(final char character) {
        final Outcome outcome = append('\\');
        return outcome == Outcome.NEED_MORE ? append(character) : outcome;
    }

    private Outcome takeLost(final char character) {
        if (character == '\n') {
            reset();
        } else if (character == '{') {
            reset();
            return takeBetween(character);
        }
        return Outcome.NEED_MORE;
    }

    private Outcome append(final char character) {
        if (discarding) {
            return Outcome.NEED_MORE;
        }
        if (length == MESSAGE_LENGTH_MAX) {
            return refuse("JSON message size limit exceeded");
        }
        if (length == message.length) {
            message = Arrays.copyOf(message, 2 * length);
        }
        message[length++] = (byte) character;
        return Outcome.NEED_MORE;
    }

    /** Says so at once, and goes on behind the value's end. */
    private Outcome refuse(final String sentence) {
        if (discarding) {
            return Outcome.NEED_MORE;
        }
        discarding = true;
        forget();
        text = sentence;
        return Outcome.ERROR;
    }

    private Outcome lose(final String sentence) {
        final boolean isTold = discarding;
        final boolean atLineEnd = state == State.STRING && !isTold;
        reset();
        state = atLineEnd ? State.BETWEEN : State.LOST;
        text = sentence;
        return isTold ? Outcome.NEED_MORE : Outcome.ERROR;
    }

    private Outcome finish() {
        final boolean isTold = discarding;
        Outcome outcome = Outcome.MESSAGE;
        try {
            text =
                    StandardCharsets.UTF_8
                            .newDecoder()
                            .decode(ByteBuffer.wrap(message, 0, length))
                            .toString();
        } catch (final CharacterCodingException e) {
            text = "JSON parse error, invalid UTF-8 sequence";
            outcome = Outcome.ERROR;
        }
        reset();
        return isTold ? Outcome.NEED_MORE : outcome;
    }

    private void reset() {
        forget();
        state = State.BETWEEN;
        depth = 0;
        objects = 0;
        escaped = false;
        discarding = false;
    }

    private void forget() {
        length = 0;
        if (message.length > KEPT_LENGTH) {
            message = new byte[KEPT_LENGTH];
        }
    }

    private static boolean isEndOfWord(final char character) {
        return isSpace(character) || STRUCTURAL.indexOf(character) >= 0;
    }

    private static boolean isSpace(final char character) {
        return character == ' ' || character == '\t' || character == '\r' || character == '\n';
    }

    private static boolean isQuote(final char character) {
        return character == '"' || character == '\'';
    }
}

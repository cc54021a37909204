package io.lockstep.cli.control;

import io.lockstep.cli.graph.JsonText;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * Cuts a stream of bytes into JSON values, which follow one another with nothing in between. It
 * knows only tokens and nesting; whether what it found is JSON is for the parser to say.
 *
 * <p>Strings in single quotes are rewritten to double ones. What can't be a value is told as an
 * error, and the stream goes on behind it: behind the value where it was too long, behind the
 * bracket with which it became too deep, else where {@link QmpLexer} finds its way again. It holds
 * {@link #MESSAGE_LENGTH_MAX} bytes at most, and only while a long message comes. Single threaded.
 */
final class QmpFramer {
    /** Bytes of one message at most. */
    static final int MESSAGE_LENGTH_MAX = 1 << 20;

    /** Objects and arrays within each other at most, as in QEMU. */
    static final int NESTING_MAX = JsonText.NESTING_MAX;

    /** What was found. */
    enum Outcome {
        /** Nothing whole yet. */
        NEED_MORE,
        /** A value; {@link #text} is it. */
        MESSAGE,
        /** What can't be a value; {@link #text} says why. */
        ERROR
    }

    private static final int KEPT_LENGTH = 4096;

    private final QmpLexer lexer = new QmpLexer();
    private byte[] message = new byte[KEPT_LENGTH];
    private int length;

    /** Those that are open; less than none where one was closed too often. */
    private int objects;

    private int arrays;

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
            final boolean inString = lexer.isInString();
            final boolean escaped = lexer.isBehindBackslash();
            final Outcome outcome =
                    switch (lexer.take(character)) {
                        case NOTHING -> append(' ');
                        case PART -> appendPart(character, inString, escaped);
                        case LAST -> inString ? onString() : onStructural(character);
                        case BEFORE -> {
                            input.position(input.position() - 1);
                            yield finishIfClosed();
                        }
                        case STRAY -> onStray(character, inString);
                    };
            if (outcome != Outcome.NEED_MORE) {
                return outcome;
            }
        }
        return Outcome.NEED_MORE;
    }

    private Outcome appendPart(
            final char character, final boolean inString, final boolean escaped) {
        if (!inString) {
            return append(lexer.isInString() ? '"' : character);
        }
        if (lexer.isBehindBackslash()) {
            return Outcome.NEED_MORE; // goes with what it escapes
        }
        // Between double quotes the double ones need an escape, and single ones bear none.
        final boolean needsEscape = escaped ? character != '\'' : character == '"';
        final Outcome outcome = needsEscape ? append('\\') : Outcome.NEED_MORE;
        return outcome == Outcome.NEED_MORE ? append(character) : outcome;
    }

    private Outcome onString() {
        final Outcome outcome = append('"');
        return outcome == Outcome.NEED_MORE ? finishIfClosed() : outcome;
    }

    private Outcome onStructural(final char character) {
        switch (character) {
            case '{' -> objects++;
            case '}' -> objects--;
            case '[' -> arrays++;
            case ']' -> arrays--;
            default -> {}
        }
        if (objects + arrays > NESTING_MAX) {
            // Nobody may ever close what is open.
            return abandon("JSON nesting depth limit exceeded");
        }
        final Outcome outcome = append(character);
        return outcome == Outcome.NEED_MORE ? finishIfClosed() : outcome;
    }

    private Outcome finishIfClosed() {
        final boolean isOpen = objects >= 0 && arrays >= 0 && objects + arrays > 0;
        return isOpen ? Outcome.NEED_MORE : finish();
    }

    private Outcome append(final char character) {
        if (discarding || (length == 0 && character == ' ')) {
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

    private Outcome onStray(final char character, final boolean inString) {
        return abandon(
                "JSON parse error, stray "
                        + (character > ' ' && character <= '~'
                                ? "'" + character + "'"
                                : String.format("byte 0x%02x", (int) character))
                        + (inString ? " in a string" : ""));
    }

    /** Says so, if it was not refused before, and begins anew. */
    private Outcome abandon(final String sentence) {
        final boolean isTold = discarding;
        reset();
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
            text = "JSON parse error, invalid UTF-8 sequence in a string";
            outcome = Outcome.ERROR;
        }
        reset();
        return isTold ? Outcome.NEED_MORE : outcome;
    }

    private void reset() {
        forget();
        objects = 0;
        arrays = 0;
        discarding = false;
    }

    private void forget() {
        length = 0;
        if (message.length > KEPT_LENGTH) {
            message = new byte[KEPT_LENGTH];
        }
    }
}

package io.lockstep.cli.control;

/**
 * Cuts bytes into the tokens of JSON, and finds those that can't be in any. As QEMU does it takes
 * strings in single quotes too.
 *
 * <p>A byte that can't be where it is, ends the token at once. What follows is passed over until a
 * control character other than a tab, 0xfe, 0xff or one of <code>{}[]:,</code>: so whoever has lost
 * the thread, ours or their own, sends one of these and begins anew. Bytes from 0x80 to 0xfd are
 * text within strings; whether they are UTF-8 is seen when the string is whole. Single threaded.
 * Source: RFC 8259, section 2; QEMU's {@code docs/interop/qmp-spec.txt}, section 2.6, and what 7.2
 * was seen to do.
 */
final class QmpLexer {
    /** What a byte came to. */
    enum Step {
        /** It is between tokens. */
        NOTHING,
        /** It is a part of a token, which goes on. */
        PART,
        /** It is the last of a token. */
        LAST,
        /** The token ended before it; it is to be taken again. */
        BEFORE,
        /** It can't be here. */
        STRAY
    }

    private enum State {
        BETWEEN,
        STRING,
        /** Behind a backslash. */
        ESCAPE,
        /** A word, such as true. */
        WORD,
        /** Of a number: behind its minus. */
        MINUS,
        /** Behind its only digit before the point, 0. */
        ZERO,
        INTEGER,
        POINT,
        FRACTION,
        EXPONENT,
        EXPONENT_SIGN,
        POWER,
        /** Behind what can't be. */
        LOST
    }

    private static final String STRUCTURAL = "{}[]:,";
    private static final int TEXT_MAX = 0xfd;

    private State state = State.BETWEEN;
    private char quote;

    /** Takes the next byte, as 0 to 255. */
    Step take(final char character) {
        return switch (state) {
            case BETWEEN -> begin(character);
            case STRING -> goOnInString(character);
            case ESCAPE -> isText(character) ? goTo(State.STRING) : stray();
            case WORD -> isLetter(character) ? Step.PART : before();
            case LOST -> isLandmark(character) ? begin(character) : Step.NOTHING;
            default -> goOnInNumber(character);
        };
    }

    /** Whether the bytes that come are of a string. */
    boolean isInString() {
        return state == State.STRING || state == State.ESCAPE;
    }

    /** Whether the last byte was the backslash of an escape. */
    boolean isBehindBackslash() {
        return state == State.ESCAPE;
    }

    private Step begin(final char character) {
        state = State.BETWEEN;
        if (character == ' ' || character == '\t' || character == '\r' || character == '\n') {
            return Step.NOTHING;
        }
        if (STRUCTURAL.indexOf(character) >= 0) {
            return Step.LAST;
        }
        if (character == '"' || character == '\'') {
            quote = character;
            return goTo(State.STRING);
        }
        if (isLetter(character)) {
            return goTo(State.WORD);
        }
        return switch (character) {
            case '-' -> goTo(State.MINUS);
            case '0' -> goTo(State.ZERO);
            default -> isDigit(character) ? goTo(State.INTEGER) : stray();
        };
    }

    private Step goOnInString(final char character) {
        if (character == quote) {
            state = State.BETWEEN;
            return Step.LAST;
        }
        if (character == '\\') {
            return goTo(State.ESCAPE);
        }
        return isText(character) ? Step.PART : stray();
    }

    private Step goOnInNumber(final char character) {
        if (isDigit(character)) {
            return switch (state) {
                case MINUS -> goTo(character == '0' ? State.ZERO : State.INTEGER);
                case INTEGER -> Step.PART;
                case POINT, FRACTION -> goTo(State.FRACTION);
                case EXPONENT, EXPONENT_SIGN, POWER -> goTo(State.POWER);
                default -> stray(); // a number has no zeroes in front
            };
        }
        final boolean isWhole = state == State.ZERO || state == State.INTEGER;
        if (character == '.' && isWhole) {
            return goTo(State.POINT);
        }
        if ((character == 'e' || character == 'E') && (isWhole || state == State.FRACTION)) {
            return goTo(State.EXPONENT);
        }
        if ((character == '+' || character == '-') && state == State.EXPONENT) {
            return goTo(State.EXPONENT_SIGN);
        }
        return isWhole || state == State.FRACTION || state == State.POWER ? before() : stray();
    }

    private Step goTo(final State next) {
        state = next;
        return Step.PART;
    }

    private Step before() {
        state = State.BETWEEN;
        return Step.BEFORE;
    }

    private Step stray() {
        state = State.LOST;
        return Step.STRAY;
    }

    private static boolean isText(final char character) {
        return character >= ' ' && character <= TEXT_MAX;
    }

    /** Whether one goes on here that was lost. */
    private static boolean isLandmark(final char character) {
        return (!isText(character) && character != '\t') || STRUCTURAL.indexOf(character) >= 0;
    }

    private static boolean isLetter(final char character) {
        return character >= 'a' && character <= 'z';
    }

    private static boolean isDigit(final char character) {
        return character >= '0' && character <= '9';
    }
}

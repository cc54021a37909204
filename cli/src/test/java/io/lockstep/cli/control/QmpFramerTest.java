package io.lockstep.cli.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** Where the framer finds messages and errors in a stream, however it is cut into pieces. */
final class QmpFramerTest {
    private static List<String> frame(final String stream, final int pieceLength) {
        final byte[] bytes = stream.getBytes(StandardCharsets.UTF_8);
        final QmpFramer framer = new QmpFramer();
        final List<String> found = new ArrayList<>();
        for (int start = 0; start < bytes.length; start += pieceLength) {
            final ByteBuffer piece =
                    ByteBuffer.wrap(bytes, start, Math.min(pieceLength, bytes.length - start));
            QmpFramer.Outcome outcome = framer.next(piece);
            while (outcome != QmpFramer.Outcome.NEED_MORE) {
                found.add(
                        outcome == QmpFramer.Outcome.MESSAGE
                                ? framer.text()
                                : "! " + framer.text());
                outcome = framer.next(piece);
            }
        }
        return found;
    }

    private static void assertFramed(final String stream, final String... expected) {
        for (final int pieceLength : new int[] {1, 2, 3, 7, 1 << 20}) {
            assertEquals(List.of(expected), frame(stream, pieceLength), "pieces " + pieceLength);
        }
    }

    @Test
    void valuesFollowOneAnotherWithOrWithoutSpace() {
        assertFramed("{}{} \r\n[{}]\t{\"a\":[1]}", "{}", "{}", "[{}]", "{\"a\":[1]}");
    }

    @Test
    void bracesAndQuotesInStringsAreText() {
        assertFramed("{\"a\":\"}{\\\"]'\"}", "{\"a\":\"}{\\\"]'\"}");
        assertFramed("{\"a\":\"\\\\\"}{}", "{\"a\":\"\\\\\"}", "{}");
    }

    @Test
    void singleQuotesAreMadeDouble() {
        assertFramed("{ 'execute': 'a\\'b\"c' }", "{ \"execute\": \"a'b\\\"c\" }");
    }

    @Test
    void valuesThatStandAloneAreMessages() {
        assertFramed("42 true{}", "42", "true", "{}");
        assertFramed("-0.5e+3 0{}", "-0.5e+3", "0", "{}");
        assertFramed("\"text\"{}", "\"text\"", "{}");
        assertFramed("12{}", "12", "{}");
    }

    @Test
    void halfAMessageIsNone() {
        assertFramed("{\"execute\":\"query");
        assertFramed("{}{\"a\":{}", "{}");
    }

    private static void assertTellsThenGoesOn(final int errors, final byte... garbage) {
        final ByteBuffer stream = ByteBuffer.allocate(garbage.length + 3);
        stream.put(garbage).put((byte) '\n').put(new byte[] {'{', '}'}).flip();
        final QmpFramer framer = new QmpFramer();
        for (int i = 0; i < errors; i++) {
            assertEquals(QmpFramer.Outcome.ERROR, framer.next(stream), () -> text(garbage));
            assertTrue(framer.text().startsWith("JSON parse error, stray "), framer::text);
        }
        assertEquals(QmpFramer.Outcome.MESSAGE, framer.next(stream), () -> text(garbage));
        assertEquals("{}", framer.text());
    }

    private static String text(final byte[] bytes) {
        return new String(bytes, StandardCharsets.ISO_8859_1);
    }

    /** Between values, in brackets, in strings and behind a backslash. */
    @Test
    void aByteThatJsonCannotHaveEndsTheMessageAtOnce() {
        for (final int stray : new int[] {0, 1, 0x1f, 0xfe, 0xff}) {
            for (final String before :
                    List.of(
                            "",
                            "{",
                            "[1,",
                            "{\"a\":",
                            "{\"a\":\"",
                            "{'a",
                            "{'a':'\\",
                            "{'a':tru")) {
                final byte[] garbage = (before + 'x').getBytes(StandardCharsets.US_ASCII);
                garbage[garbage.length - 1] = (byte) stray;
                assertTellsThenGoesOn(1, garbage);
            }
        }
        assertTellsThenGoesOn(3, (byte) 1, (byte) 2, (byte) 0xff);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "@",
                "{@",
                "%d",
                "\u007f",
                "\u00e9",
                "[+1",
                ".5",
                "{\"a\":01",
                "[1. ",
                "[1e ",
                "[-",
                "- ",
                "True",
                "{\"a\":\"b\n",
                "{'a':1.5.",
                "\\",
                "@ lost \"words\" 12 null"
            })
    void whatBeginsNoTokenIsPassedOverUntilALandmark(final String stray) {
        assertTellsThenGoesOn(1, stray.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void bracketsThatDoNotMatchEndAMessage() {
        assertFramed("}{}", "}", "{}");
        assertFramed("{]{}", "{]", "{}");
        assertFramed("{\"a\":1]}{}", "{\"a\":1]", "}", "{}");
        assertFramed("],{}", "]", ",", "{}");
    }

    @Test
    void aMessageThatIsTooLongIsToldOnceAndTheStreamGoesOnBehindIt() {
        final String text = "a".repeat(QmpFramer.MESSAGE_LENGTH_MAX + 1);
        assertEquals(
                List.of("! JSON message size limit exceeded", "{}"),
                frame("{\"a\":\"" + text + "}" + text + "\"}{}", 4096));
        assertEquals(
                List.of("! JSON message size limit exceeded", "{}"), frame(text + " {}", 4096));
    }

    @Test
    void theLongestMessageIsTaken() {
        final String longest = "[" + "1".repeat(QmpFramer.MESSAGE_LENGTH_MAX - 2) + "]";
        assertEquals(List.of(longest, "{}"), frame(longest + "{}", 1 << 16));
    }

    @Test
    void whatIsTooDeepEndsAtOnceWhetherOrNotItIsClosed() {
        for (final String opening : List.of("[", "{\"a\":[", "{\"a\":")) {
            final int brackets = opening.length() - opening.replaceAll("[\\[{]", "").length();
            final int fitting = QmpFramer.NESTING_MAX / brackets;
            assertFramed(opening.repeat(fitting));
            final String tooDeep = opening.repeat(fitting) + "[";
            assertFramed(tooDeep + "\n{}", "! JSON nesting depth limit exceeded", "{}");
            assertFramed(tooDeep + "]{}", "! JSON nesting depth limit exceeded", "]", "{}");
        }
        final String deepest =
                "[".repeat(QmpFramer.NESTING_MAX) + "]".repeat(QmpFramer.NESTING_MAX);
        assertFramed(deepest + "{}", deepest, "{}");
    }

    @Test
    void bytesThatAreNoTextAreAnError() {
        final QmpFramer framer = new QmpFramer();
        final ByteBuffer bytes = ByteBuffer.wrap(new byte[] {'"', (byte) 0xc3, '"', '{', '}'});
        assertEquals(QmpFramer.Outcome.ERROR, framer.next(bytes));
        assertEquals(QmpFramer.Outcome.MESSAGE, framer.next(bytes));
        assertEquals("{}", framer.text());
    }
}

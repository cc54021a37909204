package io.lockstep.cli.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Dotted keys, against what QEMU 7.2 made of the same. */
final class DottedKeysTest {
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "a=1|{\"a\":\"1\"}",
                "a=1,b=2|{\"a\":\"1\",\"b\":\"2\"}",
                "a=1,|{\"a\":\"1\"}",
                "a=|{\"a\":\"\"}",
                "a=x,,y,b=,,|{\"a\":\"x,y\",\"b\":\",\"}",
                "a=b=c|{\"a\":\"b=c\"}",
                "a.b=1,a.c.d=2|{\"a\":{\"b\":\"1\",\"c\":{\"d\":\"2\"}}}",
                "a.0=x,a.1=y|{\"a\":[\"x\",\"y\"]}",
                "a.1.b=y,a.0=x|{\"a\":[\"x\",{\"b\":\"y\"}]}",
                "top-id=t,vote-threshold=1|{\"top-id\":\"t\",\"vote-threshold\":\"1\"}",
                "``|{}",
                "raw,node-name=n|{\"driver\":\"raw\",\"node-name\":\"n\"}",
                "raw|{\"driver\":\"raw\"}",
            })
    void areATree(final String text, final String tree) {
        assertEquals(tree, DottedKeys.parse(text == null ? "" : text, "driver").toString());
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                ".a=1|Invalid parameter '.a'",
                "a..b=1|Invalid parameter 'a..b'",
                "a.=1|Invalid parameter 'a.'",
                "=1|Invalid parameter ''",
                "a b=1|Invalid parameter 'a b'",
                "0=1|Invalid parameter '0'",
                "a.b=1,a=2|Parameters 'a.*' used inconsistently",
                "a=2,a.b=1|Parameters 'a.*' used inconsistently",
                "a.b.c=1,a.b=2|Parameters 'a.b.*' used inconsistently",
                "a.0=1,a.x=2|Parameters 'a.*' used inconsistently",
                "a.0=1,a.2=2|Parameter 'a.1' missing",
                "a.99999999999=1|Parameter 'a.0' missing",
                "a=1,a=2|Parameter 'a' is given twice",
                "a=1,b|Expected '=' after parameter 'b'",
            })
    void thatContradictEachOtherAreRefused(final String text, final String sentence) {
        assertEquals(
                sentence,
                assertThrows(GraphException.class, () -> DottedKeys.parse(text, "driver"))
                        .getMessage());
    }

    @Test
    void withoutAnImpliedKeyAValueAloneIsRefused() {
        assertEquals(
                "Expected '=' after parameter 'raw'",
                assertThrows(GraphException.class, () -> DottedKeys.parse("raw,id=x", null))
                        .getMessage());
    }

    @Test
    void nestingIsBounded() {
        final String key = "a.".repeat(100_000) + "a";
        final String sentence =
                assertThrows(GraphException.class, () -> DottedKeys.parse(key + "=1", null))
                        .getMessage();
        assertTrue(sentence.endsWith("has more than 32 names"));
    }
}

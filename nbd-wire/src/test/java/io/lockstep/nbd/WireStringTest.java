package io.lockstep.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.api.Test;

final class WireStringTest {
    @Test
    void takesAsManyBytesAsTheProtocol() {
        assertNull(WireString.refusal("name", ""));
        assertNull(WireString.refusal("name", "x".repeat(4096)));
        assertNull(WireString.refusal("name", "ü".repeat(2048)));
        assertEquals(
                "the name has 4097 bytes, and NBD allows 4096",
                WireString.refusal("name", "x".repeat(4097)));
        assertEquals(
                "the name has 4098 bytes, and NBD allows 4096",
                WireString.refusal("name", "ü".repeat(2049)));
    }

    @Test
    void refusesWhatIsNoText() {
        assertEquals(
                "the name contains NUL, which NBD does not allow",
                WireString.refusal("name", "a\0"));
        assertEquals(
                "the name is no text: it has one half of a surrogate pair",
                WireString.refusal("name", "a\ud83d"));
        assertNull(WireString.refusal("name", "\ud83d\ude00"));
    }

    @Test
    void keepsTheFrontOfWhatIsTooLong() {
        assertEquals("short", WireString.fitting("short"));
        assertEquals("x".repeat(4096), WireString.fitting("x".repeat(5000)));
        assertEquals("ü".repeat(2048), WireString.fitting("ü".repeat(4000)));
        final String smile = "\ud83d\ude00";
        assertEquals("x" + smile.repeat(1023), WireString.fitting("x" + smile.repeat(2000)));
    }
}

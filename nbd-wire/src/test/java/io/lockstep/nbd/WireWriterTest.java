package io.lockstep.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.ByteArrayOutputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;

final class WireWriterTest {
    /** Whichever value it is that no longer fits: the writer grows, and nothing is lost. */
    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17})
    void growsUnderEveryKindOfValue(final int before) throws IOException {
        final WireWriter writer = new WireWriter();
        final ByteArrayOutputStream expected = new ByteArrayOutputStream();
        final DataOutputStream data = new DataOutputStream(expected);
        writer.putZeroes(before);
        data.write(new byte[before]);
        for (int i = 0; i < 500; i++) {
            writer.putShort(i);
            data.writeShort(i);
            writer.putInt(i * 77);
            data.writeInt(i * 77);
            writer.putLong(i * -5L);
            data.writeLong(i * -5L);
            writer.putBytes(new byte[] {1, 2, 3});
            data.write(new byte[] {1, 2, 3});
        }
        final byte[] taken = new byte[writer.length()];
        assertEquals(taken.length, writer.take(MemorySegment.ofArray(taken), 0, taken.length));
        assertTrue(writer.isEmpty());
        assertArrayEquals(expected.toByteArray(), taken);
    }
}

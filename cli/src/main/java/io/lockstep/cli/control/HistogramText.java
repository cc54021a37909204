package io.lockstep.cli.control;

import org.HdrHistogram.Histogram;

import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Base64;
import java.util.zip.DataFormatException;

/**
 * A histogram as text: HdrHistogram's compressed encoding in Base64, which is what {@code .hlog}
 * files hold, so that every tool for those reads it. For any thread.
 */
public final class HistogramText {
    private HistogramText() {}

    /** Writes it. */
    static String encode(final Histogram histogram) {
        final ByteBuffer bytes = ByteBuffer.allocate(histogram.getNeededByteBufferCapacity());
        final int length = histogram.encodeIntoCompressedByteBuffer(bytes);
        return Base64.getEncoder().encodeToString(Arrays.copyOf(bytes.array(), length));
    }

    /**
     * Reads it.
     *
     * @throws IOException where it is none
     */
    public static Histogram decode(final String text) throws IOException {
        try {
            return Histogram.decodeFromCompressedByteBuffer(
                    ByteBuffer.wrap(Base64.getDecoder().decode(text)), 0);
        } catch (final DataFormatException
                | IllegalArgumentException
                | BufferUnderflowException e) {
            throw new IOException("no histogram: " + e.getMessage(), e);
        }
    }
}

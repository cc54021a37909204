package io.lockstep.cli.control;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntUnaryOperator;

/** Reads QMP for tests that are no part of the package. Stateless. */
public final class QmpTexts {
    /** Bytes of one message at most. */
    public static final int MESSAGE_LENGTH_MAX = QmpFramer.MESSAGE_LENGTH_MAX;

    private QmpTexts() {}

    /**
     * What a stream comes to: requests, or why there is none.
     *
     * @param portions of what remains, how many bytes come next
     */
    public static List<String> read(final byte[] stream, final IntUnaryOperator portions) {
        final QmpFramer framer = new QmpFramer();
        final List<String> found = new ArrayList<>();
        int start = 0;
        while (start < stream.length) {
            final int length = portions.applyAsInt(stream.length - start);
            final ByteBuffer portion = ByteBuffer.wrap(stream, start, length);
            QmpFramer.Outcome outcome = framer.next(portion);
            while (outcome != QmpFramer.Outcome.NEED_MORE) {
                found.add(
                        outcome == QmpFramer.Outcome.MESSAGE
                                ? request(framer.text())
                                : framer.text());
                outcome = framer.next(portion);
            }
            start += length;
        }
        return found;
    }

    private static String request(final String text) {
        try {
            final QmpRequest request = QmpRequest.of(QmpRequest.parse(text), true);
            new QmpArguments(request.arguments()).rest();
            return request.toString();
        } catch (final QmpException e) {
            return e.errorClass() + ": " + e.getMessage();
        }
    }
}

package io.lockstep.hardening;

import com.code_intelligence.jazzer.junit.FuzzTest;

import io.lockstep.engine.node.Meeting;
import io.lockstep.engine.node.RecordFormat;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Word;

import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Optional;
import java.util.stream.Stream;
import java.util.zip.CRC32C;

/**
 * A state record, or what a node says of itself, is refused or is one that is written again as it
 * was read; and whatever two nodes say, their meeting has an answer with a sentence.
 *
 * <p>Input: a record, whose length and sum are put right so that what is behind them is reached;
 * and the same bytes as what two nodes say, one after the other.
 */
final class NodeStateFuzzTest {
    private static final int AT_LENGTH = 12;
    private static final int AT_SUM = 16;
    private static final int AT_BODY = 20;

    static Stream<Arguments> seeds() {
        return FuzzSeeds.nodeState().stream().map(Arguments::of);
    }

    @MethodSource("seeds")
    @FuzzTest
    void state(final byte[] input) {
        FuzzWatch.begin(input);
        record(input);
        if (input.length >= AT_BODY) {
            record(summed(input));
        }
        final Optional<Summary> primary =
                summary(Arrays.copyOf(input, Math.min(input.length, Summary.LENGTH)));
        if (primary.isPresent()) {
            final int end = Math.min(input.length, 2 * Summary.LENGTH);
            summary(Arrays.copyOfRange(input, Summary.LENGTH, end))
                    .ifPresent(secondary -> meeting(primary.get(), secondary));
        }
    }

    private static byte[] summed(final byte[] input) {
        final byte[] bytes = input.clone();
        final CRC32C sum = new CRC32C();
        sum.update(bytes, AT_BODY, bytes.length - AT_BODY);
        ByteBuffer.wrap(bytes).putInt(AT_LENGTH, bytes.length).putInt(AT_SUM, (int) sum.getValue());
        return bytes;
    }

    private static void record(final byte[] bytes) {
        RecordFormat.decode(bytes)
                .ifPresent(
                        copy -> {
                            final byte[] again = RecordFormat.encode(copy);
                            FuzzCheck.that(
                                    Arrays.equals(again, Arrays.copyOf(bytes, again.length)),
                                    "written otherwise than it was read");
                        });
    }

    private static Optional<Summary> summary(final byte[] bytes) {
        final Optional<Summary> summary = Summary.decode(bytes);
        summary.ifPresent(
                said ->
                        FuzzCheck.that(
                                Summary.decode(said.encode()).equals(summary),
                                "heard otherwise than it was said"));
        return summary;
    }

    private static void meeting(final Summary primary, final Summary secondary) {
        for (final Word word : Word.values()) {
            final Meeting.Answer answer = Meeting.of(primary, secondary, word);
            FuzzCheck.that(
                    !Meeting.sentence(answer, primary, secondary, word).isEmpty(),
                    "nothing to say");
        }
    }
}

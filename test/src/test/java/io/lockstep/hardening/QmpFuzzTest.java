package io.lockstep.hardening;

import com.code_intelligence.jazzer.junit.FuzzTest;

import io.lockstep.cli.control.QmpTexts;
import io.lockstep.cli.graph.NodeTexts;

import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;

/**
 * The control socket takes any bytes in any portions: each value is a request or an error with a
 * sentence, how the bytes are cut up makes no difference, and whatever they were, a byte that JSON
 * can't have makes a new beginning: the whole command behind it is one. As the arguments of {@code
 * blockdev-add} they are a node or an error.
 *
 * <p>Input: one byte for {@link Portions}, then what the client sends.
 */
final class QmpFuzzTest {
    private static final String EXECUTE_X =
            QmpTexts.read("{'execute':'x'}".getBytes(StandardCharsets.US_ASCII), left -> left)
                    .getFirst();

    /** What no JSON has, and a whole command. */
    private static final byte[] LIFEBELT =
            Bytes.of(0xff).put(Bytes.text("\n{'execute':'x'}")).toArray();

    private static boolean isAnsweredBehind(final byte[] stream) {
        final byte[] more = Arrays.copyOf(stream, stream.length + LIFEBELT.length);
        System.arraycopy(LIFEBELT, 0, more, stream.length, LIFEBELT.length);
        return QmpTexts.read(more, new Portions(0)::next).getLast().equals(EXECUTE_X);
    }

    static Stream<Arguments> seeds() {
        return FuzzSeeds.qmp().stream().map(Arguments::of);
    }

    @MethodSource("seeds")
    @FuzzTest
    void stream(final byte[] input) {
        FuzzWatch.begin(input);
        if (input.length == 0) {
            return;
        }
        final byte[] stream = Arrays.copyOfRange(input, 1, input.length);
        final List<String> whole = QmpTexts.read(stream, new Portions(0)::next);
        FuzzCheck.that(whole.stream().noneMatch(String::isEmpty), "nothing to say");
        FuzzCheck.that(isAnsweredBehind(stream), "it cannot be brought back");
        if (input[0] != 0) {
            final List<String> cut = QmpTexts.read(stream, new Portions(input[0])::next);
            FuzzCheck.that(cut.equals(whole), "other requests");
        }
        final String node = NodeTexts.json(new String(stream, StandardCharsets.UTF_8));
        FuzzCheck.that(!node.isEmpty(), "nothing to say");
    }
}

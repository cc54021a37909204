package io.lockstep.hardening;

import com.code_intelligence.jazzer.junit.FuzzTest;

import io.lockstep.nbd.ClientHandshake;
import io.lockstep.nbd.ClientNegotiated;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.RemoteExport;
import io.lockstep.nbd.ReplyStyle;
import io.lockstep.nbd.SelectedContext;

import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The client's handshake takes any server, in any portions: it throws nothing, ends when the server
 * does, sends whole options in a bounded number, believes nothing that the protocol rules out, and
 * has a sentence for every failure.
 *
 * <p>Input: a byte for {@link Portions}, one for what the client wants, then what the server sends.
 */
final class ClientHandshakeFuzzTest {
    private static final int CONTROL_LENGTH = 2;

    /** Flags, then at most: two styles, a selection, GO, EXPORT_NAME or ABORT. */
    private static final int OPTIONS_MAX = 6;

    static Stream<Arguments> seeds() {
        return FuzzSeeds.clientHandshake().stream().map(Arguments::of);
    }

    @MethodSource("seeds")
    @FuzzTest
    void server(final byte[] input) {
        FuzzWatch.begin(input);
        if (input.length < CONTROL_LENGTH) {
            return;
        }
        final byte[] stream = Arrays.copyOfRange(input, CONTROL_LENGTH, input.length);
        final ClientOptions options = options(input[1]);
        final Run whole = new Run(options, stream, new Portions(0));
        whole.run();
        whole.check();
        if (input[0] != 0) {
            final Run cut = new Run(options, stream, new Portions(input[0]));
            cut.run();
            FuzzCheck.that(cut.handshake.state() == whole.handshake.state(), "other state");
            FuzzCheck.that(
                    cut.handshake.failure().equals(whole.handshake.failure()), "other failure");
            FuzzCheck.that(
                    Arrays.equals(cut.output.toByteArray(), whole.output.toByteArray()),
                    "other options");
        }
    }

    static ClientOptions options(final int choice) {
        final ClientOptions.Goal goal =
                switch (choice & 3) {
                    case 0 -> ClientOptions.Goal.LIST;
                    case 1 -> ClientOptions.Goal.INFO;
                    default -> ClientOptions.Goal.TRANSMISSION;
                };
        final ReplyStyle style =
                switch (choice >> 2 & 3) {
                    case 0 -> ReplyStyle.SIMPLE;
                    case 1 -> ReplyStyle.STRUCTURED;
                    default -> ReplyStyle.EXTENDED;
                };
        final List<String> contexts =
                switch (choice >> 4 & 3) {
                    case 0 -> List.of();
                    case 1 -> List.of(Nbd.CONTEXT_BASE_ALLOCATION);
                    default -> List.of(Nbd.CONTEXT_BASE_ALLOCATION, "x-lockstep:epoch", "a:b");
                };
        return new ClientOptions(goal, FuzzedExports.DEFAULT, style, contexts);
    }

    private static final class Run {
        private final ClientOptions options;
        private final byte[] stream;
        private final Portions portions;
        private final ClientHandshake handshake;
        private final ByteArrayOutputStream output = new ByteArrayOutputStream();

        Run(final ClientOptions options, final byte[] stream, final Portions portions) {
            this.options = options;
            this.stream = stream;
            this.portions = portions;
            handshake = new ClientHandshake(options);
        }

        void run() {
            int available = 0;
            int position = 0;
            while (handshake.state() == ClientHandshake.State.NEGOTIATING) {
                final MemorySegment memory = MemorySegment.ofArray(stream).asSlice(0, available);
                final int next = (int) handshake.receive(memory, position, available);
                FuzzCheck.that(next >= position && next <= available, "position out of range");
                takeOutput();
                if (next != position) {
                    position = next;
                    continue;
                }
                if (handshake.state() != ClientHandshake.State.NEGOTIATING) {
                    break;
                }
                FuzzCheck.that(
                        available - position < ClientHandshake.MESSAGE_LENGTH_MAX,
                        "wants a message that is longer than the longest");
                if (available == stream.length) {
                    handshake.end();
                    takeOutput();
                    break;
                }
                available += portions.next(stream.length - available);
            }
            final ClientHandshake.State end = handshake.state();
            FuzzCheck.that(end != ClientHandshake.State.NEGOTIATING, "goes on after the end");
            FuzzCheck.that(
                    handshake.receive(MemorySegment.ofArray(stream), position, stream.length)
                            == position,
                    "takes more after the end");
            handshake.end();
            FuzzCheck.that(handshake.state() == end, "ends twice");
        }

        private void takeOutput() {
            final byte[] taken = new byte[handshake.output().length()];
            handshake.output().take(MemorySegment.ofArray(taken), 0, taken.length);
            output.writeBytes(taken);
        }

        void check() {
            checkOutput();
            switch (handshake.state()) {
                case FAILED -> checkFailure();
                case TRANSMISSION -> {
                    FuzzCheck.that(options.goal() == ClientOptions.Goal.TRANSMISSION, "other goal");
                    checkNegotiated(handshake.negotiated());
                }
                case ENDED -> {
                    if (options.goal() == ClientOptions.Goal.INFO) {
                        checkNegotiated(handshake.negotiated());
                    } else {
                        handshake
                                .exports()
                                .forEach(
                                        export ->
                                                FuzzCheck.that(
                                                        export.name().indexOf('\0') < 0,
                                                        "NUL in a name"));
                    }
                }
                case NEGOTIATING -> throw new AssertionError("no end");
            }
        }

        private void checkOutput() {
            final ByteBuffer sent = ByteBuffer.wrap(output.toByteArray());
            if (!sent.hasRemaining()) {
                return;
            }
            FuzzCheck.that((sent.getInt() & ~Messages.FLAGS) == 0, "unknown client flags");
            int count = 0;
            while (sent.hasRemaining()) {
                FuzzCheck.that(sent.remaining() >= 16, "half an option");
                FuzzCheck.that(sent.getLong() == Nbd.OPTS_MAGIC, "magic of an option");
                final int option = sent.getInt();
                FuzzCheck.that(option > 0 && option <= Nbd.OPT_EXTENDED_HEADERS, "option ", option);
                final int length = sent.getInt();
                FuzzCheck.that(length >= 0 && length <= sent.remaining(), "half an option");
                sent.position(sent.position() + length);
                count++;
            }
            FuzzCheck.that(count <= OPTIONS_MAX, "options sent: ", count);
        }

        private void checkFailure() {
            final String failure = handshake.failure();
            FuzzCheck.that(!failure.isEmpty(), "failure without a word");
            for (int i = 0; i < failure.length(); i++) {
                FuzzCheck.that(!Character.isISOControl(failure.charAt(i)), "steers a terminal");
            }
        }

        private void checkNegotiated(final ClientNegotiated negotiated) {
            final RemoteExport export = negotiated.export();
            FuzzCheck.that(export.size() >= 0, "size");
            FuzzCheck.that(export.has(Nbd.FLAG_HAS_FLAGS), "flags");
            FuzzCheck.that(export.name().indexOf('\0') < 0, "NUL in the name");
            FuzzCheck.that(
                    Integer.bitCount(export.blockSizeMin()) == 1
                            && export.blockSizeMin() <= 1 << 16,
                    "minimum block size");
            FuzzCheck.that(
                    Long.bitCount(export.blockSizePreferred()) == 1
                            && export.blockSizePreferred() >= export.blockSizeMin(),
                    "preferred block size");
            FuzzCheck.that(export.payloadLengthMax() >= 512, "payload");
            FuzzCheck.that(
                    negotiated.replyStyle().compareTo(options.replyStyle()) <= 0,
                    "a better style than was asked for");
            FuzzCheck.that(
                    !negotiated.has(Nbd.FLAG_SEND_DF)
                            || negotiated.replyStyle() != ReplyStyle.SIMPLE,
                    "DF in simple style");
            final List<SelectedContext> contexts = negotiated.contexts();
            FuzzCheck.that(contexts.size() <= options.metaContexts().size(), "too many contexts");
            final Set<Integer> ids = new HashSet<>();
            contexts.forEach(context -> FuzzCheck.that(ids.add(context.id()), "ID twice"));
        }
    }
}

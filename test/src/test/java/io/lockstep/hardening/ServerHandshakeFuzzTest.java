package io.lockstep.hardening;

import com.code_intelligence.jazzer.junit.FuzzTest;

import io.lockstep.nbd.Export;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.Negotiated;
import io.lockstep.nbd.ReplyStyle;
import io.lockstep.nbd.ServerHandshake;

import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.ByteArrayOutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.Stream;

/**
 * The server's handshake takes any bytes in any portions: it throws nothing, ends, answers each
 * option with replies of its own that the protocol knows, within a bound, and settles on nothing
 * that was not offered. How the bytes are cut up makes no difference.
 *
 * <p>Input: one byte for {@link Portions}, then what the client sends.
 */
final class ServerHandshakeFuzzTest {
    /** The longest answer: the list of all exports, one name being as long as a name can be. */
    private static final int ANSWER_MAX = 16 << 10;

    private static final int FLAGS_LENGTH = 4;
    private static final int OPTION_HEADER = 16;
    private static final FuzzedExports EXPORTS = new FuzzedExports();

    static Stream<Arguments> seeds() {
        return FuzzSeeds.serverHandshake().stream().map(Arguments::of);
    }

    @MethodSource("seeds")
    @FuzzTest
    void handshake(final byte[] input) {
        FuzzWatch.begin(input);
        if (input.length == 0) {
            return;
        }
        final byte[] stream = Arrays.copyOfRange(input, 1, input.length);
        final Run whole = new Run(stream, new Portions(0));
        whole.run();
        whole.checkOutput();
        whole.checkSettled();
        if (input[0] != 0) {
            final Run cut = new Run(stream, new Portions(input[0]));
            cut.run();
            FuzzCheck.that(cut.handshake.state() == whole.handshake.state(), "other state");
            FuzzCheck.that(
                    Arrays.equals(cut.output.toByteArray(), whole.output.toByteArray()),
                    "other answers");
        }
    }

    /** One handshake, driven as a session drives it. */
    private static final class Run {
        private final ServerHandshake handshake = new ServerHandshake(EXPORTS);
        private final ByteArrayOutputStream output = new ByteArrayOutputStream();
        private final byte[] stream;
        private final Portions portions;
        private int position;

        Run(final byte[] stream, final Portions portions) {
            this.stream = stream;
            this.portions = portions;
        }

        void run() {
            int available = 0;
            takeOutput();
            while (handshake.state() == ServerHandshake.State.NEGOTIATING) {
                // Nothing lies behind what was received: reading there throws.
                final MemorySegment memory = MemorySegment.ofArray(stream).asSlice(0, available);
                final int next = (int) handshake.receive(memory, position, available);
                FuzzCheck.that(next >= position && next <= available, "position out of range");
                takeOutput();
                if (next != position) {
                    position = next;
                    continue;
                }
                FuzzCheck.that(
                        available - position < ServerHandshake.MESSAGE_LENGTH_MAX,
                        "wants a message that is longer than the longest");
                if (available == stream.length) {
                    return;
                }
                available += portions.next(stream.length - available);
            }
            final MemorySegment memory = MemorySegment.ofArray(stream);
            FuzzCheck.that(
                    handshake.receive(memory, position, stream.length) == position,
                    "takes more after the end");
            FuzzCheck.that(handshake.output().isEmpty(), "says more after the end");
        }

        private void takeOutput() {
            final int length = handshake.output().length();
            FuzzCheck.that(length <= ANSWER_MAX, "an answer of ", length, " bytes");
            final byte[] taken = new byte[length];
            int done = 0;
            while (done < length) {
                done +=
                        handshake
                                .output()
                                .take(
                                        MemorySegment.ofArray(taken),
                                        done,
                                        portions.next(length - done));
            }
            FuzzCheck.that(handshake.output().isEmpty(), "output is left");
            output.writeBytes(taken);
        }

        /** Walks through options and answers side by side. */
        void checkOutput() {
            final ByteBuffer answers = ByteBuffer.wrap(output.toByteArray());
            answers.position(18); // the greeting
            final MemorySegment options = MemorySegment.ofArray(stream);
            long at = FLAGS_LENGTH;
            while (at + OPTION_HEADER <= position && answers.hasRemaining()) {
                final int option = Integer.reverseBytes(intAt(options, at + 8));
                final long length =
                        Integer.toUnsignedLong(Integer.reverseBytes(intAt(options, at + 12)));
                if (option == Nbd.OPT_EXPORT_NAME) {
                    checkExportNameAnswer(answers);
                } else {
                    checkAnswer(option, answers);
                }
                at += OPTION_HEADER + length;
            }
            FuzzCheck.that(!answers.hasRemaining(), "answers to nothing");
        }

        private static int intAt(final MemorySegment memory, final long at) {
            return memory.get(ValueLayout.JAVA_INT_UNALIGNED, at);
        }

        private void checkExportNameAnswer(final ByteBuffer answers) {
            final int rest = answers.remaining();
            FuzzCheck.that(rest == 10 || rest == 10 + Nbd.EXPORT_NAME_PADDING, "padding");
            FuzzCheck.that(
                    answers.getLong() == handshake.negotiated().export().size(), "other size");
            answers.position(answers.limit());
        }

        private static void checkAnswer(final int option, final ByteBuffer answers) {
            boolean exportTold = false;
            int type;
            do {
                FuzzCheck.that(answers.remaining() >= 20, "answer ends early");
                FuzzCheck.that(answers.getLong() == Nbd.REP_MAGIC, "magic of an answer");
                FuzzCheck.that(answers.getInt() == option, "answer to another option");
                type = answers.getInt();
                final int length = answers.getInt();
                FuzzCheck.that(length >= 0 && length <= answers.remaining(), "length");
                final ByteBuffer data = answers.slice(answers.position(), length);
                answers.position(answers.position() + length);
                checkData(option, type, data);
                exportTold |= type == Nbd.REP_INFO && data.getShort(0) == (short) Nbd.INFO_EXPORT;
            } while (type > 0 && type != Nbd.REP_ACK);
            final boolean wantsExport = option == Nbd.OPT_GO || option == Nbd.OPT_INFO;
            FuzzCheck.that(
                    !(wantsExport && type == Nbd.REP_ACK) || exportTold, "ACK without the export");
        }

        private static void checkData(final int option, final int type, final ByteBuffer data) {
            final boolean fits =
                    switch (type) {
                        case Nbd.REP_ACK -> data.remaining() == 0;
                        case Nbd.REP_SERVER ->
                                option == Nbd.OPT_LIST
                                        && data.getInt(0) <= Nbd.STRING_LENGTH_MAX
                                        && data.getInt(0) <= data.remaining() - 4;
                        case Nbd.REP_INFO ->
                                (option == Nbd.OPT_INFO || option == Nbd.OPT_GO)
                                        && data.remaining() >= 2
                                        && data.remaining() <= 2 + Nbd.STRING_LENGTH_MAX;
                        case Nbd.REP_META_CONTEXT ->
                                (option == Nbd.OPT_LIST_META_CONTEXT
                                                || option == Nbd.OPT_SET_META_CONTEXT)
                                        && data.remaining() > 4;
                        default ->
                                type >= Nbd.REP_ERR_UNSUP
                                        && type <= Nbd.REP_ERR_EXT_HEADER_REQD
                                        && data.remaining() <= Nbd.STRING_LENGTH_MAX
                                        && isText(data);
                    };
            FuzzCheck.that(fits, "reply of type ", type, " to option ", option);
        }

        private static boolean isText(final ByteBuffer data) {
            try {
                return StandardCharsets.UTF_8.newDecoder().decode(data.duplicate()).length() > 0;
            } catch (final CharacterCodingException e) {
                return false;
            }
        }

        void checkSettled() {
            switch (handshake.state()) {
                case NEGOTIATING ->
                        FuzzCheck.that(handshake.negotiated() == null, "settled too early");
                case CLOSING -> {} // the client may end it, and then there is no more to say
                case TRANSMISSION -> checkNegotiated(handshake.negotiated());
            }
        }

        private static void checkNegotiated(final Negotiated settled) {
            final Export export = settled.export();
            FuzzCheck.that(EXPORTS.list().contains(export), "an export that is not there");
            FuzzCheck.that(!export.name().equals(FuzzedExports.FULL), "an export that is full");
            FuzzCheck.that(
                    export.metaContexts().containsAll(settled.metaContexts()), "other contexts");
            FuzzCheck.that(
                    settled.metaContexts().isEmpty() || settled.replyStyle() != ReplyStyle.SIMPLE,
                    "contexts without chunks to tell them");
            final boolean extended = settled.replyStyle() == ReplyStyle.EXTENDED;
            final int expected =
                    export.transmissionFlags()
                            | (settled.replyStyle() == ReplyStyle.SIMPLE ? 0 : Nbd.FLAG_SEND_DF)
                            | (extended && !settled.metaContexts().isEmpty()
                                    ? Nbd.FLAG_BLOCK_STATUS_PAYLOAD
                                    : 0);
            FuzzCheck.that(settled.transmissionFlags() == expected, "other flags");
        }
    }
}

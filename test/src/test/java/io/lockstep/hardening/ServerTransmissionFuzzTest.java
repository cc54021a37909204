package io.lockstep.hardening;

import com.code_intelligence.jazzer.junit.FuzzTest;

import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.Negotiated;
import io.lockstep.nbd.ReplyStyle;
import io.lockstep.nbd.Request;
import io.lockstep.nbd.ServerTransmission;

import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.stream.Stream;

/**
 * The server's transmission takes any bytes in any portions, from a handler that has no room now
 * and then: it throws nothing and goes forward; a request that it hands over lies within the export
 * and the memory, and is one that was offered; nothing is handed over after the end. Portions and
 * stalls make no difference.
 *
 * <p>Input: a byte for {@link Portions}, one for {@link FuzzedExports#negotiated}, one for stalls,
 * then what the client sends.
 */
final class ServerTransmissionFuzzTest {
    private static final int CONTROL_LENGTH = 3;

    static Stream<Arguments> seeds() {
        return FuzzSeeds.serverTransmission().stream().map(Arguments::of);
    }

    @MethodSource("seeds")
    @FuzzTest
    void requests(final byte[] input) {
        FuzzWatch.begin(input);
        if (input.length < CONTROL_LENGTH) {
            return;
        }
        final byte[] stream = Arrays.copyOfRange(input, CONTROL_LENGTH, input.length);
        final Negotiated negotiated = FuzzedExports.negotiated(input[1]);
        final Run whole = new Run(negotiated, stream, new Portions(0), new Portions(0));
        whole.run();
        final Run cut = new Run(negotiated, stream, new Portions(input[0]), new Portions(input[2]));
        cut.run();
        FuzzCheck.that(cut.transmission.state() == whole.transmission.state(), "other state");
        FuzzCheck.that(cut.handedOver == whole.handedOver, "other count of requests");
        FuzzCheck.that(cut.hash == whole.hash, "other requests");
    }

    private static final class Run implements ServerTransmission.Handler {
        private final Negotiated negotiated;
        private final byte[] stream;
        private final Portions portions;
        private final Portions stalls;
        private final ServerTransmission transmission;
        private int available;
        private int position;
        private boolean stalledLast;
        private int handedOver;
        private long hash;

        Run(
                final Negotiated negotiated,
                final byte[] stream,
                final Portions portions,
                final Portions stalls) {
            this.negotiated = negotiated;
            this.stream = stream;
            this.portions = portions;
            this.stalls = stalls;
            transmission = new ServerTransmission(negotiated, this);
        }

        void run() {
            final int header = negotiated.replyStyle().requestHeaderLength();
            while (transmission.state() == ServerTransmission.State.OPEN) {
                final int next = receive();
                FuzzCheck.that(next >= position && next <= available, "position out of range");
                position = next;
                if (transmission.isStalled()) {
                    continue; // the next offer is taken
                }
                if (transmission.state() == ServerTransmission.State.OPEN) {
                    final long wanted = transmission.wanted();
                    FuzzCheck.that(
                            wanted >= header && wanted <= transmission.messageLengthMax(),
                            "wants bytes ",
                            wanted);
                    FuzzCheck.that(available - position < wanted, "has what it wants");
                    if (available == stream.length) {
                        return;
                    }
                    available += portions.next(stream.length - available);
                }
            }
            final int before = handedOver;
            available = stream.length;
            FuzzCheck.that(receive() == position, "takes more after the end");
            FuzzCheck.that(handedOver == before, "hands over after the end");
            FuzzCheck.that(
                    transmission.state() == ServerTransmission.State.DISCONNECTED
                            || !transmission.violation().isEmpty(),
                    "no word of the violation");
        }

        private int receive() {
            final MemorySegment memory = MemorySegment.ofArray(stream).asSlice(0, available);
            return (int) transmission.receive(memory, position, available);
        }

        private boolean stalls() {
            stalledLast = !stalledLast && stalls.now();
            return stalledLast;
        }

        @Override
        public boolean onRequest(final Request request) {
            checkOpen();
            checkRange(request);
            checkCommand(request);
            if (stalls()) {
                return false;
            }
            note(request, 0);
            if (request.command() == Nbd.CMD_WRITE) {
                FuzzCheck.that(
                        request.payloadPosition() >= position
                                && request.payloadPosition() + request.length() <= available,
                        "payload lies outside of what was received");
                for (long i = 0; i < request.length(); i++) {
                    mix(stream[(int) (request.payloadPosition() + i)]);
                }
            }
            return true;
        }

        @Override
        public boolean onRejected(final Request request, final int error, final String reason) {
            checkOpen();
            FuzzCheck.that(!reason.isEmpty(), "no reason");
            switch (error) {
                case Nbd.EPERM, Nbd.EINVAL, Nbd.ENOSPC, Nbd.EOVERFLOW -> {}
                default -> FuzzCheck.that(false, "error ", error);
            }
            if (stalls()) {
                return false;
            }
            note(request, error);
            return true;
        }

        private void checkOpen() {
            FuzzCheck.that(
                    transmission.state() == ServerTransmission.State.OPEN, "handed over too late");
        }

        private void checkRange(final Request request) {
            final long size = negotiated.export().size();
            final long offset = request.offset();
            final long length = request.length();
            FuzzCheck.that(
                    offset >= 0 && length >= 0 && offset <= size && length <= size - offset,
                    "beyond the export: ",
                    length,
                    " at ",
                    offset);
            final int unit = negotiated.export().blockSizeMin();
            FuzzCheck.that(offset % unit == 0 && length % unit == 0, "not aligned");
        }

        private void checkCommand(final Request request) {
            final boolean extended = negotiated.replyStyle() == ReplyStyle.EXTENDED;
            final int payloadMax = negotiated.export().payloadLengthMax();
            int flags = negotiated.has(Nbd.FLAG_SEND_FUA) ? Nbd.CMD_FLAG_FUA : 0;
            boolean changes = false;
            int needs = 0;
            switch (request.command()) {
                case Nbd.CMD_READ -> {
                    flags |= negotiated.has(Nbd.FLAG_SEND_DF) ? Nbd.CMD_FLAG_DF : 0;
                    FuzzCheck.that(request.length() <= payloadMax, "long read");
                }
                case Nbd.CMD_WRITE -> {
                    flags |= extended ? Nbd.CMD_FLAG_PAYLOAD_LEN : 0;
                    changes = true;
                    FuzzCheck.that(request.length() <= payloadMax, "long write");
                    FuzzCheck.that(
                            !extended || request.has(Nbd.CMD_FLAG_PAYLOAD_LEN), "no payload");
                }
                case Nbd.CMD_FLUSH -> {
                    needs = Nbd.FLAG_SEND_FLUSH;
                    FuzzCheck.that(
                            request.offset() == 0 && request.length() == 0, "flush of a range");
                }
                case Nbd.CMD_TRIM -> {
                    needs = Nbd.FLAG_SEND_TRIM;
                    changes = true;
                }
                case Nbd.CMD_CACHE -> needs = Nbd.FLAG_SEND_CACHE;
                case Nbd.CMD_WRITE_ZEROES -> {
                    needs = Nbd.FLAG_SEND_WRITE_ZEROES;
                    flags |= Nbd.CMD_FLAG_NO_HOLE | Nbd.CMD_FLAG_FAST_ZERO;
                    changes = true;
                }
                case Nbd.CMD_BLOCK_STATUS -> {
                    flags |= Nbd.CMD_FLAG_REQ_ONE;
                    flags |=
                            negotiated.has(Nbd.FLAG_BLOCK_STATUS_PAYLOAD)
                                    ? Nbd.CMD_FLAG_PAYLOAD_LEN
                                    : 0;
                    final int selected = negotiated.metaContexts().size();
                    FuzzCheck.that(request.length() > 0, "status of nothing");
                    FuzzCheck.that(request.contexts() != 0, "status of no context");
                    FuzzCheck.that(
                            (Integer.toUnsignedLong(request.contexts()) >>> selected) == 0,
                            "status of a context that was not selected");
                }
                default -> FuzzCheck.that(false, "command ", request.command());
            }
            FuzzCheck.that((request.flags() & ~flags) == 0, "flags ", request.flags());
            FuzzCheck.that(negotiated.has(needs), "command was not offered");
            FuzzCheck.that(!changes || !negotiated.has(Nbd.FLAG_READ_ONLY), "read-only");
        }

        private void note(final Request request, final int error) {
            handedOver++;
            mix(request.command());
            mix(request.flags());
            mix(request.cookie());
            mix(request.offset());
            mix(request.length());
            mix(request.contexts());
            mix(error);
        }

        private void mix(final long value) {
            hash = (hash ^ value) * 0x100_0000_01b3L;
            hash ^= hash >>> 29;
        }
    }
}

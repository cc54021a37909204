package io.lockstep.hardening;

import com.code_intelligence.jazzer.junit.FuzzTest;

import io.lockstep.nbd.ClientNegotiated;
import io.lockstep.nbd.ClientTransmission;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.PendingRequest;
import io.lockstep.nbd.PendingRequests;
import io.lockstep.nbd.RemoteExport;
import io.lockstep.nbd.ReplyStyle;
import io.lockstep.nbd.SelectedContext;

import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.stream.Stream;

/**
 * The client's transmission takes any server, in any portions: it throws nothing and goes forward;
 * what it hands over belongs to a request in flight and lies within its range and within memory; a
 * read that ends well has come whole; nothing is handed over after the end. Portions make no
 * difference, nor does data received past the machine.
 *
 * <p>Input: a byte for {@link Portions}, one for what was negotiated, one for data past the
 * machine, then what the server sends. The client has made one request of each of {@link
 * #REQUESTS}.
 */
final class ClientTransmissionFuzzTest {
    static final int EXPORT_SIZE = 10_007;

    /** Command, offset and length of the requests in flight; the cookies count from 0x10000 on. */
    private static final List<List<Integer>> REQUESTS =
            List.of(
                    List.of(Nbd.CMD_READ, 0, 16),
                    List.of(Nbd.CMD_READ, 512, 4096),
                    List.of(Nbd.CMD_READ, EXPORT_SIZE - 1, 1),
                    List.of(Nbd.CMD_WRITE, 0, 512),
                    List.of(Nbd.CMD_FLUSH, 0, 0),
                    List.of(Nbd.CMD_BLOCK_STATUS, 0, 4096),
                    List.of(Nbd.CMD_BLOCK_STATUS, 4096, EXPORT_SIZE - 4096),
                    List.of(Nbd.CMD_READ, 100, 8));

    /** So many pieces of a read are told apart for sure. */
    private static final int PIECES_EXACT = 8;

    private static final int LAST_HAS_DF = 7;
    private static final int CONTROL_LENGTH = 3;

    static Stream<Arguments> seeds() {
        return FuzzSeeds.clientTransmission().stream().map(Arguments::of);
    }

    @MethodSource("seeds")
    @FuzzTest
    void server(final byte[] input) {
        FuzzWatch.begin(input);
        if (input.length < CONTROL_LENGTH) {
            return;
        }
        final byte[] stream = Arrays.copyOfRange(input, CONTROL_LENGTH, input.length);
        final Run whole = new Run(input[1], stream, new Portions(0), new Portions(0));
        whole.run();
        final Run cut = new Run(input[1], stream, new Portions(input[0]), new Portions(input[2]));
        cut.run();
        FuzzCheck.that(cut.transmission.state() == whole.transmission.state(), "other state");
        FuzzCheck.that(cut.replies == whole.replies, "other count of replies");
        FuzzCheck.that(cut.hash == whole.hash, "other replies");
        FuzzCheck.that(
                cut.transmission.violation().equals(whole.transmission.violation()),
                "other violation");
    }

    static ClientNegotiated negotiated(final int choice) {
        final ReplyStyle style =
                switch (choice & 3) {
                    case 0 -> ReplyStyle.SIMPLE;
                    case 1 -> ReplyStyle.STRUCTURED;
                    default -> ReplyStyle.EXTENDED;
                };
        final List<SelectedContext> contexts =
                style == ReplyStyle.SIMPLE
                        ? List.of()
                        : (choice & 4) != 0
                                ? List.of(
                                        new SelectedContext(0, Nbd.CONTEXT_BASE_ALLOCATION),
                                        new SelectedContext(-1, "x-lockstep:epoch"))
                                : List.of(new SelectedContext(7, Nbd.CONTEXT_BASE_ALLOCATION));
        final int minimum = (choice & 8) != 0 ? 512 : 1;
        return new ClientNegotiated(
                new RemoteExport("vda", "", EXPORT_SIZE, 0xfff, minimum, 4096, 1 << 20),
                style,
                contexts);
    }

    private static final class Run implements ClientTransmission.Handler {
        private final byte[] stream;
        private final Portions portions;
        private final Portions direct;
        private final PendingRequests pending = new PendingRequests(REQUESTS.size());
        private final ClientTransmission transmission;
        private final byte[][] contents = new byte[REQUESTS.size()][];
        private final BitSet[] covered = new BitSet[REQUESTS.size()];
        private final int[] received = new int[REQUESTS.size()];
        private final int[] pieces = new int[REQUESTS.size()];
        private final long[] pieceEnds = new long[REQUESTS.size()];
        private final long[] statusEnds = new long[REQUESTS.size()];
        private int available;
        private int position;
        private int replies;
        private long hash;

        Run(final int choice, final byte[] stream, final Portions portions, final Portions direct) {
            this.stream = stream;
            this.portions = portions;
            this.direct = direct;
            final ClientNegotiated negotiated = negotiated(choice);
            transmission = new ClientTransmission(negotiated, pending, this);
            for (int i = 0; i < REQUESTS.size(); i++) {
                final List<Integer> request = REQUESTS.get(i);
                final boolean possible =
                        request.get(0) != Nbd.CMD_BLOCK_STATUS || !negotiated.contexts().isEmpty();
                pending.add(
                        possible ? request.get(0) : Nbd.CMD_CACHE,
                        i == LAST_HAS_DF ? Nbd.CMD_FLAG_DF : 0,
                        request.get(1),
                        request.get(2));
                contents[i] = new byte[request.get(2)];
                covered[i] = new BitSet(contents[i].length);
            }
        }

        void run() {
            while (transmission.state() == ClientTransmission.State.OPEN) {
                final MemorySegment memory = MemorySegment.ofArray(stream).asSlice(0, available);
                final int next = (int) transmission.receive(memory, position, available);
                FuzzCheck.that(next >= position && next <= available, "position out of range");
                position = next;
                if (transmission.state() != ClientTransmission.State.OPEN) {
                    break;
                }
                FuzzCheck.that(
                        available - position < ClientTransmission.MESSAGE_LENGTH_MAX,
                        "wants more in a row than it says");
                if (available == stream.length) {
                    return;
                }
                if (available == position && transmission.dataRequest() != null && direct.now()) {
                    receiveDirectly();
                } else {
                    available += portions.next(stream.length - available);
                }
            }
            final int before = replies;
            FuzzCheck.that(
                    transmission.receive(MemorySegment.ofArray(stream), position, stream.length)
                            == position,
                    "takes more after the end");
            FuzzCheck.that(replies == before, "hands over after the end");
            FuzzCheck.that(!transmission.violation().isEmpty(), "violation without a word");
        }

        /** As a driver does that receives a read's data right where it belongs. */
        private void receiveDirectly() {
            final PendingRequest request = transmission.dataRequest();
            final long offset = transmission.dataOffset();
            final int length =
                    (int) Math.min(transmission.dataRemaining(), stream.length - available);
            final int count = portions.next(length);
            available += count;
            content(request, offset, MemorySegment.ofArray(stream), position, count);
            position += count;
            transmission.dataReceived(count);
        }

        @Override
        public void onData(
                final PendingRequest request,
                final long offset,
                final MemorySegment memory,
                final long at,
                final long length) {
            FuzzCheck.that(at >= position && at + length <= available, "data outside of what came");
            content(request, offset, memory, at, length);
        }

        private void content(
                final PendingRequest request,
                final long offset,
                final MemorySegment memory,
                final long at,
                final long length) {
            checkRange(request, Nbd.CMD_READ, offset, length);
            final byte[] content = contents[request.index()];
            for (int i = 0; i < length; i++) {
                content[(int) (offset - request.offset()) + i] =
                        memory.get(ValueLayout.JAVA_BYTE, at + i);
            }
            cover(request, offset, length);
        }

        private void cover(final PendingRequest request, final long offset, final long length) {
            final int index = request.index();
            final int from = (int) (offset - request.offset());
            covered[index].set(from, from + (int) length);
            received[index] += (int) length;
            if (offset != pieceEnds[index] || pieces[index] == 0) {
                pieces[index]++;
            }
            pieceEnds[index] = offset + length;
        }

        @Override
        public void onHole(final PendingRequest request, final long offset, final long length) {
            checkRange(request, Nbd.CMD_READ, offset, length);
            cover(request, offset, length);
        }

        @Override
        public void onExtent(
                final PendingRequest request,
                final int context,
                final long offset,
                final long length,
                final long flags) {
            checkInFlight(request, Nbd.CMD_BLOCK_STATUS);
            final int index = request.index();
            FuzzCheck.that(
                    length > 0 && offset >= 0 && length <= EXPORT_SIZE - offset,
                    "extent beyond the export");
            FuzzCheck.that(
                    offset == request.offset() || offset == statusEnds[index], "gap in the status");
            statusEnds[index] = offset + length;
            mix(context);
            mix(offset);
            mix(length);
            mix(flags);
        }

        @Override
        public void onError(
                final PendingRequest request,
                final int error,
                final long offset,
                final String text) {
            FuzzCheck.that(pending.at(request.index()) == request, "request is not in flight");
            FuzzCheck.that(error != 0, "error 0");
            FuzzCheck.that(text.length() <= Nbd.STRING_LENGTH_MAX, "long text");
            mix(error);
            mix(offset);
            mix(text.hashCode());
        }

        @Override
        public void onDone(final PendingRequest request, final int error) {
            final int index = request.index();
            FuzzCheck.that(pending.at(index) == null, "is still in flight");
            replies++;
            mix(index);
            mix(error);
            mix(received[index]);
            mix(Arrays.hashCode(contents[index]));
            if (error == 0 && request.command() == Nbd.CMD_READ) {
                FuzzCheck.that(received[index] == request.length(), "a part is missing");
                // Of many pieces the machine only keeps the sum.
                FuzzCheck.that(
                        pieces[index] > PIECES_EXACT
                                || covered[index].cardinality() == request.length(),
                        "parts overlap, and others are missing");
            }
            if (error == 0 && request.command() == Nbd.CMD_BLOCK_STATUS) {
                FuzzCheck.that(statusEnds[index] > request.offset(), "no status");
            }
        }

        private void checkInFlight(final PendingRequest request, final int command) {
            FuzzCheck.that(pending.at(request.index()) == request, "request is not in flight");
            FuzzCheck.that(request.command() == command, "reply to another command");
        }

        private void checkRange(
                final PendingRequest request,
                final int command,
                final long offset,
                final long length) {
            checkInFlight(request, command);
            final long relative = offset - request.offset();
            FuzzCheck.that(
                    relative >= 0
                            && length > 0
                            && relative <= request.length()
                            && length <= request.length() - relative,
                    "beyond the request");
        }

        private void mix(final long value) {
            hash = (hash ^ value) * 0x100_0000_01b3L;
            hash ^= hash >>> 29;
        }
    }
}

package io.lockstep.nbd;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.LongStream;

/**
 * Requests and replies through all four codecs, {@link RequestEncoder}, {@link ServerTransmission},
 * {@link ReplyEncoder} and {@link ClientTransmission}: in every style, split anywhere, answered out
 * of order with chunks interleaved. A seed says how.
 */
final class TransmissionTogetherTest {
    private static final int SIZE = 4096;
    private static final int REQUESTS = 100;
    private static final int IN_FLIGHT = 7;
    private static final int PAYLOAD_MAX = 1024;

    private final byte[] disk = new byte[SIZE];
    private final Stream toServer = new Stream();
    private final Stream toClient = new Stream();
    private final PendingRequests pending = new PendingRequests(IN_FLIGHT);
    private final ReplyRecorder recorder = new ReplyRecorder();

    /** By cookie: what the client must hear. */
    private final Map<Long, byte[]> expectedReads = new HashMap<>();

    private final Map<Long, Integer> expectedErrors = new HashMap<>();

    /** Replies of the server that are to be sent: for each request its chunks, in order. */
    private final List<List<byte[]>> replies = new ArrayList<>();

    private Random random = new Random(0);
    private ReplyEncoder encoder = new ReplyEncoder(ReplyStyle.SIMPLE);

    static LongStream seeds() {
        return LongStream.range(0, 150);
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void all_that_is_asked_is_answered(final long seed) {
        random = new Random(seed);
        random.nextBytes(disk);
        final ReplyStyle style =
                List.of(ReplyStyle.values()).get((int) (seed % ReplyStyle.values().length));
        encoder = new ReplyEncoder(style);
        final Export export =
                new Export(
                        "disk",
                        "",
                        SIZE,
                        SampleCatalog.DISK.transmissionFlags(),
                        1,
                        512,
                        PAYLOAD_MAX,
                        List.of(Nbd.CONTEXT_BASE_ALLOCATION));
        final ServerTransmission server =
                new ServerTransmission(
                        new Negotiated(
                                export,
                                style,
                                style == ReplyStyle.SIMPLE ? List.of() : export.metaContexts(),
                                export.transmissionFlags()),
                        new Server());
        final ClientTransmission client =
                new ClientTransmission(
                        new ClientNegotiated(
                                new RemoteExport(
                                        "disk",
                                        "",
                                        SIZE,
                                        export.transmissionFlags(),
                                        1,
                                        512,
                                        PAYLOAD_MAX),
                                style,
                                List.of(new SelectedContext(0, Nbd.CONTEXT_BASE_ALLOCATION))),
                        pending,
                        recorder);
        int made = 0;
        int seenByServer = 0;
        int seenByClient = 0;
        while (made < REQUESTS || !pending.isEmpty()) {
            if (made < REQUESTS && !pending.isFull() && random.nextBoolean()) {
                makeRequest(style);
                made++;
            }
            seenByServer = Math.min(toServer.length(), seenByServer + random.nextInt(600));
            seenByServer -= toServer.receive(seenByServer, server::receive);
            assertEquals(ServerTransmission.State.OPEN, server.state(), () -> server.violation());
            sendSomeReply();
            seenByClient = Math.min(toClient.length(), seenByClient + random.nextInt(600));
            seenByClient -= toClient.receive(seenByClient, client::receive);
            assertEquals(ClientTransmission.State.OPEN, client.state(), () -> client.violation());
        }
        assertEquals(REQUESTS, recorder.done.size());
        assertEquals(expectedErrors, recorder.done);
        expectedReads.forEach(
                (cookie, content) -> assertArrayEquals(content, recorder.reads.get(cookie)));
    }

    private void makeRequest(final ReplyStyle style) {
        final int[] commands = {
            Nbd.CMD_READ,
            Nbd.CMD_READ,
            Nbd.CMD_WRITE,
            Nbd.CMD_FLUSH,
            Nbd.CMD_TRIM,
            Nbd.CMD_WRITE_ZEROES,
            style == ReplyStyle.SIMPLE ? Nbd.CMD_CACHE : Nbd.CMD_BLOCK_STATUS
        };
        final int command = commands[random.nextInt(commands.length)];
        final boolean hasRange = command != Nbd.CMD_FLUSH;
        // Now and then beyond the end, for an error.
        final long offset = hasRange ? random.nextInt(SIZE - 500) : 0;
        final long length = hasRange ? 1 + random.nextInt(600) : 0;
        final PendingRequest request = pending.add(command, 0, offset, length);
        final RequestEncoder requestEncoder = new RequestEncoder(style);
        final int payload = command == Nbd.CMD_WRITE ? (int) length : 0;
        final byte[] message = new byte[5 + requestEncoder.headerLength() + payload];
        random.nextBytes(message);
        final int header =
                requestEncoder.encode(
                        MemorySegment.ofArray(message),
                        5,
                        command,
                        0,
                        request.cookie(),
                        offset,
                        length);
        assertEquals(requestEncoder.headerLength(), header);
        toServer.send(Arrays.copyOfRange(message, 5, message.length));
        final boolean beyond = offset + length > SIZE;
        final boolean enospc = command == Nbd.CMD_WRITE || command == Nbd.CMD_WRITE_ZEROES;
        expectedErrors.put(request.cookie(), beyond ? enospc ? Nbd.ENOSPC : Nbd.EINVAL : 0);
    }

    /** Sends the next chunk of one of the replies, whichever. */
    private void sendSomeReply() {
        if (!replies.isEmpty() && random.nextInt(3) > 0) {
            final List<byte[]> chunks = replies.get(random.nextInt(replies.size()));
            toClient.send(chunks.removeFirst());
            replies.removeIf(List::isEmpty);
        }
    }

    /** A part of a read that makes one chunk. */
    private record Part(int start, int end) {
        int length() {
            return end - start;
        }
    }

    /** Serves the disk. */
    private final class Server implements ServerTransmission.Handler {
        private final byte[] scratch = new byte[2048];
        private final MemorySegment memory = MemorySegment.ofArray(scratch);

        @Override
        public boolean onRejected(final Request request, final int error, final String reason) {
            final int length =
                    encoder.error(memory, 0, request.cookie(), request.offset(), error, reason);
            assertTrue(length <= ReplyEncoder.ERROR_LENGTH_MAX);
            reply(List.of(taken(length)));
            return true;
        }

        @Override
        public boolean onRequest(final Request request) {
            if (random.nextInt(10) == 0) {
                return false; // no room now
            }
            switch (request.command()) {
                case Nbd.CMD_READ -> reply(read(request));
                case Nbd.CMD_BLOCK_STATUS -> reply(status(request));
                default -> {
                    final int length = encoder.done(memory, 0, request.cookie(), request.offset());
                    assertEquals(encoder.doneLength(), length);
                    reply(List.of(taken(length)));
                }
            }
            return true;
        }

        private byte[] taken(final int length) {
            return Arrays.copyOf(scratch, length);
        }

        private void reply(final List<byte[]> chunks) {
            replies.add(new ArrayList<>(chunks));
        }

        private List<byte[]> read(final Request request) {
            final int start = (int) request.offset();
            final int end = start + (int) request.length();
            final byte[] content = Arrays.copyOfRange(disk, start, end);
            final List<byte[]> chunks = new ArrayList<>();
            final List<Part> parts = parts(start, end);
            for (int i = 0; i < parts.size(); i++) {
                final Part part = parts.get(i);
                final boolean last = i == parts.size() - 1;
                final boolean isHole =
                        encoder.style() != ReplyStyle.SIMPLE && random.nextInt(4) == 0;
                chunks.add(isHole ? hole(request, part, last) : data(request, part, last));
                if (isHole) {
                    Arrays.fill(content, part.start() - start, part.end() - start, (byte) 0);
                }
            }
            expectedReads.put(request.cookie(), content);
            return chunks;
        }

        private byte[] hole(final Request request, final Part part, final boolean last) {
            final int length =
                    encoder.hole(
                            memory,
                            0,
                            request.cookie(),
                            request.offset(),
                            part.start(),
                            part.length(),
                            last);
            assertEquals(encoder.holeLength(), length);
            return taken(length);
        }

        private byte[] data(final Request request, final Part part, final boolean last) {
            final int header =
                    encoder.dataHeader(
                            memory,
                            0,
                            request.cookie(),
                            request.offset(),
                            part.start(),
                            part.length(),
                            last);
            assertEquals(encoder.dataHeaderLength(), header);
            System.arraycopy(disk, part.start(), scratch, header, part.length());
            return taken(header + part.length());
        }

        /** Cuts a range in parts, in any order; in simple style it stays whole. */
        private List<Part> parts(final int start, final int end) {
            final List<Part> parts = new ArrayList<>();
            int at = start;
            while (at < end) {
                final boolean whole = encoder.style() == ReplyStyle.SIMPLE;
                final int next = whole ? end : Math.min(end, at + 1 + random.nextInt(200));
                parts.add(new Part(at, next));
                at = next;
            }
            Collections.shuffle(parts, random);
            return parts;
        }

        private List<byte[]> status(final Request request) {
            final int descriptors = 1 + random.nextInt(3);
            final int header =
                    encoder.blockStatusHeader(
                            memory, 0, request.cookie(), request.offset(), 0, descriptors, true);
            int position = header;
            for (int i = 0; i < descriptors; i++) {
                final long length = i == descriptors - 1 ? 100_000 : 0;
                // All but the last must end within the request: where it is short, one byte each.
                position +=
                        encoder.descriptor(memory, position, Math.max(1, length), Nbd.STATE_ZERO);
            }
            assertEquals(encoder.blockStatusLength(descriptors), position);
            if (request.length() < descriptors) {
                return status(request);
            }
            return List.of(taken(position));
        }
    }
}

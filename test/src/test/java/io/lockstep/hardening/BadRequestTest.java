package io.lockstep.hardening;

import static io.lockstep.hardening.Messages.disconnect;
import static io.lockstep.hardening.Messages.extendedRequest;
import static io.lockstep.hardening.Messages.read;
import static io.lockstep.hardening.Messages.request;
import static io.lockstep.hardening.Messages.write;
import static io.lockstep.hardening.Messages.writeHeader;
import static io.lockstep.hardening.ServedDisks.CONTENT_LENGTH;
import static io.lockstep.hardening.ServedDisks.DISK;
import static io.lockstep.hardening.ServedDisks.LENGTH;
import static io.lockstep.hardening.ServedDisks.READ_ONLY_DISK;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * What a server answers to requests gone wrong, over a disk on the file system of temporary files.
 * Each test ends with {@link ServedDisks#verify}.
 */
class BadRequestTest {
    private static final int PAYLOAD_MAX = Nbd.PAYLOAD_LENGTH_DEFAULT_MAX;

    @TempDir private Path directory;
    private ServedDisks disks;
    private long cookie;

    @BeforeEach
    void start() throws IOException {
        disks = ServedDisks.start(folderOfDisks(directory));
    }

    /** Where the disks lie; other media have other ways through the server. */
    Path folderOfDisks(final Path temporary) throws IOException {
        return temporary;
    }

    @AfterEach
    void stop() throws IOException {
        disks.close();
    }

    // ---- Ranges.

    /** Beginnings and lengths that end behind the disk, or wrap around on the way. */
    private static Map<Long, List<Long>> rangesOutside() {
        final Map<Long, List<Long>> ranges = new LinkedHashMap<>();
        ranges.put((long) LENGTH, List.of(1L, 512L, 0xffff_ffffL));
        ranges.put(LENGTH - 1L, List.of(2L, 0xffff_ffffL));
        ranges.put(0L, List.of(LENGTH + 1L, 0xffff_ffffL));
        ranges.put(1L, List.of((long) LENGTH));
        ranges.put(LENGTH + 1L, List.of(0L, 1L));
        ranges.put(-1L, List.of(0L, 1L, 2L, 0xffff_ffffL));
        ranges.put(-512L, List.of(512L, 1024L));
        ranges.put(Long.MAX_VALUE, List.of(0L, 1L, 2L, 0xffff_ffffL));
        ranges.put(Long.MIN_VALUE, List.of(0L, 1L, 0xffff_ffffL));
        ranges.put((long) -LENGTH, List.of((long) LENGTH, LENGTH + 1L));
        ranges.put(1L << 32, List.of(0L, 1L));
        ranges.put(0xffff_ffffL, List.of(1L));
        return ranges;
    }

    /** Lengths that only extended headers can say. */
    private static List<Long> lengthsOutside() {
        return List.of(
                1L << 32,
                (1L << 32) + 1,
                Long.MAX_VALUE,
                Long.MIN_VALUE,
                -1L,
                -512L,
                (long) -LENGTH,
                Long.MIN_VALUE + LENGTH);
    }

    @ParameterizedTest
    @EnumSource
    void rangesOutsideTheDiskAreRefused(final ReplyStyle style) throws IOException {
        final Map<Long, List<Long>> ranges = new LinkedHashMap<>(rangesOutside());
        if (style == ReplyStyle.EXTENDED) {
            for (final long offset : List.of(0L, 1L, 512L, (long) LENGTH, Long.MAX_VALUE, -1L)) {
                final List<Long> lengths = new ArrayList<>(lengthsOutside());
                lengths.addAll(ranges.getOrDefault(offset, List.of()));
                ranges.put(offset, lengths);
            }
        }
        final List<Integer> commands = new ArrayList<>();
        commands.add(Nbd.CMD_READ);
        commands.add(Nbd.CMD_TRIM);
        commands.add(Nbd.CMD_CACHE);
        commands.add(Nbd.CMD_WRITE_ZEROES);
        if (style != ReplyStyle.SIMPLE) {
            commands.add(Nbd.CMD_BLOCK_STATUS);
        }
        try (WireClient client = disks.enter(style)) {
            for (final int command : commands) {
                for (final Map.Entry<Long, List<Long>> range : ranges.entrySet()) {
                    for (final long length : range.getValue()) {
                        final long offset = range.getKey();
                        assertError(
                                client,
                                request(style, 0, command, ++cookie, offset, length),
                                command == Nbd.CMD_WRITE_ZEROES ? Nbd.ENOSPC : Nbd.EINVAL,
                                "command " + command + " of " + length + " at " + offset);
                    }
                }
            }
            for (final Map.Entry<Long, List<Long>> range : ranges.entrySet()) {
                for (final long length : range.getValue()) {
                    if (length >= 0 && length < 4096) {
                        assertError(
                                client,
                                write(
                                        style,
                                        ++cookie,
                                        range.getKey(),
                                        new Bytes().zeroes((int) length)),
                                Nbd.ENOSPC,
                                "write of " + length + " at " + range.getKey());
                    }
                }
            }
        }
        disks.verify();
    }

    /** The client is refused with that error, and nothing comes of it for the next request. */
    private void assertError(
            final WireClient client, final Bytes request, final int error, final String what)
            throws IOException {
        client.send(request);
        final WireClient.Reply reply = client.readReply();
        assertEquals(cookie, reply.cookie(), what);
        assertEquals(error, reply.error(), what);
        assertArrayEquals(disks.expected(77, 3), client.read(++cookie, 77, 3), what);
    }

    @ParameterizedTest
    @EnumSource
    void readsBeyondTheLongestPayloadAreRefused(final ReplyStyle style) throws IOException {
        try (WireClient client = disks.enter(style)) {
            assertError(
                    client,
                    read(style, ++cookie, 0, PAYLOAD_MAX + 1L),
                    Nbd.EOVERFLOW,
                    "one byte more");
            assertError(client, read(style, ++cookie, 0, LENGTH), Nbd.EOVERFLOW, "whole disk");
            final byte[] longest = client.read(++cookie, 0, PAYLOAD_MAX);
            assertArrayEquals(disks.expected(0, PAYLOAD_MAX), longest);
        }
        disks.verify();
    }

    @ParameterizedTest
    @EnumSource
    void payloadsBeyondTheLongestEndTheSession(final ReplyStyle style) throws IOException {
        final List<Long> lengths = new ArrayList<>(List.of(PAYLOAD_MAX + 1L, 0x7fff_ffffL));
        lengths.add(0xffff_ffffL);
        if (style == ReplyStyle.EXTENDED) {
            lengths.addAll(lengthsOutside());
        }
        for (final long length : lengths) {
            try (WireClient client = disks.enter(style)) {
                client.send(writeHeader(style, ++cookie, 0, length));
                client.assertClosed();
            }
        }
        disks.verify();
    }

    @Test
    void theLongestPayloadIsTaken() throws IOException {
        final byte[] content = new byte[PAYLOAD_MAX];
        new Random(5).nextBytes(content);
        try (WireClient client = disks.enter(ReplyStyle.EXTENDED)) {
            client.write(++cookie, LENGTH - PAYLOAD_MAX, new Bytes().put(content));
        }
        disks.expect(LENGTH - PAYLOAD_MAX, content);
        disks.verify();
    }

    // ---- Commands and flags.

    @ParameterizedTest
    @EnumSource
    void unknownCommandsAreInvalid(final ReplyStyle style) throws IOException {
        try (WireClient client = disks.enter(style)) {
            for (final int command : List.of(8, 9, 10, 42, 0x7fff, 0x8000, 0xffff)) {
                for (final int flags : List.of(0, Nbd.CMD_FLAG_FUA)) {
                    assertError(
                            client,
                            request(style, flags, command, ++cookie, 0, 512),
                            Nbd.EINVAL,
                            "command " + command);
                }
            }
        }
        disks.verify();
    }

    @ParameterizedTest
    @EnumSource
    void flagsThatACommandDoesNotHaveAreInvalid(final ReplyStyle style) throws IOException {
        final Map<Integer, Integer> known = new LinkedHashMap<>();
        known.put(Nbd.CMD_READ, style == ReplyStyle.SIMPLE ? 0 : Nbd.CMD_FLAG_DF);
        known.put(Nbd.CMD_FLUSH, 0);
        known.put(Nbd.CMD_TRIM, 0);
        known.put(Nbd.CMD_CACHE, 0);
        known.put(Nbd.CMD_WRITE_ZEROES, Nbd.CMD_FLAG_NO_HOLE | Nbd.CMD_FLAG_FAST_ZERO);
        known.put(Nbd.CMD_BLOCK_STATUS, Nbd.CMD_FLAG_REQ_ONE);
        try (WireClient client = disks.enter(style)) {
            for (final Map.Entry<Integer, Integer> command : known.entrySet()) {
                for (int bit = 1; bit < 16; bit++) {
                    final int flag = 1 << bit;
                    if ((command.getValue() & flag) != 0
                            || (style == ReplyStyle.EXTENDED && flag == Nbd.CMD_FLAG_PAYLOAD_LEN)) {
                        continue;
                    }
                    assertError(
                            client,
                            request(style, flag, command.getKey(), ++cookie, 0, 512),
                            Nbd.EINVAL,
                            "command " + command.getKey() + " with flag " + bit);
                }
            }
            final int payloadLength = style == ReplyStyle.EXTENDED ? Nbd.CMD_FLAG_PAYLOAD_LEN : 0;
            for (int bit = 1; bit < 16; bit++) {
                if (bit == 5 && style == ReplyStyle.EXTENDED) {
                    continue;
                }
                assertError(
                        client,
                        request(style, payloadLength | 1 << bit, Nbd.CMD_WRITE, ++cookie, 0, 99)
                                .zeroes(99),
                        Nbd.EINVAL,
                        "write with flag " + bit);
            }
        }
        disks.verify();
    }

    @ParameterizedTest
    @EnumSource
    void aFlushHasNoRange(final ReplyStyle style) throws IOException {
        try (WireClient client = disks.enter(style)) {
            assertError(
                    client, request(style, 0, Nbd.CMD_FLUSH, ++cookie, 0, 1), Nbd.EINVAL, "length");
            assertError(
                    client, request(style, 0, Nbd.CMD_FLUSH, ++cookie, 1, 0), Nbd.EINVAL, "offset");
        }
        disks.verify();
    }

    @ParameterizedTest
    @EnumSource
    void aReadOnlyDiskRefusesAllChanges(final ReplyStyle style) throws IOException {
        try (WireClient client = WireClient.enter(disks.unix(), style, READ_ONLY_DISK)) {
            for (final long offset : List.of(0L, (long) LENGTH, -1L)) {
                assertError(
                        client,
                        write(style, ++cookie, offset, new Bytes().zeroes(100)),
                        Nbd.EPERM,
                        "write");
                for (final int command : List.of(Nbd.CMD_TRIM, Nbd.CMD_WRITE_ZEROES)) {
                    assertError(
                            client,
                            request(style, 0, command, ++cookie, offset, 512),
                            Nbd.EPERM,
                            "command " + command);
                }
            }
        }
        disks.verify();
    }

    @Test
    void blockStatusNeedsAContextAndALength() throws IOException {
        try (WireClient client = disks.enter(ReplyStyle.SIMPLE)) {
            assertError(
                    client,
                    request(0, Nbd.CMD_BLOCK_STATUS, ++cookie, 0, 512),
                    Nbd.EINVAL,
                    "no context");
        }
        for (final ReplyStyle style : List.of(ReplyStyle.STRUCTURED, ReplyStyle.EXTENDED)) {
            try (WireClient client = disks.enter(style)) {
                for (final long offset : List.of(0L, 5L, (long) LENGTH)) {
                    assertError(
                            client,
                            request(style, 0, Nbd.CMD_BLOCK_STATUS, ++cookie, offset, 0),
                            Nbd.EINVAL,
                            "nothing");
                }
            }
        }
        disks.verify();
    }

    @Test
    void blockStatusPayloadsThatBreakTheirFormAreInvalid() throws IOException {
        final Map<String, Bytes> payloads = new LinkedHashMap<>();
        payloads.put("empty", new Bytes());
        payloads.put("half a length", new Bytes().zeroes(4));
        payloads.put("no context", new Bytes().u64(512));
        payloads.put("a quarter of a context", new Bytes().u64(512).u8(0));
        payloads.put("one and a half contexts", new Bytes().u64(512).u32(0).u16(0));
        payloads.put("unknown context", new Bytes().u64(512).u32(1));
        payloads.put("context 2^31", new Bytes().u64(512).u32(Integer.MIN_VALUE));
        payloads.put("context 2^32 - 1", new Bytes().u64(512).u32(-1));
        payloads.put("context twice", new Bytes().u64(512).u32(0).u32(0));
        payloads.put("beyond the end", new Bytes().u64(LENGTH + 1L).u32(0));
        payloads.put("2^63", new Bytes().u64(Long.MIN_VALUE).u32(0));
        payloads.put("2^64 - 1", new Bytes().u64(-1).u32(0));
        payloads.put("of nothing", new Bytes().u64(0).u32(0));
        payloads.put("a million contexts", new Bytes().u64(512).zeroes(4_000_000));
        try (WireClient client = disks.enter(ReplyStyle.EXTENDED)) {
            for (final Map.Entry<String, Bytes> payload : payloads.entrySet()) {
                for (final int one : List.of(0, Nbd.CMD_FLAG_REQ_ONE)) {
                    assertError(
                            client,
                            extendedRequest(
                                            Nbd.CMD_FLAG_PAYLOAD_LEN | one,
                                            Nbd.CMD_BLOCK_STATUS,
                                            ++cookie,
                                            0,
                                            payload.getValue().length())
                                    .put(payload.getValue()),
                            Nbd.EINVAL,
                            payload.getKey());
                }
            }
        }
        disks.verify();
    }

    @Test
    void payloadsOfCommandsThatHaveNoneAreSkipped() throws IOException {
        try (WireClient client = disks.enter(ReplyStyle.EXTENDED)) {
            for (final int command :
                    List.of(
                            Nbd.CMD_READ,
                            Nbd.CMD_FLUSH,
                            Nbd.CMD_TRIM,
                            Nbd.CMD_CACHE,
                            Nbd.CMD_WRITE_ZEROES,
                            9,
                            0xffff)) {
                assertError(
                        client,
                        extendedRequest(Nbd.CMD_FLAG_PAYLOAD_LEN, command, ++cookie, 0, 3000)
                                .zeroes(3000),
                        Nbd.EINVAL,
                        "command " + command);
            }
            assertError(
                    client,
                    extendedRequest(0, Nbd.CMD_WRITE, ++cookie, 0, 512),
                    Nbd.EINVAL,
                    "write without a payload");
        }
        disks.verify();
    }

    // ---- What is no request.

    @ParameterizedTest
    @EnumSource
    void wrongMagicsEndTheSession(final ReplyStyle style) throws IOException {
        final int right =
                style == ReplyStyle.EXTENDED ? Nbd.EXTENDED_REQUEST_MAGIC : Nbd.REQUEST_MAGIC;
        final List<Integer> magics =
                List.of(
                        0,
                        -1,
                        Nbd.REQUEST_MAGIC,
                        Nbd.EXTENDED_REQUEST_MAGIC,
                        Nbd.SIMPLE_REPLY_MAGIC,
                        Nbd.STRUCTURED_REPLY_MAGIC,
                        Integer.reverseBytes(right),
                        (int) (Nbd.OPTS_MAGIC >>> 32));
        for (final int magic : magics) {
            if (magic != right) {
                try (WireClient client = disks.enter(style)) {
                    client.send(new Bytes().u32(magic).zeroes(28));
                    client.assertClosed();
                }
            }
        }
        disks.verify();
    }

    /** What came before is answered, what comes after isn't looked at. */
    @ParameterizedTest
    @EnumSource
    void garbageBehindRequestsEndsTheSession(final ReplyStyle style) throws IOException {
        final byte[] garbage = new byte[100_000];
        new Random(11).nextBytes(garbage);
        try (WireClient client = disks.enter(style)) {
            client.send(read(style, 1, 10, 20).put(garbage).put(read(style, 2, 10, 20)));
            assertArrayEquals(disks.expected(10, 20), client.readReply(10, 20).data().array());
            client.assertClosed();
        }
        disks.verify();
    }

    @ParameterizedTest
    @EnumSource
    void nothingBehindADisconnectIsDone(final ReplyStyle style) throws IOException {
        final Bytes burst = new Bytes();
        for (int i = 0; i < 50; i++) {
            burst.put(write(style, i, i * 10L, Bytes.of(i, i, i)));
            disks.expect(i * 10, Bytes.of(i, i, i).toArray());
        }
        burst.put(disconnect(style));
        for (int i = 0; i < 50; i++) {
            burst.put(write(style, 1000 + i, i * 10L, Bytes.text("too late")));
        }
        try (WireClient client = disks.enter(style)) {
            client.send(burst);
            for (int i = 0; i < 50; i++) {
                assertEquals(0, client.readReply().error());
            }
            client.assertClosed();
        }
        disks.verify();
    }

    // ---- What ends too early.

    @ParameterizedTest
    @EnumSource
    void truncatedRequestsAreNotDone(final ReplyStyle style) throws IOException {
        final List<Bytes> requests =
                List.of(
                        write(style, 1, 0, Bytes.text("a write that never was")),
                        request(style, 0, Nbd.CMD_WRITE_ZEROES, 1, 0, 4096),
                        request(style, 0, Nbd.CMD_TRIM, 1, 0, 4096),
                        read(style, 1, 0, 4096));
        for (final Bytes request : requests) {
            for (int length = 0; length < request.length(); length += 3) {
                try (WireClient client = disks.enter(style)) {
                    client.send(request.head(length));
                    client.shutdownOutput();
                    client.assertClosed();
                }
            }
        }
        disks.verify();
    }

    @ParameterizedTest
    @EnumSource
    void aPayloadThatNeverComesHoldsNobodyUp(final ReplyStyle style) throws IOException {
        final List<WireClient> silent = new ArrayList<>();
        for (final int sent : List.of(0, 1, 1000, PAYLOAD_MAX - 1)) {
            final WireClient client = disks.enter(style);
            silent.add(client);
            client.send(writeHeader(style, 1, 0, PAYLOAD_MAX).zeroes(sent));
        }
        final WireClient rejected = disks.enter(style);
        silent.add(rejected);
        rejected.send(writeHeader(style, ++cookie, LENGTH, PAYLOAD_MAX).zeroes(1000));
        assertEquals(Nbd.ENOSPC, rejected.readReply().error());
        for (final WireClient client : silent) {
            client.assertSilent();
        }
        disks.checkGoodClient();
        disks.checkNewClient();
        for (final WireClient client : silent) {
            client.close();
        }
        disks.verify();
    }

    // ---- A great deal at once.

    @ParameterizedTest
    @EnumSource
    void aHandshakeAndThousandsOfRequestsInOnePiece(final ReplyStyle style) throws IOException {
        final Bytes burst = Messages.handshake(style, DISK);
        final int count = 5000;
        for (int i = 0; i < count; i++) {
            burst.put(
                    switch (i % 5) {
                        case 0 -> write(style, i, 100_000 + i * 8L, new Bytes().u64(i));
                        case 1 -> read(style, i, i * 16L, 4096 + i % 2);
                        case 2 -> request(style, 0, Nbd.CMD_WRITE_ZEROES, i, 1L << 20, 100);
                        case 3 -> request(style, 0, 99, i, 0, 0);
                        default -> request(style, 0, Nbd.CMD_FLUSH, i, 0, 0);
                    });
        }
        burst.put(disconnect(style));
        final boolean[] answered = new boolean[count];
        try (WireClient client = WireClient.connect(disks.unix())) {
            client.readGreeting();
            client.send(burst);
            client.readUntilGo();
            client.style(style);
            for (int i = 0; i < count; i++) {
                final int request = (int) client.nextCookie();
                assertTrue(!answered[request], "answered twice");
                answered[request] = true;
                final boolean isRead = request % 5 == 1;
                final int error =
                        client.readReply(
                                        isRead ? request * 16L : 0, isRead ? 4096 + request % 2 : 0)
                                .error();
                assertEquals(request % 5 == 3 ? Nbd.EINVAL : 0, error);
            }
            client.assertClosed();
        }
        for (int i = 0; i < count; i += 5) {
            disks.expect(100_000 + i * 8, new Bytes().u64(i).toArray());
        }
        disks.verify();
    }

    /**
     * A read's chunks may take more room than its data: a hole of one byte is said in dozens. The
     * replies around it stay whole.
     */
    @ParameterizedTest
    @EnumSource
    void readsThatBeginOrEndInsideAHoleStayApart(final ReplyStyle style) throws IOException {
        final List<Integer> offsets = new ArrayList<>();
        final List<Integer> lengths = new ArrayList<>();
        final byte[] island = new byte[8192];
        new Random(3).nextBytes(island);
        try (WireClient client = disks.enter(style)) {
            final int first = 16 << 20;
            for (int i = 0; i < 40; i++) {
                client.write(++cookie, first + i * 16_384L, new Bytes().put(island));
                disks.expect(first + i * 16_384, island);
            }
            for (int i = 0; i < 20; i++) {
                for (final int before : List.of(0, 1, 2, 31)) {
                    for (final int after : List.of(0, 1, 2, 31)) {
                        offsets.add(first + i * 16_384 - before);
                        lengths.add(before + (i % 2) * 16_384 + 8192 + after);
                    }
                }
            }
            final Bytes burst = new Bytes();
            for (int i = 0; i < offsets.size(); i++) {
                burst.put(read(style, i, offsets.get(i), lengths.get(i)));
            }
            client.send(burst);
            for (int i = 0; i < offsets.size(); i++) {
                final int request = (int) client.nextCookie();
                final int offset = offsets.get(request);
                final int length = lengths.get(request);
                final WireClient.Reply reply = client.readReply(offset, length);
                assertEquals(0, reply.error());
                assertArrayEquals(disks.expected(offset, length), reply.data().array());
            }
        }
        disks.verify();
    }

    /** Gigabytes are asked for, none is read: the server holds a ring's worth, and waits. */
    @ParameterizedTest
    @EnumSource
    void aClientThatReadsAndNeverTakesItIsBounded(final ReplyStyle style) throws IOException {
        final Bytes reads = new Bytes();
        for (int i = 0; i < 1000; i++) {
            reads.put(
                    request(
                            style,
                            style == ReplyStyle.SIMPLE ? 0 : Nbd.CMD_FLAG_DF,
                            Nbd.CMD_READ,
                            i,
                            0,
                            CONTENT_LENGTH));
        }
        final long before = ServedDisks.residentBytes();
        try (WireClient client = disks.enter(style)) {
            final long sent = client.sendUntilBlocked(reads, 1000, Duration.ofMillis(500));
            assertTrue(sent < 1000L * reads.length(), "the server took it all");
            final long growth = ServedDisks.residentBytes() - before;
            assertTrue(growth < 256 << 20, () -> "the server's memory grew by " + growth);
            disks.checkGoodClient();
            disks.checkNewClient();
        }
        disks.verify();
    }

    /** A burst fills the server's memory for replies; as it is taken, at last, none is damaged. */
    @ParameterizedTest
    @EnumSource
    void aClientThatTakesItsRepliesLateGetsThemWhole(final ReplyStyle style) throws IOException {
        final Random random = new Random(9);
        final Map<Long, Integer> lengths = new LinkedHashMap<>();
        final Map<Long, Integer> offsets = new LinkedHashMap<>();
        final Bytes burst = new Bytes();
        for (long i = 0; i < 150; i++) {
            final int length = random.nextInt(i % 3 == 0 ? CONTENT_LENGTH : 3 * CONTENT_LENGTH);
            final int offset = random.nextInt(2 * CONTENT_LENGTH);
            lengths.put(i, length);
            offsets.put(i, offset);
            burst.put(read(style, i, offset, length));
            if (i % 5 == 0) {
                burst.put(request(style, 0, 99, 1000 + i, 0, 0)); // a short one in between
            }
        }
        try (WireClient client = disks.enter(style)) {
            client.sendUntilBlocked(burst, 1, Duration.ofMillis(300));
            disks.checkGoodClient();
            for (int i = 0; i < 180; i++) {
                final long answered = client.nextCookie();
                if (answered >= 1000) {
                    assertEquals(Nbd.EINVAL, client.readReply().error());
                } else {
                    final int offset = offsets.get(answered);
                    final int length = lengths.get(answered);
                    final WireClient.Reply reply = client.readReply(offset, length);
                    assertEquals(0, reply.error());
                    assertArrayEquals(disks.expected(offset, length), reply.data().array());
                }
            }
        }
        disks.verify();
    }

    /**
     * A payload that is received right where it goes, and ends in the middle. Its write was never
     * acknowledged: its range may hold some of it, and nothing else may have changed.
     */
    @ParameterizedTest
    @EnumSource
    void aPayloadThatEndsInTheMiddleTouchesNothingButItsRange(final ReplyStyle style)
            throws IOException {
        final int length = 300_000;
        final byte[] content = new byte[length];
        java.util.Arrays.fill(content, (byte) 0x5a);
        for (int i = 0; i < 6; i++) {
            final int offset = 4096 * (i + 4) + 77; // behind what the good client reads
            final int sent = List.of(1, 4096, length / 2, length - 1, 70_000, 65_536).get(i);
            final byte[] before;
            try (WireClient client = disks.enter(style)) {
                before = client.read(++cookie, offset, length);
                client.send(writeHeader(style, ++cookie, offset, length));
                client.assertSilent(); // the header has arrived alone
                client.send(new Bytes().put(content).head(sent));
                client.assertSilent();
                if (i % 2 == 0) {
                    client.shutdownOutput();
                    client.assertClosed();
                }
            }
            disks.checkGoodClient();
            try (WireClient client = disks.enter(style)) {
                final byte[] after = client.read(++cookie, offset, length);
                for (int at = 0; at < length; at++) {
                    final boolean isNew = at < sent && after[at] == content[at];
                    assertTrue(isNew || after[at] == before[at], "neither old nor new");
                }
                disks.expect(offset, after);
            }
        }
        disks.verify();
    }

    @ParameterizedTest
    @EnumSource
    void aLongPayloadInManyPiecesIsWrittenWhole(final ReplyStyle style) throws IOException {
        final Random random = new Random(13);
        try (WireClient client = disks.enter(style)) {
            for (int i = 0; i < 8; i++) {
                final byte[] content = new byte[65_536 + random.nextInt(200_000)];
                random.nextBytes(content);
                final int offset =
                        16_384 + random.nextInt(CONTENT_LENGTH - 16_384 - content.length);
                client.send(writeHeader(style, ++cookie, offset, content.length));
                int sent = 0;
                while (sent < content.length) {
                    final int end = Math.min(content.length, sent + 1 + random.nextInt(40_000));
                    client.send(new Bytes().put(java.util.Arrays.copyOfRange(content, sent, end)));
                    disks.checkGoodClient();
                    sent = end;
                }
                final WireClient.Reply reply = client.readReply();
                assertEquals(cookie, reply.cookie());
                assertEquals(0, reply.error());
                disks.expect(offset, content);
                assertArrayEquals(content, client.read(++cookie, offset, content.length));
            }
        }
        disks.verify();
    }
}

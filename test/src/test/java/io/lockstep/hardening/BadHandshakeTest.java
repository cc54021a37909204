package io.lockstep.hardening;

import static io.lockstep.hardening.Messages.FLAGS;
import static io.lockstep.hardening.Messages.flags;
import static io.lockstep.hardening.Messages.info;
import static io.lockstep.hardening.Messages.option;
import static io.lockstep.hardening.Messages.optionHeader;
import static io.lockstep.hardening.Messages.queries;
import static io.lockstep.hardening.Messages.string;
import static io.lockstep.hardening.ServedDisks.DISK;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;
import io.lockstep.nbd.ServerHandshake;

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
 * What a server answers to a handshake gone wrong. Each test ends with {@link ServedDisks#verify}.
 */
final class BadHandshakeTest {
    private static final int TOO_LONG = ServerHandshake.OPTION_LENGTH_MAX + 1;

    @TempDir private Path directory;
    private ServedDisks disks;

    @BeforeEach
    void start() throws IOException {
        disks = ServedDisks.start(directory);
    }

    @AfterEach
    void stop() throws IOException {
        disks.close();
    }

    // ---- One wrong option, and the reply that the protocol wants.

    /** What comes before the final reply to an option isn't looked at; the final reply is. */
    private void assertAnswer(final String name, final Bytes sent, final int option, final int type)
            throws IOException {
        try (WireClient client = disks.connect()) {
            client.send(flags(FLAGS).put(sent));
            final WireClient.OptionReply last = client.readOptionReplies(option).getLast();
            assertEquals(type, last.type(), () -> name + ": " + last.text());
            // The handshake goes on where it was.
            client.send(option(Nbd.OPT_ABORT));
            assertEquals(
                    Nbd.REP_ACK, client.readOptionReplies(Nbd.OPT_ABORT).getLast().type(), name);
            client.assertClosed();
        }
    }

    private void assertClosed(final String name, final Bytes sent) throws IOException {
        try (WireClient client = disks.connect()) {
            client.send(sent);
            assertEquals(0, client.receiveUntilClosed().length, name);
        }
    }

    @Test
    void optionsThatBreakTheirFormAreInvalid() throws IOException {
        final Map<String, Bytes> invalid = new LinkedHashMap<>();
        for (final int option :
                List.of(
                        Nbd.OPT_LIST,
                        Nbd.OPT_STARTTLS,
                        Nbd.OPT_STRUCTURED_REPLY,
                        Nbd.OPT_EXTENDED_HEADERS)) {
            invalid.put(option + " with data", option(option, Bytes.of(0)));
            invalid.put(
                    option + " with as much data as is taken",
                    option(option, new Bytes().zeroes(ServerHandshake.OPTION_LENGTH_MAX)));
        }
        for (final int option : List.of(Nbd.OPT_INFO, Nbd.OPT_GO)) {
            invalid.put(option + " without data", option(option));
            invalid.put(option + " with half a length", option(option, Bytes.of(0, 0)));
            invalid.put(option + " without a count", option(option, string(DISK)));
            invalid.put(
                    option + " whose name is longer than its data",
                    option(option, new Bytes().u32(5).put(Bytes.text("vda"))));
            invalid.put(
                    option + " whose name has 4 GiB", option(option, new Bytes().u32(-1).u16(0)));
            invalid.put(
                    option + " whose name has 2 GiB",
                    option(option, new Bytes().u32(Integer.MIN_VALUE).u16(0)));
            invalid.put(
                    option + " whose name is too long",
                    option(option, string("x".repeat(Nbd.STRING_LENGTH_MAX + 1)).u16(0)));
            invalid.put(
                    option + " whose name is no UTF-8",
                    option(option, new Bytes().u32(2).u8(0xc3).u8(0x28).u16(0)));
            invalid.put(
                    option + " whose name is a lone surrogate",
                    option(option, new Bytes().u32(3).put(Bytes.of(0xed, 0xa0, 0x80)).u16(0)));
            invalid.put(
                    option + " whose name has a NUL", option(option, string("vda\0evil").u16(0)));
            invalid.put(
                    option + " that announces more than it has",
                    option(option, string(DISK).u16(3).u16(Nbd.INFO_NAME)));
            invalid.put(option + " that announces 65535", option(option, string(DISK).u16(0xffff)));
            invalid.put(
                    option + " that has more than it announces",
                    option(option, string(DISK).u16(0).u16(Nbd.INFO_NAME)));
            invalid.put(
                    option + " that ends on half a number",
                    option(option, string(DISK).u16(1).u8(0)));
        }
        for (final int option : List.of(Nbd.OPT_LIST_META_CONTEXT, Nbd.OPT_SET_META_CONTEXT)) {
            invalid.put(option + " without data", option(option));
            invalid.put(option + " without a count", option(option, string(DISK)));
            invalid.put(
                    option + " with 4 Gi queries and none there",
                    option(option, string(DISK).u32(-1)));
            invalid.put(
                    option + " with a query of 4 GiB", option(option, string(DISK).u32(1).u32(-1)));
            invalid.put(
                    option + " with fewer queries than it has",
                    option(option, queries(DISK, "base:").put(string("base:"))));
            invalid.put(
                    option + " with more queries than it has",
                    option(option, string(DISK).u32(2).put(string("base:"))));
            invalid.put(
                    option + " without a namespace", option(option, queries(DISK, "allocation")));
            invalid.put(option + " with an empty namespace", option(option, queries(DISK, ":x")));
            invalid.put(
                    option + " with a query that is too long",
                    option(option, queries(DISK, "base:" + "x".repeat(Nbd.STRING_LENGTH_MAX))));
        }
        for (final Map.Entry<String, Bytes> entry : invalid.entrySet()) {
            final Bytes prologue = option(Nbd.OPT_STRUCTURED_REPLY);
            try (WireClient client = disks.connect()) {
                client.send(flags(FLAGS).put(prologue).put(entry.getValue()));
                client.readOptionReplies(Nbd.OPT_STRUCTURED_REPLY);
                final WireClient.OptionReply reply = client.readOptionReply();
                assertEquals(Nbd.REP_ERR_INVALID, reply.type(), entry.getKey());
                assertTrue(!reply.text().isEmpty(), entry.getKey());
                client.send(option(Nbd.OPT_ABORT));
                client.readOptionReplies(Nbd.OPT_ABORT);
                client.assertClosed();
            }
        }
        disks.verify();
    }

    @Test
    void metaContextsNeedStructuredReplies() throws IOException {
        assertAnswer(
                "selection before structured replies",
                option(Nbd.OPT_SET_META_CONTEXT, queries(DISK, "base:allocation")),
                Nbd.OPT_SET_META_CONTEXT,
                Nbd.REP_ERR_INVALID);
        disks.verify();
    }

    @Test
    void unknownOptionsAreNotSupported() throws IOException {
        for (final int option :
                List.of(0, Nbd.OPT_PEEK_EXPORT, 12, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff)) {
            assertAnswer("no data", option(option), option, Nbd.REP_ERR_UNSUP);
            assertAnswer(
                    "data", option(option, new Bytes().zeroes(1000)), option, Nbd.REP_ERR_UNSUP);
        }
        assertAnswer("TLS", option(Nbd.OPT_STARTTLS), Nbd.OPT_STARTTLS, Nbd.REP_ERR_UNSUP);
        disks.verify();
    }

    @Test
    void unknownExportsAreUnknown() throws IOException {
        for (final String name : List.of("", "vd", "vdaa", "../vda", "x".repeat(4096), "\u00e9")) {
            assertAnswer(name, option(Nbd.OPT_INFO, info(name)), Nbd.OPT_INFO, Nbd.REP_ERR_UNKNOWN);
            assertAnswer(name, option(Nbd.OPT_GO, info(name)), Nbd.OPT_GO, Nbd.REP_ERR_UNKNOWN);
            assertAnswer(
                    name,
                    option(Nbd.OPT_LIST_META_CONTEXT, queries(name)),
                    Nbd.OPT_LIST_META_CONTEXT,
                    Nbd.REP_ERR_UNKNOWN);
            assertClosed(name, flags(FLAGS).put(option(Nbd.OPT_EXPORT_NAME, Bytes.text(name))));
        }
        disks.verify();
    }

    @Test
    void oversizedOptionsAreSkippedAndRefused() throws IOException {
        for (final int option : List.of(0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0xffff_ffff)) {
            assertAnswer(
                    "one byte too many",
                    option(option, new Bytes().zeroes(TOO_LONG)),
                    option,
                    Nbd.REP_ERR_TOO_BIG);
        }
        assertAnswer(
                "10 MiB",
                option(Nbd.OPT_GO, new Bytes().zeroes(10 << 20)),
                Nbd.OPT_GO,
                Nbd.REP_ERR_TOO_BIG);
        assertClosed(
                "export name",
                flags(FLAGS).put(option(Nbd.OPT_EXPORT_NAME, new Bytes().zeroes(TOO_LONG))));
        disks.verify();
    }

    /** The refusal comes at once; the client then owes 4 GiB of data, and stays silent or goes. */
    @Test
    void dataThatNeverComesHoldsNobodyUp() throws IOException {
        final List<WireClient> silent = new ArrayList<>();
        for (int option = 0; option < 13; option++) {
            final WireClient client = disks.connect();
            silent.add(client);
            client.send(flags(FLAGS).put(optionHeader(option, -1)));
            if (option == Nbd.OPT_EXPORT_NAME) {
                client.assertClosed();
            } else {
                assertEquals(
                        Nbd.REP_ERR_TOO_BIG, client.readOptionReplies(option).getLast().type());
            }
        }
        for (int option = 0; option < 13; option++) {
            final WireClient client = disks.connect();
            silent.add(client);
            client.send(flags(FLAGS).put(optionHeader(option, 1000)).zeroes(999));
        }
        disks.checkGoodClient();
        disks.checkNewClient();
        for (final WireClient client : silent) {
            client.close();
        }
        disks.verify();
    }

    @Test
    void repeatedInformationIsAnsweredOnce() throws IOException {
        final int[] types = new int[30_000];
        for (int i = 0; i < types.length; i++) {
            types[i] = i % 7;
        }
        try (WireClient client = disks.connect()) {
            client.send(flags(FLAGS).put(option(Nbd.OPT_INFO, info(DISK, types))));
            assertEquals(5, client.readOptionReplies(Nbd.OPT_INFO).size());
        }
        disks.verify();
    }

    @Test
    void contextsAreListedOncePerContextHoweverManyQueriesThereAre() throws IOException {
        final String[] queries = new String[6000];
        java.util.Arrays.fill(queries, "base:");
        try (WireClient client = disks.connect()) {
            client.send(
                    flags(FLAGS).put(option(Nbd.OPT_LIST_META_CONTEXT, queries(DISK, queries))));
            assertEquals(2, client.readOptionReplies(Nbd.OPT_LIST_META_CONTEXT).size());
        }
        disks.verify();
    }

    @Test
    void structuredRepliesAfterExtendedHeadersAreRefused() throws IOException {
        try (WireClient client = disks.connect()) {
            client.send(
                    flags(FLAGS)
                            .put(option(Nbd.OPT_EXTENDED_HEADERS))
                            .put(option(Nbd.OPT_STRUCTURED_REPLY))
                            .put(option(Nbd.OPT_EXPORT_NAME, Bytes.text(DISK))));
            client.readOptionReplies(Nbd.OPT_EXTENDED_HEADERS);
            assertEquals(
                    Nbd.REP_ERR_EXT_HEADER_REQD,
                    client.readOptionReplies(Nbd.OPT_STRUCTURED_REPLY).getLast().type());
            client.assertClosed(); // EXPORT_NAME can't be answered in this style
        }
        disks.verify();
    }

    // ---- What is no handshake at all.

    @Test
    void unknownClientFlagsEndTheSession() throws IOException {
        for (int bit = 2; bit < 32; bit++) {
            assertClosed("flag " + bit, flags(1 << bit).put(Messages.go(DISK)));
        }
        assertClosed("all flags", flags(-1));
        disks.verify();
    }

    @Test
    void optionsBeforeTheFlagsEndTheSession() throws IOException {
        for (final Bytes option : Messages.wellFormedOptions(DISK)) {
            assertClosed("no flags", option);
        }
        disks.verify();
    }

    @Test
    void wrongMagicsEndTheSession() throws IOException {
        for (final long magic :
                List.of(
                        0L,
                        -1L,
                        Nbd.INIT_PASSWD,
                        Nbd.REP_MAGIC,
                        Nbd.CLISERV_MAGIC,
                        Nbd.OPTS_MAGIC + 1,
                        Long.reverseBytes(Nbd.OPTS_MAGIC))) {
            assertClosed(
                    Long.toHexString(magic),
                    flags(FLAGS).put(new Bytes().u64(magic).u32(Nbd.OPT_LIST).u32(0)));
        }
        for (final ReplyStyle style : ReplyStyle.values()) {
            assertClosed("a request", flags(FLAGS).put(Messages.read(style, 1, 0, 512)));
        }
        disks.verify();
    }

    @ParameterizedTest
    @EnumSource
    void garbageEndsTheSession(final Transport transport) throws IOException {
        final Random random = new Random(7);
        for (int i = 0; i < 100; i++) {
            final byte[] garbage = new byte[16 + random.nextInt(i < 90 ? 5000 : 500_000)];
            random.nextBytes(garbage);
            try (WireClient client = WireClient.connect(disks.endpoint(transport))) {
                client.readGreeting();
                if (i % 2 == 0) {
                    client.send(flags(FLAGS));
                }
                try {
                    client.send(new Bytes().put(garbage));
                } catch (final IOException closed) {
                    continue; // before all of it was sent
                }
                client.assertClosed();
            }
        }
        for (final String other :
                List.of(
                        "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                        "\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003 TLS"
                                + " hello",
                        "SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n",
                        "{ \"execute\": \"qmp_capabilities\" }")) {
            assertClosed(other, Bytes.text(other));
        }
        disks.verify();
    }

    @Test
    void abortEndsTheSessionWhateverFollows() throws IOException {
        try (WireClient client = disks.connect()) {
            client.send(
                    flags(FLAGS)
                            .put(option(Nbd.OPT_ABORT, Bytes.text("data that it must not have")))
                            .put(Messages.go(DISK))
                            .put(Messages.read(ReplyStyle.SIMPLE, 1, 0, 512)));
            assertEquals(Nbd.REP_ACK, client.readOptionReplies(Nbd.OPT_ABORT).getLast().type());
            client.assertClosed();
        }
        disks.verify();
    }

    // ---- What ends too early, or comes in odd portions.

    /** A client that is cut off inside an option gets no answer to it. */
    @ParameterizedTest
    @EnumSource
    void truncatedOptionsAreNotAnswered(final Transport transport) throws IOException {
        for (final Bytes option : Messages.wellFormedOptions(DISK)) {
            final Bytes whole = flags(FLAGS).put(option);
            for (int length = 0; length < whole.length(); length++) {
                try (WireClient client = WireClient.connect(disks.endpoint(transport))) {
                    client.readGreeting();
                    client.send(whole.head(length));
                    client.shutdownOutput();
                    client.assertClosed();
                }
            }
        }
        disks.verify();
    }

    @ParameterizedTest
    @EnumSource
    void clientsThatGoWithoutAWordLeaveNothingBehind(final Transport transport) throws IOException {
        final Bytes whole = Messages.libnbdHandshake(DISK);
        for (int length = 0; length <= whole.length(); length++) {
            try (WireClient client = WireClient.connect(disks.endpoint(transport))) {
                client.send(whole.head(length)); // with the greeting unread: TCP is reset
            }
        }
        disks.verify();
    }

    @ParameterizedTest
    @EnumSource
    void oneByteAtATimeIsAsGoodAsAll(final Transport transport) throws IOException {
        for (final ReplyStyle style : ReplyStyle.values()) {
            try (WireClient client = WireClient.connect(disks.endpoint(transport))) {
                client.readGreeting();
                client.trickle(Messages.handshake(style, DISK));
                client.readUntilGo();
                client.style(style);
                client.trickle(Messages.write(style, 1, 700, Bytes.text("byte by byte")));
                assertEquals(0, client.readReply().error()); // a read may overtake a write
                client.trickle(Messages.read(style, 2, 690, 100));
                disks.expect(700, Bytes.text("byte by byte").toArray());
                assertArrayEquals(
                        disks.expected(690, 100), client.readReply(690, 100).data().array());
                client.trickle(Messages.disconnect(style));
                client.assertClosed();
            }
        }
        disks.verify();
    }

    @Test
    void aHandshakeThatLastsTooLongIsEnded() throws IOException {
        final Bytes whole = Messages.qemuHandshake(DISK);
        final List<WireClient> silent = new ArrayList<>();
        for (int length = 0; length < whole.length(); length += 5) {
            final WireClient client = disks.connect();
            silent.add(client);
            client.send(whole.head(length));
        }
        final long start = System.nanoTime();
        for (final WireClient client : silent) {
            client.receiveUntilClosed(Duration.ofSeconds(15));
            client.close();
        }
        assertTrue(System.nanoTime() - start > Duration.ofSeconds(7).toNanos(), "ended too early");
        disks.verify();
    }

    /** Twenty thousand questions and no answer read: the server stops reading, and so do we. */
    @Test
    void aClientThatAsksAndNeverReadsIsBounded() throws IOException {
        final Bytes lists = Bytes.join(java.util.Collections.nCopies(1000, option(Nbd.OPT_LIST)));
        final long before = ServedDisks.residentBytes();
        try (WireClient client = disks.connect()) {
            client.send(flags(FLAGS));
            final long sent = client.sendUntilBlocked(lists, 10_000, Duration.ofMillis(500));
            assertTrue(sent < 10_000L * lists.length(), "the server took it all");
            final long growth = ServedDisks.residentBytes() - before;
            assertTrue(growth < 256 << 20, () -> "the server's memory grew by " + growth);
            disks.checkGoodClient();
            disks.checkNewClient();
        }
        disks.verify();
    }
}

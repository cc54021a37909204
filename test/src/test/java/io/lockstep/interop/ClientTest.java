package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lockstep.engine.client.ClientLimits;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;

/** Lockstep's client against every server there is. */
@ParameterizedClass
@EnumSource(Peer.class)
final class ClientTest {
    private static final int MIB = 1 << 20;
    private static final int LENGTH = 16 * MIB;

    @AutoClose private final Rig rig = new Rig();
    private final Peer peer;
    private Path file;

    ClientTest(final Peer peer) {
        this.peer = peer;
    }

    @BeforeEach
    void serve() {
        file = rig.hole("disk.img", LENGTH);
        rig.write(file, 5 * MIB, Rig.randomBytes(MIB, 1));
        peer.serve(rig, file);
    }

    private WaitingClient connect() {
        return rig.keep(WaitingClient.connect(Peer.endpoint(rig), Rig.DISK));
    }

    @Test
    void itLearnsWhatTheServerOffers() {
        final WaitingClient client = connect();
        assertEquals(LENGTH, client.negotiated().export().size());
        assertTrue(client.has(Nbd.FLAG_SEND_FLUSH | Nbd.FLAG_SEND_FUA | Nbd.FLAG_SEND_TRIM));
        assertTrue(!client.has(Nbd.FLAG_READ_ONLY));
        if (peer == Peer.LOCKSTEP) {
            assertEquals(ReplyStyle.EXTENDED, client.negotiated().replyStyle());
        } else if (peer != Peer.NBD_SERVER) {
            assertEquals(ReplyStyle.STRUCTURED, client.negotiated().replyStyle());
            assertTrue(client.negotiated().hasContext(Nbd.CONTEXT_BASE_ALLOCATION));
        }
    }

    @Test
    void whatItWritesItReadsBack() {
        final WaitingClient client = connect();
        for (final int length : new int[] {1, 511, 4096, 16384, 16385, 70_000, 3 * MIB}) {
            final byte[] bytes = Rig.randomBytes(length, length);
            client.writeNow(MIB - 7, bytes);
            assertArrayEquals(bytes, client.readNow(MIB - 7, length), "length " + length);
        }
        WaitingClient.await(client.flush()).requireSuccess();
        if (peer.hasFile()) {
            assertArrayEquals(
                    Rig.randomBytes(3 * MIB, 3 * MIB),
                    Arrays.copyOfRange(Rig.read(file), MIB - 7, 4 * MIB - 7));
        }
    }

    @Test
    void itReadsAWholeSparseDisk() {
        final byte[] expected = peer.hasFile() ? Rig.read(file) : new byte[LENGTH];
        assertArrayEquals(expected, connect().readNow(0, LENGTH));
    }

    @Test
    void theLongestPayloadPassesBothWays() {
        final Path longFile = rig.hole("long.img", 33 * MIB);
        final Rig second = new Rig();
        rig.keep(() -> closeQuietly(second));
        peer.serve(second, longFile);
        final WaitingClient client =
                second.keep(WaitingClient.connect(Peer.endpoint(second), Rig.DISK));
        final int longest = Math.min(32 * MIB, client.negotiated().export().payloadLengthMax());
        final byte[] bytes = Rig.randomBytes(longest, 3);
        client.writeNow(4097, bytes);
        assertArrayEquals(bytes, client.readNow(4097, longest));
    }

    private static void closeQuietly(final Rig rig) {
        try {
            rig.close();
        } catch (final java.io.IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void hundredsOfRequestsAreInFlight() {
        final WaitingClient client = connect();
        final int length = 4096;
        final int count = 1000;
        final byte[] content = Rig.randomBytes(count * length, 7);
        final List<CompletableFuture<WaitingClient.Reply>> replies = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            final byte[] piece = Arrays.copyOfRange(content, i * length, (i + 1) * length);
            replies.add(client.write((long) i * length, piece, 0));
        }
        replies.forEach(reply -> WaitingClient.await(reply).requireSuccess());
        replies.clear();
        for (int i = 0; i < count; i++) {
            replies.add(client.read((long) i * length, length));
        }
        for (int i = 0; i < count; i++) {
            assertArrayEquals(
                    Arrays.copyOfRange(content, i * length, (i + 1) * length),
                    WaitingClient.await(replies.get(i)).requireSuccess().data(),
                    "read " + i);
        }
    }

    /** Short and long, reads and writes, on disjoint parts of the disk. */
    @Test
    void requestsOfAllLengthsAreInFlightTogether() {
        final WaitingClient client = connect();
        final Random random = new Random(11);
        final byte[] expected = client.readNow(0, LENGTH);
        for (int round = 0; round < 5; round++) {
            final List<CompletableFuture<WaitingClient.Reply>> writes = new ArrayList<>();
            for (int part = 0; part < 32; part++) {
                final int length = 1 + random.nextInt(part % 4 == 0 ? LENGTH / 32 : 20_000);
                final int offset = part * (LENGTH / 32) + random.nextInt(LENGTH / 32 - length + 1);
                final byte[] bytes = new byte[length];
                random.nextBytes(bytes);
                System.arraycopy(bytes, 0, expected, offset, length);
                writes.add(client.write(offset, bytes, round % 2 * Nbd.CMD_FLAG_FUA));
            }
            writes.forEach(write -> WaitingClient.await(write).requireSuccess());
            final List<CompletableFuture<WaitingClient.Reply>> reads = new ArrayList<>();
            for (int part = 0; part < 32; part++) {
                reads.add(client.read((long) part * (LENGTH / 32), LENGTH / 32));
            }
            for (int part = 0; part < 32; part++) {
                assertArrayEquals(
                        Arrays.copyOfRange(
                                expected, part * (LENGTH / 32), (part + 1) * (LENGTH / 32)),
                        WaitingClient.await(reads.get(part)).requireSuccess().data(),
                        "part " + part);
            }
        }
    }

    @Test
    void zeroesAndTrimsReachTheServer() {
        final WaitingClient client = connect();
        final byte[] bytes = Rig.randomBytes(4 * MIB, 5);
        client.writeNow(0, bytes);
        if (client.has(Nbd.FLAG_SEND_WRITE_ZEROES)) {
            WaitingClient.await(client.zero(0, 100_000, 0)).requireSuccess();
            WaitingClient.await(client.zero(MIB, 65536, Nbd.CMD_FLAG_NO_HOLE)).requireSuccess();
            WaitingClient.await(client.zero(MIB + 65536, 65536, Nbd.CMD_FLAG_FUA)).requireSuccess();
            Arrays.fill(bytes, 0, 100_000, (byte) 0);
            Arrays.fill(bytes, MIB, MIB + 131072, (byte) 0);
        }
        WaitingClient.await(client.trim(2 * MIB, MIB, 0)).requireSuccess();
        final byte[] read = client.readNow(0, 4 * MIB);
        assertEquals(-1, Arrays.mismatch(bytes, 0, 2 * MIB, read, 0, 2 * MIB));
        assertEquals(-1, Arrays.mismatch(bytes, 3 * MIB, 4 * MIB, read, 3 * MIB, 4 * MIB));
        WaitingClient.await(client.trim(3 * MIB, MIB, Nbd.CMD_FLAG_FUA)).requireSuccess();
        WaitingClient.await(client.flush()).requireSuccess();
        if (client.has(Nbd.FLAG_SEND_CACHE)) {
            WaitingClient.await(client.cache(0, MIB)).requireSuccess();
        }
    }

    @Test
    void blockStatusIsTheFilesLayout() {
        final WaitingClient client = connect();
        if (client.negotiated().hasContext(Nbd.CONTEXT_BASE_ALLOCATION)) {
            final FileLayout hole = new FileLayout(List.of(new FileLayout.Extent(0, LENGTH, true)));
            assertEquals(peer.hasFile() ? FileLayout.of(file) : hole, client.layout());
        } else {
            assertEquals(Peer.NBD_SERVER, peer, "the others have base:allocation");
        }
    }

    /** By that a primary tells servers of other kinds from a lockstep secondary. */
    @Test
    void aContextThatTheServerDoesNotKnowIsDoneWithout() {
        final WaitingClient client =
                rig.keep(
                        WaitingClient.connect(
                                Peer.endpoint(rig),
                                ClientOptions.use(Rig.DISK)
                                        .withReplyStyle(ReplyStyle.STRUCTURED)
                                        .withMetaContexts(Nbd.CONTEXT_CONTROL),
                                ClientLimits.DEFAULT));
        client.awaitReady();
        assertEquals(List.of(), client.negotiated().contexts());
        assertEquals(LENGTH, client.negotiated().export().size());
    }

    @Test
    void allReplyStylesCarryTheSameBytes() {
        final byte[] bytes = Rig.randomBytes(MIB, 9);
        connect().writeNow(3 * MIB, bytes);
        for (final ReplyStyle style : ReplyStyle.values()) {
            final WaitingClient client =
                    rig.keep(
                            WaitingClient.connect(
                                    Peer.endpoint(rig),
                                    ClientOptions.use(Rig.DISK).withReplyStyle(style),
                                    ClientLimits.DEFAULT));
            client.awaitReady();
            assertArrayEquals(bytes, client.readNow(3 * MIB, MIB), style.toString());
            assertTrue(client.negotiated().replyStyle().compareTo(style) <= 0);
            assertEquals("", client.disconnect());
        }
    }

    @Test
    void severalClientsSeeEachOther() {
        final WaitingClient first = connect();
        final WaitingClient second = connect();
        assumeTrue(
                first.has(Nbd.FLAG_CAN_MULTI_CONN),
                "the server doesn't promise it: CAN_MULTI_CONN");
        for (int i = 0; i < 20; i++) {
            final byte[] bytes = Rig.randomBytes(10_000, i);
            first.writeNow(i * 9000L, bytes);
            WaitingClient.await(first.flush()).requireSuccess();
            assertArrayEquals(bytes, second.readNow(i * 9000L, 10_000));
        }
    }

    @Test
    void itLeavesWhenAllHasBeenAnswered() {
        final WaitingClient client = connect();
        final List<CompletableFuture<WaitingClient.Reply>> replies = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            replies.add(client.write(i * 4096L, Rig.randomBytes(4096, i), 0));
        }
        assertEquals("", client.disconnect());
        replies.forEach(reply -> assertEquals(0, WaitingClient.await(reply).errno()));
        connect().readNow(0, 4096);
    }
}

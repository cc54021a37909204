package io.lockstep.hardening;

import static io.lockstep.hardening.Messages.FLAGS;
import static io.lockstep.hardening.Messages.flags;
import static io.lockstep.hardening.ServedDisks.DISK;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SocketChannel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;

/** What a server does when too many come, or one comes with too much. */
final class CrowdTest {
    private static final int CROWD = 2000;

    @TempDir private Path directory;

    /** Half-open connections cost others nothing: the oldest of them make room. */
    @ParameterizedTest
    @EnumSource
    void thousandsOfHalfOpenConnectionsAreBorne(final Transport transport) throws IOException {
        try (ServedDisks disks = ServedDisks.start(directory)) {
            final Bytes whole = Messages.qemuHandshake(DISK);
            final List<SocketChannel> crowd = new ArrayList<>();
            for (int i = 0; i < CROWD; i++) {
                final SocketChannel channel = WireClient.open(disks.endpoint(transport));
                crowd.add(channel);
                final int length = i % whole.length();
                try {
                    channel.write(ByteBuffer.wrap(whole.head(length).toArray()));
                } catch (final IOException closed) {
                    assertTrue(i > 500, "closed although few had come");
                }
                if (i % 200 == 0) {
                    disks.checkGoodClient();
                    disks.checkNewClient();
                }
            }
            disks.checkGoodClient();
            disks.checkNewClient();
            for (final SocketChannel channel : crowd) {
                channel.close();
            }
            disks.verify();
        }
    }

    @ParameterizedTest
    @EnumSource
    void oneMoreThanTheLimitIsRefusedAndToldWhy(final Transport transport) throws IOException {
        try (ServedDisks disks = ServedDisks.start(directory, 4)) {
            final List<WireClient> clients = new ArrayList<>(); // besides the good one
            for (int i = 0; i < 3; i++) {
                clients.add(WireClient.enter(disks.endpoint(transport), ReplyStyle.SIMPLE, DISK));
            }
            try (WireClient fifth = WireClient.connect(disks.endpoint(transport))) {
                fifth.readGreeting();
                fifth.send(flags(FLAGS).put(Messages.go(DISK)));
                final WireClient.OptionReply reply = fifth.readOptionReplies(Nbd.OPT_GO).getLast();
                assertEquals(Nbd.REP_ERR_POLICY, reply.type());
                assertTrue(reply.text().contains("limit is 4"), reply.text());
                // It may still ask, and comes in when somebody has gone.
                fifth.send(Messages.option(Nbd.OPT_INFO, Messages.info(DISK)));
                assertEquals(Nbd.REP_ACK, fifth.readOptionReplies(Nbd.OPT_INFO).getLast().type());
                clients.removeLast().close();
                final Patience patience = new Patience(WireClient.DEADLINE);
                int type;
                do {
                    fifth.send(Messages.go(DISK));
                    type = fifth.readOptionReplies(Nbd.OPT_GO).getLast().type();
                } while (type != Nbd.REP_ACK && patience.pause());
                assertEquals(Nbd.REP_ACK, type);
                assertEquals(100, fifth.read(1, 0, 100).length);
                // The old way in has no words for it.
                try (WireClient sixth = WireClient.connect(disks.endpoint(transport))) {
                    sixth.readGreeting();
                    sixth.send(
                            flags(FLAGS)
                                    .put(Messages.option(Nbd.OPT_EXPORT_NAME, Bytes.text(DISK))));
                    sixth.assertClosed();
                }
            }
            for (final WireClient client : clients) {
                client.close();
            }
            disks.awaitQuiet();
            disks.verify();
        }
    }

    /** A limit of places is not a limit of visits. */
    @Test
    void placesAreGivenBackHoweverAClientLeaves() throws IOException {
        try (ServedDisks disks = ServedDisks.start(directory, 3)) {
            for (int i = 0; i < 200; i++) {
                final ReplyStyle style =
                        List.of(ReplyStyle.SIMPLE, ReplyStyle.STRUCTURED, ReplyStyle.EXTENDED)
                                .get(i % 3);
                try (WireClient client =
                        WireClient.enter(i % 2 == 0 ? disks.unix() : disks.tcp(), style, DISK)) {
                    switch (i % 4) {
                        case 0 -> client.send(Messages.disconnect(style));
                        case 1 -> client.send(Messages.read(style, 1, 0, 1 << 20));
                        case 2 -> client.send(new Bytes().zeroes(100));
                        default -> client.send(Messages.writeHeader(style, 1, 0, 1000));
                    }
                }
                disks.awaitQuiet();
            }
            disks.verify();
        }
    }

    /** Whoever is being shown out can't keep the loop busy by talking on. */
    @ParameterizedTest
    @EnumSource
    void aTorrentAfterTheEndStarvesNobody(final Transport transport) throws Exception {
        try (ServedDisks disks = ServedDisks.start(directory)) {
            final AtomicBoolean stop = new AtomicBoolean();
            final List<Thread> torrents = new ArrayList<>();
            for (int i = 0; i < 2; i++) {
                final SocketChannel channel = WireClient.open(disks.endpoint(transport));
                channel.write(ByteBuffer.wrap(new byte[] {-1, -1, -1, -1}));
                torrents.add(Thread.ofPlatform().start(() -> pour(channel, stop)));
            }
            final long end = System.nanoTime() + Duration.ofSeconds(2).toNanos();
            while (System.nanoTime() - end < 0) {
                final long start = System.nanoTime();
                disks.checkGoodClient();
                final long took = System.nanoTime() - start;
                assertTrue(took < Duration.ofSeconds(5).toNanos(), () -> "took ns " + took);
            }
            for (final Thread torrent : torrents) {
                torrent.join(Duration.ofSeconds(5));
                assertTrue(!torrent.isAlive(), "still being listened to");
            }
            stop.set(true);
            disks.verify();
        }
    }

    private static void pour(final SocketChannel channel, final AtomicBoolean stop) {
        final ByteBuffer garbage = ByteBuffer.allocateDirect(1 << 20);
        try (channel) {
            while (!stop.get()) {
                garbage.clear();
                channel.write(garbage);
            }
        } catch (final IOException closed) {
            return; // as it should be
        }
    }
}

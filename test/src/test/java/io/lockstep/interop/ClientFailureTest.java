package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.client.ClientLimits;
import io.lockstep.engine.client.NbdProbe;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.ListedExport;
import io.lockstep.nbd.Nbd;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** Lockstep's client where a server fails, dawdles, restricts or dies. */
final class ClientFailureTest {
    private static final int MIB = 1 << 20;

    @AutoClose private final Rig rig = new Rig();

    private WaitingClient connect() {
        return rig.keep(WaitingClient.connect(Peer.endpoint(rig), Rig.DISK));
    }

    @Test
    void aServersErrorsComeWithTheirNumbers() {
        Peer.nbdkit(
                rig,
                "--filter=error",
                "memory",
                "16M",
                "error-pread=EIO",
                "error-pread-rate=100%",
                "error-pwrite=ENOSPC",
                "error-pwrite-rate=100%",
                "error-trim=EPERM",
                "error-trim-rate=100%",
                "error-zero=ENOMEM",
                "error-zero-rate=100%",
                "error-extents=EINVAL",
                "error-extents-rate=100%");
        final WaitingClient client = connect();
        for (int i = 0; i < 3; i++) {
            assertEquals(Errno.EIO, WaitingClient.await(client.read(0, 4096)).errno());
            assertEquals(
                    Errno.ENOSPC,
                    WaitingClient.await(client.write(0, new byte[70_000], 0)).errno());
            assertEquals(Errno.EPERM, WaitingClient.await(client.trim(0, 4096, 0)).errno());
            assertEquals(Errno.ENOMEM, WaitingClient.await(client.zero(0, 4096, 0)).errno());
        }
        WaitingClient.await(client.flush()).requireSuccess();
    }

    @Test
    void errorsAmongManyInFlightHitOnlyTheirOwnRequests() {
        Peer.nbdkit(rig, "--filter=error", "memory", "16M", "error=EIO", "error-rate=20%");
        final WaitingClient client = connect();
        final List<CompletableFuture<WaitingClient.Reply>> writes = new ArrayList<>();
        for (int i = 0; i < 500; i++) {
            final byte[] bytes = Rig.randomBytes(i % 10 == 0 ? 30_000 : 3000, i);
            writes.add(client.write(i * 32768L, bytes, 0));
        }
        int failures = 0;
        for (int i = 0; i < 500; i++) {
            final int errno = WaitingClient.await(writes.get(i)).errno();
            assertTrue(errno == 0 || errno == Errno.EIO, "errno " + errno);
            if (errno == 0) {
                final byte[] expected = Rig.randomBytes(i % 10 == 0 ? 30_000 : 3000, i);
                WaitingClient.Reply read =
                        WaitingClient.await(client.read(i * 32768L, expected.length));
                while (read.errno() == Errno.EIO) {
                    read = WaitingClient.await(client.read(i * 32768L, expected.length));
                }
                assertArrayEquals(expected, read.data(), "write " + i);
            } else {
                failures++;
            }
        }
        assertTrue(failures > 20 && failures < 300, "failures: " + failures);
    }

    @Test
    void repliesThatAServerDelaysAllFindTheirRequests() {
        Peer.nbdkit(rig, "--filter=delay", "memory", "16M", "delay-read=300ms");
        final WaitingClient client = connect();
        final byte[] bytes = Rig.randomBytes(MIB, 1);
        client.writeNow(0, bytes);
        final List<CompletableFuture<WaitingClient.Reply>> reads = new ArrayList<>();
        for (int i = 0; i < 16; i++) {
            reads.add(client.read(i * 65536L, 65536));
        }
        client.writeNow(
                8 * MIB, Rig.randomBytes(100_000, 1)); // quick, in the midst of the slow ones
        reads.forEach(read -> WaitingClient.await(read).requireSuccess());
        assertArrayEquals(bytes, client.readNow(0, MIB));
    }

    @Test
    void aServersBlockSizesAreLearntAndWhatBreaksThemIsAnError() {
        Peer.nbdkit(
                rig,
                "--filter=blocksize-policy",
                "memory",
                "16M",
                "blocksize-minimum=4096",
                "blocksize-preferred=65536",
                "blocksize-maximum=1M",
                "blocksize-error-policy=error");
        final WaitingClient client = connect();
        assertEquals(4096, client.negotiated().export().blockSizeMin());
        assertEquals(65536, client.negotiated().export().blockSizePreferred());
        assertEquals(MIB, client.negotiated().export().payloadLengthMax());
        final byte[] bytes = Rig.randomBytes(MIB, 1);
        client.writeNow(4096, bytes);
        assertArrayEquals(bytes, client.readNow(4096, MIB));
        assertEquals(Errno.EINVAL, WaitingClient.await(client.read(0, 512)).errno());
        assertEquals(Errno.EINVAL, WaitingClient.await(client.read(512, 4096)).errno());
        assertArrayEquals(bytes, client.readNow(4096, MIB));
    }

    @Test
    void aReadOnlyServerSaysSo() {
        Peer.nbdkit(rig, "--readonly", "memory", "16M");
        assertTrue(connect().has(Nbd.FLAG_READ_ONLY));
    }

    /** But for nbd-server: the processes that it makes for its clients outlive it. */
    @ParameterizedTest
    @EnumSource(
            value = Peer.class,
            names = {"LOCKSTEP", "NBDKIT_FILE", "NBDKIT_MEMORY", "QEMU_NBD"})
    void whatIsInFlightFailsWhenTheServerDies(final Peer peer) {
        final Path file = rig.random("disk.img", 32 * MIB, 1);
        final Rig.Ending server = peer.serve(rig, file);
        final WaitingClient client = connect();
        final List<CompletableFuture<WaitingClient.Reply>> reads = new ArrayList<>();
        for (int i = 0; i < 100; i++) {
            reads.add(client.read(0, 8 * MIB));
        }
        WaitingClient.await(reads.getFirst()).requireSuccess();
        switch (server) {
            case LockstepProcess lockstep -> lockstep.kill();
            case Program program -> program.kill();
            default -> throw new AssertionError(server);
        }
        int answered = 0;
        for (final CompletableFuture<WaitingClient.Reply> read : reads) {
            final int errno = WaitingClient.await(read).errno();
            assertTrue(errno == 0 || errno == Errno.ESHUTDOWN, "errno " + errno);
            answered += errno == 0 ? 1 : 0;
        }
        assertTrue(answered < 100, "answered: " + answered);
        assertFalse(client.awaitClosed().isEmpty());
    }

    @ParameterizedTest
    @EnumSource(
            value = Peer.class,
            names = {"LOCKSTEP", "QEMU_NBD", "NBD_SERVER"})
    void anUnknownExportIsRefusedInAServersWords(final Peer peer) {
        peer.serve(rig, rig.hole("disk.img", MIB));
        final WaitingClient client =
                rig.keep(
                        WaitingClient.connect(
                                Peer.endpoint(rig),
                                ClientOptions.use("unknown"),
                                ClientLimits.DEFAULT));
        assertTrue(client.awaitClosed().contains("unknown"), client.awaitClosed());
    }

    @ParameterizedTest
    @EnumSource(
            value = Peer.class,
            names = {"LOCKSTEP", "QEMU_NBD", "NBD_SERVER"})
    void aServersExportsAreListed(final Peer peer) throws IOException {
        peer.serve(rig, rig.hole("disk.img", MIB));
        final CompletableFuture<List<ListedExport>> listed = new CompletableFuture<>();
        try (NioLoop loop = new NioLoop("test-probe", 0, listed::completeExceptionally)) {
            loop.start();
            loop.execute(
                    () ->
                            NbdProbe.list(
                                    loop,
                                    Peer.endpoint(rig),
                                    new NbdProbe.ListListener() {
                                        @Override
                                        public void onList(final List<ListedExport> exports) {
                                            listed.complete(exports);
                                        }

                                        @Override
                                        public void onFailed(final String reason) {
                                            listed.completeExceptionally(new IOException(reason));
                                        }
                                    }));
            assertEquals(
                    List.of(Rig.DISK),
                    WaitingClient.await(listed).stream().map(ListedExport::name).toList());
        }
    }

    @Test
    void whereNobodyListensTheReasonIsTold() {
        final WaitingClient client =
                rig.keep(
                        WaitingClient.connect(
                                new Endpoint.Unix(rig.path("nobody")),
                                ClientOptions.use(Rig.DISK),
                                ClientLimits.DEFAULT));
        assertTrue(
                client.awaitClosed().contains("cannot connect to " + rig.path("nobody")),
                client.awaitClosed());
    }
}

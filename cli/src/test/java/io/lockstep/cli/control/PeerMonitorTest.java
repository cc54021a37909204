package io.lockstep.cli.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.loop.NioLoop;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import java.util.concurrent.CompletionException;

/** Where a QMP monitor is. What is done there is tested against QEMU. */
final class PeerMonitorTest {
    @ParameterizedTest
    @ValueSource(strings = {"/run/qemu.qmp", "unix:/run/qemu.qmp"})
    void aPathIsAUnixSocket(final String text) {
        assertEquals(
                UnixDomainSocketAddress.of(Path.of("/run/qemu.qmp")),
                PeerMonitor.Address.parse(text).socket());
    }

    @Test
    void aHostIsLookedUpWhenItIsNeeded() {
        assertEquals(
                InetSocketAddress.createUnresolved("south", 4444),
                PeerMonitor.Address.parse("tcp:south:4444").socket());
    }

    @Test
    void anAddressOfIpv6MayStandInBrackets() {
        assertEquals(
                InetSocketAddress.createUnresolved("::1", 4444),
                PeerMonitor.Address.parse("tcp:[::1]:4444").socket());
    }

    /** It is not our own control socket, and there may be no engine. */
    @Test
    void oneThatIsNotThereIsCalledWhatItIs(@TempDir final Path folder) throws IOException {
        final Path socket = folder.resolve("nobody");
        try (NioLoop loop = new NioLoop("group", 0, thrown -> {});
                PeerMonitor monitor =
                        new PeerMonitor(PeerMonitor.Address.parse(socket.toString()), loop)) {
            loop.start();
            final CompletionException failed =
                    assertThrows(CompletionException.class, () -> monitor.check().join());
            assertEquals(
                    "the secondary's QMP monitor at "
                            + socket
                            + " does not answer: No such file or directory; see that the secondary"
                            + " runs, that --peer-qmp names a monitor of it, and that nobody else"
                            + " is connected there (QEMU serves one client a monitor)",
                    failed.getCause().getMessage());
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"tcp:", "tcp:south", "tcp:south:", "tcp:south:port", "tcp:south:65536"})
    void anAddressThatIsNoneGetsASentence(final String text) {
        final IllegalArgumentException refused =
                assertThrows(IllegalArgumentException.class, () -> PeerMonitor.Address.parse(text));
        assertTrue(refused.getMessage().contains("tcp:HOST:PORT"), refused.getMessage());
    }
}

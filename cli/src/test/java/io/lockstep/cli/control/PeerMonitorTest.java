package io.lockstep.cli.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.net.InetSocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;

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

    @ParameterizedTest
    @ValueSource(strings = {"tcp:", "tcp:south", "tcp:south:", "tcp:south:port", "tcp:south:65536"})
    void anAddressThatIsNoneGetsASentence(final String text) {
        final IllegalArgumentException refused =
                assertThrows(IllegalArgumentException.class, () -> PeerMonitor.Address.parse(text));
        assertTrue(refused.getMessage().contains("tcp:HOST:PORT"), refused.getMessage());
    }
}

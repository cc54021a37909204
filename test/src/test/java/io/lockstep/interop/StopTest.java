package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;

/** {@code lockstep serve} on SIGTERM: nothing that was acknowledged is lost, and all is tidy. */
final class StopTest {
    private static final int CLIENTS = 3;

    @AutoClose private final Rig rig = new Rig();

    @ParameterizedTest
    @EnumSource(Rig.Place.class)
    void stoppedUnderLoadItKeepsEveryAcknowledgedWrite(final Rig.Place place) throws IOException {
        try (Rig placed = new Rig(place)) {
            stopUnderLoad(placed);
        }
    }

    private static void stopUnderLoad(final Rig rig) {
        final Path file = rig.hole("disk.img", (long) CLIENTS * AcknowledgedWrites.PART_LENGTH);
        final LockstepProcess lockstep = rig.serve(file);
        final List<AcknowledgedWrites> clients =
                IntStream.range(0, CLIENTS)
                        .mapToObj(part -> AcknowledgedWrites.start(rig, rig.uri(), part, 1))
                        .toList();
        clients.forEach(client -> client.await(1000));
        assertEquals(0, lockstep.stop(), lockstep::toString);
        clients.forEach(client -> client.verify(file));
        assertFalse(Files.exists(rig.socket()), "the socket is removed");
        assertEquals("", lockstep.err());
        rig.serve(file);
    }

    @Test
    void idleClientsDontDelayIt() {
        final LockstepProcess lockstep = rig.serve(rig.hole("disk.img", 1 << 20));
        final Program idle =
                rig.startPython(
                        """
                        h = connect(sys.argv[1])
                        print('connected')
                        h.poll(60000)
                        print('closed' if h.aio_is_closed() or h.aio_is_dead() else 'open')
                        """,
                        rig.uri());
        idle.awaitLine(line -> line.equals("connected"));
        final long start = System.nanoTime();
        assertEquals(0, lockstep.stop(), lockstep::toString);
        final long seconds = (System.nanoTime() - start) / 1_000_000_000;
        assertEquals(0, seconds / 4, "seconds: " + seconds);
        idle.awaitLine(line -> line.equals("closed"));
    }

    /** Such a client's replies fill the socket; it is cut after some seconds. */
    @Test
    void aClientThatTakesNoRepliesDoesNotHoldIt() {
        final LockstepProcess lockstep = rig.serve(rig.random("disk.img", 32 << 20, 1));
        final Program deaf =
                rig.startPython(
                        """
                        import signal
                        h = connect(sys.argv[1])
                        buffers = [nbd.Buffer(4 << 20) for _ in range(8)]
                        for i, buffer in enumerate(buffers):
                            h.aio_pread(buffer, i << 22)
                        print('sent')
                        signal.sigtimedwait([signal.SIGUSR1], 60)
                        """,
                        rig.uri());
        deaf.awaitLine(line -> line.equals("sent"));
        assertEquals(0, lockstep.stop(), lockstep::toString);
        assertFalse(Files.exists(rig.socket()));
    }
}

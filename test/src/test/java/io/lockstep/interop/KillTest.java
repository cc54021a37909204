package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;

/** {@code lockstep serve} on kill -9: what was acknowledged is in the file. */
@ParameterizedClass
@EnumSource(Rig.Place.class)
final class KillTest {
    private static final int ROUNDS = 10;

    @AutoClose private final Rig rig;

    KillTest(final Rig.Place place) {
        rig = new Rig(place);
    }

    /** Each round starts on the socket that the killed one has left, and on its file. */
    @Test
    void killedAtAnyMomentItKeepsEveryAcknowledgedWrite() {
        final long seed = System.nanoTime();
        final Random moments = new Random(seed);
        final Path file = rig.hole("disk.img", AcknowledgedWrites.PART_LENGTH);
        long first = 1;
        for (int round = 0; round < ROUNDS; round++) {
            try (LockstepProcess lockstep = rig.serve(file)) {
                final AcknowledgedWrites client =
                        AcknowledgedWrites.start(rig, rig.uri(), 0, first);
                client.await(1 + moments.nextInt(2000));
                lockstep.kill();
                first = client.verify(file);
                assertTrue(Files.exists(rig.socket()), "the socket of a killed server stays");
            } catch (final AssertionError e) {
                throw new AssertionError(
                        "round " + round + " of seed " + seed + ": " + e.getMessage(), e);
            }
        }
    }

    @Test
    void whatItServedCanBeServedAgainAtOnce() {
        final Path file = rig.random("disk.img", 1 << 20, 1);
        final LockstepProcess killed = rig.serve(file);
        rig.python("connect(sys.argv[1]).pwrite(b'kept', 0)", rig.uri());
        killed.kill();
        rig.serve(file);
        assertEquals("1048576\n", rig.run(Tool.NBDINFO, "--size", rig.uri()).out());
        rig.python("same(connect(sys.argv[1]).pread(4, 0), b'kept')", rig.uri());
    }
}

package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/** {@code lockstep verify} on a pair of real processes, whose secondary's disk rots. */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
final class VerifyTest {
    private static final int LENGTH = 4 << 20;
    private static final int PIECE = 64 << 10;

    @AutoClose private final Rig rig = new Rig();

    private final ReplicatedPair pair =
            new ReplicatedPair(rig, "", 2, LENGTH).withPrimary("--assume-identical");

    @Test
    void whatRotsIsListedAndMended() {
        pair.start();
        rig.python(
                "h = connect(sys.argv[1]); h.pwrite(b'x' * 200000, 1000000); h.flush()",
                pair.guest("a"));
        pair.checkpoint();
        final Tool.Output equal = verify(pair.primaryControlSocket());
        assertEquals(0, equal.exitCode(), equal::toString);
        assertTrue(equal.out().contains("no difference"), equal::toString);

        rig.write(pair.secondaryDisk("a"), 17 * PIECE + 5, new byte[] {'y'});
        rig.write(pair.secondaryDisk("b"), LENGTH - 1, new byte[] {'y'});
        final Tool.Output rotten = verify(pair.primaryControlSocket());
        assertEquals(3, rotten.exitCode(), rotten::toString);
        assertTrue(
                rotten.out().contains("disk a: 65536 bytes at " + 17 * PIECE + " differed"),
                rotten::toString);
        assertTrue(
                rotten.out().contains("disk b: 65536 bytes at " + (LENGTH - PIECE) + " differed"),
                rotten::toString);
        assertTrue(rotten.out().contains("2 pieces differed, of 128.0 KiB"), rotten::toString);
        pair.checkpoint();
        pair.requireEqual();

        final Tool.Output mended = verify(pair.primaryControlSocket(), "--json");
        assertEquals(0, mended.exitCode(), mended::toString);
        final JsonObject told = JsonParser.parseString(mended.out()).getAsJsonObject();
        assertEquals(2L * LENGTH, told.get("compared").getAsLong());
        assertEquals(0, told.get("pieces").getAsLong());
        final Tool.Output status =
                rig.lockstep("status", "--control", pair.primaryControlSocket().toString());
        assertTrue(
                status.out().contains("verification: 8.0 MiB of disks a, b compared in "),
                status::toString);
    }

    @Test
    void aSecondaryRefuses() {
        pair.start();
        final Tool.Output refused = verify(pair.secondaryControlSocket());
        assertEquals(1, refused.exitCode(), refused::toString);
        assertTrue(refused.toString().contains("this is no primary"), refused::toString);
    }

    private Tool.Output verify(final Path control, final String... more) {
        final String[] arguments = new String[3 + more.length];
        arguments[0] = "verify";
        arguments[1] = "--control";
        arguments[2] = control.toString();
        System.arraycopy(more, 0, arguments, 3, more.length);
        return rig.lockstep(arguments);
    }
}

package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/**
 * A disk's file that others change while it is in use: what cannot be read is an error, and never
 * zeroes.
 */
@ParameterizedClass
@EnumSource(Rig.Place.class)
final class ChangedFileTest {
    private static final int LENGTH = 8 << 20;
    private static final int HALF = LENGTH / 2;

    @AutoClose private final Rig rig;

    private NbdShell nbd;

    ChangedFileTest(final Rig.Place place) {
        rig = new Rig(place);
    }

    @BeforeEach
    void startShell() {
        nbd = new NbdShell(rig);
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void servedFileThatIsCutIsAnErrorBehindItsEnd(final boolean isHole) throws IOException {
        final Path file = isHole ? rig.hole("disk.img", LENGTH) : rig.random("disk.img", LENGTH, 1);
        final LockstepProcess lockstep = rig.serve(file);
        Rig.length(file, HALF);
        rig.python(
                """
                half = int(sys.argv[2])
                for structured in (False, True):
                    h = connect(sys.argv[1], lambda h: h.set_request_structured_replies(structured))
                    for length in (512, 4096, 8192, 65536, 1 << 20):
                        expect(errno.EIO, h.pread, length, half)
                        expect(errno.EIO, h.pread, length, half - 512 + (length == 512) * 512)
                        expect(errno.EIO, h.pread, length, 2 * half - length)
                    expect(errno.EIO, h.pwrite, bytes(4096), half + 8192)
                    expect(errno.EIO, h.zero, 4096, half + 8192)
                    expect(errno.EIO, h.trim, 4096, half + 8192)
                    expect(errno.EIO, h.zero, 4096, half + 8192, nbd.CMD_FLAG_NO_HOLE)
                    h.pwrite(b'1' * 4096, half - 4096)
                    same(h.pread(4096, half - 4096), b'1' * 4096)
                expect(errno.EIO, h.block_status, half, half, lambda *a: 0)
                expect(errno.EIO, h.block_status, 2 * half, 0, lambda *a: 0)
                h.block_status(half, 0, lambda *a: 0)
                """,
                rig.uri(),
                Integer.toString(HALF));
        assertEquals(HALF, Files.size(file), "it was made long again");
        final String told = lockstep.err();
        assertEquals(1, told.lines().filter(line -> line.contains("was cut to")).count(), told);
    }

    /** Failure 3: the pre-image can't be saved. What was not saved is never overwritten. */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void secondaryWhoseFileIsCutStopsAndNeverServesZeroes(final boolean isHole) throws IOException {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH).start();
        final String guest = pair.guest("a");
        if (!isHole) {
            assertEquals("done", nbd.write(guest, 0x11, 0, LENGTH));
        }
        final String before = isHole ? "00" : "11";
        pair.checkpoint();
        Rig.length(pair.secondaryDisk("a"), HALF);
        assertEquals("done", nbd.write(guest, 0x22, 0, 8192));
        assertEquals("done", nbd.write(guest, 0x22, HALF + 8192, 8192));
        try (Control control = pair.secondaryControl()) {
            final JsonObject status = control.await("broken", found -> found.has("error"));
            final String error = status.getAsJsonObject("error").get("desc").getAsString();
            assertTrue(error.contains("saving the pre-image") && error.contains("ENXIO"), error);
            assertEquals(HALF, Files.size(pair.secondaryDisk("a")));
            final String secondGuest = pair.secondaryGuest("a");
            assertEquals(before, nbd.read(secondGuest, 0, 8192), "the checkpoint");
            assertEquals("EIO", nbd.read(secondGuest, HALF, 4096));
            control.execute("x-lockstep-failover", "{'force': true}");
            control.awaitMerged();
            assertEquals(before, nbd.read(secondGuest, 0, 8192), "after the failover");
            assertEquals("EIO", nbd.read(secondGuest, HALF, 4096));
            assertEquals("EIO", nbd.read(secondGuest, HALF + 8192, 8192));
        }
        assertEquals("22", nbd.read(guest, HALF + 8192, 8192), "the primary goes on");
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void primaryWhoseFileIsCutGivesItsGuestErrors(final boolean isHole) throws IOException {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH).start();
        final String guest = pair.guest("a");
        if (!isHole) {
            assertEquals("done", nbd.write(guest, 0x11, 0, LENGTH));
        }
        pair.checkpoint();
        Rig.length(pair.primaryDisk("a"), HALF);
        assertEquals("EIO", nbd.read(guest, HALF, 4096));
        assertEquals("EIO", nbd.read(guest, HALF, 1 << 20));
        assertEquals("EIO", nbd.write(guest, 0x22, HALF + 8192, 8192));
        assertEquals("done", nbd.write(guest, 0x22, 0, 8192));
        assertEquals(HALF, Files.size(pair.primaryDisk("a")));
        pair.failOver();
        assertEquals(isHole ? "00" : "11", nbd.read(pair.secondaryGuest("a"), HALF, 8192));
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void fileThatGrowsOrIsReplacedIsGoneOnWith(final boolean isReplaced) throws IOException {
        final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH).start();
        final Path file = pair.secondaryDisk("a");
        final Path kept = rig.path("kept.img");
        if (isReplaced) {
            Files.createLink(kept, file);
            Files.move(rig.hole("other.img", 4096), file, StandardCopyOption.REPLACE_EXISTING);
        } else {
            Rig.length(file, 2 * LENGTH);
        }
        assertEquals("done", nbd.write(pair.guest("a"), 0x22, LENGTH - 8192, 8192));
        pair.checkpoint();
        assertEquals("22", nbd.read(pair.secondaryGuest("a"), LENGTH - 8192, 8192));
        pair.failOver();
        assertEquals(isReplaced ? 4096 : 2 * LENGTH, Files.size(file), "nobody touched it");
    }
}

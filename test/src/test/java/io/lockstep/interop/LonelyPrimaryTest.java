package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A primary that shares its disk, and that somebody has go on alone: its secondary can't take over
 * any more, or it does not go on. Otherwise a failover would put what was saved for an old
 * checkpoint over what the primary has written alone.
 */
@Timeout(value = 3, unit = TimeUnit.MINUTES)
final class LonelyPrimaryTest {
    private static final String WRITE =
            """
            h = connect(sys.argv[1])
            h.pwrite(bytes([int(sys.argv[2])]) * 4096, int(sys.argv[3]))
            print('answered', flush=True)
            """;

    private static final int LENGTH = 1 << 20;
    private static final int BLOCK = 4096;
    private static final int FAR = 512 << 10;
    private static final String FENCED = "{'fenced': true}";
    private static final String PROMOTE = "x-lockstep-promote";
    private static final String STOP = "x-lockstep-stop";
    private static final String FAIL_OVER = "x-lockstep-failover";

    @AutoClose private final Rig rig = new Rig();

    private final Path disk = rig.hole("disk.img", LENGTH);
    private final SharedPair pair =
            new SharedPair(rig, "l", "--shared-on-one-host", List.of(disk))
                    .withPrimary("--on-lost-link", "suspend");

    private String refuse(final boolean ofPrimary, final String command, final String arguments) {
        try (Control control = ofPrimary ? pair.primaryControl() : pair.secondaryControl()) {
            return control.refuse(command, arguments).sentence();
        }
    }

    private void order(final String command, final String arguments) {
        try (Control control = pair.primaryControl()) {
            control.execute(command, arguments);
        }
    }

    /** Writes a block, and waits for the answer. */
    private void write(final int value, final int offset) {
        rig.python(WRITE, arguments(value, offset));
    }

    private String[] arguments(final int value, final int offset) {
        return new String[] {
            pair.guests().getFirst(), Integer.toString(value), Integer.toString(offset)
        };
    }

    /** A checkpoint of ones, and a two behind it that the secondary has a pre-image for. */
    private void begin() {
        pair.start();
        write(1, 0);
        write(1, FAR);
        order("x-lockstep-checkpoint", "{}");
        write(2, 0);
    }

    private void awaitUnlinked() {
        try (Control control = pair.primaryControl()) {
            control.await("unlinked", status -> !status.get("linked").getAsBoolean());
        }
    }

    private static String waiting(final JsonObject status) {
        return status.get("waiting").getAsString();
    }

    private void assertHolds(final int first, final int far) {
        final byte[] content = Rig.read(disk);
        for (int i = 0; i < BLOCK; i++) {
            assertEquals(first, content[i]);
            assertEquals(far, content[FAR + i]);
        }
    }

    /** What was done alone is not undone in part. */
    private void takeOver() {
        pair.primary().kill();
        pair.startSecondary();
        final String refusal = refuse(false, FAIL_OVER, FENCED);
        assertTrue(refusal.contains("this process began later"), refusal);
        assertTrue(refusal.contains("start the primary again"), refusal);
        assertTrue(refusal.contains("lockstep failover --force"), refusal);
        assertHolds(2, 3);
        try (Control control = pair.secondaryControl()) {
            control.execute(FAIL_OVER, "{'force': true}");
            control.awaitMerged();
        }
        assertHolds(2, 3);
    }

    @ParameterizedTest
    @ValueSource(strings = {PROMOTE, STOP})
    void itIsNotLetGoBeforeTheSecondaryIsKnownToBeFenced(final String command) {
        begin();
        pair.secondary().kill();
        awaitUnlinked();
        final Program guest = rig.startPython(WRITE, arguments(3, FAR));
        final String refusal = refuse(true, command, "{}");
        assertTrue(refusal.contains("sees the same disks (a)"), refusal);
        assertTrue(refusal.contains("fence the peer's host"), refusal);
        assertTrue(refusal.contains(command.replace("x-lockstep-", "lockstep ")), refusal);
        assertTrue(refusal.contains("--fenced'"), refusal);
        try (Control control = pair.primaryControl()) {
            assertEquals("running", control.state());
        }
        assertHolds(2, 1);
        order(command, FENCED);
        assertEquals(0, guest.awaitExit(), guest::transcript);
        takeOver();
    }

    /** A primary that was started again, too, and has met nobody yet. */
    @Test
    void norIsOneThatWasStartedAgain() {
        begin();
        pair.secondary().kill();
        pair.primary().kill();
        pair.startPrimary();
        final String refusal = refuse(true, PROMOTE, "{}");
        assertTrue(refusal.contains("fence the peer's host"), refusal);
        order(PROMOTE, FENCED);
        write(3, FAR);
        takeOver();
    }

    /** The word counts for the order with which it is said. */
    @Test
    void aWordThatWasRefusedCountsForNoOtherOrder() {
        begin();
        final String linked = refuse(true, PROMOTE, FENCED);
        assertTrue(linked.contains("served already"), linked);
        pair.secondary().kill();
        awaitUnlinked();
        assertTrue(refuse(true, STOP, "{}").contains("fence the peer's host"));
    }

    @Test
    void aLinkedSecondaryIsToldBeforeThePrimaryGoesOn() {
        begin();
        order(STOP, "{}");
        write(3, FAR);
        pair.primary().kill();
        final String refusal = refuse(false, FAIL_OVER, FENCED);
        assertTrue(refusal.contains("went on without this node"), refusal);
    }

    /** It is linked when replication is stopped, and says nothing more. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whoCannotTellItsSecondaryWaits(final boolean isFencedAtLast) {
        begin();
        pair.secondary().signal("STOP");
        final String told = refuse(true, STOP, "{}");
        assertTrue(told.contains("replication is stopped, and the guest waits"), told);
        final Program guest = rig.startPython(WRITE, arguments(3, FAR));
        try (Control control = pair.primaryControl()) {
            control.await("waits", status -> waiting(status).contains("--fenced"));
        }
        assertEquals("", guest.out());
        if (isFencedAtLast) {
            pair.secondary().kill();
            order(STOP, FENCED);
            assertEquals(0, guest.awaitExit(), guest::transcript);
            takeOver();
        } else {
            pair.secondary().signal("CONT");
            assertEquals(0, guest.awaitExit(), guest::transcript);
            pair.primary().kill();
            final String refusal = refuse(false, FAIL_OVER, FENCED);
            assertTrue(refusal.contains("went on without this node"), refusal);
            assertHolds(2, 3);
        }
    }

    /** The two have met since: what was said of the process before does not count any more. */
    @Test
    void aSecondaryThatHasMetItsPrimaryAgainTakesOver() {
        begin();
        pair.secondary().kill();
        awaitUnlinked();
        order(PROMOTE, FENCED);
        write(3, FAR);
        pair.startSecondary();
        pair.awaitCheckpoint();
        order("x-lockstep-checkpoint", "{}");
        write(4, 0);
        pair.primary().kill();
        pair.failOver();
        assertHolds(2, 3);
    }

    /** Nothing was said meanwhile, but who begins later can't know that. */
    @Test
    void aSecondaryThatWasStartedAgainTakesOverWhenTheTwoHaveMet() {
        begin();
        pair.secondary().kill();
        pair.startSecondary();
        pair.awaitCheckpoint();
        write(3, FAR);
        pair.primary().kill();
        pair.failOver();
        assertHolds(1, 1);
    }
}

package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * A secondary that is away, that was stopped, or that has a primary of its own: what managers and
 * people are told, by real processes. Nobody is told that something was done that was not.
 */
final class AbsentSecondaryTest {
    private static final int LENGTH = 16 << 20;

    @AutoClose private final Rig rig = new Rig();

    private final ReplicatedPair pair = new ReplicatedPair(rig, "", 1, LENGTH);

    /** Runs one of the commands that talk to an engine. */
    private Tool.Output lockstep(final boolean primary, final String... arguments) {
        final List<String> all = new ArrayList<>(Arrays.asList(arguments));
        all.add("--control");
        all.add((primary ? pair.primaryControlSocket() : pair.secondaryControlSocket()).toString());
        return rig.lockstep(all.toArray(String[]::new));
    }

    private static void assertRefused(final Tool.Output output, final String part) {
        assertEquals(1, output.exitCode(), output::toString);
        assertTrue(output.err().contains(part), output::toString);
        assertEquals("", output.out(), output::toString);
    }

    private static void assertDone(final Tool.Output output, final String part) {
        assertEquals(0, output.exitCode(), output::toString);
        assertTrue(output.out().contains(part), output::toString);
    }

    private void write(final int value) {
        rig.python(
                "connect(sys.argv[1]).pwrite(bytes([int(sys.argv[2])]) * 4096, 0)",
                pair.guest("a"),
                Integer.toString(value));
    }

    private void killSecondary() {
        pair.secondary().kill();
        try (Control control = pair.primaryControl()) {
            control.await("cut off", status -> !status.get("linked").getAsBoolean());
        }
    }

    private static String awaitError(final Control control) {
        return control.await("broken", status -> status.has("error"))
                .getAsJsonObject("error")
                .get("desc")
                .getAsString();
    }

    /** Sent in one go, on one connection: none waits for what can't come. */
    @Test
    void aCheckpointThatCanNotBeHoldsUpNoCommandBehindIt() {
        pair.start();
        write(1);
        killSecondary();
        try (QmpLine line = QmpLine.connect(pair.primaryControlSocket())) {
            final String checkpoint =
                    line.ask(
                                    "{'execute':'xen-colo-do-checkpoint'}"
                                            + "{'execute':'query-status'}"
                                            + "{'execute':'x-colo-lost-heartbeat'}")
                            .toString();
            assertTrue(checkpoint.contains("has not been linked for"), checkpoint);
            assertTrue(line.ask("").toString().contains("running"));
            assertEquals("{\"return\":{}}", line.ask("").toString());
        }
        write(2);
    }

    @Test
    void theCommandSaysThatTheSecondaryIsAway() {
        pair.start();
        write(1);
        killSecondary();
        assertRefused(lockstep(true, "checkpoint", "--timeout", "30s"), "has not been linked for");
        assertRefused(lockstep(true, "checkpoint"), "nothing was sealed or committed");
        pair.startSecondary();
        try (Control control = pair.primaryControl()) {
            control.awaitLink();
        }
        write(2);
        assertDone(lockstep(true, "checkpoint"), "committed in");
        pair.failOver();
        assertEquals(2, Rig.read(pair.secondaryDisk("a"))[0]);
    }

    /** It is there, and takes its time: that is no engine that does not answer. */
    @Test
    void theCommandSaysWhomItHasWaitedFor() {
        pair.start();
        pair.secondary().signal("STOP");
        write(1);
        final Tool.Output output = lockstep(true, "checkpoint", "--timeout", "200ms");
        pair.secondary().signal("CONT");
        assertRefused(output, "is linked, and owes an answer (4.0 KiB behind)");
    }

    @Test
    void aSecondarysCheckpointIsThePrimarysToMake() {
        pair.start();
        write(1);
        assertRefused(lockstep(false, "checkpoint"), "the primary makes the checkpoints");
        try (QmpLine line = QmpLine.connect(pair.secondaryControlSocket())) {
            final String refusal = line.refusal("{'execute':'xen-colo-do-checkpoint'}");
            assertTrue(refusal.contains("nothing was checkpointed"), refusal);
        }
        assertDone(lockstep(true, "checkpoint"), "epoch 1 committed");
        assertRefused(lockstep(false, "checkpoint"), "the primary makes the checkpoints");
        try (QmpLine line = QmpLine.connect(pair.secondaryControlSocket())) {
            final String command = "{'execute':'xen-colo-do-checkpoint'}";
            line.done(command); // of a manager that asks both sides, the primary first
            assertTrue(line.refusal(command).contains("nothing was checkpointed"));
        }
        pair.failOver();
        assertRefused(lockstep(false, "checkpoint"), "failed over to epoch 1");
        assertDone(
                lockstep(false, "failover"),
                "had failed over before, and its checkpoint is epoch 1;");
        assertDone(lockstep(false, "stop"), "nothing was to be stopped");
        try (QmpLine line = QmpLine.connect(pair.secondaryControlSocket())) {
            line.done("{'execute':'xen-colo-do-checkpoint'}");
            line.done("{'execute':'x-colo-lost-heartbeat'}");
        }
    }

    @Test
    void aStoppedPrimaryMakesNoCheckpoints() {
        pair.start();
        write(1);
        assertDone(lockstep(true, "stop"), "replication is stopped");
        assertRefused(lockstep(true, "checkpoint"), "it was stopped on the primary");
        assertDone(lockstep(true, "stop"), "nothing was to be stopped");
        assertDone(lockstep(true, "status"), "replication has ended: it was stopped");
    }

    @Test
    void aStoppedSecondaryIsNotToldToHaveFailedOver() {
        pair.start();
        write(1);
        pair.requireEqual();
        assertDone(lockstep(false, "stop"), "replication is stopped");
        try (Control control = pair.primaryControl()) {
            final String error = awaitError(control);
            assertTrue(error.contains("the peer is newer"), error);
        }
        assertRefused(lockstep(false, "failover"), "there is no checkpoint to fail over to");
        assertEquals(1, Rig.read(pair.secondaryDisk("a"))[0]);
    }

    /** Neither was written to: they are equal. */
    @Test
    void aSecondaryOfANewDiskMayBeStartedAgainBeforeItsPrimaryComes() {
        assertEquals(0, pair.startSecondary().stop());
        pair.startSecondary().kill();
        pair.start();
        write(1);
        assertEquals(1, pair.checkpoint());
    }

    /** What a plain client has put into the secondary's disk, and a restart behind it. */
    @Test
    void aNewDiskThatSomebodyHasWrittenToIsNoEqual() {
        pair.startSecondary();
        rig.python(
                "connect(sys.argv[1]).pwrite(b'1' * 4096, 0)",
                "nbd+unix:///a?socket=" + pair.linkSocket());
        pair.secondary().kill();
        pair.startSecondary();
        final String refusal = rig.serverInVain(pair.primaryArguments());
        assertTrue(refusal.contains("not known to be equal"), refusal);
    }

    /**
     * Its guest waits for room that nobody will make: at the end it is refused, at once, or as soon
     * as a secondary that hangs was given the time to answer. What the secondary lacks is told.
     */
    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void aPrimaryWhoseGuestIsBlockedEndsWithoutWaiting(final boolean hangs) {
        pair.withPrimary("--log-size", "1M").start();
        if (hangs) {
            pair.secondary().signal("STOP");
        } else {
            killSecondary();
        }
        final Program guest =
                rig.startPython(
                        """
                        h = connect(sys.argv[1])
                        print('connected')
                        n = 0
                        try:
                            while True:
                                h.pwrite(b'1' * 65536, n % 64 * 65536)
                                n += 1
                        except nbd.Error as e:
                            print('refused after', n, e)
                        """,
                        pair.guest("a"));
        guest.awaitLine(line -> line.equals("connected"));
        try (Control control = pair.primaryControl()) {
            final long[] seen = {-1};
            control.await(
                    "blocked, by a secondary that is away",
                    status -> {
                        final long used = status.get("buffer-used").getAsLong();
                        final boolean isBlocked = used > 0 && used == seen[0];
                        seen[0] = used;
                        return isBlocked && (hangs || status.get("unlinked-ns").getAsLong() > 3e9);
                    });
        }
        final long start = System.nanoTime();
        assertEquals(0, pair.primary().stop(), pair::toString);
        final long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - start);
        assertEquals(0, seconds / 4, "seconds: " + seconds);
        guest.awaitLine(line -> line.startsWith("refused after"));
        assertTrue(
                pair.primary()
                        .err()
                        .matches("(?s).*secondary at .* lacks the last [1-9]\\d+ bytes.*"),
                pair::toString);
        if (hangs) {
            pair.secondary().kill();
        }
    }

    @Test
    void bothSidesSayWhichBufferIsFull() {
        pair.withSecondary("--buffer-limit", "1M").start();
        final String fill =
                """
                h = connect(sys.argv[1])
                for at in range(0, h.get_size(), 1 << 20):
                    h.pwrite(sys.argv[2].encode() * (1 << 20), at)
                """;
        rig.python(fill, pair.guest("a"), "1");
        pair.checkpoint();
        rig.python(fill, pair.guest("a"), "2");
        for (final boolean primary : new boolean[] {true, false}) {
            try (Control control = primary ? pair.primaryControl() : pair.secondaryControl()) {
                final String error = awaitError(control);
                for (final String part :
                        List.of(
                                "secondary's hidden disk is full",
                                "--buffer-limit",
                                "fail over to epoch 1")) {
                    assertTrue(error.contains(part), error);
                }
            }
        }
    }
}

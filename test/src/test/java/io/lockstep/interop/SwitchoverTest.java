package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** {@code lockstep switchover} on real processes: nothing is lost, and nobody else is a primary. */
@Timeout(value = 10, unit = TimeUnit.MINUTES)
final class SwitchoverTest {
    private static final int LENGTH = 4 << 20;

    /** Rounds of kills and cuts; more with {@code -Dlockstep.switchover.rounds=50}. */
    private static final int ROUNDS = Integer.getInteger("lockstep.switchover.rounds", 5);

    @AutoClose private final Rig rig = new Rig();

    private final long seed = System.nanoTime();
    private final Random moments = new Random(seed);

    private final SwitchingHost north =
            new SwitchingHost(rig, "n", "sl", LENGTH, "--first", "primary");
    private final SwitchingHost south =
            new SwitchingHost(rig, "s", "nl", LENGTH, "--first", "secondary");

    private void startBoth() {
        south.start();
        north.start();
        north.awaitHealed();
    }

    private static void assertContains(final String part, final String sentence) {
        assertTrue(sentence.contains(part), sentence);
    }

    /** There and back, from either side, and the guests write all the time. */
    @Test
    void rolesAreSwitchedUnderLoadAndNothingAcknowledgedIsLost() {
        startBoth();
        SwitchingHost primary = north;
        SwitchingHost secondary = south;
        long next = 1;
        for (int round = 0; round < 4; round++) {
            final AcknowledgedWrites guest =
                    AcknowledgedWrites.start(rig, primary.guest(), 0, next);
            guest.await(200);
            final Tool.Output done = (round % 2 == 0 ? primary : secondary).switchover();
            done.requireSuccess();
            assertContains("the roles are switched, at epoch ", done.out());
            next = guest.verify(secondary.disk());
            final SwitchingHost before = primary;
            primary = secondary;
            secondary = before;
            primary.awaitHealed();
            assertEquals("following", secondary.standing());
            assertEquals("reigning", primary.standing());
            assertArrayEquals(Rig.read(primary.disk()), Rig.read(secondary.disk()));
            assertEquals(0, writtenTo(secondary), "nothing had to be sent");
        }
    }

    private static long writtenTo(final SwitchingHost secondary) {
        try (Control control = secondary.connect()) {
            return control.status()
                    .getAsJsonArray("disks")
                    .get(0)
                    .getAsJsonObject()
                    .get("written-bytes")
                    .getAsLong();
        }
    }

    /** What a killed one was asked to do comes about, or does not; the pair heals by itself. */
    @Test
    void killedInTheMidstOfItEitherIsThePrimaryAndNothingIsLost() {
        startBoth();
        SwitchingHost primary = north;
        long next = 1;
        for (int round = 0; round < ROUNDS; round++) {
            final SwitchingHost secondary = other(primary);
            final AcknowledgedWrites guest =
                    AcknowledgedWrites.start(rig, primary.guest(), 0, next);
            guest.await(100);
            final Thread order = order(round % 2 == 0 ? primary : secondary);
            LockSupport.parkNanos(TimeUnit.MICROSECONDS.toNanos(moments.nextInt(30_000)));
            final int choice = moments.nextInt(3);
            if (choice != 0) {
                secondary.process().kill();
            }
            if (choice != 1) {
                primary.process().kill();
            }
            join(order);
            primary = awaitPrimary();
            stop(guest);
            next = guest.verify(primary.disk());
            primary.awaitHealed();
            assertArrayEquals(Rig.read(north.disk()), Rig.read(south.disk()), "seed " + seed);
        }
    }

    /** Of a host that is to be shut down: it is stopped as soon as the other one has the guest. */
    @Test
    void aSignalInTheMidstOfItEndsTheProcessInGoodOrder() {
        startBoth();
        for (int round = 0; round < 3; round++) {
            north.switchover().requireSuccess();
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(20L * round));
            assertEquals(0, north.process().stop());
            north.start();
            south.awaitHealed();
            south.switchover().requireSuccess();
            north.awaitHealed();
        }
    }

    /** The answer may be lost: the guest waits until the two have met again. */
    @Test
    void aLinkThatIsCutInTheMidstOfItLosesNothing() {
        final LinkProxy proxy = rig.keep(LinkProxy.start(rig.path("proxy"), rig.path("ql"), 0));
        final SwitchingHost one =
                new SwitchingHost(rig, "p", "proxy", LENGTH, "--first", "primary");
        final SwitchingHost two = new SwitchingHost(rig, "q", "pl", LENGTH, "--first", "secondary");
        two.start();
        one.start();
        one.awaitHealed();
        long next = 1;
        for (int round = 0; round < ROUNDS; round++) {
            final AcknowledgedWrites guest = AcknowledgedWrites.start(rig, one.guest(), 0, next);
            guest.await(100);
            final Thread order = order(one);
            LockSupport.parkNanos(TimeUnit.MICROSECONDS.toNanos(moments.nextInt(15_000)));
            proxy.cut();
            LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(200));
            proxy.mend();
            join(order);
            final SwitchingHost primary = awaitPrimary(one, two);
            stop(guest);
            next = guest.verify(primary.disk());
            primary.awaitHealed();
            assertArrayEquals(Rig.read(one.disk()), Rig.read(two.disk()), "seed " + seed);
            if (primary == two) {
                two.switchover().requireSuccess();
                one.awaitHealed();
            }
        }
    }

    @Test
    void whatCannotBeSwitchedIsRefusedWithASentenceAndGoesOn() {
        north.start();
        assertRefused(north, "the secondary is not linked, or not equal");
        south.start();
        north.awaitHealed();
        south.process().signal("STOP");
        try {
            assertRefused(north, "the roles stay as they were, and the guest goes on here: ");
            rig.python("connect(sys.argv[1]).pwrite(bytes(4096), 0)", north.guest());
        } finally {
            south.process().signal("CONT");
        }
        north.awaitHealed();
        north.process().kill();
        assertRefused(south, "this node is not linked to its primary");
    }

    /** Only who would replicate back is handed anything. */
    @Test
    void aSecondaryThatIsNoNodeIsHandedNothing() {
        final List<String> plain = new ArrayList<>(south.command());
        plain.set(0, "secondary");
        remove(plain, "--peer");
        remove(plain, "--first");
        rig.server(plain);
        north.start();
        north.awaitHealed();
        assertRefused(north, "start it with 'lockstep node', too");
        assertRefused(south, "started with 'lockstep node'");
    }

    /** Each finds the other where it looks for its secondary, until one of them is one. */
    @Test
    void twoFirstPrimariesNoticeEachOther() {
        final SwitchingHost wrong = new SwitchingHost(rig, "s", "nl", LENGTH, "--first", "primary");
        north.start();
        wrong.start();
        for (final SwitchingHost host : List.of(north, wrong)) {
            try (Control control = host.connect()) {
                final JsonObject status =
                        control.await("an error", candidate -> candidate.has("error"));
                assertContains(
                        "the peer is a primary, too, of another pair",
                        status.getAsJsonObject("error").get("desc").getAsString());
            }
        }
        assertEquals(0, wrong.process().stop());
        rig.lockstep("state", "--forget", "--state", wrong.disk() + ".lockstep").requireSuccess();
        south.start();
        north.awaitHealed();
    }

    private static void remove(final List<String> arguments, final String option) {
        final int at = arguments.indexOf(option);
        arguments.subList(at, at + 2).clear();
    }

    private static void assertRefused(final SwitchingHost host, final String part) {
        final Tool.Output output = host.switchover();
        assertEquals(1, output.exitCode(), output::toString);
        assertContains(part, output.err());
        assertTrue(output.err().startsWith("lockstep switchover: "), output.err());
    }

    private SwitchingHost other(final SwitchingHost host) {
        return host == north ? south : north;
    }

    /** Orders it, and doesn't look at the answer: whoever is asked may be killed. */
    private static Thread order(final SwitchingHost host) {
        final Control control = host.connect();
        return Thread.ofPlatform()
                .start(
                        () -> {
                            try (control) {
                                control.execute("x-lockstep-switchover");
                            } catch (final AssertionError | UncheckedIOException e) {
                                return; // it is what stands on the disks that counts
                            }
                        });
    }

    private static void join(final Thread thread) {
        try {
            thread.join();
        } catch (final InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** The guest has lost its primary, or loses it now. */
    private static void stop(final AcknowledgedWrites guest) {
        guest.stop();
    }

    private SwitchingHost awaitPrimary() {
        return awaitPrimary(north, south);
    }

    /** As their units would, starts again what has ended, until one is a primary of the other. */
    private static SwitchingHost awaitPrimary(final SwitchingHost... hosts) {
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        while (System.nanoTime() < deadline) {
            for (final SwitchingHost host : hosts) {
                if (!host.isRunning()) {
                    host.begin();
                }
            }
            for (final SwitchingHost host : hosts) {
                if (host.isHealedPrimary()) {
                    return host;
                }
            }
            Rig.pause();
        }
        throw new AssertionError("no primary\n" + hosts[0].process() + "\n" + hosts[1].process());
    }
}

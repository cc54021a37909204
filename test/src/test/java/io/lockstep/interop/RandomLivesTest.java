package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/**
 * A pair of {@code lockstep node}s through as many lives as one likes, under a guest that writes:
 * processes are killed, hosts lose their power, the link is cut, the guest goes over to the other
 * side. Nobody does more than type the same commands again; and after each life the disks are equal
 * byte for byte, and hold what the guest was told (I10, I12, I15).
 *
 * <p>More than the few that there is always time for: {@code -Dlockstep.lives.rounds=300}; those of
 * one run again: {@code -Dlockstep.lives.seed=N}, as far as the machine's own moments go.
 */
@Timeout(value = 4, unit = TimeUnit.HOURS)
final class RandomLivesTest {
    private static final int ROUNDS = Integer.getInteger("lockstep.lives.rounds", 7);
    private static final int LENGTH = 8 << 20;

    /** So that a cut is soon longer than the log. */
    private static final List<String> MORE =
            List.of("--log-size", "1M", "--peer-timeout", "2s", "--checkpoint-every", "20ms");

    @AutoClose private final Rig rig = new Rig();

    private final long seed = Long.getLong("lockstep.lives.seed", System.nanoTime());
    private final Random random = new Random(seed);
    private MortalHost serving;
    private MortalHost other;
    private LinkCut link;
    private int written;
    private String story = "";

    /** What can be done to a link. */
    private interface LinkCut {
        void cut(boolean isTold);

        void mend();
    }

    private enum Life {
        SECONDARY_KILLED,
        PRIMARY_KILLED,
        BOTH_KILLED,
        SECONDARY_LOSES_POWER,
        PRIMARY_LOSES_POWER,
        BOTH_LOSE_POWER,
        FAILED_OVER,
        LINK_CUT,
        LINK_SILENT,
        STOPPED_AND_STARTED
    }

    @Test
    void everyLifeEndsWithAnEqualPairOverALinkThatTakesItsTime() {
        final LinkProxy toSouth = rig.keep(LinkProxy.start(rig.path("ts"), rig.path("sl"), 1));
        final LinkProxy toNorth = rig.keep(LinkProxy.start(rig.path("tn"), rig.path("nl"), 1));
        link =
                new LinkCut() {
                    @Override
                    public void cut(final boolean isTold) {
                        for (final LinkProxy way : List.of(toSouth, toNorth)) {
                            if (isTold) {
                                way.cut();
                            } else {
                                way.silence();
                            }
                        }
                    }

                    @Override
                    public void mend() {
                        toSouth.mend();
                        toNorth.mend();
                    }
                };
        serving = host("n", "primary", socket("nl"), socket("ts"), "");
        other = host("s", "secondary", socket("sl"), socket("tn"), "");
        live(ROUNDS);
    }

    /**
     * The link's buffers hold some milliseconds of what a guest writes, and TCP notices a cut late.
     */
    @Test
    void everyLifeEndsWithAnEqualPairBetweenHostsWithASlowNetwork() {
        assumeTrue(NetworkHosts.areThere(rig), "no namespaces of networks here: they take root");
        final NetworkHosts hosts = NetworkHosts.make(rig, "200mbit");
        link =
                new LinkCut() {
                    @Override
                    public void cut(final boolean isTold) {
                        hosts.cut();
                    }

                    @Override
                    public void mend() {
                        hosts.mend();
                    }
                };
        final List<String> addresses =
                List.of(
                        "nbd://" + hosts.address(0) + ":10809",
                        "nbd://" + hosts.address(1) + ":10809");
        serving = host("n", "primary", addresses.get(0), addresses.get(1), hosts.place(0));
        other = host("s", "secondary", addresses.get(1), addresses.get(0), hosts.place(1));
        live(ROUNDS / 2);
    }

    private String socket(final String name) {
        return "nbd+unix:///?socket=" + rig.path(name);
    }

    private MortalHost host(
            final String name,
            final String first,
            final String listen,
            final String peer,
            final String place) {
        return new MortalHost(rig, name, first, LENGTH, listen, peer, place, MORE);
    }

    private void live(final int rounds) {
        other.start();
        serving.start();
        awaitEqual();
        for (int round = 0; round < rounds; round++) {
            final Life life = Life.values()[random.nextInt(Life.values().length)];
            try {
                play(life);
                requireEqual();
            } catch (final AssertionError | RuntimeException e) {
                throw new AssertionError(
                        "round "
                                + round
                                + " of seed "
                                + seed
                                + ":"
                                + story
                                + ": "
                                + e.getMessage()
                                + "\n"
                                + serving
                                + "\n"
                                + other,
                        e);
            }
        }
    }

    // ---- The lives. In each a guest writes, and whoever has died is started again.

    private void play(final Life life) {
        story += " " + life;
        final SerialWrites guest = startGuest();
        guest.await(written + 1 + random.nextInt(2000));
        switch (life) {
            case SECONDARY_KILLED -> {
                other.kill();
                goOnFor(guest, random.nextInt(4000));
                other.start();
            }
            case SECONDARY_LOSES_POWER -> {
                other.losePower();
                goOnFor(guest, random.nextInt(4000));
                other.start();
            }
            case PRIMARY_KILLED -> serving.kill();
            case PRIMARY_LOSES_POWER -> serving.losePower();
            case BOTH_KILLED -> killBoth();
            case BOTH_LOSE_POWER -> {
                serving.losePower();
                other.losePower();
            }
            case FAILED_OVER -> serving.kill();
            case LINK_CUT, LINK_SILENT -> {
                link.cut(life == Life.LINK_CUT);
                goOnFor(guest, random.nextInt(6000));
                link.mend();
            }
            case STOPPED_AND_STARTED -> {}
        }
        if (serving.isRunning()) {
            goOnFor(guest, random.nextInt(500));
            written = guest.stop().acknowledged();
        } else {
            comeBack(guest, life == Life.FAILED_OVER);
        }
        if (life == Life.STOPPED_AND_STARTED) {
            serving.stop();
            other.stop();
            other.start();
            serving.start();
        }
    }

    private void killBoth() {
        if (random.nextBoolean()) {
            serving.kill();
            other.kill();
        } else {
            other.kill();
            serving.kill();
        }
    }

    /** The serving side has died; perhaps the other one as well. */
    private void comeBack(final SerialWrites guest, final boolean isFailedOver) {
        final SerialWrites.End end = guest.end();
        if (isFailedOver && failOver()) {
            final MortalHost former = serving;
            serving = other;
            other = former;
            written =
                    guest.verify(
                            List.of(Rig.read(serving.disk())), end.checkpointed(), end.submitted());
            writeMore();
            other.start();
            return;
        }
        final List<MortalHost> inTurn =
                random.nextBoolean() ? List.of(serving, other) : List.of(other, serving);
        for (final MortalHost host : inTurn) {
            if (!host.isRunning()) {
                host.start();
            }
        }
        // The last write may be there in part: it is done again.
        written = end.acknowledged();
    }

    /** Answers whether it was possible: it isn't before the two were equal. */
    private boolean failOver() {
        try (Control control = other.connect()) {
            control.await("unlinked", status -> !status.get("linked").getAsBoolean());
            final JsonObject verdict = control.execute("x-lockstep-verdict").getAsJsonObject();
            if (!verdict.get("allowed").getAsBoolean()) {
                story += " (not: " + verdict + ")";
                return false;
            }
            control.execute("x-lockstep-failover");
            control.await(
                    "merged",
                    status ->
                            status.get("role").getAsString().equals("primary")
                                    && !status.get("state").getAsString().equals("merging"));
            return true;
        }
    }

    // ---- The guest.

    private SerialWrites startGuest() {
        return SerialWrites.startBehind(
                written,
                rig,
                List.of(serving.guest()),
                LENGTH,
                serving.control(),
                "x-lockstep-checkpoint",
                0.02);
    }

    private SerialWrites writeMore() {
        final SerialWrites guest = startGuest();
        guest.await(written + 1 + random.nextInt(1000));
        written = guest.stop().acknowledged();
        return guest;
    }

    private void goOnFor(final SerialWrites guest, final int writes) {
        guest.await(guest.count() + 100 + writes);
        LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(random.nextInt(50)));
    }

    // ---- What must be so in the end.

    private void awaitEqual() {
        try (Control control = serving.connect()) {
            control.awaitHealed();
        }
    }

    private void requireEqual() {
        awaitEqual();
        final SerialWrites guest = writeMore();
        try (Control control = serving.connect()) {
            control.checkpoint();
        }
        final byte[] disk = Rig.read(serving.disk());
        assertArrayEquals(disk, Rig.read(other.disk()), "the disks are not equal");
        guest.verify(List.of(disk), written, written);
    }
}

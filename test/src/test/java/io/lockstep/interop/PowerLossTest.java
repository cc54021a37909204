package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import io.lockstep.interop.WriteHistory.Promise;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.random.RandomGenerator;
import java.util.stream.LongStream;

/**
 * A pair of {@code lockstep node}s whose hosts lose their power, as real as a machine can play it:
 * kernel, file system and journal are there, and their drives forget what was not flushed ({@link
 * PowerDrive}). A guest writes and flushes meanwhile; what it was told must hold (I1, I12), nobody
 * takes over with what is no checkpoint (I11), and the pair becomes equal, byte for byte (I2, I10,
 * I15).
 *
 * <p>More than the few that there is always time for: {@code -Dlockstep.power.stories=100}; one of
 * them again: {@code -Dlockstep.power.seed=N}, as far as the machine's own moments go.
 */
@Timeout(value = 4, unit = TimeUnit.HOURS)
final class PowerLossTest {
    private static final int STORIES = Integer.getInteger("lockstep.power.stories", 1);
    private static final int LENGTH = 2 << 20;

    @AutoClose private final Rig rig = new Rig();

    private RandomGenerator random;
    private PoweredHost serving;
    private PoweredHost other;
    private Level level = Level.LOCAL;

    /** What the serving host's disk holds, and the number of the last write to it. */
    private byte[] content = new byte[LENGTH];

    private long written;
    private String story = "";

    private enum Life {
        SECONDARY,
        SECONDARY_THEN_PRIMARY,
        PRIMARY,
        PRIMARY_AND_FAILOVER,
        PRIMARY_AND_FAILOVER_THEN_SECONDARY,
        BOTH,
        BOTH_AND_THE_SECONDARY_ALONE
    }

    /** What the guest's acknowledgements mean ({@code --ack}). */
    private enum Level {
        LOCAL("local", Promise.NOTHING, Promise.NOTHING),
        FLUSH("flush", Promise.FLUSHED, Promise.NOTHING),
        FLUSH_DURABLE("flush,durable", Promise.FLUSHED, Promise.FLUSHED),
        WRITE_DURABLE("write,durable", Promise.WRITTEN, Promise.WRITTEN),
        WRITE("write", Promise.WRITTEN, Promise.NOTHING);

        private final String word;

        /** What a failover must find, beside the last checkpoint. */
        private final Promise committed;

        /** What is on the stable storage of the secondary, beside the last durable checkpoint. */
        private final Promise durable;

        Level(final String word, final Promise committed, final Promise durable) {
            this.word = word;
            this.committed = committed;
            this.durable = durable;
        }
    }

    static LongStream stories() {
        final Long seed = Long.getLong("lockstep.power.seed");
        return seed != null ? LongStream.of(seed) : LongStream.rangeClosed(1, STORIES);
    }

    @ParameterizedTest
    @MethodSource("stories")
    void whatAGuestWasToldHolds(final long seed) throws IOException {
        random = new SplittableRandom(seed);
        final List<String> more =
                List.of("--log-size", "1M", "--peer-timeout", "2s", "--checkpoint-every", "50ms");
        serving = new PoweredHost(rig, "n", "s", "primary", LENGTH, random.nextBoolean(), more);
        other = new PoweredHost(rig, "s", "n", "secondary", LENGTH, random.nextBoolean(), more);
        startBoth();
        final List<Life> lives = List.of(Life.values());
        final List<Level> levels = List.of(Level.values());
        for (int i = 0; i < lives.size(); i++) {
            final Life life = lives.get(i);
            level = levels.get(Math.floorMod(seed + i, levels.size()));
            story += " " + life + " at " + level.word;
            try {
                play(life);
                requireEqual();
            } catch (final AssertionError | RuntimeException e) {
                throw new AssertionError(
                        "story "
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

    // ---- The lives. Whoever has lost its power is started again by its same command.

    private void play(final Life life) {
        setLevel();
        final RememberingGuest guest = startGuest();
        goOn(guest);
        switch (life) {
            case SECONDARY -> loseTheSecondary(guest);
            case SECONDARY_THEN_PRIMARY -> loseThePrimaryThatIsAlone(guest);
            case PRIMARY -> {
                losePower(serving);
                final WriteHistory history = end(guest);
                serving.start();
                awaitEqual();
                requireFlushed(history);
            }
            case PRIMARY_AND_FAILOVER -> {
                losePower(serving);
                takeOver(end(guest));
                awaitMerged();
                other.start();
            }
            case PRIMARY_AND_FAILOVER_THEN_SECONDARY -> loseWhoTookOver(guest);
            case BOTH -> {
                loseBoth();
                final WriteHistory history = end(guest);
                startBoth();
                requireFlushed(history);
            }
            case BOTH_AND_THE_SECONDARY_ALONE -> haveTheSecondaryTakeOverUnasked(guest);
        }
    }

    /** For whoever is the primary in this life. */
    private void setLevel() {
        for (final PoweredHost host : List.of(serving, other)) {
            try (Control control = host.connect()) {
                control.execute("x-lockstep-set-ack", "{'level': '" + level.word + "'}");
            }
        }
        try (Control control = serving.connect()) {
            control.await(
                    "in force",
                    status -> status.getAsJsonObject("ack").get("in-force").getAsBoolean());
        }
    }

    private void loseTheSecondary(final RememberingGuest guest) {
        losePower(other);
        goOn(guest);
        other.start();
        goOn(guest);
        awaitEqual();
        remember(guest.stop()).requireMoment(serving.disk(), Promise.WRITTEN, "the primary's disk");
    }

    /** What it then acknowledged is its own. */
    private void loseThePrimaryThatIsAlone(final RememberingGuest guest) {
        losePower(other);
        goOn(guest);
        if (random.nextBoolean()) {
            other.start();
            pauseAWhile();
        }
        losePower(serving);
        final WriteHistory history = end(guest);
        startBoth();
        requireFlushed(history);
    }

    /** It is the primary all the same, when both are back. */
    private void loseWhoTookOver(final RememberingGuest guest) {
        losePower(serving);
        takeOver(end(guest));
        final RememberingGuest next = startGuest();
        goOn(next);
        losePower(serving);
        final WriteHistory history = end(next);
        startBoth();
        requireFlushed(history);
    }

    /**
     * Nobody does that unless it is forced; and the former primary gives way when it is told to.
     */
    private void haveTheSecondaryTakeOverUnasked(final RememberingGuest guest) {
        loseBoth();
        final WriteHistory history = end(guest);
        other.start();
        requireRefusal();
        failOver(true);
        switchRoles();
        awaitMerged();
        history.requireKept(serving.disk(), level.durable, "the disk that was the secondary's");
        other.start();
        try (Control control = other.connect()) {
            control.await("waiting", status -> status.has("waiting"));
            control.execute("x-lockstep-join");
        }
        other.awaitExit();
        other.start();
    }

    private void requireFlushed(final WriteHistory history) {
        history.requireKept(serving.disk(), Promise.FLUSHED, "the restarted primary's disk");
    }

    private void losePower(final PoweredHost host) {
        host.freeze();
        if (random.nextBoolean()) {
            host.writeBack();
        }
        final int lost =
                host.losePower(
                        random.nextLong(), random.nextInt(4) / 3.0, random.nextBoolean() ? 1 : 8);
        story += "(" + lost + " sectors)";
    }

    private void startBoth() {
        final boolean isPrimaryFirst = random.nextBoolean();
        (isPrimaryFirst ? serving : other).launch();
        if (random.nextBoolean()) {
            pauseAWhile();
        }
        (isPrimaryFirst ? other : serving).launch();
        serving.awaitReady();
        other.awaitReady();
        awaitEqual();
    }

    private void loseBoth() {
        final boolean isPrimaryFirst = random.nextBoolean();
        (isPrimaryFirst ? serving : other).freeze();
        if (random.nextBoolean()) {
            pauseAWhile();
        }
        losePower(serving);
        losePower(other);
    }

    private void switchRoles() {
        final PoweredHost former = serving;
        serving = other;
        other = former;
    }

    /** A node that has lost its pre-images is between two checkpoints (I11). */
    private void requireRefusal() {
        try (Control control = other.connect()) {
            final JsonObject verdict = control.execute("x-lockstep-verdict").getAsJsonObject();
            assertFalse(verdict.get("allowed").getAsBoolean(), verdict::toString);
            final String sentence = control.refuse("x-lockstep-failover", "{}").sentence();
            assertTrue(sentence.contains("between two checkpoints"), sentence);
        }
    }

    /** The secondary takes over, and its guest finds the checkpoint. */
    private void takeOver(final WriteHistory history) {
        failOver(false);
        switchRoles();
        content = seenByGuest();
        history.requireMoment(content, Promise.CHECKPOINTED, "what the next guest sees");
        history.requireMoment(content, level.committed, "what the next guest sees");
    }

    private byte[] seenByGuest() {
        final Path copy = rig.path("copy");
        rig.run(Tool.NBDCOPY, serving.guest(), copy.toString());
        return Rig.read(copy);
    }

    private void failOver(final boolean isForced) {
        try (Control control = other.connect()) {
            control.await("unlinked", status -> !status.get("linked").getAsBoolean());
            control.execute("x-lockstep-failover", "{'force': " + isForced + "}");
        }
    }

    private void awaitMerged() {
        try (Control control = serving.connect()) {
            control.await(
                    "merged",
                    status ->
                            status.get("role").getAsString().equals("primary")
                                    && !status.get("state").getAsString().equals("merging"));
        }
    }

    private void goOn(final RememberingGuest guest) {
        guest.awaitMore(50 + random.nextInt(400));
        pauseAWhile();
    }

    private void pauseAWhile() {
        LockSupport.parkNanos(TimeUnit.MICROSECONDS.toNanos(random.nextInt(30_000)));
    }

    // ---- The guest.

    private RememberingGuest startGuest() {
        return RememberingGuest.start(
                rig, serving.guest(), serving.control(), content, written, random.nextLong());
    }

    private WriteHistory end(final RememberingGuest guest) {
        return remember(guest.end());
    }

    private WriteHistory remember(final WriteHistory history) {
        written = history.last();
        return history;
    }

    // ---- What must be so in the end.

    private void awaitEqual() {
        try (Control control = serving.connect()) {
            control.awaitHealed();
        }
    }

    /** Both hold the same, and go on. */
    private void requireEqual() {
        awaitEqual();
        content = serving.disk();
        final RememberingGuest guest = startGuest();
        guest.awaitMore(50);
        final WriteHistory history = remember(guest.stop());
        try (Control control = serving.connect()) {
            control.execute("x-lockstep-checkpoint", "{'durable': true}");
        }
        content = serving.disk();
        history.requireMoment(content, Promise.WRITTEN, "the primary's disk");
        assertArrayEquals(content, other.disk(), "the disks are not equal");
        assertEquals(LENGTH, content.length);
    }
}

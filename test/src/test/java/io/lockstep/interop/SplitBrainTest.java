package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.UncheckedIOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Two nodes that both went on: they refuse each other, and one of them gives way, by a word or by a
 * policy. What is discarded is named, and what is sent is the difference.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
final class SplitBrainTest {
    private static final int LENGTH = 32 << 20;
    private static final int BLOCK = 4096;

    /** Where only the primary writes when the two have parted, where the other does, and both. */
    private static final int NORTHS = 4 << 20;

    private static final int SOUTHS = 12 << 20;
    private static final int BOTHS = 20 << 20;

    private static final Pattern TO_SEND = Pattern.compile("is made equal: (\\d+) bytes are sent");

    @AutoClose private final Rig rig = new Rig();

    private LinkProxy toSouth;
    private LinkProxy toNorth;
    private SwitchingHost north;
    private SwitchingHost south;

    private static void assertContains(final String part, final String sentence) {
        assertTrue(sentence.contains(part), sentence);
    }

    /** Two that are equal, with some data, all of it durable on both. */
    private void begin(final String northsPolicy, final String southsPolicy) {
        toSouth = rig.keep(LinkProxy.start(rig.path("ts"), rig.path("sl"), 0));
        toNorth = rig.keep(LinkProxy.start(rig.path("tn"), rig.path("nl"), 0));
        north = host("n", "ts", "primary", northsPolicy);
        south = host("s", "tn", "secondary", southsPolicy);
        rig.write(north.disk(), 0, new byte[] {1});
        south.start();
        north.start();
        north.awaitHealed();
        for (final long place : new long[] {NORTHS, SOUTHS, BOTHS, LENGTH - 16 * BLOCK}) {
            fill(north, 1, place, 16);
        }
        try (Control control = north.connect()) {
            control.checkpoint();
        }
        south.awaitDurable();
    }

    private SwitchingHost host(
            final String name, final String peer, final String first, final String policy) {
        return new SwitchingHost(
                rig, name, peer, LENGTH, "--first", first, "--after-split-brain", policy);
    }

    /** Blocks that begin with one value each. */
    private void fill(
            final SwitchingHost host, final int value, final long offset, final int blocks) {
        rig.python(
                """
                h = connect(sys.argv[1])
                value, offset, blocks = map(int, sys.argv[2:])
                for i in range(0, blocks, 64):
                    n = min(64, blocks - i)
                    h.pwrite(bytes([value]) * (n * 4096), offset + i * 4096)
                h.flush()
                """,
                host.guest(),
                "" + value,
                "" + offset,
                "" + blocks);
    }

    /** The link is cut, the other one takes over, and both guests write; then it is back. */
    private void split(final int northsBlocks, final int southsBlocks) {
        toSouth.cut();
        toNorth.cut();
        fill(north, 2, NORTHS, northsBlocks);
        fill(north, 2, BOTHS, 16);
        awaitAnotherSecond();
        try (Control control = south.connect()) {
            control.execute("x-lockstep-failover");
            control.await("merged", SplitBrainTest::isMerged);
        }
        fill(south, 3, SOUTHS, southsBlocks);
        fill(south, 3, BOTHS, 16);
        toSouth.mend();
        toNorth.mend();
    }

    /** A generation begins at a second: two that began at one second are even. */
    private static void awaitAnotherSecond() {
        final long now = Instant.now().getEpochSecond();
        while (Instant.now().getEpochSecond() == now) {
            Rig.pause();
        }
    }

    private static boolean isMerged(final JsonObject status) {
        return status.get("role").getAsString().equals("primary")
                && !status.get("state").getAsString().equals("merging");
    }

    private void awaitFound(final SwitchingHost host) {
        try (Control control = host.connect()) {
            control.await(
                    "a split brain", status -> status.toString().contains("both nodes have ack"));
        }
    }

    private Tool.Output resolve(final SwitchingHost host, final String... more) {
        final List<String> arguments =
                new ArrayList<>(List.of("resolve", "--control", host.control().toString()));
        arguments.addAll(List.of(more));
        return rig.lockstep(arguments.toArray(String[]::new));
    }

    /** Both have all that the winner's guest was told, and nothing of the loser's. */
    private void assertEqualTo(final SwitchingHost winner, final SwitchingHost loser) {
        winner.awaitHealed();
        assertEquals("reigning", winner.standing());
        assertEquals("following", loser.standing());
        try (Control control = winner.connect()) {
            control.checkpoint();
        }
        final byte[] content = Rig.read(winner.disk());
        assertArrayEquals(content, Rig.read(loser.disk()));
        final boolean isNorth = winner == north;
        assertEquals(isNorth ? 2 : 1, content[NORTHS]);
        assertEquals(isNorth ? 1 : 3, content[SOUTHS]);
        assertEquals(isNorth ? 2 : 3, content[BOTHS]);
        assertEquals(1, content[LENGTH - 1]);
    }

    /** What was to be sent, when the notes of the other were not read yet: not all of the disk. */
    private static void assertSentDifference(final SwitchingHost winner, final long max) {
        final Matcher told = TO_SEND.matcher(winner.process().err());
        long last = -1;
        while (told.find()) {
            last = Long.parseLong(told.group(1));
        }
        assertTrue(last >= 0 && last <= max, last + " bytes: " + winner.process().err());
    }

    /**
     * That it names so many blocks, or some more, as what the peer had lately is noted still; since
     * when; and the disk.
     */
    private static void assertNames(final int blocks, final String before, final String said) {
        final Matcher named =
                Pattern.compile(
                                Pattern.quote(before)
                                        + "(\\d+) bytes, from epoch \\d+ \\([-0-9T:]+Z\\) on,"
                                        + " of disk vda (\\d+)")
                        .matcher(said);
        assertTrue(named.find(), said);
        final long length = Long.parseLong(named.group(1));
        assertEquals(length, Long.parseLong(named.group(2)));
        final long least = (long) blocks * BLOCK;
        assertTrue(length >= least && length <= least + 70L * BLOCK, said);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void theOneThatGivesWayIsMadeEqualByTheDifference(final boolean isPrimaryTheLoser) {
        begin("disconnect", "disconnect");
        split(128, 64);
        final SwitchingHost loser = isPrimaryTheLoser ? north : south;
        final SwitchingHost winner = isPrimaryTheLoser ? south : north;
        awaitFound(north);
        awaitFound(south);
        assertContains("split brain with the node at", north.process().err());
        assertContains("split brain with the node at", south.process().err());
        assertEquals(2, Rig.read(north.disk())[BOTHS], "nothing is done unasked");
        assertEquals(3, Rig.read(south.disk())[BOTHS]);

        final String before = resolve(loser).requireSuccess().out();
        assertContains("this node (", before);
        assertContains("the peer  (", before);
        assertContains("nothing was done", before);
        assertEquals("alone", loser.standing());

        final long carried = toSouth.carried() + toNorth.carried();
        final String discarded = resolve(loser, "--discard").requireSuccess().out();
        assertNames((isPrimaryTheLoser ? 128 : 64) + 16, "discarded: at most ", discarded);
        assertEqualTo(winner, loser);
        assertSentDifference(winner, 4L << 20);
        final long sent = toSouth.carried() + toNorth.carried() - carried;
        assertTrue(sent < 4 << 20, sent + " bytes were carried");
        assertContains("this node gives way", loser.process().err());
        assertContains("as somebody has said: discarded", loser.process().err());
        assertContains("has given its own way up, and is made equal", winner.process().err());

        final Tool.Output again = resolve(winner, "--discard");
        assertEquals(1, again.exitCode());
        assertContains("no split brain was found", again.err());
        assertEquals(0, winner.process().stop());
        assertEquals(0, loser.process().stop());
    }

    /** Its own way is there until the other's holds. */
    @Test
    void whoGaveWayGoesBackToItsOwnWayWhereItIsForced() {
        begin("disconnect", "disconnect");
        split(128, 64);
        awaitFound(north);
        toSouth.cut();
        toNorth.cut();
        resolve(north, "--discard").requireSuccess();
        awaitStandby(north);
        assertEquals("outdated", north.standing());
        north.process().kill();
        north.start();
        final Tool.Output refused =
                rig.lockstep("failover", "--control", north.control().toString());
        assertContains("has given its own way up", refused.err());
        rig.lockstep("failover", "--force", "--control", north.control().toString())
                .requireSuccess();
        try (Control control = north.connect()) {
            control.await("merged", SplitBrainTest::isMerged);
        }
        final byte[] own = Rig.read(north.disk());
        assertEquals(2, own[NORTHS]);
        assertEquals(2, own[BOTHS]);
        assertEquals(1, own[SOUTHS]);
        toSouth.mend();
        toNorth.mend();
        awaitFound(south);
        resolve(south, "--discard").requireSuccess();
        assertEqualTo(north, south);
    }

    private static void awaitStandby(final SwitchingHost host) {
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        while (true) {
            try (Control control = host.connect()) {
                if (control.status().get("role").getAsString().equals("secondary")) {
                    return;
                }
            } catch (final AssertionError | UncheckedIOException e) {
                // It becomes another one just now.
            }
            assertTrue(System.nanoTime() < deadline, host.process()::toString);
            Rig.pause();
        }
    }

    /** The later takeover wins, whatever it has. */
    @Test
    void theOlderWayIsDiscardedWhereBothSaySo() {
        begin("discard-older", "discard-older");
        split(128, 64);
        assertEqualTo(south, north);
        assertSentDifference(south, 4L << 20);
        assertNames(
                144,
                "by --after-split-brain discard-older: discarded is what it has by itself, at most"
                        + " ",
                north.process().err());
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void theSmallerWayIsDiscardedWhereBothSaySo(final boolean isPrimarySmaller) {
        begin("discard-smaller", "discard-smaller");
        split(isPrimarySmaller ? 16 : 256, isPrimarySmaller ? 256 : 16);
        final SwitchingHost winner = isPrimarySmaller ? south : north;
        final SwitchingHost loser = isPrimarySmaller ? north : south;
        assertEqualTo(winner, loser);
        assertNames(
                32,
                "by --after-split-brain discard-smaller: discarded is what it has by itself, at"
                        + " most ",
                loser.process().err());
        assertFalse(winner.process().err().contains("this node gives way"));
    }

    /** A policy of one side is none. */
    @Test
    void nobodyGivesWayWhereTheTwoSayDifferentThings() {
        begin("discard-older", "discard-smaller");
        split(16, 256);
        awaitFound(north);
        awaitFound(south);
        toSouth.cut();
        toNorth.cut();
        toSouth.mend();
        toNorth.mend();
        awaitFound(north);
        awaitFound(south);
        assertEquals("alone", north.standing());
        assertEquals("alone", south.standing());
        resolve(south, "--discard").requireSuccess();
        assertEqualTo(north, south);
    }

    /** A process that is a primary alone ends, and says how it goes on. */
    @Test
    void aPrimaryThatIsNoNodeEndsAndSaysHowToGoOn() {
        begin("disconnect", "disconnect");
        assertEquals(0, north.process().stop());
        final List<String> primary = new ArrayList<>(north.command());
        primary.set(0, "primary");
        for (final String option : List.of("--listen", "--buffers", "--first")) {
            final int at = primary.indexOf(option);
            primary.subList(at, at + 2).clear();
        }
        final LockstepProcess process = rig.server(primary);
        try (Control control = north.connect()) {
            control.awaitHealed();
        }
        split(128, 64);
        awaitFound(north);
        final String discarded = resolve(north, "--discard").requireSuccess().out();
        assertContains("discarded: at most ", discarded);
        assertEquals(1, process.awaitExit());
        assertContains("start it as one, with 'lockstep node'", process.err());
        assertEquals("outdated", north.standing());
        assertContains("secondary of vda", north.start());
        assertEqualTo(south, north);
        assertSentDifference(south, 4L << 20);
    }

    @Test
    void whereThereIsNoneNothingIsResolved() {
        begin("disconnect", "disconnect");
        for (final SwitchingHost host : List.of(north, south)) {
            final Tool.Output refused = resolve(host, "--discard");
            assertEquals(1, refused.exitCode());
            assertContains("no split brain was found", refused.err());
        }
        assertEquals("reigning", north.standing());
        assertEquals("following", south.standing());
    }
}

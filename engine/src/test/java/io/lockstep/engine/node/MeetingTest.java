package io.lockstep.engine.node;

import static io.lockstep.engine.node.Standing.ALONE;
import static io.lockstep.engine.node.Standing.FOLLOWING;
import static io.lockstep.engine.node.Standing.FRESH;
import static io.lockstep.engine.node.Standing.INCONSISTENT;
import static io.lockstep.engine.node.Standing.OUTDATED;
import static io.lockstep.engine.node.Standing.REIGNING;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.node.Meeting.Answer;
import io.lockstep.engine.node.Nodes.Said;

import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/**
 * What two nodes find when they meet: every line of the table in docs/lives.md by itself, and what
 * must hold whatever they are.
 */
final class MeetingTest {
    private static final List<Word> EVERY_WORD = List.of(Word.values());
    private static final List<Word> NONE = List.of(Word.NONE);
    private static final List<Word> AT_FIRST = List.of(Word.AT_FIRST);
    private static final List<Word> NOT_NOW = List.of(Word.NONE, Word.AT_FIRST);

    /** Two that meet, and the words with which the answer is that of the line. */
    private record Case(Said primary, Said secondary, List<Word> words) {}

    private static Said primary(final Standing standing, final long... generations) {
        return new Said(1, standing, generations).in(1);
    }

    private static Said secondary(final Standing standing, final long... generations) {
        return new Said(2, standing, generations);
    }

    private static Said freshSecondary() {
        return secondary(FRESH);
    }

    /** What stands for each line of the page's table, by its text. */
    private static Map<String, List<Case>> cases() {
        final Map<String, List<Case>> cases = new LinkedHashMap<>();
        cases.put(
                "both are one node: a state was copied with its disk",
                List.of(
                        new Case(primary(REIGNING, 1), new Said(1, REIGNING, 1), EVERY_WORD),
                        new Case(primary(ALONE, 2, 1), new Said(1, REIGNING, 1), EVERY_WORD),
                        new Case(primary(REIGNING, 1), new Said(1, FOLLOWING, 1).in(1), EVERY_WORD),
                        new Case(new Said(1, FRESH).empty(), new Said(1, FRESH).empty(), NONE)));
        cases.put(
                "the one that connects is no primary, as its record says",
                List.of(
                        new Case(primary(FRESH).empty(), freshSecondary().empty(), EVERY_WORD),
                        new Case(primary(FOLLOWING, 1), freshSecondary(), EVERY_WORD),
                        new Case(primary(INCONSISTENT, 1), freshSecondary(), EVERY_WORD),
                        new Case(primary(OUTDATED, 1), secondary(REIGNING, 1), EVERY_WORD),
                        new Case(
                                primary(FOLLOWING, 1), secondary(FOLLOWING, 1).in(1), EVERY_WORD)));
        cases.put(
                "the secondary was never in a pair, both disks are empty",
                List.of(
                        new Case(primary(REIGNING, 1).empty(), freshSecondary().empty(), NONE),
                        new Case(
                                primary(ALONE, 2, 1).empty(),
                                freshSecondary().empty(),
                                EVERY_WORD)));
        cases.put(
                "the secondary was never in a pair, nor was the primary, and the user says"
                        + " `--assume-identical`",
                List.of(
                        new Case(primary(REIGNING, 1).withoutPeer(), freshSecondary(), AT_FIRST),
                        new Case(primary(ALONE, 1).withoutPeer(), freshSecondary(), AT_FIRST),
                        new Case(
                                primary(REIGNING, 1).withoutPeer(),
                                freshSecondary().empty(),
                                AT_FIRST)));
        cases.put(
                "the secondary was never in a pair, its disk is empty, the primary's is not",
                List.of(
                        new Case(primary(REIGNING, 1), freshSecondary().empty(), NOT_NOW),
                        new Case(
                                primary(REIGNING, 1).withoutPeer(),
                                freshSecondary().empty(),
                                NONE)));
        cases.put(
                "the secondary was never in a pair, its disk has data, and somebody has said that"
                        + " it may be overwritten",
                List.of(
                        new Case(primary(REIGNING, 1), freshSecondary().joining(), NOT_NOW),
                        new Case(primary(ALONE, 2, 1).empty(), freshSecondary().joining(), NOT_NOW),
                        new Case(
                                primary(REIGNING, 1).withoutPeer(),
                                freshSecondary().joining(),
                                NONE)));
        cases.put(
                "the secondary was never in a pair, and its disk has data",
                List.of(
                        new Case(primary(REIGNING, 1), freshSecondary(), NOT_NOW),
                        new Case(primary(ALONE, 2, 1).empty(), freshSecondary(), NOT_NOW),
                        new Case(primary(REIGNING, 1).withoutPeer(), freshSecondary(), NONE)));
        cases.put(
                "different groups, or no generation in common",
                List.of(
                        new Case(
                                primary(REIGNING, 1),
                                secondary(FOLLOWING, 1).ofAnotherGroup().in(1),
                                EVERY_WORD),
                        new Case(primary(REIGNING, 2), secondary(FOLLOWING, 1).in(1), EVERY_WORD),
                        new Case(primary(ALONE, 2), secondary(ALONE, 1), EVERY_WORD)));
        cases.put(
                "the secondary has given its own way up for this primary's, and the session of its"
                        + " buffers is the primary's",
                List.of(
                        new Case(
                                primary(ALONE, 3, 1),
                                secondary(OUTDATED, 2, 1).concedes(1, 3).in(1),
                                EVERY_WORD),
                        new Case(
                                primary(ALONE, 4, 3, 1),
                                secondary(INCONSISTENT, 4, 3, 1).concedes(1, 3).in(1),
                                EVERY_WORD)));
        cases.put(
                "the same, and it is not",
                List.of(
                        new Case(
                                primary(ALONE, 3, 1),
                                secondary(OUTDATED, 2, 1).concedes(1, 3),
                                EVERY_WORD),
                        new Case(
                                primary(ALONE, 3, 1).left(4),
                                secondary(OUTDATED, 2, 1).concedes(1, 3).left(4).in(2),
                                EVERY_WORD),
                        new Case(
                                primary(ALONE, 5, 3, 1),
                                secondary(OUTDATED, 2, 1).concedes(1, 3).at(60),
                                EVERY_WORD),
                        new Case(
                                primary(ALONE, -3, 1),
                                secondary(INCONSISTENT, 2, 1).concedes(1, 3),
                                EVERY_WORD)));
        cases.put(
                "one generation, or the secondary's newest is an ancestor of the primary's; the"
                        + " secondary is where the primary knows it to be, and the session of its"
                        + " buffers is the primary's",
                List.of(
                        new Case(primary(REIGNING, 1), secondary(FOLLOWING, 1).in(1), EVERY_WORD),
                        new Case(primary(ALONE, 2, 1), secondary(FOLLOWING, 1).in(1), EVERY_WORD),
                        new Case(primary(ALONE, 1), secondary(INCONSISTENT, 1).in(1), EVERY_WORD),
                        new Case(primary(ALONE, 2, 1), secondary(OUTDATED, 1).in(1), EVERY_WORD),
                        new Case(
                                primary(ALONE, 2, 1), secondary(FOLLOWING, 2, 1).in(1), EVERY_WORD),
                        new Case(
                                primary(REIGNING, 1).at(30),
                                secondary(FOLLOWING, 1).in(1).at(31),
                                EVERY_WORD)));
        cases.put(
                "the same, but the session has ended: both recorded the same one, with everything"
                        + " at the secondary, which may have lost its buffers since",
                List.of(
                        new Case(
                                primary(REIGNING, 1).left(4),
                                secondary(FOLLOWING, 1).left(4),
                                EVERY_WORD),
                        new Case(
                                primary(REIGNING, 3, 1).left(4),
                                secondary(FOLLOWING, 1).left(4).in(4),
                                EVERY_WORD),
                        new Case(
                                primary(REIGNING, 1).left(4),
                                secondary(INCONSISTENT, 1).left(4),
                                EVERY_WORD)));
        cases.put(
                "the same, and neither",
                List.of(
                        new Case(primary(ALONE, -2, 1), secondary(INCONSISTENT, 1), NOT_NOW),
                        new Case(primary(ALONE, 3, -2, 1), secondary(FOLLOWING, -2, 1), NOT_NOW),
                        new Case(primary(REIGNING, 1), secondary(FOLLOWING, 1), NOT_NOW),
                        new Case(primary(REIGNING, 1), secondary(FOLLOWING, 1).in(2), NOT_NOW),
                        new Case(new Said(1, REIGNING, 1), secondary(FOLLOWING, 1), NOT_NOW),
                        new Case(
                                primary(REIGNING, 1).left(4),
                                secondary(FOLLOWING, 1).left(5),
                                NOT_NOW),
                        new Case(primary(ALONE, 2, 1), secondary(FOLLOWING, 1).left(4), NOT_NOW),
                        new Case(primary(REIGNING, 1), secondary(INCONSISTENT, 1), NOT_NOW),
                        new Case(primary(REIGNING, 1), secondary(OUTDATED, 1).in(2), NOT_NOW),
                        new Case(
                                primary(REIGNING, 1).left(4),
                                secondary(OUTDATED, 1).left(4),
                                NOT_NOW)));
        cases.put(
                "the secondary is behind where the primary knew it to be: an old copy was put in"
                        + " its place",
                List.of(
                        new Case(
                                primary(REIGNING, 1).at(30),
                                secondary(FOLLOWING, 1).in(1).at(29),
                                NOT_NOW),
                        new Case(
                                primary(REIGNING, 1).at(30).left(4),
                                secondary(FOLLOWING, 1).at(29).left(4),
                                NOT_NOW)));
        cases.put(
                "the secondary was a primary in an ancestor of the primary's generation, and not"
                        + " alone: it has the tail of its writes",
                List.of(
                        new Case(primary(ALONE, 2, 1), secondary(REIGNING, 1), EVERY_WORD),
                        new Case(primary(REIGNING, 3, 2, 1), secondary(REIGNING, 1), EVERY_WORD),
                        new Case(
                                primary(ALONE, 2, 1).left(4),
                                secondary(REIGNING, 1).left(4).in(1),
                                EVERY_WORD)));
        cases.put(
                "the primary's newest generation is an ancestor of the secondary's, or the"
                        + " secondary reigns in it",
                List.of(
                        new Case(primary(REIGNING, 1), secondary(ALONE, 2, 1), EVERY_WORD),
                        new Case(primary(REIGNING, 1), secondary(FOLLOWING, 2, 1).in(1), NONE),
                        new Case(primary(REIGNING, 1), secondary(REIGNING, 3, 2, 1), EVERY_WORD),
                        new Case(
                                primary(REIGNING, 1).left(4),
                                secondary(FOLLOWING, 2, 1).left(4),
                                EVERY_WORD),
                        new Case(primary(REIGNING, 1), secondary(REIGNING, 1), EVERY_WORD),
                        new Case(primary(ALONE, 1), secondary(REIGNING, 1), EVERY_WORD)));
        cases.put(
                "one of them was forced to take over with a torn disk since they parted, and the"
                        + " other has nothing of its own, and is whole: it reigns, or holds a"
                        + " checkpoint",
                List.of(
                        new Case(primary(REIGNING, 1), secondary(ALONE, -2, 1), EVERY_WORD),
                        new Case(primary(REIGNING, 1), secondary(ALONE, 3, -2, 1), EVERY_WORD),
                        new Case(
                                primary(REIGNING, 1).left(4),
                                secondary(FOLLOWING, -2, 1).left(4),
                                EVERY_WORD),
                        new Case(primary(ALONE, -2, 1), secondary(REIGNING, 1), EVERY_WORD),
                        new Case(primary(REIGNING, 3, -2, 1), secondary(REIGNING, 1), EVERY_WORD),
                        new Case(primary(ALONE, -2, 1), secondary(FOLLOWING, 1).in(1), EVERY_WORD),
                        new Case(primary(ALONE, 3, -2, 1), secondary(OUTDATED, 1), EVERY_WORD)));
        cases.put(
                "each has something of its own: a generation that the other does not know, or"
                        + " writes that it acknowledged alone",
                List.of(
                        new Case(primary(ALONE, 3, 1), secondary(ALONE, 2, 1), EVERY_WORD),
                        new Case(primary(ALONE, 3, 1), secondary(FOLLOWING, 2, 1).in(1), NONE),
                        new Case( // said for another peer
                                primary(ALONE, 3, 1),
                                secondary(OUTDATED, 2, 1).concedes(4, 3),
                                EVERY_WORD),
                        new Case( // said for another split
                                primary(ALONE, 3, 1),
                                secondary(OUTDATED, 2, 1).concedes(1, 4),
                                EVERY_WORD),
                        new Case( // taken over again
                                primary(ALONE, 3, 1),
                                secondary(ALONE, 2, 1).concedes(1, 3),
                                EVERY_WORD),
                        new Case(
                                primary(REIGNING, 3, 1).left(4),
                                secondary(REIGNING, 2, 1).left(4),
                                EVERY_WORD),
                        new Case(primary(ALONE, 2, 1), secondary(ALONE, 1), EVERY_WORD),
                        new Case(primary(ALONE, 1), secondary(ALONE, 2, 1), EVERY_WORD),
                        new Case(primary(ALONE, 1), secondary(ALONE, 1), EVERY_WORD),
                        new Case(primary(ALONE, 1), secondary(FOLLOWING, 2, 1), EVERY_WORD)));
        return cases;
    }

    @Test
    void everyLineOnThePageHasItsCases() throws IOException {
        final List<List<String>> page = Tables.onThePage("what they find");
        assertEquals(
                page.subList(1, page.size()).stream().map(List::getFirst).toList(),
                List.copyOf(cases().keySet()));
    }

    @TestFactory
    Stream<DynamicTest> everyLine() throws IOException {
        final Map<String, List<Case>> cases = cases();
        final List<List<String>> page = Tables.onThePage("what they find");
        return page.subList(1, page.size()).stream()
                .map(
                        line ->
                                DynamicTest.dynamicTest(
                                        line.getFirst(),
                                        () ->
                                                cases.get(line.getFirst())
                                                        .forEach(
                                                                one ->
                                                                        check(
                                                                                one,
                                                                                line.getLast()))));
    }

    private static void check(final Case one, final String answer) {
        for (final Word word : one.words) {
            final Summary primary = one.primary.heard();
            final Summary secondary = one.secondary.heard();
            assertEquals(
                    Answer.valueOf(answer),
                    Meeting.of(primary, secondary, word),
                    () -> primary + "\n" + secondary + "\n" + word);
        }
    }

    @Test
    void theWordOfTheMomentPairsWhatIsOnlyUnknown() {
        for (final Said secondary :
                List.of(
                        freshSecondary(),
                        freshSecondary().empty(),
                        secondary(FOLLOWING, 1),
                        secondary(INCONSISTENT, 1),
                        secondary(OUTDATED, 1),
                        secondary(FOLLOWING, 1).in(1).at(29))) {
            assertEquals(
                    Answer.PAIR,
                    Meeting.of(primary(REIGNING, 1).heard(), secondary.heard(), Word.NOW));
        }
    }

    /** All standings, lineages, sessions and so on, each with each. */
    private static List<Summary> everyNode(final long number) {
        final List<Summary> nodes = new ArrayList<>();
        for (final Standing standing : Standing.values()) {
            final List<long[]> lineages =
                    standing == FRESH
                            ? List.of(new long[0])
                            : List.of(
                                    new long[] {1},
                                    new long[] {2, 1},
                                    new long[] {3, 1},
                                    new long[] {3, 2, 1},
                                    new long[] {5, -2, 1},
                                    new long[] {4});
            for (final long[] generations : lineages) {
                for (int choice = 0; choice < 16; choice++) {
                    final Said node = new Said(number, standing, generations);
                    final Said in = (choice & 1) != 0 ? node.in(1) : node;
                    final Said left = (choice & 2) != 0 ? in.left(4) : in;
                    final Said empty = (choice & 4) != 0 ? left.empty() : left;
                    nodes.add(((choice & 8) != 0 ? empty.withoutPeer() : empty).heard());
                }
            }
        }
        return nodes;
    }

    /** What is agreed can happen to both nodes, and leaves out nothing that either has. */
    @Test
    void whoeverAgreesCanReplicateAndLosesNothing() {
        int agreed = 0;
        final List<Summary> secondaries = everyNode(2);
        for (final Summary primary : everyNode(1)) {
            for (final Summary secondary : secondaries) {
                for (final Word word : EVERY_WORD) {
                    final Answer answer = Meeting.of(primary, secondary, word);
                    assertFalse(
                            Meeting.sentence(answer, primary, secondary, word).isBlank(),
                            answer.name());
                    if (answer.isAgreed()) {
                        agreed++;
                        final String both = primary + "\n" + secondary + "\n" + word;
                        assertTrue(
                                Transition.of(primary.standing(), Happening.REJOIN).isPresent(),
                                both);
                        final Happening first =
                                answer.isSynchronised() ? Happening.CATCH_UP : Happening.FOLLOW;
                        assertTrue(Transition.of(secondary.standing(), first).isPresent(), both);
                        assertTrue(
                                secondary.lineage().isNone()
                                        || primary.lineage().has(secondary.lineage().newest()),
                                both);
                        assertFalse(
                                isWholeUnder(primary, secondary),
                                "torn content over what is whole\n" + both);
                    }
                }
            }
        }
        assertTrue(agreed > 100, "hardly anybody agrees: " + agreed);
    }

    /** By other means than the code's: whether a torn reign lies between the two. */
    private static boolean isWholeUnder(final Summary primary, final Summary secondary) {
        return secondary.standing() != FRESH
                && secondary.standing() != INCONSISTENT
                && primary.lineage().reigns().stream()
                        .anyMatch(
                                reign ->
                                        reign.isTorn()
                                                && !secondary.lineage().has(reign.generation()));
    }

    @Test
    void whatIsOlderThanTheLineageIsUnrelated() {
        final long[] all = LongStream.rangeClosed(1, Lineage.LENGTH_MAX + 1).toArray();
        final long[] newestFirst = new long[all.length];
        for (int i = 0; i < all.length; i++) {
            newestFirst[i] = all[all.length - 1 - i];
        }
        final Summary primary = primary(ALONE, newestFirst).heard();
        assertEquals(
                Answer.SYNCHRONISE,
                Meeting.of(primary, secondary(FOLLOWING, 2, 1).heard(), Word.NONE));
        final Summary older = secondary(FOLLOWING, 1).heard();
        assertEquals(Answer.UNRELATED, Meeting.of(primary, older, Word.NOW));
        assertEquals(
                "the two nodes have no generation in common any more: more than 32 began since they"
                        + " were a pair. Decide which one gives way, stop it, say 'lockstep join"
                        + " --state DIR' on its host (the directory of its state, FILE.lockstep"
                        + " beside a disk FILE), and start it again with the same 'lockstep node',"
                        + " or as a secondary",
                Meeting.sentence(Answer.UNRELATED, primary, older, Word.NOW));
    }

    private static String sentence(final Said primary, final Said secondary, final Word word) {
        final Summary one = primary.heard();
        final Summary other = secondary.heard();
        return Meeting.sentence(Meeting.of(one, other, word), one, other, word);
    }

    private static void assertSays(final String sentence, final String... parts) {
        for (final String part : parts) {
            assertTrue(sentence.contains(part), sentence);
        }
    }

    @Test
    void theSentencesSayWhoIsNewerSinceWhenAndWhatToDo() {
        assertSays(
                sentence(primary(REIGNING, 1), secondary(ALONE, 3, 2, 1), Word.NONE),
                "the peer is newer: it took over at epoch 20 (1970-01-01T02:00:00Z)",
                "start this node as its secondary");
        assertSays(
                sentence(primary(REIGNING, 1), secondary(FOLLOWING, 2, 1), Word.NONE),
                "it follows one that took over at epoch 20 (1970-01-01T02:00:00Z)");
        assertSays(
                sentence(primary(REIGNING, 1), secondary(REIGNING, 1), Word.NONE),
                "the peer is newer: it took over, and");
        assertSays(
                sentence(primary(ALONE, 3, 1), secondary(ALONE, 2, 1), Word.NONE),
                "split brain",
                "this one from epoch 30 (1970-01-01T03:00:00Z) on",
                "the peer from epoch 20 (1970-01-01T02:00:00Z) on",
                "Decide which one gives way, and say 'lockstep resolve' there",
                "say 'lockstep join --state DIR' on its host");
        assertSays(
                sentence(primary(ALONE, 3, 1), secondary(OUTDATED, 2, 1).concedes(1, 3), Word.NONE),
                "has given its own way up");
        assertSays(
                sentence(primary(REIGNING, 1), secondary(ALONE, 3, -2, 1), Word.NONE),
                "the peer was forced to take over at epoch 20 (1970-01-01T02:00:00Z) with a torn"
                        + " disk, and this node's disk is the whole one",
                "say 'lockstep promote' here",
                "have the peer give way: stop it, say 'lockstep join --state DIR' on its host",
                "say 'lockstep join' here");
        assertSays(
                sentence(primary(ALONE, -2, 1), secondary(REIGNING, 1), Word.NONE),
                "this node was forced to take over at epoch 20 (1970-01-01T02:00:00Z) with a torn"
                        + " disk, and the secondary's disk is the whole one",
                "say 'lockstep join' there",
                "have this one give way, while the other one is the primary",
                "stop it, say 'lockstep join --state DIR' on its host",
                "start it again with the same 'lockstep node'");
        assertSays(
                sentence(primary(ALONE, 3, 1), secondary(ALONE, -2, 1), Word.NONE),
                "split brain",
                "(1970-01-01T02:00:00Z) on, forced from what was no checkpoint");
        assertSays(
                sentence(primary(REIGNING, 1), secondary(ALONE, 1).ofAnotherGroup(), Word.NONE),
                "belongs to another pair (group 00000000)",
                "to have it overwritten, stop it, say 'lockstep join --state DIR' on its host");
        assertSays(
                sentence(primary(ALONE, 2, 1), secondary(ALONE, 1), Word.NONE),
                "the peer alone, since it lost its link");
        assertSays(
                sentence(primary(ALONE, 2, 1), secondary(REIGNING, 1), Word.NONE),
                "was the primary until this node took over at epoch 20 (1970-01-01T02:00:00Z)");
        assertSays(
                sentence(primary(REIGNING, 1), secondary(FOLLOWING, 1).in(1).at(29), Word.NONE),
                "at epoch 29 and was at 30 once");
        assertSays(
                sentence(primary(REIGNING, 1), secondary(INCONSISTENT, 1), Word.NONE),
                "lost its buffers");
        assertSays(
                sentence(primary(REIGNING, 1), secondary(OUTDATED, 1), Word.NONE), "left behind");
        assertSays(
                sentence(primary(REIGNING, 1), secondary(FOLLOWING, 1), Word.NONE),
                "was not stopped in good order");
        assertSays(
                sentence(primary(REIGNING, 1), freshSecondary(), Word.AT_FIRST),
                "has data of its own",
                "--assume-identical holds for a first meeting only",
                "say 'lockstep join' there");
        assertSays(
                sentence(primary(REIGNING, 1).withoutPeer(), freshSecondary().empty(), Word.NONE),
                "the secondary's disk is empty");
        assertSays(
                sentence(primary(REIGNING, 1), secondary(FOLLOWING, 1).ofAnotherGroup(), Word.NONE),
                "belongs to another pair (group 00000000)",
                "'lockstep join' there");
        assertSays(
                sentence(primary(FOLLOWING, 1), freshSecondary(), Word.NONE),
                "this node is a secondary",
                "'lockstep failover' first");
        assertSays(
                sentence(primary(REIGNING, 1), new Said(1, REIGNING, 1), Word.NONE),
                "both sides are one node (00000000)",
                "have the copy give way: stop it, say 'lockstep join --state DIR' on its host");
    }

    @Test
    void whatAgreesSaysThatTheDisksAreEqual() {
        assertEquals(
                "the disks are equal",
                sentence(primary(REIGNING, 1), secondary(FOLLOWING, 1).in(1), Word.NONE));
    }
}

package io.lockstep.engine.node;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.node.Nodes.Said;

import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.stream.Stream;

/** What happens to a node, one thing after the other, each recorded before it counts. */
final class NodeTest {
    private static final Id ANOTHER = new Id(9, 9);
    private static final Id SESSION = new Id(7, 7);

    /** Stores when the test says so. */
    private static final class SlowStore implements RecordStore {
        private final List<NodeRecord> stored = new ArrayList<>();
        private final Queue<Runnable> answers = new ArrayDeque<>();
        private Optional<String> failure = Optional.empty();

        @Override
        public void store(final NodeRecord record, final Stored whenStored) {
            assertTrue(answers.isEmpty(), "two at a time");
            answers.add(
                    () -> {
                        if (failure.isEmpty()) {
                            stored.add(record);
                        }
                        whenStored.onStored(failure);
                    });
        }

        void answer() {
            answers.remove().run();
        }
    }

    private final SlowStore store = new SlowStore();

    private Node node(final Standing standing) {
        return new Node(Nodes.standing(standing), store);
    }

    /** Given up for {@link #primary}. */
    private static final Concession CONCESSION = new Concession(Nodes.node(5), Nodes.generation(3));

    private static Summary primary() {
        return new Said(5, Standing.ALONE, 3, 2, 1).heard();
    }

    private static CompletableFuture<Void> have(final Node node, final Happening happening) {
        return switch (happening) {
            case REIGN -> node.reign(Nodes.GROUP, Nodes.reign(4));
            case FOLLOW -> node.follow(primary(), 31);
            case CATCH_UP -> node.catchUp(primary(), 31);
            case TEAR -> node.tear();
            case OUTDATE -> node.outdate(31);
            case PROMOTE -> node.promote(Nodes.reign(4), true);
            case FORCE -> node.force(Nodes.GROUP, Nodes.reign(4));
            case PART -> node.part(Nodes.reign(4));
            case REJOIN -> node.rejoin(Nodes.node(3), 31);
            case HAND_OVER -> node.handOver(31, SESSION);
            case CONCEDE -> node.concede(CONCESSION, 31, SESSION);
            case FORGET -> node.forget(ANOTHER);
        };
    }

    private static String failure(final CompletableFuture<Void> done) {
        assertTrue(done.isDone());
        final Throwable cause = assertThrows(CompletionException.class, done::join).getCause();
        return ((NodeException) cause).getMessage();
    }

    @TestFactory
    Stream<DynamicTest> theTableIsWhatHappens() {
        return Arrays.stream(Happening.values())
                .flatMap(
                        happening ->
                                Arrays.stream(Standing.values())
                                        .map(
                                                before ->
                                                        DynamicTest.dynamicTest(
                                                                happening + " when " + before,
                                                                () -> check(before, happening))));
    }

    private static void check(final Standing before, final Happening happening) {
        final SlowStore store = new SlowStore();
        final Node node = new Node(Nodes.standing(before), store);
        final CompletableFuture<Void> done = have(node, happening);
        final Optional<Standing> after = Transition.of(before, happening);
        if (after.isEmpty()) {
            assertEquals(
                    "a node that " + before.sentence() + " can't " + happening.verb(),
                    failure(done));
        }
        if (!store.answers.isEmpty()) {
            store.answer();
        }
        assertEquals(after.orElse(before), node.standing());
        assertEquals(after.isPresent(), !done.isCompletedExceptionally());
    }

    /**
     * A primary whose peer is out may yet be overtaken, where that peer was forced to take over.
     */
    @TestFactory
    Stream<DynamicTest> whoIsAPrimaryNoMoreHasNoPeerThatIsOut() {
        return Stream.of(Standing.REIGNING, Standing.ALONE)
                .flatMap(
                        before ->
                                Arrays.stream(Happening.values())
                                        .filter(
                                                happening ->
                                                        Transition.of(before, happening)
                                                                .filter(now -> !now.isPrimary())
                                                                .isPresent())
                                        .map(
                                                happening ->
                                                        DynamicTest.dynamicTest(
                                                                happening + " when " + before,
                                                                () ->
                                                                        checkWithPeerOut(
                                                                                before,
                                                                                happening))));
    }

    private static void checkWithPeerOut(final Standing before, final Happening happening) {
        final SlowStore store = new SlowStore();
        final Node node = new Node(Nodes.standing(before), store);
        node.peerIsOut();
        store.answer();
        assertTrue(node.record().isPeerOut());
        have(node, happening);
        store.answer();
        assertFalse(node.standing().isPrimary());
        assertFalse(node.record().isPeerOut());
    }

    /** Its buffers, if a process was killed before it had removed them, are of a life before. */
    @Test
    void whoHandsOverHasNoBuffers() {
        final Node node = node(Standing.REIGNING);
        node.handOver(31, SESSION);
        store.answer();
        assertEquals(node.record().node(), node.record().former());
    }

    /** Those that it has by then are its own, though that could not be recorded when it began. */
    @Test
    void whoFollowsHasBuffersOfItsOwn() {
        for (final boolean isMadeEqual : List.of(true, false)) {
            final Node node = node(Standing.REIGNING);
            node.handOver(31, SESSION);
            store.answer();
            if (isMadeEqual) {
                node.catchUp(primary(), 31);
            } else {
                node.follow(primary(), 31);
            }
            store.answer();
            assertTrue(node.record().former().isNone());
        }
    }

    private Node conceded() {
        final Node node = node(Standing.ALONE);
        node.concede(CONCESSION, 31, SESSION);
        store.answer();
        return node;
    }

    @Test
    void whoGivesItsWayUpIsASecondaryThatHoldsWhatItHad() {
        final NodeRecord now = conceded().record();
        assertEquals(Standing.OUTDATED, now.standing());
        assertEquals(CONCESSION, now.concession());
        assertEquals(Nodes.node(5), now.peer());
        assertEquals(Nodes.lineage(2, 1), now.lineage(), "its own, which it can go back to");
        assertEquals(31, now.committedEpoch());
        assertEquals(SESSION, now.leftSession(), "its disks have everything");
        assertEquals(now.node(), now.former());
        assertEquals(Optional.of(NodeRole.SECONDARY), NodeRole.of(now));
    }

    /** Also in the midst of being made equal, and where its buffers are lost then. */
    @Test
    void whatWasGivenUpStaysSoUntilTheNodeFollows() {
        final Node node = conceded();
        node.catchUp(primary(), 31);
        store.answer();
        assertEquals(Standing.OUTDATED, node.standing());
        assertEquals(CONCESSION, node.record().concession());
        node.tear();
        store.answer();
        assertEquals(Standing.INCONSISTENT, node.standing());
        assertEquals(CONCESSION, node.record().concession());
        node.follow(primary(), 32);
        store.answer();
        assertEquals(Concession.NONE, node.record().concession());
    }

    @Test
    void whoTakesOverAgainHasGivenNothingUp() {
        final Node node = conceded();
        node.force(Nodes.GROUP, Nodes.reign(4));
        store.answer();
        assertEquals(CONCESSION, node.record().concession(), "its notes are not all that differs");
        node.merged();
        store.answer();
        assertEquals(Concession.NONE, node.record().concession());

        final Node torn = conceded();
        torn.force(Nodes.GROUP, Nodes.reign(4));
        store.answer();
        torn.tear();
        store.answer();
        assertEquals(Standing.INCONSISTENT, torn.standing());
        assertEquals(Concession.NONE, torn.record().concession());
    }

    @Test
    void whatWasPutBackOrWrittenAsItIsHasGivenNothingUp() {
        final Node putBack = conceded();
        putBack.distrust();
        store.answer();
        assertEquals(Concession.NONE, putBack.record().concession());

        final Node plain = conceded();
        plain.goPlain(Nodes.GROUP, Nodes.reign(4));
        store.answer();
        assertEquals(Concession.NONE, plain.record().concession());
    }

    @Test
    void nobodyGivesUpWhatHisBuffersHoldStill() {
        final Node node = node(Standing.FOLLOWING);
        node.promote(Nodes.reign(4), true);
        store.answer();
        final CompletableFuture<Void> done = node.concede(CONCESSION, 31, SESSION);
        assertTrue(failure(done).startsWith("a merge is not done"));
        assertEquals(Standing.ALONE, node.standing());
    }

    @Test
    void aFollowerIsOfItsPrimarysLineage() {
        final Node node = node(Standing.OUTDATED);
        node.follow(primary(), 31);
        store.answer();
        final NodeRecord now = node.record();
        assertEquals(Nodes.node(5), now.peer());
        assertEquals(Nodes.GROUP, now.group());
        assertEquals(primary().lineage(), now.lineage());
        assertEquals(31, now.committedEpoch());
    }

    @Test
    void whoeverTakesOverBeginsAGenerationAndMerges() {
        for (final Happening happening : List.of(Happening.PROMOTE, Happening.FORCE)) {
            final Node node = node(Standing.FOLLOWING);
            have(node, happening);
            store.answer();
            assertEquals(Nodes.lineage(4, 2, 1), node.record().lineage());
            assertEquals(40, node.record().committedEpoch());
            assertTrue(node.record().isMerging());
            assertEquals(happening == Happening.FORCE, node.record().isForced());
            node.merged();
            store.answer();
            assertFalse(node.record().isMerging());
            assertEquals(Standing.ALONE, node.standing());
        }
    }

    @Test
    void whoIsForcedWithoutAGroupBeginsOne() {
        final Node node = node(Standing.FRESH);
        node.force(Nodes.GROUP, Nodes.reign(1));
        store.answer();
        assertEquals(Nodes.GROUP, node.record().group());
        assertEquals(Nodes.lineage(1), node.record().lineage());
    }

    @Test
    void theFirstPrimaryBeginsAGroupAndItsFirstGeneration() {
        final Node node = node(Standing.FRESH);
        node.reign(Nodes.GROUP, Nodes.reign(1));
        store.answer();
        assertEquals(Nodes.GROUP, node.record().group());
        assertTrue(node.record().peer().isNone());
        assertEquals(Nodes.lineage(1), node.record().lineage());
    }

    @Test
    void aloneItStaysInTheGenerationThatItHas() {
        final Node node = node(Standing.REIGNING);
        node.part(Nodes.reign(4));
        store.answer();
        assertEquals(Nodes.lineage(4, 2, 1), node.record().lineage());
        assertTrue(node.part(Nodes.reign(5)).isDone(), "stored again, with nothing new");
        assertEquals(Nodes.lineage(4, 2, 1), node.record().lineage());
        node.rejoin(Nodes.node(3), 45);
        store.answer();
        assertEquals(Nodes.lineage(4, 2, 1), node.record().lineage());
        node.part(Nodes.reign(5));
        store.answer();
        assertEquals(Nodes.lineage(5, 4, 2, 1), node.record().lineage());
    }

    @Test
    void whatWasLeftHoldsUntilSomethingHappens() {
        for (final Happening happening :
                List.of(Happening.PART, Happening.REJOIN, Happening.PROMOTE, Happening.FOLLOW)) {
            final Standing before =
                    Arrays.stream(Standing.values())
                            .filter(standing -> Transition.of(standing, happening).isPresent())
                            .filter(standing -> standing != Standing.FRESH)
                            .findFirst()
                            .orElseThrow();
            final Node node = node(before);
            node.leave(Nodes.session(1), 26);
            store.answer();
            node.close();
            store.answer();
            assertTrue(node.record().isClean());
            node.open(ANOTHER, Nodes.fresh().disks());
            store.answer();
            assertFalse(node.record().isClean());
            assertEquals(ANOTHER, node.record().boot());
            assertEquals(Nodes.session(1), node.record().leftSession());
            assertEquals(26, node.record().committedEpoch());
            have(node, happening);
            store.answer();
            assertTrue(node.record().leftSession().isNone(), happening.name());
        }
    }

    @Test
    void itIsAnotherNodeWhenItIsForgotten() {
        final Node node = node(Standing.ALONE);
        node.forget(ANOTHER);
        store.answer();
        assertEquals(
                NodeRecord.fresh(ANOTHER, Nodes.BOOT, List.of())
                        .draft()
                        .former(Nodes.node(1))
                        .record(),
                node.record());
    }

    /** Until it has buffers of its own those that are there are the former one's. */
    @Test
    void whoWasForgottenTwiceMayFindBuffersOfTheFirst() {
        final Node node = node(Standing.FOLLOWING);
        node.forget(ANOTHER);
        store.answer();
        node.forget(new Id(9, 10));
        store.answer();
        assertEquals(Nodes.node(1), node.record().former());
        node.haveBuffers();
        store.answer();
        node.forget(new Id(9, 11));
        store.answer();
        assertEquals(new Id(9, 10), node.record().former());
    }

    /** Its record tells of it for good, and so does what comes of it. */
    @Test
    void whoIsForcedWithoutACheckpointBeginsFromATornDisk() {
        for (final Standing standing :
                List.of(
                        Standing.FRESH,
                        Standing.FOLLOWING,
                        Standing.INCONSISTENT,
                        Standing.OUTDATED)) {
            final Node node = node(standing);
            node.force(Nodes.GROUP, Nodes.reign(4));
            store.answer();
            assertEquals(
                    standing == Standing.INCONSISTENT,
                    node.record().lineage().reigns().getFirst().isTorn(),
                    standing.name());
        }
    }

    /** What lies on a secondary's disk is a checkpoint where its primary left it so. */
    @Test
    void whoseDiskIsWrittenAsItIsBeginsFromATornOneUnlessItWasLeft() {
        for (final long left : new long[] {0, 4}) {
            final Node node = node(Standing.FOLLOWING);
            if (left > 0) {
                node.leave(Nodes.session(left), 25);
                store.answer();
            }
            node.goPlain(Nodes.GROUP, Nodes.reign(4));
            store.answer();
            assertEquals(left == 0, node.record().lineage().reigns().getFirst().isTorn());
            assertEquals(Standing.ALONE, node.standing());
            assertFalse(node.record().isMerging());
        }
    }

    /** Whoever serves no guest may say that its disks count for nothing. */
    @Test
    void whateverItIsItMayGiveWayUnlessAMergeIsNotDone() {
        for (final Standing standing : Standing.values()) {
            final Node node = node(standing);
            node.join(ANOTHER);
            store.answer();
            assertEquals(Standing.FRESH, node.standing());
            assertTrue(node.record().isJoining());
        }
        final Node node = node(Standing.FOLLOWING);
        node.promote(Nodes.reign(4), true);
        store.answer();
        assertTrue(failure(node.join(ANOTHER)).contains("a merge is not done"));
    }

    @Test
    void whatWasPutBackSaysNothingOfTheDisks() {
        final Node node = node(Standing.FOLLOWING);
        node.leave(Nodes.session(1), 26);
        store.answer();
        node.distrust();
        store.answer();
        assertEquals(Standing.INCONSISTENT, node.standing());
        assertTrue(node.record().leftSession().isNone());
    }

    /** Each that is stored has a number of its own; a process begins with one of its own, too. */
    @Test
    void theNumberTellsHowNewARecordIs() {
        final List<Long> heard = new ArrayList<>();
        final Node node = new Node(Nodes.standing(Standing.FOLLOWING), 7, store);
        node.onStored(heard::add);
        node.open(Nodes.BOOT, Nodes.fresh().disks());
        store.answer();
        store.failure = Optional.of("the disk is full");
        node.close();
        store.answer();
        store.failure = Optional.empty();
        node.close();
        assertEquals(8, node.number());
        store.answer();
        assertEquals(9, node.number());
        assertEquals(List.of(8L, 9L), heard);
    }

    @Test
    void itIsBoundToItsDisksUntilItIsForgotten() {
        final List<DiskIdentity> others = List.of(new DiskIdentity("vda", 4096, "inode 13"));
        final Node node = node(Standing.FOLLOWING);
        assertTrue(failure(node.open(ANOTHER, others)).startsWith("disk vda: the state is"));
        assertEquals(Nodes.BOOT, node.record().boot());
        node.forget(ANOTHER);
        store.answer();
        node.open(ANOTHER, others);
        store.answer();
        assertEquals(others, node.record().disks());
    }

    @Test
    void itIsNotForgottenInTheMidstOfAMerge() {
        final Node node = node(Standing.FOLLOWING);
        node.promote(Nodes.reign(4), true);
        store.answer();
        assertTrue(failure(node.forget(ANOTHER)).contains("a merge is not done"));
        assertEquals(Standing.ALONE, node.standing());
    }

    @Test
    void nothingCountsBeforeItIsStored() {
        final Node node = node(Standing.FOLLOWING);
        final CompletableFuture<Void> done = node.promote(Nodes.reign(4), true);
        assertFalse(done.isDone());
        assertEquals(Nodes.standing(Standing.FOLLOWING), node.record());
        store.answer();
        assertTrue(done.isDone());
        assertEquals(Standing.ALONE, node.standing());
        assertEquals(List.of(node.record()), store.stored);
    }

    @Test
    void aStoreThatFailsChangesNothing() {
        final Node node = node(Standing.FOLLOWING);
        store.failure = Optional.of("the disk is full");
        final CompletableFuture<Void> refused = node.promote(Nodes.reign(4), true);
        store.answer();
        assertEquals("the state can't be recorded: the disk is full", failure(refused));
        assertEquals(Nodes.standing(Standing.FOLLOWING), node.record());
        store.failure = Optional.empty();
        final CompletableFuture<Void> done = node.promote(Nodes.reign(4), true);
        store.answer();
        done.join();
        assertEquals(Standing.ALONE, node.standing());
    }

    @Test
    void changesComeInTheirOrderEachJudgedByThoseBefore() {
        final Node node = node(Standing.FRESH);
        final List<String> order = new ArrayList<>();
        final List<CompletableFuture<Void>> all =
                List.of(
                        node.reign(Nodes.GROUP, Nodes.reign(1)),
                        node.promote(Nodes.reign(2), true),
                        node.part(Nodes.reign(3)),
                        node.rejoin(Nodes.node(2), 31));
        for (int i = 0; i < all.size(); i++) {
            final String number = Integer.toString(i);
            all.get(i).whenComplete((done, failed) -> order.add(number));
        }
        assertEquals(List.of(), order);
        store.answer();
        assertEquals(List.of("0", "1"), order);
        assertEquals("a node that is a primary can't take over", failure(all.get(1)));
        store.answer();
        store.answer();
        assertEquals(List.of("0", "1", "2", "3"), order);
        assertEquals(
                List.of(Standing.REIGNING, Standing.ALONE, Standing.REIGNING),
                store.stored.stream().map(NodeRecord::standing).toList());
    }

    @Test
    void whatAChangeCausesComesBehindThoseThatWait() {
        final Node node = node(Standing.REIGNING);
        node.part(Nodes.reign(3)).thenRun(() -> node.rejoin(Nodes.node(4), 32));
        node.rejoin(Nodes.node(3), 31);
        store.answer();
        store.answer();
        assertEquals(Nodes.node(3), node.record().peer());
        store.answer();
        assertEquals(Nodes.node(4), node.record().peer());
    }

    @Test
    void changesWaitWithinABound() {
        final Node node = node(Standing.REIGNING);
        for (int i = 0; i <= Node.CHANGES_MAX; i++) { // one is with the store
            assertFalse(node.rejoin(Nodes.node(3 + i), 31).isDone());
        }
        assertTrue(failure(node.rejoin(Nodes.node(2), 31)).contains("256 changes wait"));
    }
}

package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.group.GroupEvents.Event;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Selves;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** When a primary whose link is lost may go on alone, and how often its peer is fenced for that. */
final class LostLinkTest {
    private static final Id PEER = new Id(9, 9);

    private final ClockLoop loop = new ClockLoop();
    private final List<CompletableFuture<Fencing.Answer>> commands = new ArrayList<>();
    private final List<Fencing.Loss> losses = new ArrayList<>();
    private final List<Event> events = new ArrayList<>();
    private final Self self = Selves.fresh(1);
    private LostLink link;
    private boolean isWaiting;

    @BeforeEach
    void reign() {
        node().reign(self.reigns().name(), self.reigns().begin(0)).join();
        start(fencing());
    }

    private LostLinkPolicy fencing() {
        return LostLinkPolicy.fence(
                loss -> {
                    losses.add(loss);
                    commands.add(new CompletableFuture<>());
                    return commands.getLast();
                });
    }

    private Node node() {
        return self.node();
    }

    private void start(final LostLinkPolicy policy) {
        start(policy, false);
    }

    private void start(final LostLinkPolicy policy, final boolean isShared) {
        final Endpoint peer = new Endpoint.Unix(Path.of("/peer"));
        final PeerPresence presence = new PeerPresence(loop, "/peer", 1, () -> {});
        link =
                new LostLink(
                        loop,
                        policy,
                        peer,
                        List.of("vda"),
                        presence,
                        new PrimaryEvents(
                                (event, disk, epoch, sentence) -> events.add(event),
                                "/peer",
                                policy,
                                () -> 7),
                        isShared);
        link.of(node()::record, () -> 7, this::look);
    }

    /** As the gate does. */
    private void look() {
        if (isWaiting && link.mayGoOn()) {
            isWaiting = false;
            link.onReleased();
        } else if (isWaiting) {
            link.hold();
        }
    }

    private void write() {
        isWaiting = true;
        look();
    }

    private void meet() {
        node().meet(PEER).join();
        link.onMet();
    }

    private void loseWithAWrite() {
        meet();
        link.onLost();
        write();
    }

    private void answer(final Fencing.Outcome outcome) {
        commands.getLast().complete(new Fencing.Answer(outcome, outcome.name()));
        loop.pass(0);
    }

    @Test
    void whereThereNeverWasAPeerNobodyIsWaitedFor() {
        write();
        assertFalse(isWaiting);
        assertEquals(List.of(), events);
    }

    @Test
    void onePrimaryWaitsAndAnotherGoesOn() {
        start(LostLinkPolicy.CONTINUE);
        loseWithAWrite();
        assertFalse(isWaiting);
        start(LostLinkPolicy.SUSPEND);
        loseWithAWrite();
        assertTrue(isWaiting);
        meet();
        look();
        assertFalse(isWaiting);
        assertEquals(List.of(Event.GUEST_HELD, Event.GUEST_GOES_ON), events);
    }

    @Test
    void aPeerThatIsKnownToBeOutIsNotWaitedFor() {
        meet();
        node().peerIsOut().join();
        link.onLost();
        write();
        assertFalse(isWaiting);
        assertEquals(List.of(), commands);
    }

    /** What somebody has said holds until the peer is there, and not for the next loss. */
    @Test
    void aWordCountsForOneLoss() {
        loseWithAWrite();
        link.onPromoted();
        look();
        assertFalse(isWaiting);
        loseWithAWrite();
        assertTrue(isWaiting);
    }

    @Test
    void aWordWhileItIsLinkedCountsForNone() {
        meet();
        link.onPromoted();
        link.onLost();
        write();
        assertTrue(isWaiting);
    }

    @Test
    void theCommandHearsWhatIsKnown() {
        link.onDurable(5);
        loseWithAWrite();
        final Fencing.Loss loss = losses.getFirst();
        assertEquals(PEER, loss.record().peer());
        assertEquals(7, loss.committedEpoch());
        assertEquals(5, loss.durableEpoch());
        assertEquals(List.of("vda"), loss.disks());
        assertTrue(loss.reason().contains("/peer"), loss.reason());
    }

    @Test
    void oneThatIsFencedIsNotWaitedFor() {
        loseWithAWrite();
        write();
        assertEquals(1, commands.size());
        answer(Fencing.Outcome.FENCED);
        assertFalse(isWaiting);
        assertTrue(link.isFenced());
        meet();
        assertFalse(link.isFenced());
    }

    @Test
    void oneThatIsNotFencedIsTriedAgain() {
        loseWithAWrite();
        for (int tries = 1; tries <= 3; tries++) {
            assertEquals(tries, commands.size());
            answer(Fencing.Outcome.NOT_FENCED);
            write();
            loop.pass(LostLink.AGAIN_NANOS - 1);
            assertEquals(tries, commands.size(), "too soon");
            loop.pass(1);
        }
        assertTrue(isWaiting);
        assertTrue(link.sentence().contains("NOT_FENCED"), link.sentence());
        assertEquals(List.of(Event.GUEST_HELD, Event.GUEST_HELD), events, "it is told once");
    }

    @Test
    void oneThatHasTakenOverIsNotTriedAgain() {
        loseWithAWrite();
        answer(Fencing.Outcome.TAKEN_OVER);
        write();
        loop.pass(10 * LostLink.AGAIN_NANOS);
        assertEquals(1, commands.size());
        assertTrue(isWaiting);
        link.onPromoted();
        look();
        assertFalse(isWaiting);
    }

    @Test
    void anAnswerThatComesTooLateIsNone() {
        loseWithAWrite();
        meet();
        look();
        loseWithAWrite();
        assertEquals(1, commands.size(), "never two at a time");
        commands.getFirst().complete(new Fencing.Answer(Fencing.Outcome.FENCED, "done"));
        loop.pass(0);
        assertTrue(isWaiting, "it was another loss");
        assertEquals(2, commands.size());
    }

    /** It is being recorded that the peer is there, and would be recorded that it is out. */
    @Test
    void anAnswerInTheMidstOfAMeetingIsNone() {
        loseWithAWrite();
        link.onMeeting(true);
        answer(Fencing.Outcome.FENCED);
        assertTrue(isWaiting);
        assertFalse(link.isFenced());
        link.onMeeting(false);
        assertEquals(2, commands.size(), "the meeting came to nothing");
    }

    @Test
    void theEndOfTheProcessEndsTheCommand() {
        loseWithAWrite();
        link.close();
        assertTrue(commands.getFirst().isCancelled());
        loop.pass(LostLink.AGAIN_NANOS);
        assertEquals(1, commands.size());
        assertTrue(isWaiting);
    }

    // ---- Of disks that the peer sees as well.

    /** What was said, or done, was of the process before, and the one that is asked may follow. */
    @Test
    void whatIsKnownOfAPeerDoesNotCountWhenItIsThereAgain() {
        start(LostLinkPolicy.SUSPEND, true);
        meet();
        link.onLost();
        link.onPromoted();
        node().peerIsOut().join();
        assertTrue(link.mayGoOn());
        assertTrue(link.mustBeRecordedFirst());
        assertTrue(link.onAsking());
        write();
        assertTrue(isWaiting);
        link.onPromoted(); // somebody has fenced that, too
        look();
        assertFalse(isWaiting);
    }

    @Test
    void anAnswerOfTheCommandDoesNotCountForAPeerThatIsThereAgain() {
        start(fencing(), true);
        loseWithAWrite();
        link.onAsking();
        answer(Fencing.Outcome.FENCED);
        assertTrue(isWaiting);
        answer(Fencing.Outcome.FENCED);
        assertFalse(isWaiting);
    }

    /** A peer that shares no disk has its own, whatever becomes of ours. */
    @Test
    void whatIsSaidOfAPeerWithDisksOfItsOwnHoldsUntilItIsMet() {
        start(LostLinkPolicy.SUSPEND);
        meet();
        link.onLost();
        link.onPromoted();
        assertFalse(link.onAsking());
        assertTrue(link.mayGoOn());
    }

    /** The peer knows the policy of the process before, under which it could take over. */
    @Test
    void aPrimaryDoesNotContinueBeforeThePeerKnowsIt() {
        start(LostLinkPolicy.CONTINUE, true);
        node().meet(PEER).join();
        write();
        assertTrue(isWaiting);
        assertFalse(link.needsNoWord());
        meet();
        link.onLost();
        look();
        assertFalse(isWaiting);
        assertTrue(link.needsNoWord());
    }

    @Test
    void aWordIsOfOneOrder() {
        start(LostLinkPolicy.SUSPEND, true);
        link.fenced();
        assertTrue(link.takeWord());
        assertFalse(link.takeWord());
    }

    /** Who waits while the peer is told is nobody's business yet. */
    @Test
    void aPeerIsToldBeforeSomebodyHearsThatTheGuestWaits() {
        start(LostLinkPolicy.SUSPEND, true);
        meet();
        final CompletableFuture<Void> told = link.onTelling(1000);
        link.onLost();
        write();
        assertEquals(List.of(), events);
        loop.pass(1000);
        assertTrue(told.isCompletedExceptionally());
        assertEquals(List.of(Event.GUEST_HELD), events);
        link.onPeerOut();
        assertFalse(isWaiting);
        assertEquals(List.of(Event.GUEST_HELD, Event.GUEST_GOES_ON), events);
    }
}

package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** When a primary that was cut off asks its peer, and how long it waits for the answer. */
final class PeerQuestionTest {
    private final ClockLoop loop = new ClockLoop();
    private int asked;
    private int closed;
    private final PeerQuestion question = new PeerQuestion(loop, () -> asked++, () -> closed++);

    @Test
    void nothingIsAskedBeforeACut() {
        assertFalse(question.mustWait());
        assertEquals(0, asked);
    }

    @Test
    void itIsAskedWhenAChangeWaits() {
        question.open();
        pass(10);
        assertEquals(0, asked, "nobody has to know yet");
        assertTrue(question.mustWait());
        assertTrue(question.mustWait());
        assertEquals(1, asked);
    }

    private void pass(final int looks) {
        loop.pass(looks * PeerQuestion.LOOK_NANOS);
    }

    /** What was asked may have been lost: a network that is there again needs a moment. */
    @Test
    void aPeerThatSaysNothingIsAskedAgainAndNotWaitedForLong() {
        question.open();
        question.mustWait();
        pass(PeerQuestion.LOOKS - 1);
        assertTrue(question.mustWait());
        assertEquals(PeerQuestion.LOOKS, asked);
        assertEquals(0, closed);
        pass(1);
        assertEquals(1, closed);
        assertFalse(question.mustWait());
        pass(10);
        assertEquals(PeerQuestion.LOOKS, asked);
        assertEquals(1, closed);
    }

    /** Nobody could be heard meanwhile. */
    @Test
    void whileThisProcessStandsStillOneLookPassesAtTheMost() {
        question.open();
        question.mustWait();
        loop.standStill(100 * PeerQuestion.LOOK_NANOS);
        assertTrue(question.mustWait());
        assertEquals(0, closed);
        assertEquals(2, asked);
        pass(PeerQuestion.LOOKS - 1);
        assertEquals(1, closed);
    }

    @Test
    void whereNobodyListensItIsAskedTwice() {
        question.open();
        question.mustWait();
        question.onUnreachable(true);
        assertTrue(question.mustWait());
        question.onUnreachable(true);
        assertEquals(1, closed);
        assertFalse(question.mustWait());
    }

    /** It may be about to take over, or the network is not back yet. */
    @Test
    void aFailureOfAnotherKindSaysNothingOfThePeer() {
        question.open();
        question.mustWait();
        for (int i = 0; i < 5; i++) {
            question.onUnreachable(false);
        }
        assertTrue(question.mustWait());
        pass(PeerQuestion.LOOKS);
        assertFalse(question.mustWait());
    }

    /** What was tried before, for nobody, says nothing of now. */
    @Test
    void onlyWhatComesBehindTheQuestionIsAnAnswer() {
        question.open();
        question.onUnreachable(true);
        question.onUnreachable(true);
        assertTrue(question.mustWait());
        assertEquals(0, closed);
    }

    @Test
    void anotherCutIsAnotherQuestion() {
        question.open();
        question.mustWait();
        pass(PeerQuestion.LOOKS - 1);
        question.close();
        assertFalse(question.mustWait());
        question.open();
        assertTrue(question.mustWait());
        pass(1);
        assertTrue(question.mustWait(), "the time of the first one counts no more");
        assertEquals(0, closed);
    }
}

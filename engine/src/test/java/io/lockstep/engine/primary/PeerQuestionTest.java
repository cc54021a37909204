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
    void itIsAskedWhenAChangeWaitsAndOnce() {
        question.open();
        loop.pass(10 * PeerQuestion.PATIENCE_NANOS);
        assertEquals(0, asked, "nobody has to know yet");
        assertTrue(question.mustWait());
        assertTrue(question.mustWait());
        assertEquals(1, asked);
    }

    @Test
    void aPeerThatSaysNothingIsNotWaitedForLong() {
        question.open();
        question.mustWait();
        loop.pass(PeerQuestion.PATIENCE_NANOS - 1);
        assertTrue(question.mustWait());
        assertEquals(0, closed);
        loop.pass(1);
        assertEquals(1, closed);
        assertFalse(question.mustWait());
        assertEquals(1, asked);
    }

    @Test
    void whereNobodyListensItIsAskedTwice() {
        question.open();
        question.mustWait();
        question.onUnreachable(false);
        assertTrue(question.mustWait());
        question.onUnreachable(false);
        assertEquals(1, closed);
        assertFalse(question.mustWait());
    }

    /** It may be about to take over, and is asked again. */
    @Test
    void aPeerThatPutsItOffIsWaitedFor() {
        question.open();
        question.mustWait();
        for (int i = 0; i < 5; i++) {
            question.onUnreachable(true);
        }
        assertTrue(question.mustWait());
        loop.pass(PeerQuestion.PATIENCE_NANOS);
        assertFalse(question.mustWait());
    }

    /** What was tried before, for nobody, says nothing of now. */
    @Test
    void onlyWhatComesBehindTheQuestionIsAnAnswer() {
        question.open();
        question.onUnreachable(false);
        question.onUnreachable(false);
        assertTrue(question.mustWait());
        assertEquals(0, closed);
    }

    @Test
    void anotherCutIsAnotherQuestion() {
        question.open();
        question.mustWait();
        loop.pass(PeerQuestion.PATIENCE_NANOS - 1);
        question.close();
        assertFalse(question.mustWait());
        question.open();
        assertTrue(question.mustWait());
        assertEquals(2, asked);
        loop.pass(1);
        assertTrue(question.mustWait(), "the time of the first one counts no more");
        assertEquals(0, closed);
    }
}

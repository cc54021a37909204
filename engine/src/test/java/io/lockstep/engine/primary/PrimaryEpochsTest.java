package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.util.ArrayList;
import java.util.List;

/** How a primary counts epochs, and who hears of an open one. */
final class PrimaryEpochsTest {
    private final PrimaryEpochs epochs = new PrimaryEpochs();
    private final List<Long> opened = new ArrayList<>();

    private void commitNext() {
        final long epoch = epochs.open();
        assertFalse(epochs.seal().isDone());
        epochs.onSealed(epoch);
        assertTrue(epochs.commit(epoch));
        epochs.tellCommitted();
    }

    @Test
    void eachOpenEpochIsToldBeforeAnythingBelongsToIt() {
        epochs.onOpened(
                epoch -> {
                    assertEquals(epoch, epochs.open());
                    opened.add(epoch);
                });
        epochs.goOnBehind(4);
        assertFalse(epochs.seal().isDone());
        assertFalse(epochs.seal().isDone());
        assertEquals(List.of(5L, 6L, 7L), opened);
    }

    /** What was committed under other numbers says nothing of these. */
    @Test
    void whereNumbersBeginAnewNothingOfThemIsCommitted() {
        epochs.goOnBehind(50);
        commitNext();
        commitNext();
        assertTrue(epochs.onDurable(52));
        epochs.goOnBehind(10);
        assertEquals(0, epochs.committed());
        assertEquals(0, epochs.durable());
        assertTrue(epochs.commit(10), "the secondary says what it has");
        assertFalse(epochs.onDurable(52), "of the numbers before");
        commitNext();
        assertEquals(11, epochs.committed());
        assertTrue(epochs.onDurable(11));
    }

    @Test
    void whereTheyGoOnWhatIsCommittedStays() {
        epochs.goOnBehind(50);
        commitNext();
        assertTrue(epochs.onDurable(51));
        epochs.goOnBehind(51);
        assertEquals(51, epochs.committed());
        assertEquals(51, epochs.durable());
        assertEquals(52, epochs.open());
    }

    /**
     * A manager's commit of an earlier epoch, asked for once more, doesn't end a synchronisation.
     */
    @Test
    @SuppressWarnings("FutureReturnValueIgnored")
    void theSecondaryIsEqualWithTheEpochThatIsSealedForThat() {
        final PrimaryEpochs counted = new PrimaryEpochs();
        counted.goOnBehind(2);
        assertFalse(counted.isEqualWith(2), "nothing is sealed for it");
        counted.sealEqual();
        counted.seal();
        assertFalse(counted.isEqualWith(2));
        assertTrue(counted.isEqualWith(3));
        counted.awaitEqualSeal();
        assertFalse(counted.isEqualWith(3), "the guest has pulled ahead");
    }
}

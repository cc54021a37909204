package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.RecordStore;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Selves;
import io.lockstep.engine.node.Standing;

import org.junit.jupiter.api.Test;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A link that is cut while the primary records that it has met its peer. */
final class CutMeetingTest extends HealedPair {
    /** Done when the test lets the record go. */
    private final CompletableFuture<Void> mayStore = new CompletableFuture<>();

    private final CountDownLatch storing = new CountDownLatch(1);
    private boolean isOfPrimary;

    @Override
    Self again(final Self before) {
        return isOfPrimary
                ? Selves.over(before.node().record(), this::store)
                : Selves.again(before);
    }

    /** One that says that the peer has been met takes its time. */
    private void store(final NodeRecord record, final RecordStore.Stored whenStored) {
        if (record.standing() == Standing.REIGNING && !record.peer().isNone()) {
            storing.countDown();
            final NioLoop loop = primaryLife.loop();
            mayStore.thenRun(() -> loop.execute(() -> whenStored.onStored(Optional.empty())));
        } else {
            whenStored.onStored(Optional.empty());
        }
    }

    /** The peer knows nothing of what comes behind the cut, and may take over. */
    @Test
    void whatIsAnsweredBehindTheCutIsAnsweredAloneOnRecord() throws Exception {
        isOfPrimary = true;
        beginPrimary();
        isOfPrimary = false;
        write(0, 0, 4096); // nobody was ever met: it goes on alone
        assertEquals(Standing.ALONE, primarySelf.node().standing());
        startSecondary();
        storing.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
        killSecondary();
        call(primaryLife, () -> null);
        while (events.poll(PATIENCE_SECONDS, TimeUnit.SECONDS) != GroupEvents.Event.LINK_DOWN) {}
        mayStore.complete(null);
        call(primaryLife, () -> null);
        write(0, 4096, 4096);
        assertEquals(Standing.ALONE, primarySelf.node().standing());
    }
}

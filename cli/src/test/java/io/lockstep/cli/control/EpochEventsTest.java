package io.lockstep.cli.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.group.GroupEvents.Event;
import io.lockstep.engine.loop.NioLoop;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;

/** Events of epochs that come thicker than anybody needs them. */
@Timeout(60)
final class EpochEventsTest {
    private final TasksLoop loop = new TasksLoop();
    private final List<String> told = new ArrayList<>();
    private final EpochEvents events = new EpochEvents(loop, this::tell);

    private void tell(final Event event, final long epoch) {
        told.add((event == Event.DURABLE ? "d" : "c") + epoch);
    }

    private void committed(final long epoch) {
        events.onEpoch(Event.CHECKPOINT, epoch);
    }

    private void durable(final long epoch) {
        events.onEpoch(Event.DURABLE, epoch);
    }

    private void expect(final String... those) {
        assertEquals(List.of(those), told);
        told.clear();
    }

    @Test
    void theFirstIsToldAtOnceAndTheRestOfABurstTogether() {
        committed(1);
        loop.runAll();
        expect("c1");
        for (int epoch = 2; epoch <= 100; epoch++) {
            committed(epoch);
            loop.runAll();
        }
        expect();
        loop.pass(EpochEvents.PAUSE_NANOS);
        expect("c100");
        loop.pass(EpochEvents.PAUSE_NANOS);
        expect();
        committed(101); // there was none for as long as a pause
        loop.runAll();
        expect("c101");
    }

    @Test
    void noMoreThanOneTaskWaits() {
        for (int epoch = 1; epoch <= 100; epoch++) {
            committed(epoch);
            durable(epoch);
        }
        assertEquals(1, loop.count());
        loop.runAll();
        expect("c100", "d100");
    }

    @Test
    void noneIsDurableBeforeItIsCommitted() {
        committed(1);
        loop.runAll();
        committed(2);
        durable(1);
        committed(3);
        durable(3);
        loop.pass(EpochEvents.PAUSE_NANOS);
        expect("c1", "c3", "d3");
        durable(5); // of which nobody was there to be told that it is committed
        loop.pass(EpochEvents.PAUSE_NANOS);
        expect("c5", "d5");
    }

    /** What is told of another event comes behind what was before it, and nothing else does. */
    @Test
    void anotherEventIsBehindThoseBeforeIt() {
        committed(1);
        loop.runAll();
        committed(2);
        durable(1);
        final Runnable before = events.thoseBefore();
        committed(3);
        durable(2);
        before.run();
        told.add("down");
        loop.pass(EpochEvents.PAUSE_NANOS);
        expect("c1", "c2", "d1", "down", "c3", "d2");
        events.thoseBefore().run();
        expect();
    }

    @Test
    void whatIsNumberedAnewIsToldAsWell() {
        committed(9);
        durable(9);
        loop.runAll();
        committed(4);
        loop.pass(EpochEvents.PAUSE_NANOS);
        expect("c9", "d9", "c4");
    }

    /** Over real loops: whatever the moment at which the other one looks, the last is told. */
    @Test
    void theLastOfABurstIsAlwaysTold() throws Exception {
        final Queue<Throwable> problems = new ConcurrentLinkedQueue<>();
        try (NioLoop real = new NioLoop("told", 0, problems::add)) {
            real.start();
            final long last = 200_000;
            final CountDownLatch isTold = new CountDownLatch(2);
            final List<Long> committed = new ArrayList<>();
            final EpochEvents thick =
                    new EpochEvents(
                            real,
                            (event, epoch) -> {
                                if (event == Event.CHECKPOINT) {
                                    committed.add(epoch);
                                } else if (epoch > committed.getLast()) {
                                    problems.add(new AssertionError("durable first: " + epoch));
                                }
                                if (epoch == last) {
                                    isTold.countDown();
                                }
                            });
            for (long epoch = 1; epoch <= last; epoch++) {
                thick.onEpoch(Event.CHECKPOINT, epoch);
                thick.onEpoch(Event.DURABLE, epoch);
                if (epoch % 20_000 == 0) {
                    Thread.sleep(3); // the other one is done, or about to be
                }
            }
            isTold.await();
            assertEquals(List.of(), List.copyOf(problems));
            assertEquals(committed.stream().sorted().toList(), committed);
            assertTrue(committed.size() < last / 10, () -> committed.size() + " were told");
        }
    }
}

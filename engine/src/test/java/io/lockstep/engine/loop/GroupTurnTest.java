package io.lockstep.engine.loop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;

@Timeout(30)
final class GroupTurnTest {
    private static final int TURNS = 200;

    private final Queue<Throwable> errors = new ConcurrentLinkedQueue<>();
    private final List<NioLoop> others = new ArrayList<>();
    private NioLoop lead;
    private GroupTurn turn;

    @BeforeEach
    void startLoops() throws IOException {
        lead = start("lead");
        turn = new GroupTurn(lead);
        for (int i = 0; i < 3; i++) {
            others.add(start("other-" + i));
        }
        inTurn(() -> others.forEach(turn::join));
    }

    @AfterEach
    void closeLoops() {
        lead.close();
        others.forEach(NioLoop::close);
        assertTrue(errors.isEmpty(), errors::toString);
    }

    private NioLoop start(final String name) throws IOException {
        final NioLoop loop = new NioLoop(name, 1000, errors::add);
        loop.start();
        return loop;
    }

    private void inTurn(final Runnable action) {
        CompletableFuture.runAsync(action, turn::execute).join();
    }

    /** What is nobody's but its loop's, and is never as it is now between two handlers. */
    private static final class Own {
        private long count;
        private boolean isInHandler;
        private boolean isOver;

        void work(final NioLoop loop) {
            isInHandler = true;
            count++;
            isInHandler = false;
            if (!isOver) {
                loop.execute(() -> work(loop));
            }
        }
    }

    @Test
    void theOthersStandBetweenTwoHandlers() {
        final List<Own> all = new ArrayList<>();
        for (final NioLoop loop : others) {
            final Own own = new Own();
            all.add(own);
            loop.execute(() -> own.work(loop));
        }
        for (int i = 0; i < TURNS; i++) {
            inTurn(
                    () ->
                            all.forEach(
                                    own -> {
                                        assertFalse(own.isInHandler);
                                        final long before = own.count;
                                        Thread.onSpinWait();
                                        own.count = before + 1;
                                    }));
        }
        final List<Long> counts = new ArrayList<>();
        inTurn(() -> all.forEach(own -> counts.add(own.count)));
        inTurn(() -> all.forEach(own -> own.isOver = true));
        assertTrue(counts.stream().allMatch(count -> count > TURNS), counts::toString);
    }

    @Test
    void turnsAreInTheOrderInWhichTheyWereGivenFromWhateverLoop() {
        final List<Integer> order = new ArrayList<>();
        final CompletableFuture<Void> given = new CompletableFuture<>();
        others.get(0)
                .execute(
                        () -> {
                            turn.execute(() -> order.add(1));
                            others.get(1)
                                    .execute(
                                            () -> {
                                                turn.execute(() -> order.add(2));
                                                given.complete(null);
                                            });
                        });
        given.join();
        inTurn(() -> order.add(3));
        assertEquals(List.of(1, 2, 3), order);
    }

    @Test
    void onlyInATurnSomethingIsDoneAtOnce() {
        final List<String> done = new ArrayList<>();
        inTurn(
                () -> {
                    turn.within(() -> done.add("in the turn"));
                    done.add("behind it");
                });
        CompletableFuture.runAsync(
                        () -> {
                            assertFalse(turn.isHad());
                            turn.within(() -> done.add("in another turn"));
                            done.add("in a handler of the lead");
                        },
                        lead::execute)
                .join();
        inTurn(() -> {});
        assertEquals(
                List.of("in the turn", "behind it", "in a handler of the lead", "in another turn"),
                done);
    }

    @Test
    void withoutOthersItIsTheLead() {
        final GroupTurn alone = new GroupTurn(lead);
        final List<Integer> done = new ArrayList<>();
        CompletableFuture.runAsync(
                        () -> {
                            alone.within(() -> done.add(1));
                            done.add(2);
                        },
                        lead::execute)
                .join();
        assertEquals(List.of(1, 2), done);
    }
}

package io.lockstep.engine.loop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/** A loop's calls that return, that stand still, and that throw. */
final class DeviceCallTest {
    private static final long DEADLINE_SECONDS = 30;

    private final Queue<Throwable> errors = new ConcurrentLinkedQueue<>();

    /** What happens, in its order, all of it on the loop. */
    private final Queue<String> log = new ConcurrentLinkedQueue<>();

    private final CountDownLatch device = new CountDownLatch(1);
    private NioLoop loop;

    @BeforeEach
    void startLoop() throws IOException {
        loop = new NioLoop("test-loop", 1000, errors::add);
        loop.start();
    }

    @AfterEach
    void closeLoop() {
        device.countDown();
        loop.close();
    }

    private Thread threadOfTheLoop() throws Exception {
        final CompletableFuture<Thread> thread = new CompletableFuture<>();
        loop.execute(() -> thread.complete(Thread.currentThread()));
        return thread.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
    }

    @Test
    void aCallThatStandsStillHoldsUpNeitherTasksNorTimers() throws Exception {
        final Thread before = threadOfTheLoop();
        final Call standing = new Call("standing", device);
        final Call behind = new Call("behind", new CountDownLatch(0));
        loop.execute(
                () -> {
                    loop.call(standing);
                    loop.call(behind);
                });
        behind.left.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
        final CompletableFuture<Void> timer = new CompletableFuture<>();
        loop.execute(() -> loop.schedule(1000, () -> timer.complete(null)));
        timer.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
        assertNotEquals(before, threadOfTheLoop());
        assertTrue(before.isAlive());
        assertFalse(behind.madeOn.isDone(), "what waited behind it is not begun");
        assertFalse(standing.done.isDone());
        device.countDown();
        assertEquals(threadOfTheLoop(), standing.done.get(DEADLINE_SECONDS, TimeUnit.SECONDS));
        assertEquals(before, standing.madeOn.get(DEADLINE_SECONDS, TimeUnit.SECONDS));
        before.join(TimeUnit.SECONDS.toMillis(DEADLINE_SECONDS));
        assertFalse(before.isAlive(), "its thread has nothing to do any more");
        assertEquals("[standing left true, behind left false, standing made]", log.toString());
        assertTrue(errors.isEmpty(), errors::toString);
    }

    /** One after the other, each leaves a thread behind until it returns. */
    @Test
    void asManyMayStandStillAsLike() throws Exception {
        final Call[] calls = new Call[5];
        for (int i = 0; i < calls.length; i++) {
            final Call call = new Call("call", device);
            calls[i] = call;
            loop.execute(() -> loop.call(call));
            call.left.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
        }
        device.countDown();
        for (final Call call : calls) {
            call.done.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
        }
        assertTrue(errors.isEmpty(), errors::toString);
    }

    @Test
    void callsThatReturnAreMadeByTheLoopInTheirOrder() throws Exception {
        final Thread before = threadOfTheLoop();
        final Call first = new Call("first", new CountDownLatch(0));
        final Call second = new Call("second", new CountDownLatch(0));
        loop.execute(
                () -> {
                    loop.call(first);
                    loop.call(second);
                });
        assertEquals(before, second.done.get(DEADLINE_SECONDS, TimeUnit.SECONDS));
        assertEquals(before, first.madeOn.get(DEADLINE_SECONDS, TimeUnit.SECONDS));
        assertEquals("[first made, second made]", log.toString());
    }

    @Test
    void whatACallThrowsIsReportedWhereverItReturns() throws Exception {
        loop.execute(() -> loop.call(new Call("throwing", null)));
        threadOfTheLoop();
        threadOfTheLoop();
        assertEquals(1, errors.size(), errors::toString);
        final Call standing = new Call("standing", device);
        standing.throwsThen = true;
        loop.execute(() -> loop.call(standing));
        standing.left.get(DEADLINE_SECONDS, TimeUnit.SECONDS);
        device.countDown();
        final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
        while (errors.size() < 2 && System.nanoTime() < deadline) {
            Thread.onSpinWait();
        }
        assertEquals(2, errors.size(), errors::toString);
        threadOfTheLoop(); // which goes on
    }

    @Test
    void aLoopEndsThoughACallStandsStill() throws Exception {
        final Call standing = new Call("standing", device);
        loop.execute(() -> loop.call(standing));
        loop.close();
        assertTrue(errors.isEmpty(), errors::toString);
    }

    /** One that has work and no core is none that stands still. */
    @Test
    void theKernelTellsWhetherAThreadWaits() throws Exception {
        final KernelThread[] told = new KernelThread[1];
        final CountDownLatch isTold = new CountDownLatch(1);
        final Thread waiting =
                new Thread(
                        () -> {
                            told[0] = KernelThread.current();
                            isTold.countDown();
                            await(device);
                        });
        waiting.start();
        await(isTold);
        final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DEADLINE_SECONDS);
        while (!told[0].isBlocked() && System.nanoTime() < deadline) {
            Thread.onSpinWait();
        }
        assertTrue(told[0].isBlocked());
        assertFalse(KernelThread.current().isBlocked());
    }

    private static void await(final CountDownLatch latch) {
        try {
            if (!latch.await(DEADLINE_SECONDS, TimeUnit.SECONDS)) {
                throw new AssertionError("it did not come");
            }
        } catch (final InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    /** A call that returns when a latch is open; without one it throws. */
    private final class Call implements DeviceCall {
        private final String name;
        private final CountDownLatch latch;
        private final CompletableFuture<Thread> madeOn = new CompletableFuture<>();
        private final CompletableFuture<Thread> done = new CompletableFuture<>();
        private final CompletableFuture<Boolean> left = new CompletableFuture<>();
        private volatile boolean throwsThen;

        Call(final String name, final CountDownLatch latch) {
            this.name = name;
            this.latch = latch;
        }

        @Override
        public void make() {
            if (latch == null) {
                throw new IllegalStateException(name);
            }
            await(latch);
            if (throwsThen) {
                throw new IllegalStateException(name);
            }
            madeOn.complete(Thread.currentThread());
        }

        @Override
        public void onMade() {
            log.add(name + " made");
            done.complete(Thread.currentThread());
        }

        @Override
        public void onLeft(final boolean isUnderWay) {
            log.add(name + " left " + isUnderWay);
            left.complete(isUnderWay);
        }
    }
}

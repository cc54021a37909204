package io.lockstep.engine.disk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

final class HelperThreadsTest {
    private static final int MANY = 10_000;

    /** However many wait: who submits is a loop, and must not make a call that stands still. */
    @Test
    void whoSubmitsNeverMakesACallItselfNorWaits() throws InterruptedException {
        final CountDownLatch device = new CountDownLatch(1);
        final CountDownLatch made = new CountDownLatch(MANY);
        final Set<Thread> threads = ConcurrentHashMap.newKeySet();
        try (HelperThreads helpers = new HelperThreads();
                HelperThreads ofAnotherDisk = new HelperThreads()) {
            for (int i = 0; i < MANY; i++) {
                helpers.execute(
                        () -> {
                            threads.add(Thread.currentThread());
                            await(device);
                            made.countDown();
                        });
            }
            final CountDownLatch other = new CountDownLatch(1);
            ofAnotherDisk.execute(other::countDown);
            await(other);
            assertEquals(MANY, made.getCount(), "those of this disk stand still");
            device.countDown();
            await(made);
        }
        assertTrue(threads.size() <= 8, threads::toString);
        for (final Thread thread : threads) {
            assertNotEquals(Thread.currentThread(), thread);
            thread.join(TimeUnit.SECONDS.toMillis(30));
            assertTrue(!thread.isAlive(), "it has ended with them");
        }
    }

    private static void await(final CountDownLatch latch) {
        try {
            assertTrue(latch.await(30, TimeUnit.SECONDS));
        } catch (final InterruptedException e) {
            throw new AssertionError(e);
        }
    }
}

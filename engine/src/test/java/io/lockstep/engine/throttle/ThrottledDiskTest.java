package io.lockstep.engine.throttle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.IoBuffer;

import org.junit.jupiter.api.Test;

import java.lang.foreign.MemorySegment;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.PriorityQueue;
import java.util.Queue;

/** What waits goes in its order, when its turn has come, and at once where the limits are gone. */
final class ThrottledDiskTest {
    private static final long SECOND = 1_000_000_000;
    private static final int PIECE = 4096;

    private final Loop loop = new Loop();
    private final List<String> begun = new ArrayList<>();
    private final ThrottleGroup group = new ThrottleGroup();
    private final ThrottledDisk disk = new ThrottledDisk(new Below(), group, loop);
    private final MemorySegment memory = IoBuffer.collected(PIECE).segment();
    private int completed;

    private void limit(final long bytesPerSecond) {
        final ThrottleRate any = ThrottleRate.ANY;
        group.limits(
                new ThrottleLimits(
                        new ThrottleRate(bytesPerSecond, 0, 1), any, any, any, any, any, 0));
        loop.run();
    }

    private void write(final int number) {
        disk.write((long) number * PIECE, PIECE, memory, 0, (token, errno) -> completed++, 0);
        disk.poll();
    }

    @Test
    void withoutLimitsAllGoesAtOnce() {
        write(1);
        write(2);
        assertEquals(List.of("write 4096", "write 8192"), begun);
        assertEquals(2, completed);
    }

    @Test
    void whatIsTooMuchWaitsForItsTurnInOrder() {
        limit(10 * PIECE);
        for (int i = 0; i < 20; i++) {
            write(i);
        }
        assertTrue(begun.size() <= 3, begun::toString);
        loop.pass(SECOND);
        final int afterOne = begun.size();
        assertTrue(afterOne >= 10 && afterOne <= 13, begun::toString);
        loop.pass(SECOND);
        assertEquals(20, begun.size());
        assertEquals(20, completed);
        for (int i = 0; i < 20; i++) {
            assertEquals("write " + i * PIECE, begun.get(i));
        }
    }

    @Test
    void zeroesAndTrimsCountAsWritesAndFlushesForNothing() {
        limit(PIECE);
        disk.zero(0, 100 * PIECE, 0, (token, errno) -> completed++, 0);
        disk.discard(0, PIECE, (token, errno) -> completed++, 0);
        disk.flush((token, errno) -> completed++, 0);
        assertEquals(List.of("zero 0", "flush"), begun);
        loop.pass(98 * SECOND);
        assertEquals(2, begun.size());
        loop.pass(3 * SECOND);
        assertEquals(List.of("zero 0", "flush", "discard 0"), begun);
    }

    @Test
    void whatWaitsGoesWhenTheLimitsAreGone() {
        limit(1);
        write(1);
        write(2);
        write(3);
        assertEquals(1, begun.size());
        group.limits(ThrottleLimits.NONE);
        loop.run();
        assertEquals(List.of("write 4096", "write 8192", "write 12288"), begun);
        assertEquals(3, completed);
    }

    /** Payloads that lie in a file's own memory would go by unseen. */
    @Test
    void noMemoryIsLentWhereThereAreLimits() {
        assertTrue(disk.hasWriteWindow(0, PIECE));
        limit(PIECE);
        assertNull(disk.window(0, PIECE));
        assertFalse(disk.hasWriteWindow(0, PIECE));
    }

    /** Does all at once, and tells of it at the next poll. */
    private final class Below implements Disk {
        private final Queue<Completion> done = new ArrayDeque<>();

        private void take(final String what, final Completion completion) {
            begun.add(what);
            done.add(completion);
        }

        @Override
        public String name() {
            return "below";
        }

        @Override
        public long length() {
            return 1 << 20;
        }

        @Override
        public boolean isReadOnly() {
            return false;
        }

        @Override
        public boolean isRotational() {
            return false;
        }

        @Override
        public void read(
                final long offset,
                final int length,
                final MemorySegment into,
                final long position,
                final Completion completion,
                final long token) {
            take("read " + offset, completion);
        }

        @Override
        public void write(
                final long offset,
                final int length,
                final MemorySegment from,
                final long position,
                final Completion completion,
                final long token) {
            take("write " + offset, completion);
        }

        @Override
        public void zero(
                final long offset,
                final long length,
                final int flags,
                final Completion completion,
                final long token) {
            take("zero " + offset, completion);
        }

        @Override
        public void discard(
                final long offset,
                final long length,
                final Completion completion,
                final long token) {
            take("discard " + offset, completion);
        }

        @Override
        public void flush(final Completion completion, final long token) {
            take("flush", completion);
        }

        @Override
        public void prefetch(
                final long offset,
                final long length,
                final Completion completion,
                final long token) {
            take("prefetch " + offset, completion);
        }

        @Override
        public void extents(
                final long offset,
                final long length,
                final ExtentList into,
                final Completion completion,
                final long token) {
            take("extents " + offset, completion);
        }

        @Override
        public boolean hasWriteWindow(final long offset, final int length) {
            return true;
        }

        @Override
        public int poll() {
            final int count = done.size();
            for (int i = 0; i < count; i++) {
                done.remove().onComplete(0, 0);
            }
            return count;
        }
    }

    /** A clock that stands until it is moved, with timers and tasks. */
    private static final class Loop implements IoLoop {
        private final Queue<Runnable> tasks = new ArrayDeque<>();
        private final PriorityQueue<Due> timers =
                new PriorityQueue<>(Comparator.comparingLong(Due::nanos));
        private long now = 1;

        private record Due(long nanos, Runnable action) {}

        private void run() {
            while (!tasks.isEmpty()) {
                tasks.remove().run();
            }
        }

        private void pass(final long nanos) {
            long left = nanos;
            while (!timers.isEmpty() && timers.element().nanos - now <= left) {
                final Due due = timers.remove();
                left -= Math.max(0, due.nanos - now);
                now = due.nanos;
                due.action.run();
                run();
            }
            now += left;
        }

        @Override
        public long nanoTime() {
            return now;
        }

        @Override
        @SuppressWarnings("ReferenceEquality") // one of them, whatever others are like it
        public Timer schedule(final long delayNanos, final Runnable action) {
            final Due due = new Due(now + delayNanos, action);
            timers.add(due);
            return () -> timers.removeIf(other -> other == due);
        }

        @Override
        public void execute(final Runnable action) {
            tasks.add(action);
        }

        @Override
        public Listener listen(final Endpoint endpoint, final AcceptHandler handler) {
            throw new UnsupportedOperationException();
        }

        @Override
        public void connect(final Endpoint endpoint, final ConnectHandler handler) {
            throw new UnsupportedOperationException();
        }
    }
}

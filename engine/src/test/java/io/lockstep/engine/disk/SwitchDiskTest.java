package io.lockstep.engine.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;

import org.junit.jupiter.api.Test;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;

/** A target is exchanged between operations, never among them. */
final class SwitchDiskTest {
    private static final MemorySegment NOTHING = MemorySegment.ofArray(new byte[1]);

    private final TaskLoop loop = new TaskLoop();
    private final IoBuffer memory = IoBuffer.collected(4096);
    private final List<String> events = new ArrayList<>();
    private final SlowDisk first = new SlowDisk("first");
    private final SlowDisk second = new SlowDisk("second");
    private final SwitchDisk disk = new SwitchDisk("guest", first, loop);

    /** Does nothing until it is told to. */
    private final class SlowDisk implements Disk {
        private final String name;
        private final Queue<Runnable> underWay = new ArrayDeque<>();

        SlowDisk(final String name) {
            this.name = name;
        }

        void finishOne() {
            underWay.remove().run();
        }

        private void take(final String what, final Completion completion, final long token) {
            events.add(name + " begins " + what);
            underWay.add(() -> completion.onComplete(token, 0));
        }

        @Override
        public String name() {
            return name;
        }

        @Override
        public long length() {
            return 4096;
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
                final MemorySegment memory,
                final long position,
                final Completion completion,
                final long token) {
            take("read " + offset, completion, token);
        }

        @Override
        public void write(
                final long offset,
                final int length,
                final MemorySegment memory,
                final long position,
                final Completion completion,
                final long token) {
            take("write " + offset, completion, token);
        }

        @Override
        public void zero(
                final long offset,
                final long length,
                final int flags,
                final Completion completion,
                final long token) {
            take("zero " + offset, completion, token);
        }

        @Override
        public void discard(
                final long offset,
                final long length,
                final Completion completion,
                final long token) {
            take("discard " + offset, completion, token);
        }

        @Override
        public void flush(final Completion completion, final long token) {
            take("flush", completion, token);
        }

        @Override
        public void prefetch(
                final long offset,
                final long length,
                final Completion completion,
                final long token) {
            take("prefetch " + offset, completion, token);
        }

        @Override
        public void extents(
                final long offset,
                final long length,
                final ExtentList into,
                final Completion completion,
                final long token) {
            take("extents " + offset, completion, token);
        }

        @Override
        public boolean openWriteWindow(
                final long offset, final int length, final WriteWindow window) {
            events.add(name + " lends");
            window.open(memory, 100, offset, length);
            return true;
        }

        @Override
        public void write(final WriteWindow window, final Completion completion, final long token) {
            take("write from the window", completion, token);
        }

        @Override
        public void dropWriteWindow(final WriteWindow window) {
            events.add(name + " has it back");
            memory.segment().fill((byte) 0); // it is another's now
        }

        @Override
        public int poll() {
            return 0;
        }
    }

    private void write(final long offset) {
        disk.write(offset, 1, NOTHING, 0, this::onDone, offset);
    }

    private void onDone(final long token, final int errno) {
        events.add("done " + token + (errno == 0 ? "" : " " + Errno.name(errno)));
    }

    private void assertEvents(final String... expected) {
        loop.run();
        assertEquals(List.of(expected), events);
        events.clear();
    }

    private void switchTo(final Disk target) {
        disk.switchTo(target, () -> events.add("switched"));
    }

    @Test
    void withoutATargetOperationsFail() {
        write(1);
        assertEvents();
        disk.poll();
        assertEvents("done 1 EIO");
    }

    @Test
    void anIdleDiskIsSwitchedAtOnce() {
        switchTo(first);
        assertEvents("switched");
        assertSame(first, disk.target());
        write(7);
        first.finishOne();
        assertEvents("first begins write 7", "done 7");
    }

    @Test
    void operationsThatComeMeanwhileWaitInTheirOrder() {
        switchTo(first);
        loop.run();
        write(1);
        write(2);
        switchTo(second);
        write(3);
        disk.read(4, 1, NOTHING, 0, this::onDone, 4);
        disk.zero(5, 1, 0, this::onDone, 5);
        disk.discard(6, 1, this::onDone, 6);
        first.finishOne();
        assertEvents("switched", "first begins write 1", "first begins write 2", "done 1");
        assertSame(first, disk.target());
        first.finishOne();
        assertEvents(
                "done 2",
                "switched",
                "second begins write 3",
                "second begins read 4",
                "second begins zero 5",
                "second begins discard 6");
        second.finishOne();
        assertEvents("done 3");
    }

    @Test
    void aSecondSwitchWaitsForTheFirstAndWhatCameBetweenThem() {
        switchTo(first);
        loop.run();
        write(1);
        switchTo(second);
        write(2);
        switchTo(first);
        write(3);
        first.finishOne();
        assertEvents(
                "switched", "first begins write 1", "done 1", "switched", "second begins write 2");
        second.finishOne();
        assertEvents("done 2", "switched", "first begins write 3");
    }

    @Test
    void aHeldDiskTellsWhenNothingIsUnderWayAndIsLetGo() {
        switchTo(first);
        loop.run();
        write(1);
        disk.hold(() -> events.add("quiet"));
        write(2);
        assertEvents("switched", "first begins write 1");
        first.finishOne();
        assertEvents("done 1", "quiet");
        switchTo(first);
        assertEvents("switched", "first begins write 2");
    }

    @Test
    void whoIsLetGoBeforeItIsQuietHearsNothingOfIt() {
        switchTo(first);
        loop.run();
        write(1);
        disk.hold(() -> events.add("quiet"));
        switchTo(first);
        first.finishOne();
        assertEvents("switched", "first begins write 1", "done 1", "switched");
    }

    @Test
    void aDiskIsHeldAndLetGoTwiceBeforeAnythingHasEnded() {
        switchTo(first);
        loop.run();
        write(1);
        disk.hold(() -> {});
        switchTo(first);
        write(2);
        disk.hold(() -> {});
        write(3);
        switchTo(first);
        write(4);
        first.finishOne();
        assertEvents(
                "switched", "first begins write 1", "done 1", "switched", "first begins write 2");
        first.finishOne();
        assertEvents("done 2", "switched", "first begins write 3", "first begins write 4");
    }

    @Test
    void whatComesInAPauseWaitsWhateverTheTargetIsExchangedFor() {
        switchTo(first);
        loop.run();
        write(1);
        disk.pause(() -> events.add("paused"));
        write(2);
        assertEvents("switched", "first begins write 1");
        first.finishOne();
        assertEvents("done 1", "paused");
        switchTo(second);
        write(3);
        assertEvents("switched");
        disk.layer(before -> before == second ? first : second, () -> events.add("layered"));
        assertEvents("layered");
        disk.resume();
        assertEvents("first begins write 2", "first begins write 3");
    }

    @Test
    void aPayloadThatIsBeingReceivedDoesNotHoldUpASwitch() {
        switchTo(first);
        loop.run();
        final WriteWindow window = new WriteWindow();
        assertTrue(disk.openWriteWindow(8, 3, window));
        receive(window, 11, 12);
        switchTo(second);
        assertEvents("switched", "first lends", "first has it back", "switched");
        assertTrue(window.isRevoked());
        receive(window, 13);
        assertArrayEquals(
                new byte[] {11, 12, 13},
                window.memory()
                        .segment()
                        .asSlice(window.position(), window.length())
                        .toArray(ValueLayout.JAVA_BYTE));
        assertEquals(0, window.errno());
        write(window.offset());
        assertEvents("second begins write 8");
    }

    @Test
    void aPayloadThatIsWholeIsWrittenByWhoLentTheMemory() {
        switchTo(first);
        loop.run();
        final WriteWindow window = new WriteWindow();
        assertTrue(disk.openWriteWindow(8, 1, window));
        receive(window, 11);
        disk.write(window, this::onDone, 8);
        switchTo(second);
        assertEvents("switched", "first lends", "first begins write from the window");
        first.finishOne();
        assertEvents("done 8", "switched");
    }

    private static void receive(final WriteWindow window, final int... bytes) {
        for (final int next : bytes) {
            window.memory()
                    .segment()
                    .set(ValueLayout.JAVA_BYTE, window.position() + window.received(), (byte) next);
            window.addReceived(1);
        }
    }
}

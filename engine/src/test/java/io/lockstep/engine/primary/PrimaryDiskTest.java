package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.tracking.Tracking;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * What fails on the primary's own disk, over one whose operations end when, and as, a test says;
 * and what of the log the link may send then. The secondary answers nothing.
 */
final class PrimaryDiskTest {
    private static final int LENGTH = 1 << 20;
    private static final int WRITE_LENGTH = 4096;
    private static final int LOG_LENGTH = 64 << 10;

    @AutoClose private final ForwardLog log = new ForwardLog(LOG_LENGTH);
    private final ClockLoop loop = new ClockLoop();
    private final RoomQueue room =
            new RoomQueue(loop, log, 0, TimeUnit.SECONDS.toNanos(5), () -> {});
    private final StepDisk local = new StepDisk();
    private final Owner owner = new Owner();
    private final PrimaryDisk disk =
            new PrimaryDisk(
                    local,
                    new OutOfSync(LENGTH),
                    owner,
                    0,
                    new Lanes(loop, log, room, new GuestWatch(loop, SyncRate.DEFAULT)).of(0),
                    Tracking.inMemory(List.of((long) LENGTH)));
    private final MemorySegment memory = Arena.ofAuto().allocate(WRITE_LENGTH);

    /** With what the guest's requests were answered. */
    private final List<Integer> answers = new ArrayList<>();

    private void write(final long offset) {
        disk.write(offset, WRITE_LENGTH, memory, 0, (token, errno) -> answers.add(errno), 0);
        disk.poll();
    }

    /** As a checkpoint does. */
    private long seal() {
        final long frame = log.claim(ForwardLog.Kind.SEAL, 0, 1, 0, 0, loop.nanoTime());
        log.decide(frame, true);
        return frame;
    }

    @Test
    void whatAFailedWriteHasLeftIsBeforeTheSealThatFollows() {
        write(0);
        local.end("WRITE", Errno.EIO);
        final long seal = seal();
        assertTrue(log.decided() < seal, "it is not read back yet");
        local.end("READ", 0);
        assertEquals(seal + 1, log.decided());
        assertEquals(List.of(), owner.unknown);
    }

    @Test
    void nothingIsSentBehindWhatCanNotBeReadBack() {
        write(0);
        local.end("WRITE", Errno.EIO);
        final long readBack = log.appended() - 1;
        seal();
        local.end("READ", Errno.EIO);
        assertEquals(List.of(0L), owner.unknown);
        assertTrue(log.decided() <= readBack, "a checkpoint that lacks what is there may be sent");
    }

    @Test
    void nothingIsSentBehindWhatCanNotBeReadForASynchronisation() {
        final long frame = disk.forward(0, WRITE_LENGTH, false);
        seal();
        local.end("READ", Errno.EIO);
        assertEquals(List.of(0L), owner.unknown);
        assertTrue(log.decided() <= frame, "the secondary may be said to be equal");
    }

    @Test
    void whoGoesOnWithoutWhatCanNotBeReadIsSentWhatFollows() {
        owner.goesOn = true;
        disk.forward(0, WRITE_LENGTH, false);
        final long seal = seal();
        local.end("READ", Errno.EIO);
        assertEquals(seal + 1, log.decided());
    }

    @Test
    void aFailureIsNotToldBeforeWhatItLeftHasItsPlaceInTheLog() {
        write(0);
        while (log.reserve(WRITE_LENGTH) >= 0) {} // somebody else has the rest
        fillLog();
        local.end("WRITE", Errno.EIO);
        assertEquals(List.of(), answers, "a seal may come before what is there");
        release();
        assertEquals(List.of(Errno.EIO), answers);
        assertEquals(1, local.underWay("READ"));
    }

    @Test
    void aFailureIsToldWhereNobodyWillMakeRoom() {
        write(0);
        fillLog();
        local.end("WRITE", Errno.EIO);
        assertEquals(List.of(), answers);
        room.prepareToStop(() -> true);
        loop.pass(0);
        assertEquals(List.of(Errno.EIO), answers);
    }

    @Test
    void theSecondaryIsToldOfTheFirstFlushAtOnceAndOfThoseBehindItTogether() {
        owner.flushSpacing = 1000;
        for (int i = 1; i <= 4; i++) {
            flush();
            assertEquals(i, local.underWay("FLUSH"), "the guest's own disk is flushed each time");
        }
        assertEquals(1, log.decided());
        loop.pass(999);
        assertEquals(1, log.decided());
        loop.pass(1);
        assertEquals(2, log.decided());
        loop.pass(10_000);
        assertEquals(2, log.decided(), "nobody has flushed since");
        flush();
        assertEquals(3, log.decided());
    }

    @Test
    void aFlushThatIsToBeToldWaitsForRoomInTheLog() {
        owner.flushSpacing = 1000;
        flush();
        flush();
        fillLog();
        while (log.claim(ForwardLog.Kind.FLUSH, 0, 0, 0, 0, loop.nanoTime()) >= 0) {}
        final long end = log.appended();
        loop.pass(5000);
        assertEquals(end, log.appended());
        release();
        loop.pass(1000);
        assertEquals(end + 1, log.appended());
        loop.pass(5000);
        assertEquals(end + 1, log.appended());
    }

    private void flush() {
        disk.flush((token, errno) -> answers.add(errno), 0);
        disk.poll();
    }

    private void fillLog() {
        while (log.claim(ForwardLog.Kind.WRITE, 0, 0, WRITE_LENGTH, 0, loop.nanoTime()) >= 0) {}
    }

    /** All that is decided, as if it had been sent and answered. */
    private void release() {
        for (long frame = 0; frame < log.appended(); frame++) {
            log.decide(frame, true);
        }
        log.release(log.appended());
        room.onReleased();
        loop.pass(0);
    }

    /** Whose disk it is. */
    private final class Owner implements PrimaryDiskOwner {
        private final List<Long> unknown = new ArrayList<>();
        private boolean goesOn;
        private long flushSpacing;

        @Override
        public long flushSpacingNanos() {
            return flushSpacing;
        }

        @Override
        public long nanoTime() {
            return loop.nanoTime();
        }

        @Override
        public void onDecided() {}

        @Override
        public void onGuestError(final String name, final long offset, final int errno) {}

        @Override
        public boolean onUnknown(
                final String name, final long offset, final long end, final int errno) {
            unknown.add(offset);
            return goesOn;
        }
    }

    /** Ends its operations, one after another, when it is told to. */
    private static final class StepDisk implements Disk {
        private record Step(String kind, Completion completion, long token) {}

        private final List<Step> underWay = new ArrayList<>();

        long underWay(final String kind) {
            return underWay.stream().filter(step -> step.kind.equals(kind)).count();
        }

        /** The oldest one of a kind ends. */
        void end(final String kind, final int errno) {
            final Step first =
                    underWay.stream().filter(step -> step.kind.equals(kind)).findFirst().get();
            underWay.remove(first);
            first.completion.onComplete(first.token, errno);
        }

        @Override
        public String name() {
            return "vda";
        }

        @Override
        public long length() {
            return LENGTH;
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
            underWay.add(new Step("READ", completion, token));
        }

        @Override
        public void write(
                final long offset,
                final int length,
                final MemorySegment from,
                final long position,
                final Completion completion,
                final long token) {
            underWay.add(new Step("WRITE", completion, token));
        }

        @Override
        public void zero(
                final long offset,
                final long length,
                final int flags,
                final Completion completion,
                final long token) {
            underWay.add(new Step("ZERO", completion, token));
        }

        @Override
        public void discard(
                final long offset,
                final long length,
                final Completion completion,
                final long token) {
            underWay.add(new Step("DISCARD", completion, token));
        }

        @Override
        public void flush(final Completion completion, final long token) {
            underWay.add(new Step("FLUSH", completion, token));
        }

        @Override
        public void prefetch(
                final long offset,
                final long length,
                final Completion completion,
                final long token) {
            underWay.add(new Step("PREFETCH", completion, token));
        }

        @Override
        public void extents(
                final long offset,
                final long length,
                final ExtentList into,
                final Completion completion,
                final long token) {
            underWay.add(new Step("EXTENTS", completion, token));
        }

        @Override
        public int poll() {
            return 0;
        }
    }
}

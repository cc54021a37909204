package io.lockstep.engine.primary;

import org.openjdk.jcstress.annotations.Actor;
import org.openjdk.jcstress.annotations.Expect;
import org.openjdk.jcstress.annotations.JCStressTest;
import org.openjdk.jcstress.annotations.Outcome;
import org.openjdk.jcstress.annotations.State;
import org.openjdk.jcstress.infra.results.II_Result;

/** The hand-over between the guest's loop and the link's, piece by piece, on racing threads. */
final class HandOverStress {
    private HandOverStress() {}

    /** What a frame says is seen by whoever sees that it is decided. */
    @JCStressTest
    @Outcome(id = "0, 0", expect = Expect.ACCEPTABLE, desc = "not decided yet")
    @Outcome(id = "0, 42", expect = Expect.ACCEPTABLE, desc = "not decided yet")
    @Outcome(id = "1, 42", expect = Expect.ACCEPTABLE, desc = "decided, and whole")
    @Outcome(id = "1, 0", expect = Expect.FORBIDDEN, desc = "decided, and not there")
    @State
    public static class FrameIsWhole {
        private final Position decided = new Position();
        private int frame;

        @Actor
        public void guest() {
            frame = 42;
            decided.move(1);
        }

        @Actor
        public void link(final II_Result result) {
            result.r1 = (int) decided.get();
            result.r2 = frame;
        }
    }

    /** A link that falls asleep either sees the frame or is woken. */
    @JCStressTest
    @Outcome(id = "0, 1", expect = Expect.ACCEPTABLE, desc = "seen")
    @Outcome(id = "1, 0", expect = Expect.ACCEPTABLE, desc = "woken")
    @Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "seen, and woken for nothing")
    @Outcome(id = "0, 0", expect = Expect.FORBIDDEN, desc = "neither: the frame waits for ever")
    @State
    public static class WakeUpIsNotLost {
        private final Position decided = new Position();
        private final WakeUp wakeUp = new WakeUp();

        public WakeUpIsNotLost() {
            if (!wakeUp.isNeeded()) { // the link was told of an earlier frame
                throw new AssertionError();
            }
        }

        @Actor
        public void guest(final II_Result result) {
            decided.move(1);
            result.r1 = wakeUp.isNeeded() ? 1 : 0;
        }

        @Actor
        public void link(final II_Result result) {
            wakeUp.onAwake();
            result.r2 = (int) decided.get();
        }
    }

    /** A guest that waits for room either sees it or is told of it. */
    @JCStressTest
    @Outcome(id = "0, 1", expect = Expect.ACCEPTABLE, desc = "told")
    @Outcome(id = "1, 0", expect = Expect.ACCEPTABLE, desc = "seen")
    @Outcome(id = "1, 1", expect = Expect.ACCEPTABLE, desc = "seen, and told for nothing")
    @Outcome(id = "0, 0", expect = Expect.FORBIDDEN, desc = "neither: the guest waits for ever")
    @State
    public static class RoomIsNotMissed {
        private final Position released = new Position();
        private volatile boolean isWaiting;

        @Actor
        public void guest(final II_Result result) {
            isWaiting = true;
            result.r1 = (int) released.get();
        }

        @Actor
        public void link(final II_Result result) {
            released.move(1);
            result.r2 = isWaiting ? 1 : 0;
        }
    }
}

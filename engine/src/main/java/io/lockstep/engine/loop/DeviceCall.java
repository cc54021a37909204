package io.lockstep.engine.loop;

/**
 * A call into the kernel that may stand still for as long as a device does, and that a loop makes
 * all the same, because to have another thread make it costs more than most of them take. If one
 * does stand still, the loop goes on without the thread that makes it: see {@link IoLoop#call}.
 */
public interface DeviceCall {
    /**
     * Makes it. On a thread that may no longer be the loop's when it returns: it touches nothing
     * but what is its own.
     */
    void make();

    /** It was made. On the loop. */
    void onMade();

    /**
     * The loop has left a call that stands still, and hands back those that waited behind it. On
     * the loop.
     *
     * @param isUnderWay whether it is the one that stands still, whose {@link #onMade} comes when
     *     it has returned; otherwise it has not begun, and the loop forgets it
     */
    void onLeft(boolean isUnderWay);
}

package io.lockstep.interop;

import java.util.Map;
import java.util.function.Supplier;

/**
 * One checkpoint of a pair after the other, beside a guest that writes files; knows which files the
 * last one must have: those that were complete before it was asked for.
 */
final class CheckpointLoop implements Rig.Ending {
    private final Supplier<Control> primary;
    private final RealGuest guest;
    private final Thread thread;
    private volatile boolean isStopped;
    private volatile int count;
    private volatile Map<Integer, String> filesOfTheLast = Map.of();
    private volatile AssertionError failure;

    private CheckpointLoop(final Supplier<Control> primary, final RealGuest guest) {
        this.primary = primary;
        this.guest = guest;
        thread = Thread.ofPlatform().name("checkpoints").unstarted(this::run);
    }

    /**
     * Goes on until it is stopped, or a checkpoint fails: the primary may be killed.
     *
     * @param primary connects to it
     */
    static CheckpointLoop start(
            final Rig rig, final Supplier<Control> primary, final RealGuest guest) {
        final CheckpointLoop loop = new CheckpointLoop(primary, guest);
        loop.thread.start();
        return rig.keep(loop);
    }

    private void run() {
        try (Control control = primary.get()) {
            for (int made = 1; !isStopped; made++) {
                final Map<Integer, String> complete = guest.complete();
                control.checkpoint();
                filesOfTheLast = complete;
                count = made;
                Rig.pause();
            }
        } catch (final AssertionError e) {
            failure = e;
        }
    }

    /** Makes no more; all were done. */
    void stop() {
        close();
        if (failure != null) {
            throw failure;
        }
    }

    private void awaitEnd() {
        try {
            thread.join(Program.DEADLINE);
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (thread.isAlive()) {
            throw new AssertionError("a checkpoint does not end");
        }
    }

    /** How many were done. */
    int count() {
        return count;
    }

    /** By number, with their checksums. */
    Map<Integer, String> filesOfTheLast() {
        awaitEnd();
        return filesOfTheLast;
    }

    @Override
    public void close() {
        isStopped = true;
        awaitEnd();
    }

    @Override
    public String toString() {
        return count + " checkpoints, the last with the files " + filesOfTheLast.keySet();
    }
}

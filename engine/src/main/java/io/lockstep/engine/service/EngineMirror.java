package io.lockstep.engine.service;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.primary.DiskMirror;
import io.lockstep.engine.primary.Peer;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;

/**
 * One disk of an engine that is being mirrored to an export of another server. What it is ordered,
 * and what it tells, is on the engine's loop.
 */
public final class EngineMirror {
    /** Hears of it, on the loop. */
    public interface Owner extends DiskMirror.Owner {
        /** It is about to begin: what it is ordered counts from now on. */
        void onBegun(EngineMirror mirror);
    }

    private final IoLoop loop;
    private final EngineDisk disk;
    private final Peer target;
    private final boolean isCopy;
    private final Owner owner;
    private final CompletableFuture<Void> begun = new CompletableFuture<>();
    private final CompletableFuture<Void> ended = new CompletableFuture<>();
    private DiskMirror mirror;

    /** What the guest used before, and uses again. */
    private Disk below;

    private boolean isToEnd;

    /** Why the target is not equal; empty where it has not failed. */
    private String failure = "";

    private long speed;
    private boolean isPaused;

    EngineMirror(
            final IoLoop loop,
            final EngineDisk disk,
            final Peer target,
            final boolean isCopy,
            final Owner owner) {
        this.loop = loop;
        this.disk = disk;
        this.target = target;
        this.isCopy = isCopy;
        this.owner = owner;
    }

    /** Makes the mirror of what lies below the guest by then. */
    interface Maker {
        /** Makes it, on the loop. */
        DiskMirror make(Disk source, DiskMirror.Owner hears);
    }

    /** Has the guest use the mirror, and begins. */
    void begin(final Maker maker) {
        owner.onBegun(this);
        disk.guest()
                .layer(
                        before -> {
                            below = before;
                            mirror = maker.make(before, new Ending());
                            return mirror.disk();
                        },
                        () -> {
                            if (isCopy) {
                                mirror.startEqual();
                            } else {
                                mirror.start();
                            }
                            begun.complete(null);
                        });
    }

    EngineDisk disk() {
        return disk;
    }

    /** Whether the target was equal from the beginning on, as somebody has said. */
    boolean isCopy() {
        return isCopy;
    }

    Peer target() {
        return target;
    }

    /** Whether it was ordered to end. */
    boolean isToEnd() {
        return isToEnd;
    }

    /** Done when it has ended, and the guest uses what it used before. */
    public CompletableFuture<Void> ended() {
        return ended;
    }

    /** The same; fails where it has not come to its end, and the target is not equal. */
    CompletableFuture<Void> endedWell() {
        return ended.thenRun(
                () -> {
                    if (!failure.isEmpty()) {
                        throw new CompletionException(
                                new GroupException(
                                        "replication is not started: disk "
                                                + disk.name()
                                                + " was being mirrored, and that has failed ("
                                                + failure
                                                + "); mirror it again"));
                    }
                });
    }

    /** Bytes that have still to be sent, or answered. */
    public long left() {
        return mirror == null ? disk.length() : mirror.left();
    }

    /** What is mirrored, in bytes. */
    public long length() {
        return disk.length();
    }

    /** What it sends in a second at most, in bytes; 0 for as much as it can. */
    public long speed() {
        return speed;
    }

    /** Sets that. */
    public void speed(final long bytes) {
        speed = bytes;
        loop.after(begun, () -> mirror.speed(bytes));
    }

    /** Whether nothing is sent of what the guest does not change. */
    public boolean isPaused() {
        return isPaused;
    }

    /** Holds that up, or has it go on. */
    public void paused(final boolean nowPaused) {
        isPaused = nowPaused;
        loop.after(
                begun,
                () -> {
                    if (nowPaused) {
                        mirror.pause();
                    } else {
                        mirror.resume();
                    }
                });
    }

    /**
     * Ends it as soon as the target is equal. It holds what was acknowledged by the moment at which
     * the guest leaves the mirror, and is on the target's stable storage.
     */
    public void complete() {
        isToEnd = true;
        loop.after(
                begun,
                () -> mirror.whenEqual(() -> disk.guest().switchTo(below, () -> mirror.drain())));
    }

    /** Done when the target has all that was changed by now, or when it has ended. */
    CompletableFuture<Void> settled() {
        final CompletableFuture<Void> settled = new CompletableFuture<>();
        loop.after(begun, () -> mirror.settle(() -> settled.complete(null)));
        return settled;
    }

    /**
     * Ends it at once: the target is not equal. Nothing is told of that.
     *
     * @param whenEnded runs when the guest uses what it used before
     */
    public void cancel(final Runnable whenEnded) {
        isToEnd = true;
        loop.after(
                begun,
                () -> {
                    mirror.cancel();
                    leave();
                });
        loop.after(ended, whenEnded);
    }

    /** Cuts the link: it fails. */
    public void sever(final String reason) {
        loop.after(begun, () -> mirror.sever(reason));
    }

    private void leave() {
        disk.guest().switchTo(below, this::release);
    }

    private void release() {
        if (!ended.isDone()) {
            mirror.release();
            ended.complete(null);
        }
    }

    /** Gives its memory back; the loops have ended. */
    void close() {
        if (mirror != null) {
            mirror.close();
        }
    }

    /** The guest is elsewhere before anybody hears that it has ended. */
    private final class Ending implements DiskMirror.Owner {
        @Override
        public void onReady() {
            owner.onReady();
        }

        @Override
        public void onCompleted() {
            release();
            owner.onCompleted();
        }

        @Override
        public boolean mayGoOn(final String reason) {
            return owner.mayGoOn(reason);
        }

        @Override
        public void onFailed(final boolean isOfSource, final String reason) {
            failure = reason;
            leave();
            loop.after(ended, () -> owner.onFailed(isOfSource, reason));
        }
    }
}

package io.lockstep.engine.primary;

import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Summary;

import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/**
 * Whether replication runs on a primary, and how it ends: the guests go on with the local disks,
 * and what the secondary lacks is noted. On the guest's loop.
 */
final class PrimaryEnd {
    private final PrimaryGroup group;
    private final IoLoop guestLoop;
    private final IoLoop linkLoop;
    private final Link link;
    private final PrimaryReign reign;
    private final PrimaryEpochs epochs;
    private final PeerPresence presence;
    private final Lanes lanes;
    private final PrimaryHealing healing;
    private final HandOver handOver;
    private final PrimaryEvents events;

    private GroupStatus.State state = GroupStatus.State.IDLE;

    /** Null where it was not given up. */
    private ReplicationError error;

    /** Why it can't begin; null where it can. */
    private ReplicationError foundBefore;

    /** How it was ended; empty where it was not. */
    private String sentence = "";

    PrimaryEnd(
            final PrimaryGroup group,
            final IoLoop guestLoop,
            final IoLoop linkLoop,
            final Link link,
            final PrimaryReign reign,
            final PrimaryEpochs epochs,
            final PeerPresence presence,
            final Lanes lanes,
            final PrimaryHealing healing,
            final HandOver handOver,
            final PrimaryEvents events) {
        this.group = group;
        this.guestLoop = guestLoop;
        this.linkLoop = linkLoop;
        this.link = link;
        this.reign = reign;
        this.epochs = epochs;
        this.presence = presence;
        this.lanes = lanes;
        this.healing = healing;
        this.handOver = handOver;
        this.events = events;
    }

    // ---- Whether it runs.

    GroupStatus.State state() {
        return state;
    }

    boolean isRunning() {
        return state == GroupStatus.State.RUNNING;
    }

    /** Why it was given up; empty where it was not. */
    Optional<ReplicationError> error() {
        return Optional.ofNullable(error);
    }

    /** How it was ended; empty where it was not. */
    String sentence() {
        return sentence;
    }

    /** The same, for who wants something that only a pair does. */
    String notRunning() {
        return "replication is not running" + (sentence.isEmpty() ? "" : ": " + sentence);
    }

    /** Answers false where it has begun before. */
    boolean begin() {
        final boolean isFirst = state == GroupStatus.State.IDLE;
        if (isFirst) {
            state = GroupStatus.State.RUNNING;
        }
        return isFirst;
    }

    /** It could not be recorded that it begins. */
    void undoBegin() {
        state = GroupStatus.State.IDLE;
    }

    // ---- How it ends.

    /** Somebody has said so. */
    CompletableFuture<Void> stop(final boolean isFailover) {
        final boolean isPeerOut = reign.lostLink().takeWord() || reign.lostLink().needsNoWord();
        if (state == GroupStatus.State.IDLE) {
            return fail("replication is not running");
        }
        if (handOver.isInDoubt()) {
            return fail("the secondary may have taken over; see 'lockstep status'");
        }
        if (reign.oneTooMany().isPresent()) {
            return fail(reign.oneTooMany().get());
        }
        final LostLink lost = reign.lostLink();
        if (state == GroupStatus.State.ALONE) {
            return stopAgain(lost, isPeerOut);
        }
        if (!isPeerOut && !presence.isLinked()) {
            return fail(lost.unfenced("stop"));
        }
        state = GroupStatus.State.ALONE;
        sentence = PrimaryEvents.endedByStop(isFailover);
        final CompletableFuture<Void> told =
                isPeerOut
                        ? CompletableFuture.completedFuture(null)
                        : lost.onTelling(Announcements.LEAVE_NANOS);
        if (isPeerOut) {
            reign.onStopped();
        }
        group.forwarding().onLeaving();
        goAlone("replication was stopped", this::leaveBehind);
        reign.goAlone();
        return told;
    }

    /** Perhaps the secondary was told, and has not answered. */
    private CompletableFuture<Void> stopAgain(final LostLink lost, final boolean isPeerOut) {
        if (lost.isShared() && !lost.isDecided() && !reign.isHeld()) {
            if (!isPeerOut) {
                return fail(lost.unfenced("stop"));
            }
            reign.onStopped();
            group.forwarding().onPeerOut();
            reign.goAlone();
        }
        return CompletableFuture.completedFuture(null);
    }

    private static <T> CompletableFuture<T> fail(final String why) {
        return CompletableFuture.failedFuture(new GroupException(why));
    }

    /** The secondary has taken over: nothing is sent or served here any more. */
    void handOver(final String nowEnded) {
        state = GroupStatus.State.ALONE;
        sentence = nowEnded;
        goAlone(nowEnded, link::end);
    }

    /** The log was full, and the policy says to go on without the secondary. */
    void detach() {
        giveUp(GroupEvents.Event.DETACHED, events.fullLog());
    }

    /** What is there can't be read, and so it can't be forwarded. */
    void onUnknown(final String disk, final long offset, final int errno) {
        final ReplicationError cause = events.unknownContent(disk, offset, errno);
        if (isRunning()) {
            giveUp(GroupEvents.Event.REPLICATION_ERROR, cause);
        } else if (state == GroupStatus.State.IDLE) {
            foundBefore = cause; // nothing behind it in the log would ever be sent
        }
    }

    /** It begins, and that is recorded: what was found before counts now. */
    void onBegun() {
        if (isRunning() && foundBefore != null) {
            giveUp(GroupEvents.Event.REPLICATION_ERROR, foundBefore);
        }
    }

    /** The secondary can't be, or has refused what it was sent. */
    void giveUp(final GroupEvents.Event event, final ReplicationError cause) {
        error = cause;
        state = GroupStatus.State.BROKEN;
        events.givenUp(event, cause);
        goAlone(
                cause.sentence(),
                event == GroupEvents.Event.DETACHED ? this::leaveBehind : link::end);
    }

    /** What it was given up for is the lesser matter now. */
    void notLeftBehind(final ReplicationError cause) {
        if (error != null) {
            error = cause;
        }
    }

    private void leaveBehind() {
        link.leaveBehind(
                whom ->
                        guestLoop.execute(
                                () -> {
                                    final Summary primary = reign.farewell();
                                    linkLoop.execute(() -> whom.accept(primary));
                                }));
    }

    private void goAlone(final String reason, final Runnable endOfLink) {
        handOver.onCut(reason);
        lanes.end();
        presence.end();
        reign.onLinkEnded(reason);
        healing.end(reason, error != null);
        linkLoop.execute(endOfLink);
        epochs.fail(epoch -> reason);
        group.onEnded(reason);
    }
}

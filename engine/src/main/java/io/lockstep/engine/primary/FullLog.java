package io.lockstep.engine.primary;

import java.util.concurrent.TimeUnit;

/**
 * What becomes of the guest's writes when the forward log is full, as the policy says; and how a
 * guest that has pulled ahead is waited for no more. On the guest's loop.
 */
final class FullLog {
    /**
     * A secondary that takes longer for what is in a full log is one that the guest does not wait
     * for, where it may pull ahead.
     */
    private static final long LAG_NANOS_MAX = TimeUnit.SECONDS.toNanos(2);

    private final FullLogPolicy policy;
    private final PrimaryGroup group;
    private final Lanes lanes;
    private final PeerPresence presence;
    private final PrimaryReign reign;
    private final PrimaryEpochs epochs;
    private final PrimaryEvents events;
    private final Synchroniser synchroniser;
    private final PrimaryMeeting meeting;
    private final Acknowledgements acknowledgements;

    /** Whether who waits for room waits for the peer, or for somebody's word, as well. */
    private boolean isHeld;

    FullLog(
            final FullLogPolicy policy,
            final PrimaryGroup group,
            final Lanes lanes,
            final PeerPresence presence,
            final PrimaryReign reign,
            final PrimaryEpochs epochs,
            final PrimaryEvents events,
            final Synchroniser synchroniser,
            final PrimaryMeeting meeting,
            final Acknowledgements acknowledgements) {
        this.policy = policy;
        this.group = group;
        this.lanes = lanes;
        this.presence = presence;
        this.reign = reign;
        this.epochs = epochs;
        this.events = events;
        this.synchroniser = synchroniser;
        this.meeting = meeting;
        this.acknowledgements = acknowledgements;
    }

    /** Somebody waits for lanes. */
    void onFull() {
        if (!lanes.isLogging()) {
            return;
        }
        if (!reign.lostLink().goesOnWithout()) {
            holdWhereLost();
            return;
        }
        switch (policy) {
            case DETACH -> group.end().detach();
            case AHEAD -> {
                // What is to be answered for by the secondary is not what it may lack for long.
                final boolean isTooLate =
                        !presence.isLinked()
                                || lanes.lagNanos() > LAG_NANOS_MAX
                                        && !acknowledgements.level().isAboutSecondary();
                if (group.isRunning() && !presence.isForeign() && isTooLate) {
                    goAhead();
                }
            }
            case BLOCK -> {}
        }
    }

    /**
     * The guest neither pulls ahead nor goes on without the secondary. Where the link is lost, who
     * waits here is held as what waits to be acknowledged is.
     */
    private void holdWhereLost() {
        if (!isHeld && reign.isGated()) {
            isHeld = true;
            reign.acknowledge(
                    result -> {
                        isHeld = false;
                        lanes.look();
                    });
        }
    }

    /** What the guest changes is noted, until the secondary has caught up with the log. */
    private void goAhead() {
        lanes.goAhead();
        synchroniser.suspend();
        reign.onGivenUp();
        events.ahead(presence.isLinked());
        epochs.fail(epoch -> events.behind());
        lanes.watch(this::isLogAnswered);
    }

    /**
     * Nothing is announced any more of disks that the secondary sees as well: what it has is no
     * checkpoint any more, until the two have met again and the first one is made.
     */
    void goAlone() {
        if (group.isRunning()) {
            lanes.goAhead();
            synchroniser.suspend();
            reign.onGivenUp();
            events.unannounced();
            epochs.fail(epoch -> events.behind());
            lanes.watch(this::isLogAnswered);
        }
    }

    /** A synchronisation that was cancelled begins again as soon as it can. */
    void catchUp() {
        synchroniser.suspend();
        lanes.watch(this::isLogAnswered);
    }

    /** The link attaches anew then, and what was noted is sent. */
    private boolean isLogAnswered() {
        if (synchroniser.isCancelled()) {
            return true;
        }
        if (!lanes.isLogging() && presence.isLinked() && lanes.isAnswered()) {
            meeting.onCaughtUpWithLog();
            group.orders().attachAgain();
            return true;
        }
        return lanes.isLogging();
    }
}

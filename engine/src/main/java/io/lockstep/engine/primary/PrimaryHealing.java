package io.lockstep.engine.primary;

import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.Healing;
import io.lockstep.engine.group.Job;
import io.lockstep.engine.group.SplitBrainStatus;
import io.lockstep.engine.group.SynchronisationStatus;
import io.lockstep.engine.group.VerificationStatus;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.throttle.Throttle;
import io.lockstep.engine.tracking.Tracking;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;

/**
 * What a primary does so that its secondary becomes equal, and to see that it is: one
 * synchronisation, and one verification after the other, never both at a time. On the guest's loop.
 */
final class PrimaryHealing
        implements Healing, Synchroniser.Owner, Verification.Owner, AutoCloseable {
    private final IoLoop loop;
    private final PrimaryGroup group;
    private final List<PrimaryDisk> disks;
    private final Lanes lanes;
    private final PrimaryReign reign;
    private final PeerPresence presence;
    private final PrimaryEpochs epochs;
    private final PrimaryEvents events;
    private final Tracking tracking;
    private final PeerTracking peerTracking;
    private final Synchroniser synchroniser;
    private final Lengthening lengthening;
    private final SplitBrain splitBrain;

    /** The last one; null for none. */
    private Verification verification;

    /** How often all that was to be sent was in the log. */
    private int sentCount;

    PrimaryHealing(
            final IoLoop loop,
            final PrimaryGroup group,
            final List<PrimaryDisk> disks,
            final Lanes lanes,
            final PrimaryReign reign,
            final PeerPresence presence,
            final PrimaryEpochs epochs,
            final PrimaryEvents events,
            final Tracking tracking) {
        this.loop = loop;
        this.group = group;
        this.disks = disks;
        this.lanes = lanes;
        this.reign = reign;
        this.presence = presence;
        this.epochs = epochs;
        this.events = events;
        this.tracking = tracking;
        peerTracking =
                new PeerTracking(
                        tracking,
                        epochs::open,
                        (whenFlushed, whenFailed) ->
                                LocalFlush.flushAll(disks, whenFlushed, whenFailed),
                        events::notRecorded);
        synchroniser = new Synchroniser(loop, disks, Throttle.NONE, this);
        lengthening =
                new Lengthening(
                        loop, group, disks, lanes, reign, presence, epochs, events, tracking, this);
        splitBrain = new SplitBrain(group, loop, reign, tracking, disks, events);
    }

    Synchroniser synchroniser() {
        return synchroniser;
    }

    /** How long the disks are. */
    Lengthening lengthening() {
        return lengthening;
    }

    /** What is done about a peer that went another way. */
    SplitBrain splitBrain() {
        return splitBrain;
    }

    PeerTracking peerTracking() {
        return peerTracking;
    }

    /** Whether the secondary may differ in something that is in the log, or behind it. */
    boolean isBehind() {
        return synchroniser.isUnderWay() || verification != null && verification.isBehind();
    }

    /** What was in a frame of a disk has been compared. */
    void onCompared(final int disk, final long frame, final long differing) {
        if (synchroniser.isUnderWay()) {
            synchroniser.onCompared(disk, frame, differing);
        } else if (verification != null) {
            verification.onCompared(disk, frame, differing);
        }
    }

    /**
     * There is no secondary any more.
     *
     * @param isError whether nobody wanted that
     */
    void end(final String reason, final boolean isError) {
        synchroniser.end(isError ? reason : "");
        if (verification != null) {
            verification.fail(reason);
        }
    }

    // ---- What managers ask for.

    @Override
    public CompletableFuture<SplitBrainStatus> resolve(final boolean isDiscarding) {
        return splitBrain.resolve(isDiscarding);
    }

    @Override
    public Optional<SynchronisationStatus> synchronisation() {
        return synchroniser.status();
    }

    @Override
    public Optional<VerificationStatus> verification() {
        return Optional.ofNullable(verification).map(Verification::status);
    }

    @Override
    public CompletableFuture<Void> verify() {
        final String refusal = refusal();
        if (refusal != null) {
            return CompletableFuture.failedFuture(new GroupException(refusal));
        }
        if (verification != null) {
            verification.close();
        }
        verification = new Verification(loop, disks, reign.session(), this);
        verification.begin();
        return CompletableFuture.completedFuture(null);
    }

    /** Why nothing can be compared now; null where it can be. */
    private String refusal() {
        if (!group.isRunning()) {
            return group.refuseOperation();
        }
        if (synchroniser.isUnderWay()) {
            return events.notComparable(synchroniser.status().orElseThrow());
        }
        if (verification != null && !verification.isOver()) {
            return events.verifying(verification.status());
        }
        if (group.forwarding().isOfOneDisk()) {
            return "nothing was compared: both nodes see the same disks";
        }
        if (presence.isForeign()) {
            return "nothing was compared: the secondary at "
                    + presence.peer()
                    + " does not tell what its disks hold; compare them while both sides are"
                    + " stopped";
        }
        return presence.isLinked()
                ? null
                : presence
                        + ": nothing was compared; see that the secondary runs and can be reached";
    }

    @Override
    public CompletableFuture<Void> synchronise() {
        if (!synchroniser.isCancelled()) {
            return Healing.super.synchronise();
        }
        group.catchUp();
        return CompletableFuture.completedFuture(null);
    }

    @Override
    public CompletableFuture<List<Taken>> lengthen(
            final Optional<String> disk, final OptionalLong size) {
        return lengthening.take(disk, size);
    }

    @Override
    public void onLengthened(final Runnable action) {
        lengthening.onTaken(action);
    }

    @Override
    public List<Job> jobs() {
        final List<Job> jobs = new ArrayList<>();
        if (synchroniser.isUnderWay() && !synchroniser.isCancelled()) {
            jobs.add(synchroniser);
        }
        if (verification != null && verification.isUnderWay()) {
            jobs.add(verification);
        }
        return jobs;
    }

    // ---- What a verification tells.

    @Override
    public void onVerification(final Verification told) {
        if (!told.isUnderWay()) {
            events.verified(told.status());
        }
        events.job(told.report());
    }

    // ---- What a synchronisation does.

    @Override
    public void onBegun() {
        if (verification != null) {
            verification.giveWay("the secondary is synchronised instead, since it is not equal");
        }
    }

    @Override
    public void onJob(final Job.Report report) {
        events.job(report);
    }

    @Override
    public void onCancelled() {
        lanes.goAhead();
        reign.onGivenUp();
        events.cancelled();
    }

    /**
     * Not before all that is in the logs by now has been done here. A change of the guest there is
     * in place of what was to be sent; where it fails, what is there instead comes behind it, and a
     * seal between the two would be a checkpoint that has neither.
     */
    @Override
    public void onSent() {
        epochs.awaitEqualSeal();
        final long[] ends = lanes.ends();
        final int number = ++sentCount;
        if (!sealWhenDone(number, ends)) {
            lanes.watch(() -> sealWhenDone(number, ends));
        }
    }

    /** Answers whether there is no more to do. */
    private boolean sealWhenDone(final int number, final long[] ends) {
        final boolean isDone = lanes.areDecided(ends);
        if (isDone) {
            lanes.behindThoseWhoWait(
                    () -> {
                        if (isSealing(number)) {
                            group.sealCaughtUp();
                        }
                    });
        }
        return isDone || !isSealing(number);
    }

    /** Whether it is still this time that all is sent: the guest may have pulled ahead since. */
    private boolean isSealing(final int number) {
        return sentCount == number && synchroniser.isSealing();
    }

    @Override
    public void onCaughtUp() {
        if (!group.hasAnsweredAlone()) {
            reign.onCaughtUp(epochs.committed());
        }
        peerTracking.onCaughtUp(reign.peer(), epochs.committed());
        events.synchronised();
    }

    @Override
    public void askForTail(final int disk) {
        group.orders().readTail(disk);
    }

    @Override
    public void onTailsNoted() {
        tracking.onTailNoted();
    }

    @Override
    public void onUnreadable(final String disk, final long offset, final int errno) {
        group.end().onUnknown(disk, offset, errno);
    }

    /** Gives memory back. Nothing is under way. */
    @Override
    public void close() {
        synchroniser.close();
        if (verification != null) {
            verification.close();
        }
    }
}

package io.lockstep.engine.primary;

import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Meeting;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.tracking.PeerKnowledge;
import io.lockstep.engine.tracking.Tracking;

import java.util.concurrent.CompletableFuture;
import java.util.function.BiPredicate;

/**
 * What a primary does about a secondary that its link has found: refuses it, attaches to it, or
 * prepares to make it equal first. On the guest's loop.
 */
final class PrimaryMeeting {
    private final IoLoop guestLoop;
    private final IoLoop linkLoop;
    private final PrimaryReign reign;
    private final EmptyDisks emptyDisks;
    private final Tracking tracking;
    private final Synchroniser synchroniser;
    private final Runnable onSessionBegun;
    private final BiPredicate<Summary, String> endsFor;
    private final SplitBrain splitBrain;
    private final PrimaryEvents events;

    /** A secondary whose session this is lacks what the sets have, and no more. */
    private Id caughtUpWithLog = Id.NONE;

    /** What is prepared is the rest of one before, or of what the guest did ahead. */
    private boolean isRest;

    /** Whether it could not be recorded that a synchronisation has begun: it begins once more. */
    private boolean isBegunInVain;

    /** Disks that were found equal since the link was up last, under the session that there is. */
    private int equalCount;

    /**
     * One for a link.
     *
     * @param onSessionBegun the log goes on from here, and what is in it is not sent any more
     * @param splitBrain hears what was found
     * @param endsFor whether this process is a primary no more as a newer peer was found, of which
     *     a sentence tells
     */
    PrimaryMeeting(
            final IoLoop guestLoop,
            final IoLoop linkLoop,
            final PrimaryReign reign,
            final EmptyDisks emptyDisks,
            final Tracking tracking,
            final Synchroniser synchroniser,
            final Runnable onSessionBegun,
            final BiPredicate<Summary, String> endsFor,
            final SplitBrain splitBrain,
            final PrimaryEvents events) {
        this.guestLoop = guestLoop;
        this.linkLoop = linkLoop;
        this.reign = reign;
        this.emptyDisks = emptyDisks;
        this.tracking = tracking;
        this.synchroniser = synchroniser;
        this.onSessionBegun = onSessionBegun;
        this.endsFor = endsFor;
        this.splitBrain = splitBrain;
        this.events = events;
    }

    /** A secondary of our own kind was found for a disk. */
    void onFound(
            final int disk,
            final Summary secondary,
            final boolean isPrimary,
            final LinkOwner.Judgement judgement,
            final Runnable attachAgain) {
        final Summary own = reign.summary(reign.hasMetNobody() && emptyDisks.flags()[disk]);
        if (splitBrain.isConceding()) {
            final String refusal = "this node is giving way to its peer";
            answer(judgement, new LinkOwner.Ruling(refusal, false, own, reign.word(), 0));
            return;
        }
        final Meeting.Answer answer = reign.judge(own, secondary, isPrimary);
        splitBrain.onJudged(own, secondary, answer);
        if (answer == Meeting.Answer.PEER_IS_NEWER
                && endsFor.test(secondary, Meeting.newer(own, secondary))) {
            answer(
                    judgement,
                    new LinkOwner.Ruling("it has taken over", false, own, reign.word(), 0));
        } else if (!answer.isAgreed()) {
            final String refusal =
                    isPrimary && answer == Meeting.Answer.UNRELATED
                            ? PrimaryEvents.twoPrimaries()
                            : Meeting.sentence(answer, own, secondary, reign.word());
            final boolean isFinal = !reign.keepsAsking();
            if (!isFinal) {
                reign.onRefused(refusal);
                events.askedAgain(refusal, reign.disagreement().isPresent());
            }
            answer(judgement, new LinkOwner.Ruling(refusal, isFinal, own, reign.word(), 0));
        } else if (isPrimary) {
            final String refusal = "a primary still, which takes no stream until it has heard";
            answer(judgement, new LinkOwner.Ruling(refusal, false, own, reign.word(), 0));
        } else if (!answer.isSynchronised() && reign.lostLink().mustBeRecordedFirst()) {
            guestLoop.after(
                    reign.node().meet(secondary.node()), // it may take over once it is attached
                    (done, thrown) -> linkLoop.execute(attachAgain));
        } else if (!answer.isSynchronised() && !isBegunInVain) {
            equalCount++;
            accept(disk, judgement, own);
        } else if (synchroniser.isPrepared() && !isBegunInVain) {
            synchronise(disk, own, secondary, answer, judgement);
        } else {
            begin(disk, secondary, judgement, attachAgain);
        }
    }

    /**
     * The guest has pulled ahead, and the secondary has all that was in the log: it attaches anew.
     */
    void onCaughtUpWithLog() {
        caughtUpWithLog = reign.session();
    }

    private void accept(final int disk, final LinkOwner.Judgement judgement, final Summary own) {
        answer(
                judgement,
                new LinkOwner.Ruling(null, true, own, reign.word(), synchroniser.left(disk)));
    }

    private void answer(final LinkOwner.Judgement judgement, final LinkOwner.Ruling ruling) {
        linkLoop.execute(() -> judgement.onJudged(ruling));
    }

    /** The link is up, or could not be made. */
    void onTried() {
        equalCount = 0;
    }

    /** All disks are attached to under one session: those that were found equal come again. */
    private void begin(
            final int disk,
            final Summary secondary,
            final LinkOwner.Judgement judgement,
            final Runnable attachAgain) {
        final boolean isMixed = equalCount > 0;
        final boolean hasLog =
                !caughtUpWithLog.isNone() && secondary.session().equals(caughtUpWithLog);
        caughtUpWithLog = Id.NONE;
        final CompletableFuture<Void> begun = reign.beginSession();
        onSessionBegun.run();
        isRest = hasLog;
        if (hasLog) {
            synchroniser.prepareRest();
        } else {
            synchroniser.prepare();
        }
        guestLoop.after(
                begun,
                (done, thrown) -> {
                    isBegunInVain = thrown != null;
                    if (isMixed || thrown != null || !synchroniser.isPrepared()) {
                        linkLoop.execute(attachAgain);
                    } else {
                        onFound(disk, secondary, false, judgement, attachAgain);
                    }
                });
    }

    /** Whether it lacks no more than what is noted here. */
    private boolean isKnown(final Summary secondary) {
        final boolean hasHandedOver =
                secondary.standing() == Standing.OUTDATED
                        && tracking.knowledge()
                                .isKnownWithoutTail(secondary.node(), secondary.committedEpoch());
        return hasHandedOver || tracking.isKnown(secondary.node(), secondary.committedEpoch());
    }

    /** Whether it has changed something by itself that is given up now. */
    private static boolean hasItsWay(final Summary secondary) {
        return !secondary.concession().isNone();
    }

    /** Whether it lacks no more than what is noted here, and what it has noted itself. */
    private boolean isKnownWithNotes(final Summary secondary) {
        final PeerKnowledge known = tracking.knowledge();
        final Id peer = secondary.node();
        final long from = secondary.trackedFrom();
        return hasItsWay(secondary)
                ? known.isKnownWithItsWay(peer, from, secondary.trackedEpoch())
                : known.isKnownWithTail(peer, from, secondary.trackedEpoch());
    }

    private void synchronise(
            final int disk,
            final Summary own,
            final Summary secondary,
            final Meeting.Answer answer,
            final LinkOwner.Judgement judgement) {
        if (!isRest && isKnownWithNotes(secondary)) {
            synchroniser.prepareTail(disk);
        } else if (!isRest && (hasItsWay(secondary) || !isKnown(secondary))) {
            synchroniser.prepareAll(disk, answer == Meeting.Answer.FIRST_SYNCHRONISATION);
        }
        accept(disk, judgement, own);
    }
}

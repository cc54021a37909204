package io.lockstep.engine.secondary;

import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Verdict;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * How replication ends on a secondary: it takes over at the last checkpoint, or goes on with what
 * its disks hold. Recorded before it counts. On the group's loop.
 */
final class SecondaryEnd {
    /** What a primary said last may be heard just before its connections are seen to end. */
    private static final long SETTLING_NANOS = TimeUnit.MILLISECONDS.toNanos(10);

    private final SecondaryGroup group;
    private final IoLoop loop;
    private final GroupPage page;
    private final Succession succession;
    private final SecondaryEvents events;

    /** How it has ended; empty while it has not. */
    private String sentence = "";

    private boolean isFailover;
    private CompletableFuture<Void> ended = CompletableFuture.completedFuture(null);

    SecondaryEnd(
            final SecondaryGroup group,
            final IoLoop loop,
            final GroupPage page,
            final Succession succession,
            final SecondaryEvents events) {
        this.group = group;
        this.loop = loop;
        this.page = page;
        this.succession = succession;
        this.events = events;
    }

    /** It has ended in the process before this one. */
    void goOn(final String nowEnded, final boolean byFailover) {
        sentence = nowEnded;
        isFailover = byFailover;
    }

    /** How it has ended; empty while it has not. */
    String sentence() {
        return sentence;
    }

    /** Whether it has taken over. */
    boolean isFailover() {
        return isFailover;
    }

    /**
     * It takes over; where it must not, only if it is forced. A primary that is linked has to show
     * that it lives, which takes a heartbeat: one that has just died is perhaps not known to have.
     */
    CompletableFuture<Void> failOver(final boolean isForced) {
        final boolean isProofNeeded =
                !isForced
                        && sentence.isEmpty()
                        && page.state() == GroupPage.RUNNING
                        && group.session().isLinked()
                        && succession.hasCheckpoint();
        if (!isProofNeeded) {
            return decide(isForced);
        }
        final CompletableFuture<Void> heard = new CompletableFuture<>();
        group.session().onSign(() -> loop.schedule(SETTLING_NANOS, () -> heard.complete(null)));
        return heard.thenCompose(
                done -> group.isClosed() ? fail("the process ends") : decide(false));
    }

    private CompletableFuture<Void> decide(final boolean isForced) {
        if (!sentence.isEmpty()) {
            return ended;
        }
        if (page.state() != GroupPage.RUNNING) {
            return fail("replication is not running");
        }
        final Verdict verdict = succession.verdict();
        if (!verdict.isAllowed() && (!isForced || succession.isFormerPrimary())) {
            succession.sharing().onRefused();
            return fail(verdict.reason());
        }
        final boolean isVoid =
                !verdict.isAllowed() && succession.sharing().isVoid(succession.standing());
        final boolean isTorn = succession.standing() == Standing.INCONSISTENT;
        sentence = events.endedByFailover(); // nothing is committed while it is being recorded
        return record(
                succession.takeOver(isForced),
                () -> {
                    if (isVoid) {
                        page.commit(group.openEpoch() + 1);
                    }
                    takeOver(isTorn);
                });
    }

    /** The primary has handed its role over, and waits for the answer on its connections. */
    CompletableFuture<Void> takeRole() {
        sentence = events.endedByHandOver();
        return record(succession.takeOver(false), this::takeOverRole);
    }

    /** Whether its end is being recorded: until that is done nobody knows what it is. */
    boolean isBeingRecorded() {
        return !sentence.isEmpty() && !ended.isDone();
    }

    /** The primary's latest state is what the disks have; the buffers are dropped. */
    CompletableFuture<Void> stop() {
        if (!sentence.isEmpty()) {
            return ended;
        }
        if (page.state() != GroupPage.RUNNING) {
            return fail("replication is not running");
        }
        if (group.error().isPresent()) {
            return fail(
                    "the disks are not what the primary wrote last, as the stream broke ("
                            + group.error().get().sentence()
                            + "); go back to epoch "
                            + group.committedEpoch()
                            + " with 'lockstep failover'");
        }
        if (succession.sharing().isShared()) {
            return fail(
                    "the disks are shared with the primary, which writes them: end this process, or"
                            + " fail over");
        }
        if (group.session().isAttaching()) {
            // What was never in a pair ends without a record, and now it may be in one.
            return fail("a primary is being attached just now; say it again");
        }
        sentence = SecondaryEvents.endedByStop();
        return record(succession.goAlone(), this::standAloneAsWritten);
    }

    private static <T> CompletableFuture<T> fail(final String why) {
        return CompletableFuture.failedFuture(new GroupException(why));
    }

    /** Goes on where the end of replication is recorded; otherwise it has not ended. */
    private CompletableFuture<Void> record(
            final CompletableFuture<Void> recorded, final Runnable whenRecorded) {
        final CompletableFuture<Void> present = new CompletableFuture<>();
        ended = present;
        loop.after(
                recorded,
                (done, thrown) -> {
                    if (group.isClosed()) {
                        return;
                    }
                    if (thrown == null) {
                        whenRecorded.run();
                    } else {
                        sentence = "";
                        ended = CompletableFuture.completedFuture(null);
                        present.completeExceptionally(
                                new GroupException(SecondaryEvents.sentenceOf(thrown)));
                    }
                });
        return present;
    }

    /**
     * It is recorded.
     *
     * @param isTorn whether the disks change beneath the guest while the stream has not ended: no
     *     pre-images are saved
     */
    private void takeOver(final boolean isTorn) {
        begin(false);
        final CompletableFuture<Void> present = ended;
        group.disks()
                .forEachThen(
                        (disk, whenQuiet) ->
                                disk.endStream(
                                        () -> {
                                            merge(disk);
                                            whenQuiet.run();
                                        }),
                        () -> present.complete(null));
        if (!isTorn) {
            present.complete(null);
        }
    }

    /** Nothing is under way, and the primary hears of it before its connections end. */
    private void takeOverRole() {
        begin(true);
        group.disks().forEach(disk -> disk.come(() -> merge(disk)));
        ended.complete(null);
    }

    private void begin(final boolean isHandedOver) {
        group.tracking().forget();
        group.tracking().seal(group.committedEpoch());
        page.state(GroupPage.FAILED_OVER);
        isFailover = true;
        loop.schedule(SecondaryGroup.HEAD_START_NANOS, () -> events.failedOver(isHandedOver));
    }

    private void merge(final SecondaryDisk disk) {
        if (!group.isClosed()) {
            disk.startMerge();
        }
    }

    private void standAloneAsWritten() {
        page.state(GroupPage.ALONE);
        group.disks()
                .forEachThen(
                        SecondaryDisk::endStream,
                        () -> {
                            group.disks().forEach(SecondaryDisk::standAlone);
                            group.standAlone();
                            ended.complete(null);
                        });
    }
}

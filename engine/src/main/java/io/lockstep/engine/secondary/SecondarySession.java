package io.lockstep.engine.secondary;

import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.PeerTimeout;
import io.lockstep.engine.group.Silence;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Meeting;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.server.ControlSpace;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * Whose writes a secondary takes: those of one primary of our own kind, once that has presented
 * itself for all disks and it is recorded that it is followed; and before a node was ever in a
 * pair, of anybody. On the group's loop.
 */
final class SecondarySession {
    /**
     * A primary that has presented itself for a disk, and waits for the other disks and the record.
     */
    private record Candidate(
            ControlSpace.Client client,
            Summary primary,
            int flags,
            boolean isSynchronised,
            long toCome,
            Consumer<String> whenJudged,
            Runnable whenOusted) {}

    private final SecondaryGroup group;
    private final GroupPage page;
    private final Node node;
    private final IoLoop loop;
    private final Candidate[] candidates;

    /** Those of each disk who are told when the primary has left, or has made all disks equal. */
    private final Map<Integer, Consumer<String>> leaving = new TreeMap<>();

    private final Map<Integer, Consumer<String>> caughtUp = new TreeMap<>();

    /** Who is attached, as it presented itself; null for none. */
    private Summary attached;

    /** Whether its primary has said that it goes on without this node. */
    private boolean isLeftBehind;

    /** Attachments that are being recorded. */
    private int attachingCount;

    private final PeerTimeout timeout;
    private final Silence silence;

    /** Who waits for a sign of the primary's life or death. */
    private final List<Runnable> onSign = new ArrayList<>();

    private boolean isLinked;

    /** Of its links, one after the other. */
    private int linkCount;

    SecondarySession(
            final SecondaryGroup group,
            final GroupPage page,
            final Node node,
            final IoLoop loop,
            final SecondaryOptions options) {
        this.group = group;
        this.page = page;
        this.node = node;
        this.loop = loop;
        timeout = options.peerTimeout();
        silence = new Silence(timeout.lookNanos());
        candidates = new Candidate[options.buffers().size()];
    }

    /** The primary's; or none. */
    Id id() {
        return group.hasBuffers() ? page.session() : Id.NONE;
    }

    /** Whether no primary of our own kind has ever presented itself: any client may write. */
    boolean takesAnyone() {
        return id().isNone() && node.standing() == Standing.FRESH;
    }

    /** Somebody who is no lockstep writes: from now on there is something to take over. */
    void onForeignChange() {
        if (group.hasBuffers() && !page.isOfForeign()) {
            page.ofForeign();
        }
    }

    /** What the node says of itself to a primary. */
    Summary summary(final boolean isEmpty) {
        return group.succession().summary(group.committedEpoch(), id(), isEmpty);
    }

    /** Why a primary may not attach; null where it may. */
    String refuse(final Summary primary, final Word word, final boolean isEmpty) {
        final Summary own = summary(isEmpty);
        final Meeting.Answer answer = Meeting.of(primary, own, word);
        if (!answer.isAgreed()) {
            return Meeting.sentence(answer, primary, own, word);
        }
        if (group.isOver() && node.standing() == Standing.FRESH) {
            return "replication has ended: " + group.ending() + "; start the secondary again";
        }
        if (!group.isOver() && !group.isStarted()) {
            return "replication is not started on the secondary; start it there"
                    + " (xen-set-replication)";
        }
        return primary.session().isNone()
                ? "a session's name must not be zero"
                : group.succession().refuseForNow();
    }

    /**
     * A primary presents itself for a disk, and may attach.
     *
     * @param flags with which it does
     * @param isEmpty whether the disk has no data at all
     * @param toCome bytes that it has to bring to make the disk equal, at most
     * @param whenJudged is told null when it is attached, or why it is not
     * @param whenOusted runs instead where another connection takes its place before
     */
    void offer(
            final int disk,
            final ControlSpace.Client client,
            final Summary primary,
            final int flags,
            final boolean isEmpty,
            final long toCome,
            final Consumer<String> whenJudged,
            final Runnable whenOusted) {
        for (int i = 0; i < candidates.length; i++) {
            final Candidate other = candidates[i];
            if (other != null && (i == disk || !isOfOneStream(other.primary, primary))) {
                candidates[i] = null;
                other.whenOusted.run();
            }
        }
        final boolean isSynchronised =
                Meeting.of(primary, summary(isEmpty), ControlRecord.word(flags)).isSynchronised();
        candidates[disk] =
                new Candidate(
                        client, primary, flags, isSynchronised, toCome, whenJudged, whenOusted);
        for (final Candidate candidate : candidates) {
            if (candidate == null) {
                return;
            }
        }
        admit(candidates.clone(), primary);
    }

    /** Whether it is being recorded that a primary is followed. */
    boolean isAttaching() {
        return attachingCount > 0;
    }

    private static boolean isOfOneStream(final Summary one, final Summary other) {
        return one.session().equals(other.session()) && one.lineage().equals(other.lineage());
    }

    private void admit(final Candidate[] admitted, final Summary primary) {
        // What an old connection still has in its buffers must not come late.
        group.detachAll(client -> isNoneOf(admitted, client));
        leaving.clear();
        caughtUp.clear();
        attached = primary;
        group.succession().sharing().onAttaching(admitted[0].flags);
        isLeftBehind = false;
        attachingCount++;
        loop.after(
                recordAttached(admitted, primary),
                (done, thrown) -> {
                    attachingCount--;
                    if (thrown == null) {
                        group.succession().sharing().onAttached(admitted[0].flags);
                    }
                    for (int i = 0; i < admitted.length; i++) {
                        settle(i, admitted[i], thrown);
                    }
                    group.kept()
                            .expect(Arrays.stream(admitted).mapToLong(Candidate::toCome).toArray());
                    group.onLink();
                });
    }

    /**
     * In the midst of a synchronisation the node stands where it stood, whether that begins or the
     * primary comes again.
     */
    private CompletableFuture<Void> recordAttached(
            final Candidate[] admitted, final Summary primary) {
        final boolean isBegun = Arrays.stream(admitted).anyMatch(one -> one.isSynchronised);
        final boolean mayHaveCheckpoint =
                group.succession().sharing().isShared() && node.standing().isSecondary();
        if (isBegun && mayHaveCheckpoint) {
            // Perhaps it has overwritten what it has not announced: there is nothing to go back to,
            // nor to what is just being recorded.
            return node.tear().thenCompose(done -> recordBegun(primary));
        }
        if (isBegun) {
            return recordBegun(primary);
        }
        final boolean goesOn = primary.session().equals(id());
        page.session(primary.session());
        return goesOn && page.isCatchingUp()
                ? CompletableFuture.completedFuture(null)
                : node.follow(primary, group.committedEpoch());
    }

    private CompletableFuture<Void> recordBegun(final Summary primary) {
        group.beginCatchUp(
                group.succession()
                        .sharing()
                        .goesOnBehind(primary.committedEpoch(), group.openEpoch()));
        page.catchingUp(primary.session());
        page.session(primary.session());
        return node.catchUp(primary, group.committedEpoch());
    }

    private void settle(final int disk, final Candidate admitted, final Throwable thrown) {
        if (!Objects.equals(candidates[disk], admitted)) {
            return; // it has gone, or comes again
        }
        candidates[disk] = null;
        if (thrown == null) {
            group.attach(disk, admitted.client);
        }
        admitted.whenJudged.accept(thrown == null ? null : thrown.getMessage());
    }

    @SuppressWarnings("ReferenceEquality") // a connection equals itself alone
    private static boolean isNoneOf(final Candidate[] admitted, final ControlSpace.Client client) {
        for (final Candidate candidate : admitted) {
            if (candidate.client == client) {
                return false;
            }
        }
        return true;
    }

    /** A disk's connection has ended before it was attached. */
    @SuppressWarnings("ReferenceEquality") // a connection equals itself alone
    void onGone(final int disk, final ControlSpace.Client client) {
        if (candidates[disk] != null && candidates[disk].client == client) {
            candidates[disk] = null;
        }
    }

    /**
     * It will end, and does not wait any more: another one must not be attached together with it.
     */
    @SuppressWarnings("ReferenceEquality") // a connection equals itself alone
    void onEnding(final int disk, final ControlSpace.Client client) {
        final Candidate ending = candidates[disk];
        if (ending != null && ending.client == client) {
            candidates[disk] = null;
            ending.whenOusted.run();
        }
    }

    // ---- The end of it.

    /** A disk is flushed, and the primary leaves it in good order; recorded when it is the last. */
    void leave(final int disk, final Consumer<String> whenLeft) {
        leaving.put(disk, whenLeft);
        if (leaving.size() == candidates.length) {
            final List<Consumer<String>> all = List.copyOf(leaving.values());
            leaving.clear();
            loop.after(
                    node.leave(id(), group.committedEpoch()), (done, thrown) -> end(all, thrown));
        }
    }

    /**
     * A disk has what it is to have to be equal, on stable storage; when it is the last of them the
     * epoch is committed, and it is recorded that the node follows.
     *
     * @param of the session that has made it so
     */
    void caughtUp(
            final int disk, final Id of, final long epoch, final Consumer<String> whenRecorded) {
        if (!of.equals(id())) {
            whenRecorded.accept("another session has begun");
            return;
        }
        if (isLeftBehind) { // which came while the disk was being flushed
            whenRecorded.accept("the primary goes on without this node");
            return;
        }
        if (epoch <= group.committedEpoch()) {
            follow(of, epoch, List.of(whenRecorded)); // told before, and not heard on all disks
            return;
        }
        caughtUp.put(disk, whenRecorded);
        if (caughtUp.size() < candidates.length) {
            return;
        }
        final List<Consumer<String>> all = List.copyOf(caughtUp.values());
        caughtUp.clear();
        final String refusal = group.checkpoints().commitSealed(epoch);
        if (refusal != null) {
            all.forEach(one -> one.accept(refusal));
            return;
        }
        follow(of, epoch, all);
    }

    private void follow(final Id of, final long epoch, final List<Consumer<String>> all) {
        group.kept().onCaughtUp();
        loop.after(
                node.follow(attached, epoch),
                (done, thrown) -> {
                    if (thrown == null && of.equals(id())) {
                        group.durability().onDurable(epoch);
                        group.tracking().forget();
                        page.catchingUp(Id.NONE);
                    }
                    all.forEach(one -> one.accept(thrown == null ? null : thrown.getMessage()));
                });
    }

    /** The primary goes on without this node. */
    void leftBehind(final Consumer<String> whenRecorded) {
        isLeftBehind = true;
        loop.after(
                node.outdate(group.committedEpoch()),
                (done, thrown) -> end(List.of(whenRecorded), thrown));
    }

    /** From now on nothing of this session may change the disks. */
    private void end(final List<Consumer<String>> told, final Throwable thrown) {
        if (thrown == null) {
            group.detachAll(client -> false);
        }
        told.forEach(one -> one.accept(thrown == null ? null : thrown.getMessage()));
    }

    // ---- Whether it is there.

    /** The primary has said something. */
    void heard() {
        silence.onHeard();
        tellOfSign();
    }

    /** Runs an action when the linked primary says something, or is not linked any more. */
    void onSign(final Runnable action) {
        onSign.add(action);
    }

    private void tellOfSign() {
        if (!onSign.isEmpty()) {
            final List<Runnable> all = List.copyOf(onSign);
            onSign.clear();
            all.forEach(Runnable::run);
        }
    }

    /** How long ago a linked primary was heard last. */
    Optional<Long> heardNanosAgo() {
        return isLinked ? Optional.of(silence.nanos(loop.nanoTime())) : Optional.empty();
    }

    /** Whether the primary is attached to every disk. */
    boolean isLinked() {
        return isLinked;
    }

    /** Now it is, or isn't; answers whether that is news. */
    boolean link(final boolean nowLinked) {
        final boolean isNews = nowLinked != isLinked;
        isLinked = nowLinked;
        if (!nowLinked) {
            tellOfSign();
        }
        if (isNews && nowLinked) {
            silence.begin(loop.nanoTime());
            watch(++linkCount);
        }
        return isNews;
    }

    /** A host that lost its power says nothing, and neither does a network that is parted. */
    private void watch(final int ofLink) {
        if (!isLinked || ofLink != linkCount) {
            return;
        }
        if (silence.look(loop.nanoTime(), true) >= timeout.nanos()) {
            group.onSilent();
        } else {
            loop.schedule(timeout.lookNanos(), () -> watch(ofLink));
        }
    }

    @Override
    public String toString() {
        return "session " + id().brief();
    }
}

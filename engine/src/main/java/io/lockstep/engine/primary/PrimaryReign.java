package io.lockstep.engine.primary;

import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Concession;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Lineage;
import io.lockstep.engine.node.Meeting;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.OwnStance;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Word;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import java.util.function.IntConsumer;
import java.util.function.LongSupplier;

/**
 * What a primary makes of what its node remembers: when its guest may be served, whom it replicates
 * to, and whether what it acknowledges has to wait until it is recorded that the peer may not get
 * it. On the guest's loop.
 */
final class PrimaryReign {
    private static final long AGAIN_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final IoLoop loop;
    private final Self self;
    private Id session;
    private Word word;
    private final LongSupplier committed;
    private final Consumer<String> onNotRecorded;
    private final LostLink lostLink;
    private final CompletableFuture<Void> serving = new CompletableFuture<>();

    /** Acknowledgements that wait for the record. */
    private final List<IntConsumer> waiting = new ArrayList<>();

    private Lineage lineageAtAttach = Lineage.NONE;
    private Id peer = Id.NONE;
    private boolean isPeerPrimary;
    private boolean isMet;
    private boolean isGated;
    private boolean isParting;
    private final PeerQuestion question;
    private Runnable onGated = () -> {};

    /** What somebody has said of a guest that waits: that it is served, or that it never will. */
    private boolean isPromoted;

    private boolean isGivingWay;

    /** Whether the log lacks something that the peer lacks: nobody goes on from it. */
    private boolean isLogGone;

    /** Why the peer was refused; empty where it was not. */
    private String refusal = "";

    /** Why it is not known whether the peer has taken over; empty where it is. */
    private String doubt = "";

    /** What was found then; null where both agreed. */
    private Meeting.Answer found;

    /**
     * A primary's, before it starts.
     *
     * @param committed the newest epoch that it knows committed
     * @param lostLink whether it may go on alone
     * @param askPeer has the link made now, where it is down
     * @param onNotRecorded hears why something could not be recorded, which is tried again
     */
    PrimaryReign(
            final IoLoop loop,
            final Self self,
            final Word word,
            final LongSupplier committed,
            final LostLink lostLink,
            final Runnable askPeer,
            final Consumer<String> onNotRecorded) {
        this.loop = loop;
        this.self = self;
        session = self.reigns().name();
        this.word = word;
        this.committed = committed;
        this.onNotRecorded = onNotRecorded;
        this.lostLink = lostLink;
        lostLink.of(this::record, this::origin, this::part);
        question = new PeerQuestion(loop, askPeer, this::part);
    }

    Node node() {
        return self.node();
    }

    NodeRecord record() {
        return node().record();
    }

    // ---- Who it is.

    /** What its user says of the disks, as far as it still holds. */
    Word word() {
        return word;
    }

    /** Begins a pair, or goes on with the one that there is; fails where the node is no primary. */
    CompletableFuture<Void> begin() {
        if (word == Word.AT_FIRST && !isUntouched()) {
            word = Word.NONE;
        }
        if (record().standing() == Standing.FRESH) {
            return node().reign(self.reigns().name(), self.reigns().begin(0))
                    .thenRun(this::serveWhereNobodyElseCan);
        }
        if (!record().standing().isPrimary()) {
            return CompletableFuture.failedFuture(
                    new GroupException(
                            "this node "
                                    + record().standing().sentence()
                                    + ", as its state says; start it with 'lockstep node' or"
                                    + " 'lockstep secondary', or take its disks out of the pair"
                                    + " with 'lockstep state --forget'"));
        }
        serveWhereNobodyElseCan();
        return CompletableFuture.completedFuture(null);
    }

    /** Whether nothing was written since somebody said that the disks are equal. */
    private boolean isUntouched() {
        return record().standing() == Standing.FRESH
                || record().standing() == Standing.REIGNING && self.wasClean();
    }

    private void serveWhereNobodyElseCan() {
        isGated = true; // nobody has met it yet
        if (word == Word.NOW || record().peer().isNone() || record().isPeerOut()) {
            serving.complete(null);
        }
    }

    /** Done when the guest may be served: nobody else serves it, as is known or was said. */
    CompletableFuture<Void> whenServing() {
        return serving;
    }

    /** Whether the guest waits for the peer, or for somebody's word. */
    boolean isHeld() {
        return !serving.isDone();
    }

    /** Why the guest waits; empty where it does not. */
    String waitingSentence(final String presence) {
        final String unserved = unservedSentence(presence);
        final boolean isHolding = lostLink.isHolding() && record().standing().isPrimary();
        return unserved.isEmpty() && isHolding ? lostLink.sentence() : unserved;
    }

    /** Why the guest is not served yet; empty where it is. */
    String unservedSentence(final String presence) {
        final UnservedGuest guest =
                new UnservedGuest(refusal.isEmpty() ? presence : refusal, lostLink.isShared());
        if (!doubt.isEmpty()) {
            return guest.ofDoubt(doubt);
        }
        if (!isHeld() && !isSupplanted() || !record().standing().isPrimary()) {
            return "";
        }
        if (isSupplanted()) {
            return guest.ofSupplanted();
        }
        return isOfTwoPrimaries() ? guest.ofTwoPrimaries() : guest.ofUnknownPeer();
    }

    NodeStatus status(final String presence) {
        return NodeStatus.ofPrimary(
                record(), waitingSentence(presence), refusal(), lostLink.word());
    }

    /** The peer is refused, and somebody's word is waited for. */
    void onRefused(final String reason) {
        refusal = reason;
    }

    /** Somebody knows that the peer has not taken over. */
    CompletableFuture<Void> promote() {
        final boolean isFenced = lostLink.takeWord() || lostLink.isKnownToBeOut();
        if (isGivingWay) {
            return fail("this node gives way to its peer, as was said before; start it again");
        }
        if (!isHeld() && doubt.isEmpty() && !isSupplanted() && lostLink.mayGoOn()) {
            return fail("the guest waits for nothing: it is served already");
        }
        if (!isFenced || oneTooMany().isPresent()) {
            return fail(oneTooMany().orElseGet(() -> lostLink.unfenced("promote")));
        }
        isPromoted = true;
        final int asked = lostLink.askedCount();
        return node().part(self.reigns().begin(origin()))
                .thenCompose(
                        done ->
                                asked == lostLink.askedCount()
                                        ? goOn()
                                        : fail(UnservedGuest.MEETING))
                .whenComplete((done, thrown) -> isPromoted = thrown == null);
    }

    /** That the peer has taken over disks that both see; empty where it has not. */
    Optional<String> oneTooMany() {
        return UnservedGuest.oneTooMany(lostLink.isShared() && isOfTwoPrimaries(), refusal);
    }

    private CompletableFuture<Void> goOn() {
        found = null; // it has its own now, and they meet anew
        question.close();
        lostLink.onPromoted();
        open();
        return CompletableFuture.completedFuture(null);
    }

    /** Whether the peer has taken over is not known, and the guest waits; empty where it is. */
    void doubt(final String sentence) {
        doubt = sentence;
    }

    /** The peer has taken over at an epoch, of which this node has everything. */
    CompletableFuture<Void> handOver(final long epoch) {
        return node().handOver(epoch, session);
    }

    /**
     * Somebody has the disks overwritten by the peer, once. Not while the guest is served: then it
     * would write what is lost.
     */
    CompletableFuture<Void> giveWay() {
        if (!isHeld() && !isSupplanted() || isPromoted) {
            return fail(
                    "this primary serves its guest, and its disks are not overwritten meanwhile; to"
                            + " have them overwritten, "
                            + Meeting.HOW_TO_GIVE_WAY);
        }
        isGivingWay = true;
        return node().join(self.reigns().name())
                .whenComplete((done, thrown) -> isGivingWay = thrown == null)
                .thenRun(() -> answer(Errno.ESHUTDOWN));
    }

    /** What it says for the case of a split brain. */
    OwnStance stance() {
        return self.stance();
    }

    /** Gives its own way up: this node is a secondary from then on. */
    CompletableFuture<Void> concede(final Concession to, final long committedThere) {
        return node().concede(to, Math.max(origin(), committedThere), self.reigns().name());
    }

    private static CompletableFuture<Void> fail(final String sentence) {
        return CompletableFuture.failedFuture(new GroupException(sentence));
    }

    /** The newest epoch that is known committed: of this process, or of the one before. */
    long origin() {
        return Math.max(committed.getAsLong(), isMet ? 0 : record().committedEpoch());
    }

    // ---- The meeting.

    /** What it says of itself to the secondary of a disk. */
    Summary summary(final boolean isEmpty) {
        lineageAtAttach = record().lineage();
        return Summary.of(record(), origin(), isLogGone ? Id.NONE : session, -1, isEmpty)
                .with(self.stance().now());
    }

    /** The same to one that it leaves behind. */
    Summary farewell() {
        return Summary.of(record(), origin(), session, -1, false);
    }

    /**
     * What the two nodes find.
     *
     * @param isPrimary whether a primary's process answers for the other one
     */
    Meeting.Answer judge(final Summary own, final Summary secondary, final boolean isPrimary) {
        peer = secondary.node();
        isPeerPrimary = isPrimary;
        final Meeting.Answer answer = Meeting.of(own, secondary, word);
        found = answer.isAgreed() ? null : answer;
        isGated |= isSupplanted();
        if (found != null) {
            question.close();
        }
        if (answer.isAgreed() && !answer.isSynchronised() && !isPrimary && lostLink.onAsking()) {
            isGated = true; // what it has is a checkpoint, unless something is not announced
            onGated.run();
        }
        part(); // where it was in doubt, and is not any more
        return answer;
    }

    /**
     * Whether the peer has taken over, and this node has nothing of its own: what it acknowledged
     * from now on would be a second version of the disks. Whose manager says when it is attached
     * ({@link Word#NOW}) is told, and decides.
     */
    boolean isSupplanted() {
        return found == Meeting.Answer.PEER_IS_NEWER
                && word != Word.NOW
                && !isParting
                && record().standing() == Standing.REIGNING;
    }

    /** Somebody is about to end replication, and knows what that means for the peer. */
    void onStopped() {
        if (!isHeld()) {
            lostLink.onStopped();
        }
    }

    /** Somebody ends replication: the guest goes on here, whatever the peer does. */
    void goAlone() {
        if (!isHeld()) {
            found = null;
            question.close();
            part();
        }
    }

    /** What was found when the peer was refused; empty where it was not. */
    Optional<Meeting.Answer> refusal() {
        return Optional.ofNullable(found);
    }

    /**
     * A synchronisation begins: the log goes on from here, under a name of its own, and what it
     * lacks is sent otherwise. Until that is done the peer may not have what is acknowledged, which
     * is recorded first.
     */
    CompletableFuture<Void> beginSession() {
        session = self.reigns().name();
        isLogGone = false;
        return record().standing() == Standing.REIGNING
                ? node().part(self.reigns().begin(origin()))
                : CompletableFuture.completedFuture(null);
    }

    /** Of the log. */
    Id session() {
        return session;
    }

    /**
     * Whether the log, and nobody's disk, has all that was written since the disks were looked at:
     * only then does it say anything that they were empty.
     */
    boolean hasMetNobody() {
        return !isMet && record().peer().isNone();
    }

    /**
     * Whether a peer that can't be attached to is asked again: the guest is served meanwhile, or
     * somebody may do something about it, at either node.
     */
    boolean keepsAsking() {
        return (!record().peer().isNone() || isPeerPrimary)
                && word != Word.NOW
                && (!isHeld() || found != null && found.isMatterOfDecision());
    }

    /**
     * That both nodes serve a guest, or did: one of the two has to give way, as somebody has to
     * say. Empty where that is not what was found last, and where this one waits.
     */
    Optional<ReplicationError> disagreement() {
        return !isHeld() && isOfTwoPrimaries()
                ? Optional.of(
                        new ReplicationError(ReplicationError.Kind.FORWARD, "", -1, "", refusal))
                : Optional.empty();
    }

    private boolean isOfTwoPrimaries() {
        return found == Meeting.Answer.PEER_IS_NEWER
                || found == Meeting.Answer.TORN_TAKEOVER
                || found == Meeting.Answer.SPLIT_BRAIN
                || found != null && isPeerPrimary;
    }

    /** Who was found last. */
    Id peer() {
        return peer;
    }

    /**
     * The secondary is attached; that is recorded before it counts, and before that, where it is
     * not equal, that this node is alone.
     *
     * @param isEqual whether it follows; otherwise it is made equal first
     * @param whenMet is told whether it is attached to this reign; otherwise it has to attach once
     *     more
     */
    void meet(final long committedThere, final boolean isEqual, final Consumer<Boolean> whenMet) {
        if (!isCurrent()) {
            whenMet.accept(false);
            return;
        }
        lostLink.onMeeting(true);
        loop.after(
                isEqual ? node().rejoin(peer, committedThere) : node().meet(peer),
                (done, thrown) -> {
                    if (thrown != null) {
                        onNotRecorded.accept(thrown.getMessage());
                    }
                    final boolean isKnown = isEqual || record().standing() != Standing.REIGNING;
                    whenMet.accept(thrown == null && isCurrent() && isKnown);
                    gateWhereCutMeanwhile();
                    lostLink.onMeeting(false);
                });
    }

    /** It is on record now that the node is not alone, and the peer gets nothing all the same. */
    private void gateWhereCutMeanwhile() {
        if (lostLink.isLost() && record().standing() == Standing.REIGNING) {
            isGated = true;
            onGated.run();
        }
    }

    /** The secondary has been made equal, as of an epoch. */
    void onCaughtUp(final long epoch) {
        node().rejoin(peer, epoch)
                .exceptionally(
                        thrown -> {
                            onNotRecorded.accept(thrown.getMessage());
                            return null;
                        });
    }

    private boolean isCurrent() {
        return !isParting && !isGivingWay && lineageAtAttach.equals(record().lineage());
    }

    /** It is linked: what is acknowledged from now on it gets. */
    void onMet() {
        isMet = true;
        refusal = "";
        found = null;
        question.close();
        lostLink.onMet();
        open();
    }

    private void open() {
        release();
        serving.complete(null);
    }

    // ---- The gate.

    /** Has an action run whenever acknowledgements have to wait from then on. */
    void onGated(final Runnable action) {
        onGated = action;
    }

    /** Whether an acknowledgement has to wait for {@link #acknowledge}. */
    boolean isGated() {
        return isGated;
    }

    /**
     * The peer is cut off: before the next write is acknowledged it is asked whether it has taken
     * over, unless a manager decides that, and it is recorded that it may not get what is written.
     */
    void onCut() {
        lostLink.onLost();
        onLost();
        if (isMet && word != Word.NOW) {
            question.open();
        }
    }

    /** The link could not be made; whether nobody listens where the peer does. */
    void onUnreachable(final boolean isRefused) {
        question.onUnreachable(isRefused);
    }

    private void onLost() {
        isGated |= isMet;
        onGated.run();
    }

    /** The peer does not get what is written from now on, and the log does not have all of it. */
    void onGivenUp() {
        isLogGone = true;
        onLost();
    }

    /** The same, and it is not asked for any more. */
    void onLinkEnded(final String reason) {
        lostLink.onEnded(reason);
        onGivenUp();
        question.close();
        part();
    }

    /**
     * A write is acknowledged when it is recorded that the peer may not get it, or the peer is met
     * again; with {@link Errno#ESHUTDOWN} where that never comes.
     */
    void acknowledge(final IntConsumer acknowledgement) {
        if (record().isJoining()) {
            acknowledgement.accept(Errno.ESHUTDOWN); // the process ends
        } else {
            waiting.add(acknowledgement);
            part();
        }
    }

    private void part() {
        final boolean isDue =
                isGated && !isParting && !waiting.isEmpty() && record().standing().isPrimary();
        if (!isDue || isSupplanted() || question.mustWait()) {
            return;
        }
        if (!lostLink.mayGoOn()) {
            lostLink.hold();
            return;
        }
        isParting = true;
        final int asked = lostLink.askedCount();
        final CompletableFuture<Void> before =
                lostLink.isFenced() ? node().peerIsOut() : CompletableFuture.completedFuture(null);
        loop.after(
                before.thenCompose(done -> node().part(self.reigns().begin(origin()))),
                (done, thrown) -> {
                    isParting = false;
                    if (thrown == null && asked != lostLink.askedCount()) {
                        part(); // the peer is there again, and has to be met, or left anew
                    } else if (thrown == null) {
                        release();
                    } else {
                        onNotRecorded.accept(
                                thrown.getMessage()
                                        + "; the guest's writes wait, and it is tried"
                                        + " again");
                        loop.schedule(AGAIN_NANOS, this::part);
                    }
                });
    }

    private void release() {
        isGated = false;
        lostLink.onReleased();
        answer(0);
    }

    private void answer(final int errno) {
        final List<IntConsumer> all = List.copyOf(waiting);
        waiting.clear();
        all.forEach(acknowledgement -> acknowledgement.accept(errno));
    }

    /** Whether it may go on alone where its link is lost. */
    LostLink lostLink() {
        return lostLink;
    }

    // ---- The end.

    /** The process will end: nobody waits for the peer any more. */
    void prepareToStop() {
        lostLink.close();
    }

    /** The secondary has recorded that it was left behind. */
    @SuppressWarnings("FutureReturnValueIgnored") // else the next start asks the peer
    void onPeerOut() {
        node().peerIsOut();
        lostLink.onPeerOut();
    }

    /** The secondary has everything, and has recorded that the session has ended. */
    CompletableFuture<Void> leave() {
        return node().leave(session, committed.getAsLong());
    }
}

package io.lockstep.engine.node;

import java.util.ArrayDeque;
import java.util.List;
import java.util.Optional;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;
import java.util.function.LongConsumer;

/**
 * The state machine of a node: what happens to it, in the order in which it does, each recorded
 * before it counts. It has no clock, no socket and no thread; everything is called on the loop of
 * its group, which the store answers to.
 *
 * <p>A future fails with a {@link NodeException} where a thing can't happen to the node as it
 * stands, or its record could not be stored; then nothing has changed. What a later call says is
 * judged by what the earlier ones made of the node. What changes nothing is not stored again.
 *
 * <p>Limit: {@link #CHANGES_MAX} changes that wait for the store; one more is refused.
 */
public final class Node {
    /** Changes that wait for those before them. */
    public static final int CHANGES_MAX = 256;

    private final RecordStore store;
    private final Queue<Change> changes = new ArrayDeque<>();
    private NodeRecord record;

    /** Of the record, as its storage counts: one more each time one is stored. */
    private long number;

    /** Hears the number of each record that is stored. */
    private LongConsumer onStored = stored -> {};

    private boolean isStoring;

    /** What a change makes of a record. */
    private interface Step {
        /**
         * The next record.
         *
         * @param then where the node stands afterwards, as {@link Transition} says
         */
        NodeRecord.Draft take(NodeRecord now, Standing then);
    }

    /**
     * A change that waits for those before it.
     *
     * @param happening what happens; empty where the node stands where it stood
     * @param isAlwaysStored also where it changes nothing
     */
    private record Change(
            Optional<Happening> happening,
            Step step,
            boolean isAlwaysStored,
            CompletableFuture<Void> done) {}

    /** A node as its record says, which the store has. */
    public Node(final NodeRecord record, final RecordStore store) {
        this(record, 0, store);
    }

    /**
     * The same of a record that bears a number.
     *
     * @param number of the record in the store, which counts on
     */
    public Node(final NodeRecord record, final long number, final RecordStore store) {
        this.record = record;
        this.number = number;
        this.store = store;
    }

    /** What it knows of itself, and has stored. */
    public NodeRecord record() {
        return record;
    }

    /** The number of that: of two records of a node the higher one's is the newer. */
    public long number() {
        return number;
    }

    /** Has an action hear the number of each record that is stored from now on; instead of all. */
    public void onStored(final LongConsumer action) {
        onStored = action;
    }

    /** Where it stands. */
    public Standing standing() {
        return record.standing();
    }

    // ---- What happens to it.

    /** The first start of a primary: a new group, in which this reign is the first. */
    public CompletableFuture<Void> reign(final Id group, final Reign first) {
        return happen(
                Happening.REIGN,
                (now, then) ->
                        now.draft()
                                .group(group)
                                .lineage(Lineage.NONE.begin(first))
                                .joining(false)
                                .standing(then));
    }

    /**
     * A primary is attached: the node is in its group, and of its lineage.
     *
     * @param primary one with which {@link Meeting} agrees
     * @param committedEpoch the node's own
     */
    public CompletableFuture<Void> follow(final Summary primary, final long committedEpoch) {
        return happen(
                Happening.FOLLOW,
                (now, then) ->
                        now.draft()
                                .group(primary.group())
                                .peer(primary.node())
                                .lineage(primary.lineage())
                                .committedEpoch(committedEpoch)
                                .leftSession(Id.NONE)
                                .joining(false)
                                .former(Id.NONE)
                                .concession(Concession.NONE)
                                .standing(then));
    }

    /**
     * The primary has met its peer, which is in its group now, and takes its generation over.
     *
     * @param committedEpoch the peer's
     */
    public CompletableFuture<Void> rejoin(final Id peer, final long committedEpoch) {
        return happen(
                Happening.REJOIN,
                (now, then) ->
                        now.draft()
                                .peer(peer)
                                .committedEpoch(committedEpoch)
                                .leftSession(Id.NONE)
                                .peerOut(false)
                                .standing(then));
    }

    /**
     * What is acknowledged from now on may not reach the peer.
     *
     * @param reign the generation that begins, at the newest epoch that is known committed; a node
     *     that is alone already stays in the one that it has
     */
    public CompletableFuture<Void> part(final Reign reign) {
        return happen(
                Happening.PART,
                (now, then) ->
                        now.standing() == Standing.ALONE
                                ? now.draft().leftSession(Id.NONE)
                                : begin(now, reign).standing(then));
    }

    private static NodeRecord.Draft begin(final NodeRecord now, final Reign reign) {
        return now.draft()
                .lineage(now.lineage().begin(reign))
                .committedEpoch(reign.origin())
                .leftSession(Id.NONE);
    }

    /**
     * The primary knows its peer, which it begins to make equal; what it acknowledges may not be in
     * a checkpoint for long, and it stands where it stood.
     */
    public CompletableFuture<Void> meet(final Id peer) {
        return stay(now -> now.draft().peer(peer).leftSession(Id.NONE).peerOut(false));
    }

    /**
     * A primary is attached, and begins to make this node equal. One that holds a checkpoint keeps
     * it, and its own lineage, until {@link #follow} says that it is; any other has nothing to go
     * back to, and is of the primary's lineage at once.
     *
     * @param committedEpoch the node's own
     */
    public CompletableFuture<Void> catchUp(final Summary primary, final long committedEpoch) {
        return happen(
                Happening.CATCH_UP,
                (now, then) ->
                        now.draft()
                                .group(primary.group())
                                .peer(primary.node())
                                .lineage(
                                        then == Standing.INCONSISTENT
                                                ? primary.lineage()
                                                : now.lineage())
                                .committedEpoch(committedEpoch)
                                .leftSession(Id.NONE)
                                .joining(false)
                                .former(Id.NONE)
                                .standing(then));
    }

    /** The primary goes on without this node. */
    public CompletableFuture<Void> outdate(final long committedEpoch) {
        return happen(
                Happening.OUTDATE,
                (now, then) -> now.draft().committedEpoch(committedEpoch).standing(then));
    }

    /** What a secondary has committed is on stable storage up to the end of an epoch. */
    public CompletableFuture<Void> durable(final long epoch) {
        return stay(
                now ->
                        now.standing() == Standing.FOLLOWING && epoch > now.committedEpoch()
                                ? now.draft().committedEpoch(epoch)
                                : now.draft());
    }

    /** The buffers are gone, and the disks between two checkpoints. */
    public CompletableFuture<Void> tear() {
        return happen(
                Happening.TEAR,
                (now, then) ->
                        now.draft()
                                .merging(false)
                                .concession( // not where it has taken over again
                                        now.standing().isPrimary()
                                                ? Concession.NONE
                                                : now.concession())
                                .standing(then));
    }

    /**
     * The record is older than the node's buffers: somebody has put it back, and what it says of
     * the disks need not be so. Nothing is known of them.
     */
    public CompletableFuture<Void> distrust() {
        return happen(
                Happening.TEAR,
                (now, then) ->
                        now.draft()
                                .merging(false)
                                .leftSession(Id.NONE)
                                .concession(Concession.NONE) // which may have been used since
                                .standing(then));
    }

    /**
     * A failover: it takes over from an epoch. The former primary never follows this reign by
     * itself.
     *
     * @param isMerging whether a merge is before it; otherwise the disks have everything
     */
    public CompletableFuture<Void> promote(final Reign reign, final boolean isMerging) {
        return happen(
                Happening.PROMOTE,
                (now, then) -> begin(now, reign).merging(isMerging).peerOut(true).standing(then));
    }

    /**
     * The same because somebody insists; a node without a group, which knows of no primary but one
     * that is no lockstep, begins one.
     */
    public CompletableFuture<Void> force(final Id groupIfNone, final Reign reign) {
        return happen(
                Happening.FORCE,
                (now, then) ->
                        begin(now, isTorn(now) ? reign.torn() : reign)
                                .group(now.group().isNone() ? groupIfNone : now.group())
                                .merging(true)
                                .joining(false)
                                .peerOut(true)
                                .forced()
                                .standing(then));
    }

    private static boolean isTorn(final NodeRecord now) {
        return now.standing() == Standing.INCONSISTENT;
    }

    /**
     * Its disks are written without its pair, because somebody insists: with what they hold, which
     * is no checkpoint unless its primary left them in good order. Whatever its buffers have is
     * given up.
     */
    public CompletableFuture<Void> goPlain(final Id groupIfNone, final Reign reign) {
        return happen(
                Happening.FORCE,
                (now, then) ->
                        begin(now, isTorn(now) || now.leftSession().isNone() ? reign.torn() : reign)
                                .group(now.group().isNone() ? groupIfNone : now.group())
                                .merging(false)
                                .joining(false)
                                .peerOut(true)
                                .concession(Concession.NONE)
                                .forced()
                                .standing(then));
    }

    /**
     * The secondary has taken over what this primary handed over, and has recorded it: with that
     * this node is a secondary that holds everything up to that checkpoint, and knows that its peer
     * goes on.
     *
     * @param session whose end that is
     */
    public CompletableFuture<Void> handOver(final long committedEpoch, final Id session) {
        return happen(
                Happening.HAND_OVER,
                (now, then) ->
                        now.draft()
                                .committedEpoch(committedEpoch)
                                .leftSession(session)
                                .former(now.node()) // buffers that are there are of a life before
                                .standing(then));
    }

    /**
     * It gives its own way up, for one that went another way: a secondary from now on, which holds
     * what its disks do, as a checkpoint, and knows that the other one goes on. Refused while a
     * merge is not done, as the disks lack what the buffers hold.
     *
     * @param to for whom
     * @param committedEpoch the newest epoch of either of the two
     * @param session a new name, which no primary has
     */
    public CompletableFuture<Void> concede(
            final Concession to, final long committedEpoch, final Id session) {
        return happen(
                Happening.CONCEDE,
                (now, then) -> {
                    if (now.isMerging()) {
                        throw new NodeException(
                                "a merge is not done, and the buffers hold what the disks lack; let"
                                        + " it end first");
                    }
                    return now.draft()
                            .peer(to.peer())
                            .concession(to)
                            .committedEpoch(Math.max(committedEpoch, now.committedEpoch()))
                            .leftSession(session)
                            .former(now.node()) // buffers that are there are of a life before
                            .standing(then);
                });
    }

    /**
     * It is taken out of its pair: another node from now on, which no pair knows. Refused while a
     * merge is not done, as the buffers are the pair's.
     *
     * @param name the other node's
     */
    public CompletableFuture<Void> forget(final Id name) {
        return happen(
                Happening.FORGET,
                (now, then) -> {
                    if (now.isMerging()) {
                        throw new NodeException(
                                "a merge is not done, and the buffers hold what the disks lack;"
                                        + " start the node again and let it end, first");
                    }
                    return NodeRecord.fresh(name, now.boot(), List.of())
                            .draft()
                            .former(formerOf(now))
                            .standing(then);
                });
    }

    /**
     * Whose buffers may be there: those of one that has opened none are those of the one before.
     */
    private static Id formerOf(final NodeRecord now) {
        return now.former().isNone() ? now.node() : now.former();
    }

    /** The buffers are this node's own from now on: what the former one had is gone. */
    public CompletableFuture<Void> haveBuffers() {
        return stay(now -> now.draft().former(Id.NONE));
    }

    /**
     * Its disks may be overwritten, once, by the primary that comes next. A node that is in a pair
     * leaves it: another one from now on. Refused where a merge is not done; whoever asks sees to
     * it that no guest is served.
     *
     * @param name the other node's
     */
    public CompletableFuture<Void> join(final Id name) {
        return stay(
                now -> {
                    if (now.standing() == Standing.FRESH) {
                        return now.draft().joining(true);
                    }
                    if (now.isMerging()) {
                        throw new NodeException(
                                "a merge is not done, and the buffers hold what the disks lack; let"
                                        + " it end first");
                    }
                    return NodeRecord.fresh(name, now.boot(), now.disks())
                            .draft()
                            .former(formerOf(now))
                            .joining(true);
                });
    }

    /** The peer knows that it was left behind: it can't take over without being forced to. */
    public CompletableFuture<Void> peerIsOut() {
        return stay(now -> now.draft().peerOut(now.standing().isPrimary()));
    }

    /** The merge is done: the disks have everything. */
    public CompletableFuture<Void> merged() {
        return stay(now -> now.draft().merging(false).concession(Concession.NONE));
    }

    /**
     * A session has ended with everything at the secondary, which has flushed it.
     *
     * @param session whose; of either side
     */
    public CompletableFuture<Void> leave(final Id session, final long committedEpoch) {
        return stay(now -> now.draft().committedEpoch(committedEpoch).leftSession(session));
    }

    /**
     * A process begins, in this boot of the host; it is not stopped in good order yet. Refused
     * where the disks are not the node's; one that is fresh takes them.
     *
     * <p>Stored also where it changes nothing: a record that is put back, from before this process,
     * has a lower number than anything that this one leaves.
     */
    public CompletableFuture<Void> open(final Id boot, final List<DiskIdentity> disks) {
        return queue(
                Optional.empty(),
                true,
                (now, then) -> {
                    final NodeRecord.Draft opened = now.draft().clean(false).boot(boot);
                    if (now.standing() == Standing.FRESH) {
                        return opened.disks(disks);
                    }
                    DiskIdentity.difference(now.disks(), disks)
                            .ifPresent(
                                    sentence -> {
                                        throw new NodeException(sentence);
                                    });
                    return opened;
                });
    }

    /**
     * A disk is longer than it was, on storage that its backing has. Refused where the node has
     * none of that name; one that is not longer changes nothing.
     *
     * @param length in bytes
     */
    public CompletableFuture<Void> lengthen(final String disk, final long length) {
        return stay(
                now -> {
                    if (now.disks().stream().noneMatch(one -> one.name().equals(disk))) {
                        throw new NodeException("this node has no disk " + disk);
                    }
                    return now.draft()
                            .leftSession(now.standing().isPrimary() ? Id.NONE : now.leftSession())
                            .disks(
                                    now.disks().stream()
                                            .map(one -> one.lengthened(disk, length))
                                            .toList());
                });
    }

    /** The process ends in good order. */
    public CompletableFuture<Void> close() {
        return stay(now -> now.draft().clean(true));
    }

    // ---- One after the other.

    private CompletableFuture<Void> stay(final Function<NodeRecord, NodeRecord.Draft> step) {
        return queue(Optional.empty(), false, (now, then) -> step.apply(now));
    }

    private CompletableFuture<Void> happen(final Happening happening, final Step step) {
        return queue(Optional.of(happening), false, step);
    }

    private CompletableFuture<Void> queue(
            final Optional<Happening> happening, final boolean isAlwaysStored, final Step step) {
        if (changes.size() == CHANGES_MAX) {
            return CompletableFuture.failedFuture(
                    new NodeException(
                            "the state can't be recorded: "
                                    + CHANGES_MAX
                                    + " changes wait for its storage"));
        }
        final CompletableFuture<Void> done = new CompletableFuture<>();
        changes.add(new Change(happening, step, isAlwaysStored, done));
        goOn();
        return done;
    }

    private void goOn() {
        while (!isStoring && !changes.isEmpty()) {
            final Change change = changes.remove();
            try {
                begin(change, next(change));
            } catch (final NodeException e) {
                change.done.completeExceptionally(e);
            }
        }
    }

    private NodeRecord next(final Change change) {
        final Optional<Standing> then =
                change.happening
                        .map(happening -> Transition.of(record.standing(), happening))
                        .orElse(Optional.of(record.standing()));
        if (then.isEmpty()) {
            throw new NodeException(
                    "a node that "
                            + record.standing().sentence()
                            + " can't "
                            + change.happening.get().verb());
        }
        return change.step.take(record, then.get()).record();
    }

    private void begin(final Change change, final NodeRecord next) {
        final CompletableFuture<Void> done = change.done;
        if (next.equals(record) && !change.isAlwaysStored) {
            done.complete(null);
            return;
        }
        isStoring = true;
        store.store(
                next,
                failure -> {
                    isStoring = false;
                    if (failure.isEmpty()) {
                        record = next;
                        onStored.accept(++number);
                        done.complete(null);
                    } else {
                        done.completeExceptionally(
                                new NodeException("the state can't be recorded: " + failure.get()));
                    }
                    goOn();
                });
    }
}

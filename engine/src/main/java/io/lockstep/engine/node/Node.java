package io.lockstep.engine.node;

import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import java.util.function.UnaryOperator;

/**
 * The state machine of a node: what happens to it, in the order in which it does, each recorded
 * before it counts. It has no clock, no socket and no thread; everything is called on the loop of
 * its group, which the store answers to.
 *
 * <p>A future fails with a {@link NodeException} where a thing can't happen to the node as it
 * stands, or its record could not be stored; then nothing has changed. What a later call says is
 * judged by what the earlier ones made of the node.
 */
public final class Node {
    private final RecordStore store;
    private final Queue<Change> changes = new ArrayDeque<>();
    private NodeRecord record;
    private boolean isStoring;

    /** A change that waits for those before it. */
    private record Change(
            Happening happening, UnaryOperator<NodeRecord> to, CompletableFuture<Void> done) {}

    /** A node as its record says, which the store has. */
    public Node(final NodeRecord record, final RecordStore store) {
        this.record = record;
        this.store = store;
    }

    /** What it knows of itself, and has stored. */
    public NodeRecord record() {
        return record;
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
                now -> now.in(group, Id.NONE, Lineage.NONE.begin(first), 0, Standing.REIGNING));
    }

    /** A primary is attached: the node is in its group, and of its lineage. */
    public CompletableFuture<Void> follow(final Summary primary, final long committedEpoch) {
        return happen(
                Happening.FOLLOW,
                now ->
                        now.in(
                                        primary.group(),
                                        primary.node(),
                                        primary.lineage(),
                                        committedEpoch,
                                        Standing.FOLLOWING)
                                .left(Id.NONE, false));
    }

    /** The primary has met its peer, which is in its group now, and takes its generation over. */
    public CompletableFuture<Void> rejoin(final Id peer, final long committedEpoch) {
        return happen(
                Happening.REJOIN,
                now ->
                        now.in(now.group(), peer, now.lineage(), committedEpoch, Standing.REIGNING)
                                .left(Id.NONE, false));
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
                now ->
                        now.standing() == Standing.ALONE
                                ? now.left(Id.NONE, false)
                                : begin(now, reign));
    }

    private static NodeRecord begin(final NodeRecord now, final Reign reign) {
        return now.in(
                        now.group(),
                        now.peer(),
                        now.lineage().begin(reign),
                        reign.origin(),
                        Standing.ALONE)
                .left(Id.NONE, false);
    }

    /** The primary goes on without this node. */
    public CompletableFuture<Void> outdate(final long committedEpoch) {
        return happen(
                Happening.OUTDATE,
                now ->
                        now.at(committedEpoch)
                                .standing(Transition.of(now.standing(), Happening.OUTDATE).get()));
    }

    /** The buffers are gone, and the disks between two checkpoints. */
    public CompletableFuture<Void> tear() {
        return happen(Happening.TEAR, now -> now.standing(Standing.INCONSISTENT));
    }

    /** A failover: it takes over from an epoch, with a merge before it. */
    public CompletableFuture<Void> promote(final Reign reign) {
        return happen(Happening.PROMOTE, now -> begin(now, reign).merging(true));
    }

    /** The same because somebody insists; a node without a group begins one. */
    public CompletableFuture<Void> force(final Id groupIfNone, final Reign reign) {
        return happen(
                Happening.FORCE,
                now ->
                        begin(now.group().isNone() ? now.group(groupIfNone) : now, reign)
                                .merging(true)
                                .forced());
    }

    /** The merge is done: the disks have everything. */
    public CompletableFuture<Void> merged() {
        return store(now -> now.merging(false));
    }

    /**
     * A session has ended with everything at the secondary, which has flushed it.
     *
     * @param session whose; of either side
     */
    public CompletableFuture<Void> leave(final Id session, final long committedEpoch) {
        return store(now -> now.at(committedEpoch).left(session, now.isClean()));
    }

    /** The process goes on with a node that may change: nothing that was left holds any more. */
    public CompletableFuture<Void> open(final Id boot) {
        return store(now -> now.left(now.leftSession(), false).boot(boot));
    }

    /** The process ends in good order. */
    public CompletableFuture<Void> close() {
        return store(now -> now.left(now.leftSession(), true));
    }

    // ---- One after the other.

    private CompletableFuture<Void> store(final UnaryOperator<NodeRecord> to) {
        return happen(null, to);
    }

    private CompletableFuture<Void> happen(
            final Happening happening, final UnaryOperator<NodeRecord> to) {
        final CompletableFuture<Void> done = new CompletableFuture<>();
        changes.add(new Change(happening, to, done));
        goOn();
        return done;
    }

    private void goOn() {
        while (!isStoring && !changes.isEmpty()) {
            begin(changes.remove());
        }
    }

    private void begin(final Change change) {
        if (change.happening != null
                && Transition.of(record.standing(), change.happening).isEmpty()) {
            change.done.completeExceptionally(
                    new NodeException(
                            "a node that "
                                    + record.standing().sentence()
                                    + " can't "
                                    + change.happening.verb()));
            return;
        }
        final NodeRecord next = change.to.apply(record);
        isStoring = true;
        store.store(
                next,
                failure -> {
                    isStoring = false;
                    if (failure == null) {
                        record = next;
                        change.done.complete(null);
                    } else {
                        change.done.completeExceptionally(
                                new NodeException("the state can't be recorded: " + failure));
                    }
                    goOn();
                });
    }
}

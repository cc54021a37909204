package io.lockstep.engine.secondary;

import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.Standing;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * A planned switch of roles, on the secondary: it takes the primary's role where it holds exactly
 * what that hands over, and has recorded so before it answers. What its guest has written by itself
 * is merged then, as after a failover. On the group's loop. See docs/lives.md, "A planned switch".
 */
final class RoleTaking {
    /** A primary reads twice a second what is wanted, and is quicker, or declines. */
    private static final long WAIT_NANOS = TimeUnit.SECONDS.toNanos(9);

    private final SecondaryGroup group;
    private final IoLoop loop;
    private final GroupPage page;
    private final Node node;
    private final SecondaryEnd end;
    private boolean isAllowed;

    /** Whoever has ordered it here; null where nobody has. */
    private CompletableFuture<Long> wanted;

    RoleTaking(
            final SecondaryGroup group,
            final IoLoop loop,
            final GroupPage page,
            final Node node,
            final SecondaryEnd end) {
        this.group = group;
        this.loop = loop;
        this.page = page;
        this.node = node;
        this.end = end;
    }

    /** This process would replicate to its former primary. */
    void allow() {
        isAllowed = true;
    }

    /** What the primary reads of it. */
    int flags() {
        return (isAllowed ? ControlRecord.TAKES_ROLE : 0)
                | (wanted != null ? ControlRecord.WANTS_ROLE : 0);
    }

    // ---- Ordered on this side.

    /** Asks the primary for it; answers when it is taken, or won't be. */
    CompletableFuture<Long> want() {
        if (wanted != null) {
            return wanted;
        }
        final String refusal = refusal();
        if (refusal != null) {
            return CompletableFuture.failedFuture(new GroupException(refusal));
        }
        final CompletableFuture<Long> asked = new CompletableFuture<>();
        wanted = asked;
        loop.schedule(
                WAIT_NANOS,
                () ->
                        settle(
                                asked,
                                "the primary has not handed over in time; its console and 'lockstep"
                                        + " status' there say why, and the guest is there"));
        return asked;
    }

    /** The primary won't, and has said why on its side. */
    void onDeclined() {
        settle(
                wanted,
                "the primary does not hand over now, and goes on; its console says why, and so does"
                        + " 'lockstep switchover' there");
    }

    @SuppressWarnings("ReferenceEquality") // whether it is still this one
    private void settle(final CompletableFuture<Long> asked, final String failure) {
        if (asked != null && wanted == asked) {
            wanted = null;
            asked.completeExceptionally(new GroupException(failure));
        }
    }

    // ---- Asked by the primary.

    private String refusal() {
        if (!isAllowed) {
            return "this node would not replicate back: roles are switched between two that are"
                    + " started with 'lockstep node'";
        }
        final String refusal = group.refuseOperation();
        if (refusal != null) {
            return refusal;
        }
        return node.standing() == Standing.FOLLOWING
                        && group.session().isLinked()
                        && !page.isCatchingUp()
                ? null
                : "this node is not linked to its primary, or not equal to it: see 'lockstep"
                        + " status', and try again when it is";
    }

    /** Why it does not take over at an epoch; null where it does. */
    String refusal(final long epoch) {
        final String refusal = refusal();
        if (refusal != null) {
            return refusal;
        }
        final boolean hasJustThat =
                epoch == group.committedEpoch()
                        && group.disks()
                                .all(
                                        disk ->
                                                disk.openEpoch() == epoch + 1
                                                        && disk.uncommittedWrites() == 0);
        return hasJustThat ? null : "epoch " + epoch + " is not what this node holds";
    }

    /**
     * Takes over, if nothing has come in between.
     *
     * @param isFlushed whether all disks are on stable storage
     * @param whenRecorded is told null, or why not
     */
    void take(final long epoch, final boolean isFlushed, final Consumer<String> whenRecorded) {
        final String refusal = isFlushed ? refusal(epoch) : "a disk can't be flushed";
        if (refusal != null) {
            whenRecorded.accept(refusal);
            return;
        }
        loop.after(
                end.takeRole(),
                (done, thrown) -> {
                    whenRecorded.accept(thrown == null ? null : thrown.getMessage());
                    if (thrown == null && wanted != null) {
                        wanted.complete(epoch);
                        wanted = null;
                    }
                });
    }
}

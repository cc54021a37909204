package io.lockstep.engine.secondary;

import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Verdict;

import java.io.IOException;
import java.util.Optional;

/**
 * What it means for a secondary that its disks are its primary's, too: nobody may take over while
 * that could still write, and nobody where it may have written what it has not announced. On the
 * group's loop. See docs/shared-disk.md, "Who may write".
 */
final class Sharing {
    private final Optional<SharedStorage> storage;
    private final GroupPage page;

    /** Whether somebody knows that the primary that was attached last writes no more. */
    private boolean isFenced;

    /** Whether a primary was attached in this process, which nobody has fenced then. */
    private boolean wasAttached;

    Sharing(final Optional<SharedStorage> storage, final GroupPage page) {
        this.storage = storage;
        this.page = page;
    }

    /** Whether they are. */
    boolean isShared() {
        return storage.isPresent();
    }

    /** What STATE says of it. */
    int stateFlags() {
        return isShared() ? ControlRecord.SHARED : 0;
    }

    /** Why a primary with these flags is not taken; null where it is. */
    String refuse(final int attachFlags) {
        if (((attachFlags ^ stateFlags()) & ControlRecord.SHARED) == 0) {
            return null;
        }
        return isShared()
                ? "this node shares its primary's disks (--shared), and the primary does not"
                : "the primary shares its disks (--shared), and this node has some of its own";
    }

    /**
     * A primary will be attached, when that is recorded: what holds of the one before does, too.
     */
    void onAttaching(final int attachFlags) {
        isFenced = false;
        if (isShared()) {
            page.goesOn(page.goesOn() | policy(attachFlags));
        }
    }

    /** It is, and what this node had for a checkpoint is recorded to be none. */
    void onAttached(final int attachFlags) {
        wasAttached = true;
        if (isShared()) {
            page.goesOn(policy(attachFlags));
        }
    }

    private static int policy(final int attachFlags) {
        return attachFlags & ControlRecord.GOES_ON;
    }

    /** A failover was refused: what was said for its sake may be wrong, and counts for no other. */
    void onRefused() {
        isFenced = false;
    }

    /**
     * Behind which epoch the first checkpoint of a primary is made: of shared disks no pre-image of
     * before means anything, also of the epoch that is open.
     */
    long goesOnBehind(final long committedThere, final long open) {
        return isShared() ? Math.max(committedThere, open + 1) : committedThere;
    }

    /**
     * Whether a node that takes over by force has no checkpoint, perhaps: then it has the disks as
     * they are, and what it has saved of them, or written over that, counts for nothing.
     */
    boolean isVoid(final Standing standing) {
        return isShared() && (standing != Standing.FOLLOWING || unannounced().isPresent());
    }

    /** Somebody knows that the primary writes no more. */
    void fenced() {
        isFenced = true;
    }

    /** Whether this node may take over, of which all else is known. */
    Verdict judge(final Standing standing, final Verdict verdict) {
        if (!isShared()) {
            return verdict;
        }
        if (!verdict.isAllowed()) {
            return Verdict.ofShared(standing).orElse(verdict);
        }
        final Optional<Verdict> refusal = unannounced();
        if (refusal.isPresent()) {
            return refusal.get();
        }
        return isFenced ? verdict : Verdict.ofUnfenced();
    }

    /**
     * That the primary may have gone on without this node; empty where it can't have: as long as
     * this process lives it goes on alone only when this node has recorded that it is left behind.
     * One that begins later does not know what somebody has said of the one before.
     */
    private Optional<Verdict> unannounced() {
        if ((page.goesOn() & ControlRecord.GOES_ON) != 0) {
            return Optional.of(Verdict.ofUnannounced("its --on-lost-link is continue"));
        }
        return wasAttached
                ? Optional.empty()
                : Optional.of(
                        Verdict.ofUnannounced(
                                "this process began later, and the one before may have been"
                                        + " fenced"));
    }

    /** It has taken over in the process before this one. */
    void goOn() throws IOException {
        if (isShared()) {
            storage.get().takeOver();
        }
    }

    /** Makes the disks this node's own. */
    void takeOver() throws GroupException {
        try {
            goOn();
        } catch (final IOException e) {
            throw new GroupException(
                    "the disks can't be taken over, and nothing has changed: " + e.getMessage());
        }
    }
}

package io.lockstep.engine.primary;

import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.group.Healing;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.group.VerificationStatus;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.tracking.ChangeMap;
import io.lockstep.engine.tracking.Tracking;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * How a pair takes a greater length of its disks, whose files have become longer on both sides,
 * while the guest is served: it is recorded here, then the disks are longer, and the link attaches
 * anew, where the secondary takes it before it takes anything else. The guests are told of it when
 * that is so. What is behind the old end is out of sync, unless both sides have nothing but a hole
 * there, or see the same disk.
 *
 * <p>A kill, or a cut, at any place leaves both at one length, or one of them at the greater one;
 * then the other takes that when they meet. On the guest's loop. See docs/healing.md, "When disks
 * become longer".
 */
final class Lengthening {
    private static final int BLOCK_LENGTH = ChangeMap.BLOCK_LENGTH;

    /** The secondary has taken it by then, if it can be reached. */
    private static final long PATIENCE_NANOS = TimeUnit.SECONDS.toNanos(8);

    private static final String NOTHING = "nothing was resized: ";
    private static final String SWITCHING =
            HandOver.UNDER_WAY + "; say it again, on the primary, when that is done";

    private final IoLoop loop;
    private final PrimaryGroup group;
    private final List<PrimaryDisk> disks;
    private final Lanes lanes;
    private final PrimaryReign reign;
    private final PeerPresence presence;
    private final PrimaryEpochs epochs;
    private final PrimaryEvents events;
    private final Tracking tracking;
    private final PrimaryHealing healing;
    private Runnable onTaken = () -> {};
    private boolean isUnderWay;

    /** Whoever waits for the secondary to have taken it, too; null for nobody. */
    private CompletableFuture<Void> waiting;

    /** A disk that is to be longer. */
    private record Growth(int number, PrimaryDisk disk, long length, boolean isEqual) {
        Healing.Taken taken() {
            return new Healing.Taken(disk.name(), disk.length(), length);
        }
    }

    Lengthening(
            final IoLoop loop,
            final PrimaryGroup group,
            final List<PrimaryDisk> disks,
            final Lanes lanes,
            final PrimaryReign reign,
            final PeerPresence presence,
            final PrimaryEpochs epochs,
            final PrimaryEvents events,
            final Tracking tracking,
            final PrimaryHealing healing) {
        this.loop = loop;
        this.group = group;
        this.disks = disks;
        this.lanes = lanes;
        this.reign = reign;
        this.presence = presence;
        this.epochs = epochs;
        this.events = events;
        this.tracking = tracking;
        this.healing = healing;
    }

    /** Has an action run whenever both sides may have taken a length; instead of all before. */
    void onTaken(final Runnable action) {
        onTaken = action;
    }

    // ---- What somebody wants.

    CompletableFuture<List<Healing.Taken>> take(
            final Optional<String> name, final OptionalLong size) {
        final String refusal = refusal(name);
        if (refusal != null) {
            return fail(refusal);
        }
        isUnderWay = true;
        final CompletableFuture<List<Healing.Taken>> answer = new CompletableFuture<>();
        group.orders()
                .askLengths(
                        told -> {
                            try {
                                requireRole(); // it may have been asked for meanwhile
                                final List<Growth> growths = growths(name, size, told);
                                if (growths.isEmpty()) {
                                    isUnderWay = false;
                                    answer.complete(present(name));
                                    return;
                                }
                                final List<Healing.Taken> taken =
                                        growths.stream().map(Growth::taken).toList();
                                loop.after(
                                        grow(growths, this::requireRole)
                                                .thenCompose(
                                                        done -> awaitSecondary(growths, taken)),
                                        (done, thrown) -> {
                                            isUnderWay = false;
                                            if (thrown == null) {
                                                answer.complete(taken);
                                            } else {
                                                answer.completeExceptionally(thrown);
                                            }
                                        });
                            } catch (final GroupException e) {
                                isUnderWay = false;
                                answer.completeExceptionally(e);
                            }
                        });
        return answer;
    }

    private static <T> CompletableFuture<T> fail(final String sentence) {
        return CompletableFuture.failedFuture(new GroupException(sentence));
    }

    /** Nobody's length changes while it is not known whose guest is served. */
    private void requireRole() {
        if (group.handOver().isBegun()) {
            throw new GroupException(NOTHING + SWITCHING);
        }
    }

    /** The disks that have the length already that was asked for. */
    private List<Healing.Taken> present(final Optional<String> name) {
        return disks.stream()
                .filter(disk -> name.isEmpty() || name.get().equals(disk.name()))
                .map(disk -> new Healing.Taken(disk.name(), disk.length(), disk.length()))
                .toList();
    }

    /** Why it can't be asked for now; null where it can. */
    private String refusal(final Optional<String> name) {
        if (name.isPresent() && disks.stream().noneMatch(disk -> disk.name().equals(name.get()))) {
            return NOTHING
                    + "there is no disk "
                    + name.get()
                    + " here, but "
                    + String.join(", ", disks.stream().map(PrimaryDisk::name).toList());
        }
        if (isUnderWay) {
            return NOTHING + "that is being done already; say it again when it is done";
        }
        if (!group.isRunning()) {
            return NOTHING + group.refuseOperation();
        }
        if (group.handOver().isBegun()) {
            return NOTHING + SWITCHING;
        }
        if (reign.isHeld()) {
            return NOTHING + reign.waitingSentence(presence.toString());
        }
        if (presence.isForeign()) {
            return NOTHING
                    + "the secondary at "
                    + presence.peer()
                    + " can't be told of another length; end replication, make the disks longer on"
                    + " both sides, and set it up anew";
        }
        if (!presence.isLinked()) {
            return NOTHING
                    + presence
                    + "; both sides take a length together: see that the secondary runs and can be"
                    + " reached";
        }
        if (healing.synchronisation().isPresent()) {
            return NOTHING
                    + "the secondary at "
                    + presence.peer()
                    + " is being made equal; say it again when it is (lockstep status)";
        }
        return healing.verification().filter(VerificationStatus::isUnderWay).isPresent()
                ? NOTHING
                        + "a verification is under way; say it again when it is done, or cancel it"
                        + " (job-cancel, id verify)"
                : null;
    }

    /** Those that become longer; none where all that were asked for have that length already. */
    private List<Growth> growths(
            final Optional<String> name,
            final OptionalLong size,
            final Optional<LengthsThere.Told[]> told) {
        if (told.isEmpty()) {
            throw new GroupException(
                    NOTHING
                            + "the link to the secondary at "
                            + presence.peer()
                            + " was lost; say it again");
        }
        final List<Growth> growths = new ArrayList<>();
        for (int i = 0; i < disks.size(); i++) {
            final PrimaryDisk disk = disks.get(i);
            final LengthsThere.Told there = told.get()[i];
            final long here = disk.lengthThere();
            final boolean isAsked = name.isEmpty() || name.get().equals(disk.name());
            final boolean isPresent = isPresent(disk.length(), here, there.length(), size);
            if (!isAsked || isPresent && isUsable(disk, here)) {
                continue;
            }
            final String refusal = refusal(disk, here, there.length(), size);
            if (refusal != null) {
                throw new GroupException(refusal);
            }
            final long length = size.orElse(whole(Math.min(here, there.length())));
            final boolean isHole = there.isHoleBehind() && disk.isHoleBehind();
            growths.add(new Growth(i, disk, length, isOfOneDisk() || isHole));
        }
        return growths;
    }

    private boolean isOfOneDisk() {
        return group.forwarding().isOfOneDisk();
    }

    /** Whether a file of that length can be used: the next start would refuse it otherwise. */
    private static boolean isUsable(final PrimaryDisk disk, final long here) {
        return here % disk.lengthUnit() == 0;
    }

    /** Whether a disk has the length that it would get, as where this is said once more. */
    private static boolean isPresent(
            final long length, final long here, final long there, final OptionalLong size) {
        return here >= length
                && there >= length
                && (size.isPresent()
                        ? size.getAsLong() == length
                        : whole(here) <= length && whole(there) <= length);
    }

    private static long whole(final long length) {
        return length / BLOCK_LENGTH * BLOCK_LENGTH;
    }

    /** Why a disk can't be longer; null where it can. */
    private String refusal(
            final PrimaryDisk disk, final long here, final long there, final OptionalLong size) {
        final long length = disk.length();
        final String lengths =
                NOTHING
                        + "disk "
                        + disk.name()
                        + " has "
                        + length
                        + " bytes, its file here "
                        + here
                        + ", and that of the secondary at "
                        + presence.peer()
                        + " "
                        + there;
        if (here < length || there < length || size.orElse(length) < length) {
            return lengths
                    + (size.isPresent() ? "; " + size.getAsLong() + " were asked for" : "")
                    + ": a disk is never made shorter"
                    + (here < length || there < length
                            ? "; make the file as long as the disk again, and see what was lost"
                            : "");
        }
        if (!isUsable(disk, here)) {
            return lengths
                    + ": what is used past the page cache (O_DIRECT) must have a multiple of "
                    + disk.lengthUnit()
                    + "; make the file so long, and say it again";
        }
        if (size.isPresent() && whole(size.getAsLong()) != size.getAsLong()) {
            return lengths
                    + "; "
                    + size.getAsLong()
                    + " were asked for, which are no whole blocks of "
                    + BLOCK_LENGTH;
        }
        final long wanted = size.orElse(whole(Math.min(here, there)));
        if (wanted > length && wanted <= here && wanted <= there) {
            return null;
        }
        final boolean isShortHere = size.isPresent() ? here < wanted : here <= length;
        final boolean isShortThere = size.isPresent() ? there < wanted : there <= length;
        if (!isShortHere && !isShortThere) {
            return lengths
                    + ": it grows by whole blocks of "
                    + BLOCK_LENGTH
                    + " bytes; make both files longer";
        }
        final String where =
                isShortHere && isShortThere
                        ? "both files longer first"
                        : isShortHere
                                ? "the file here as long as that of the secondary"
                                : "the file on the secondary as long as the one here";
        return lengths + ": make " + where + " (truncate -s, lvextend), and say it again";
    }

    // ---- What is done.

    /**
     * Records it, and has the disks be longer; fails where it is not recorded.
     *
     * @param before throws where it must not be recorded any more
     */
    private CompletableFuture<Void> grow(final List<Growth> growths, final Runnable before) {
        // What is recorded must be there after the loss of power: the files' lengths, too.
        CompletableFuture<Void> recorded =
                LocalFlush.flushAll(disks, "a disk can't be flushed; see to it").thenRun(before);
        for (final Growth growth : growths) {
            try {
                tracking.prepare(growth.number, growth.length);
            } catch (final IOException e) {
                return fail(NOTHING + e.getMessage());
            }
            recorded =
                    recorded.thenCompose(
                            done -> reign.node().lengthen(growth.disk.name(), growth.length));
        }
        return recorded.thenRun(() -> lengthen(growths))
                .exceptionallyCompose(thrown -> fail(NOTHING + PrimaryEvents.sentenceOf(thrown)));
    }

    private void lengthen(final List<Growth> growths) {
        boolean isEqual = true;
        for (final Growth growth : growths) {
            growth.disk.lengthen(growth.length, growth.isEqual);
            isEqual &= growth.isEqual;
        }
        if (!group.isRunning()) {
            return;
        }
        if (isEqual) {
            group.orders().attachAgain();
        } else if (lanes.isLogging()) {
            // As where the guest has pulled ahead: what is in the sets is sent when the log is.
            lanes.goAhead();
            reign.onGivenUp();
            epochs.fail(epoch -> events.behind());
            group.catchUp();
        }
    }

    private CompletableFuture<Void> awaitSecondary(
            final List<Growth> growths, final List<Healing.Taken> taken) {
        final CompletableFuture<Void> linked = new CompletableFuture<>();
        waiting = linked;
        loop.schedule(
                PATIENCE_NANOS,
                () ->
                        linked.completeExceptionally(
                                new GroupException(
                                        "disk "
                                                + growths.getFirst().disk.name()
                                                + " has "
                                                + taken.getFirst().length()
                                                + " bytes here, as is recorded, and had "
                                                + taken.getFirst().before()
                                                + "; the secondary at "
                                                + presence.peer()
                                                + " takes that when it is linked again, and guests"
                                                + " are told of it then: see that it runs and can"
                                                + " be reached")));
        return linked;
    }

    /** The link is up, between disks of one length. */
    void onLinked() {
        onTaken.run();
        if (waiting != null) {
            waiting.complete(null);
            waiting = null;
        }
    }

    /**
     * The secondary has a greater length, which this side had not recorded when one of the two was
     * killed, or taken over: it is taken here, too. What the secondary has there is not known,
     * where it is another disk.
     */
    void onLongerThere(final int number, final long length) {
        final PrimaryDisk disk = disks.get(number);
        if (isUnderWay || length <= disk.length()) {
            return; // the link is made again, and it is told again if it is still so
        }
        final long here = disk.lengthThere();
        if (here < length) {
            final ReplicationError cause =
                    events.unfit(
                            disk.name(),
                            FitExport.otherLength(length, disk.length())
                                    + "; the file here has "
                                    + here
                                    + ": make it as long (truncate -s, lvextend), and start this"
                                    + " node again");
            reign.onRefused(cause.sentence());
            group.end().giveUp(GroupEvents.Event.REPLICATION_ERROR, cause);
            return;
        }
        isUnderWay = true;
        if (!isOfOneDisk()) {
            reign.onGivenUp();
        }
        loop.after(
                grow(List.of(new Growth(number, disk, length, isOfOneDisk())), () -> {}),
                (done, thrown) -> {
                    isUnderWay = false;
                    if (thrown != null) {
                        events.notRecorded(PrimaryEvents.sentenceOf(thrown));
                    }
                });
    }
}

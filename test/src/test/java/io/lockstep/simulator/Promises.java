package io.lockstep.simulator;

import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.memory.Errno;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.Function;

/**
 * What a primary has promised to its guest by the level at which it answered, and whether its
 * secondary has it: each answer is judged at once by what a failover would return to then, and by
 * what is on the secondary's stable storage; and so is what a failover, or the loss of power there,
 * leaves later. By bytes: each is as of the last change that was promised, or of one that was asked
 * for later.
 *
 * <p>An answer at a level about the secondary that the primary gives by itself promises nothing,
 * but only where something that survives the loss of power says that it does so.
 */
final class Promises {
    private static final int LEVELS_OF_TEN = 9;

    /** Who makes them. */
    interface Giver {
        /** When it answers, as its status says. */
        GroupStatus.Acknowledging acknowledging();

        /** Whether its durable record says that it goes on without its peer. */
        boolean isRecordedAlone();

        /** Whether nobody hears it any more. */
        boolean hasEnded();

        /** Has something judged, and the story fail where it is wrong. */
        void judged(Runnable judgement);
    }

    /** Who has to keep them. */
    interface Keeper {
        /** To what a failover would return at this moment; empty where that is not known. */
        Optional<List<byte[]>> checkpoint();

        /** What is on stable storage of each disk. */
        List<byte[]> onStableStorage();

        /**
         * Whether the two, when they meet, find that each has what the other may lack: of one that
         * has taken over.
         */
        boolean isFoundOut();
    }

    /** A request of which a promise may come: the levels since then, and when it was asked. */
    static final class Request {
        private final int levelIndex;
        private final int disk;

        /** In each of the models; null of a flush. */
        private final List<DiskModel.Change> changes;

        /** In each of the models, of each disk; null of a change. */
        private final List<long[]> askedAt;

        private Request(
                final int levelIndex,
                final int disk,
                final List<DiskModel.Change> changes,
                final List<long[]> askedAt) {
            this.levelIndex = levelIndex;
            this.disk = disk;
            this.changes = changes;
            this.askedAt = askedAt;
        }
    }

    /** Of each disk what the secondary has, whatever becomes of the primary. */
    private final List<DiskModel> atPeer = new ArrayList<>();

    /** The same, whatever becomes of both. */
    private final List<DiskModel> stored = new ArrayList<>();

    /** And what it would have if the primary had not answered some by itself. */
    private final List<DiskModel> answered = new ArrayList<>();

    private final List<List<DiskModel>> models = List.of(atPeer, stored, answered);
    private final PromiseCounts counts;
    private final Keeper keeper;

    /** Since the process began; the last one holds. */
    private final List<AckLevel> levels = new ArrayList<>();

    private Giver giver;

    /**
     * Whether whoever kept them has other disks by now, and nobody follows yet: what is answered to
     * a guest before the primary hears of that nobody keeps.
     */
    private boolean isKeeperAnother;

    private boolean isAnyAtPeer;
    private boolean isAnyStored;
    private boolean isAnyAlone;

    /** What whoever took over has found: nothing that was promised before may come behind it. */
    private List<byte[]> fallenTo;

    Promises(final PromiseCounts counts, final Keeper keeper) {
        this.counts = counts;
        this.keeper = keeper;
    }

    /** One of the levels, most often one about the secondary. */
    static AckLevel choose(final Dice dice) {
        return dice.between(0, LEVELS_OF_TEN) == 0 ? AckLevel.LOCAL : chooseAny(dice);
    }

    /** One of them. */
    static AckLevel chooseAny(final Dice dice) {
        return dice.oneOf(
                AckLevel.LOCAL,
                new AckLevel(AckLevel.Level.FLUSH, false),
                new AckLevel(AckLevel.Level.FLUSH, true),
                new AckLevel(AckLevel.Level.WRITE, false),
                new AckLevel(AckLevel.Level.WRITE, true));
    }

    // ---- A primary's lives.

    /** A process begins, at a level. */
    void begin(final Giver now, final AckLevel level) {
        giver = now;
        levels.clear();
        levels.add(level);
    }

    /** It answers at another level from now on. */
    void level(final AckLevel now) {
        levels.add(now);
    }

    /** Its guest is served, and finds this. */
    void serve(final List<String> names, final List<byte[]> contents) {
        if (!atPeer.isEmpty()) {
            holds(contents);
            return;
        }
        for (final List<DiskModel> disks : models) {
            for (int i = 0; i < contents.size(); i++) {
                disks.add(new DiskModel(names.get(i), contents.get(i).clone(), 0));
            }
        }
    }

    /** It has ended, and this is what it has left: its peer may be made equal to that. */
    void end(final List<byte[]> contents) {
        models.forEach(disks -> disks.forEach(DiskModel::settle));
        holds(contents);
    }

    private void holds(final List<byte[]> contents) {
        for (final List<DiskModel> disks : models) {
            for (int i = 0; i < disks.size(); i++) {
                final DiskModel model = disks.get(i);
                model.succeeded(model.write(0, contents.get(i).clone()), false);
            }
        }
    }

    // ---- What its guest asks for, and is answered.

    Request write(final int disk, final long offset, final byte[] bytes) {
        return change(disk, model -> model.write(offset, bytes.clone()));
    }

    Request zero(final int disk, final long offset, final long length) {
        return change(disk, model -> model.zero(offset, length));
    }

    private Request change(final int disk, final Function<DiskModel, DiskModel.Change> in) {
        return new Request(
                levels.size() - 1,
                disk,
                models.stream().map(disks -> in.apply(disks.get(disk))).toList(),
                null);
    }

    /** A flush, of whichever disk: it is about what was answered of all of them. */
    Request flush() {
        return new Request(
                levels.size() - 1,
                0,
                null,
                models.stream()
                        .map(disks -> disks.stream().mapToLong(DiskModel::now).toArray())
                        .toList());
    }

    /** A request is answered at this moment. */
    void answered(final Request request, final int errno) {
        if (giver.hasEnded()) {
            return;
        }
        final boolean isChange = request.changes != null;
        if (errno != 0) {
            if (isChange) {
                failed(request, errno);
            }
            return;
        }
        final AckLevel level = weakestSince(request.levelIndex);
        final boolean isAbout =
                isChange ? level.level() == AckLevel.Level.WRITE : level.isAboutSecondary();
        final boolean isInForce = giver.acknowledging().isInForce();
        final boolean isPromise =
                isAbout && !isKeeperAnother && (isInForce || !giver.isRecordedAlone());
        note(request, 0, isPromise);
        note(request, 1, isPromise && level.isDurable());
        note(request, 2, isAbout);
        if (isPromise) {
            isAnyAtPeer = true;
            isAnyStored |= level.isDurable();
            counts.promised(level, isChange, isInForce);
            giver.judged(() -> judge(level, isInForce));
        } else if (isAbout && !isKeeperAnother) {
            isAnyAlone = true;
            counts.alone();
        }
    }

    private void failed(final Request request, final int errno) {
        for (int i = 0; i < models.size(); i++) {
            final DiskModel model = models.get(i).get(request.disk);
            if (errno == Errno.EOPNOTSUPP) {
                model.refused(request.changes.get(i));
            } else if (errno != Errno.ESHUTDOWN) {
                model.failed(request.changes.get(i));
            }
        }
    }

    /** A request has succeeded, and one of the models hears whether that promises something. */
    private void note(final Request request, final int index, final boolean isPromised) {
        final List<DiskModel> disks = models.get(index);
        if (request.changes != null) {
            disks.get(request.disk).succeeded(request.changes.get(index), isPromised);
        } else if (isPromised) {
            for (int i = 0; i < disks.size(); i++) {
                disks.get(i).flushed(request.askedAt.get(index)[i]);
                disks.get(i).compact();
            }
        }
    }

    /** What the request may have been entered at, and what held when it was answered. */
    private AckLevel weakestSince(final int index) {
        AckLevel.Level weakest = AckLevel.Level.WRITE;
        boolean isDurable = true;
        for (final AckLevel level : levels.subList(index, levels.size())) {
            weakest = level.level().compareTo(weakest) < 0 ? level.level() : weakest;
            isDurable &= level.isDurable();
        }
        return new AckLevel(weakest, isDurable && weakest != AckLevel.Level.LOCAL);
    }

    private void judge(final AckLevel level, final boolean isInForce) {
        final String what =
                "acknowledged at level " + level + (isInForce ? "" : ", by itself and in silence");
        if (fallenTo == null) {
            keeper.checkpoint().ifPresent(contents -> check(what, atPeer, contents));
        } else {
            check(what + ", behind a failover", atPeer, fallenTo);
        }
        if (level.isDurable() && fallenTo == null) {
            check(what, stored, keeper.onStableStorage());
        }
    }

    private static void check(
            final String what, final List<DiskModel> models, final List<byte[]> contents) {
        try {
            for (int i = 0; i < contents.size(); i++) {
                models.get(i).checkPromised(contents.get(i));
            }
        } catch (final AssertionError wrong) {
            throw new AssertionError("acknowledged, " + what + ": " + wrong.getMessage(), wrong);
        }
    }

    // ---- What becomes of the secondary.

    /** It has made a checkpoint. */
    void onCheckpoint(final List<byte[]> contents) {
        if (isAnyAtPeer && fallenTo == null) {
            check("and a checkpoint is made", atPeer, contents);
        }
    }

    /** It has lost its power, and this is left. */
    void onPowerLost(final List<byte[]> contents) {
        if (isAnyStored && fallenTo == null) {
            counts.checkedStored();
            check("durably, and the power was lost", stored, contents);
        }
    }

    /**
     * It has taken over.
     *
     * @param isCheckpoint whether it had one, and did not lose its power
     * @param isForced whether it was told to, whatever is lost
     */
    void onTakenOver(
            final List<byte[]> contents, final boolean isCheckpoint, final boolean isForced) {
        if (isAnyAtPeer && isCheckpoint) {
            counts.checked();
            check("and the peer has taken over", atPeer, contents);
        }
        if (isAnyStored && fallenTo == null) {
            counts.checkedStored();
            check("durably, and the peer has taken over", stored, contents);
        }
        if (isAnyAlone && isCheckpoint && !isForced && !keeper.isFoundOut()) {
            counts.checkedAlone();
            check("by itself, which nobody will find out", answered, contents);
        }
        fallenTo = contents;
    }

    /** The disks of the two are others, or have another history: nothing holds of before. */
    void forget() {
        isKeeperAnother = true;
        isAnyAtPeer = false;
        isAnyStored = false;
        isAnyAlone = false;
        fallenTo = null;
    }

    /** Somebody follows: whoever has taken over, or another one. */
    void onFollowed() {
        if (fallenTo != null) {
            forget();
        }
        isKeeperAnother = false;
    }
}

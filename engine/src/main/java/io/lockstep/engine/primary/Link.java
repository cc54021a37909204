package io.lockstep.engine.primary;

import io.lockstep.engine.client.ClientLimits;
import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.nbd.ClientNegotiated;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;

/**
 * The primary's end of the link: sends what is decided in the forward log, in its order, to the
 * secondary's exports, one connection a disk, and releases what was answered. Connects again after
 * a cut, and sends again from the oldest frame that was not released.
 *
 * <p>To a secondary of our own kind frames follow each other without waiting: it keeps overlapping
 * ones in order. A foreign server may reorder: there a frame waits until none is in flight that it
 * overlaps, and at a seal everything waits until the manager has committed.
 *
 * <p>All on the link's loop. In steady state nothing is allocated.
 */
final class Link {
    /** Hears how it goes, on the link's loop. */
    interface Owner {
        /** All disks are linked. The secondary's epochs are those of a lockstep, or 0 and 0. */
        void onUp(boolean isForeign, long sealedEpoch, long committedEpoch);

        /** It was up, and is down; it connects again. */
        void onDown(String reason);

        /** It could not be made, and will be tried again. */
        void onUnreachable(String reason);

        /** The secondary refused something: the link has ended. */
        void onRefused(String disk, long offset, int errno, String reason);

        /** The seals of an epoch were answered for all disks. */
        void onSealed(long epoch);

        /** The commit of an epoch was answered, or its seals, which commit as well. */
        void onCommitted(long epoch);

        /** Frames were released. */
        void onReleased();
    }

    /** What the primary says of itself when it attaches. */
    record Session(long high, long low, boolean assumeIdentical) {}

    private static final int IN_FLIGHT_MAX = 1024;
    private static final int FOREIGN_IN_FLIGHT_MAX = 64;
    private static final long IN_FLIGHT_BYTES_MAX = 16L << 20;
    private static final int FRAMES_PER_TURN = 256;

    private static final long BACKOFF_MIN_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
    private static final long BACKOFF_MAX_NANOS = TimeUnit.SECONDS.toNanos(5);

    /** A peer that owes an answer, and gives none at all for so long, is gone. */
    private static final long SILENCE_MAX_NANOS = TimeUnit.SECONDS.toNanos(10);

    private static final long LEAVE_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final ClientLimits LIMITS =
            new ClientLimits(IN_FLIGHT_MAX, 0, TimeUnit.SECONDS.toNanos(10));

    private enum Phase {
        IDLE,
        CONNECTING,
        UP,
        /** Waits to connect again. */
        DOWN,
        ENDED
    }

    /** What the secondary is: on all disks, and for good once the link has stood. */
    private enum Secondary {
        UNKNOWN,
        LOCKSTEP,
        FOREIGN
    }

    private final IoLoop loop;
    private final Peer[] peers;
    private final PrimaryDisk[] disks;
    private final boolean[] emptyDisks;
    private final ForwardLog log;
    private final Session session;
    private final Owner owner;
    private final NbdClient[] clients;
    private final MemorySegment record = Arena.ofAuto().allocate(ControlRecord.LENGTH, 8);
    private final MemorySegment[] states;
    private final Disk.Completion onAnswer;

    /** A completion tells its link by this number whether it still matters. */
    private int generation;

    private Phase phase = Phase.IDLE;
    private long backoffNanos = BACKOFF_MIN_NANOS;
    private boolean hasStood;
    private int readyCount;
    private Secondary secondary = Secondary.UNKNOWN;

    /** The next frame to send; those from 'released' to here wait for their answers. */
    private long next;

    private long released;
    private long inFlightBytes;
    private final boolean[] answered;
    private final int answeredMask;

    private long answerCount;

    private long commitAsked;
    private long commitSent;
    private long commitDone;

    /** The last seal that a foreign server has reached. */
    private long sealReached;

    private boolean workScheduled;
    private final Runnable workTask = this::workSoon;

    Link(
            final IoLoop loop,
            final Peer[] peers,
            final PrimaryDisk[] disks,
            final boolean[] emptyDisks,
            final ForwardLog log,
            final Session session,
            final Owner owner) {
        this.loop = loop;
        this.peers = peers;
        this.disks = disks;
        this.emptyDisks = emptyDisks;
        this.log = log;
        this.session = session;
        this.owner = owner;
        clients = new NbdClient[disks.length];
        states = new MemorySegment[disks.length];
        for (int i = 0; i < states.length; i++) {
            states[i] = Arena.ofAuto().allocate(ControlRecord.LENGTH, 8);
        }
        answered = new boolean[ForwardLog.FRAMES];
        answeredMask = answered.length - 1;
        onAnswer = this::onAnswer;
    }

    // ---- Connecting.

    void start() {
        phase = Phase.CONNECTING;
        final int ofGeneration = ++generation;
        readyCount = 0;
        if (!hasStood) {
            secondary = Secondary.UNKNOWN;
        }
        for (int i = 0; i < disks.length && ofGeneration == generation; i++) {
            connect(i, ofGeneration);
        }
        watch(ofGeneration);
    }

    /** A host that lost its power says nothing, and neither does a network that is parted. */
    private void watch(final int ofGeneration) {
        final long seen = answerCount;
        final boolean isOwed =
                phase == Phase.CONNECTING || released < next || commitDone < commitSent;
        loop.schedule(
                SILENCE_MAX_NANOS,
                () -> {
                    if (ofGeneration != generation) {
                        return;
                    }
                    if (isOwed && answerCount == seen) {
                        goDown(
                                "no answer for "
                                        + TimeUnit.NANOSECONDS.toSeconds(SILENCE_MAX_NANOS)
                                        + " s");
                    } else {
                        watch(ofGeneration);
                    }
                });
    }

    private void connect(final int disk, final int ofGeneration) {
        clients[disk] =
                NbdClient.connect(
                        loop,
                        peers[disk].server(),
                        ClientOptions.use(peers[disk].export())
                                .withReplyStyle(ReplyStyle.STRUCTURED)
                                .withMetaContexts(Nbd.CONTEXT_CONTROL),
                        LIMITS,
                        new NbdClient.Listener() {
                            @Override
                            public void onReady(final NbdClient client) {
                                if (ofGeneration == generation) {
                                    Link.this.onReady(disk, client);
                                }
                            }

                            @Override
                            public void onClosed(final NbdClient client, final String reason) {
                                if (ofGeneration == generation) {
                                    goDown(reason);
                                }
                            }
                        });
    }

    private void onReady(final int disk, final NbdClient client) {
        clients[disk] = client; // a loop may connect before connect() returns
        final ClientNegotiated negotiated = client.negotiated();
        final PrimaryDisk ours = disks[disk];
        if (negotiated.export().size() != ours.length()) {
            refuse(
                    disk,
                    "the primary's disk has "
                            + ours.length()
                            + " bytes and the secondary's "
                            + negotiated.export().size()
                            + "; they must be of one length");
        } else if (negotiated.has(Nbd.FLAG_READ_ONLY)) {
            refuse(disk, "the secondary's export is read-only");
        } else if (!negotiated.has(Nbd.FLAG_SEND_WRITE_ZEROES | Nbd.FLAG_SEND_FLUSH)) {
            refuse(disk, "the secondary's server offers no write-zeroes or no flush");
        } else if (negotiated.export().blockSizeMin() > 1) {
            refuse(
                    disk,
                    "the secondary's server takes only whole blocks of "
                            + negotiated.export().blockSizeMin()
                            + " bytes, and the guest may write less");
        } else if (negotiated.export().payloadLengthMax() < log.payloadLengthMax()) {
            refuse(
                    disk,
                    "the secondary's server takes at most "
                            + negotiated.export().payloadLengthMax()
                            + " bytes in a write, and the primary sends up to "
                            + log.payloadLengthMax());
        } else {
            onFound(
                    disk,
                    client,
                    negotiated.hasContext(Nbd.CONTEXT_CONTROL)
                            ? Secondary.LOCKSTEP
                            : Secondary.FOREIGN);
        }
    }

    /**
     * A server that knows no epochs must not get what was on its way to one that does: it saves no
     * pre-images, and nobody would commit there what is asked for.
     */
    private void onFound(final int disk, final NbdClient client, final Secondary found) {
        if (secondary == Secondary.UNKNOWN) {
            secondary = found;
        }
        if (secondary != found) {
            final String reason =
                    "export "
                            + peers[disk].export()
                            + (found == Secondary.FOREIGN ? " is not" : " is")
                            + " one of a lockstep secondary, unlike "
                            + (hasStood ? "before" : "those of other disks");
            if (hasStood) {
                goDown(reason);
            } else {
                refuse(disk, reason);
            }
        } else if (found == Secondary.FOREIGN) {
            onAttached();
        } else {
            attach(disk, client);
        }
    }

    private void attach(final int disk, final NbdClient client) {
        final int ofGeneration = generation;
        ControlRecord.write(
                record,
                0,
                ControlRecord.ATTACH,
                0,
                0,
                session.high,
                session.low,
                (session.assumeIdentical ? ControlRecord.ASSUME_IDENTICAL : 0)
                        | (emptyDisks[disk] ? ControlRecord.EMPTY : 0));
        client.writeControl(
                record,
                ControlRecord.LENGTH,
                (token, errno) -> {
                    if (ofGeneration != generation) {
                        return;
                    }
                    if (errno == 0) {
                        readState(disk, client);
                    } else if (errno != Errno.ESHUTDOWN) {
                        refuse(disk, client.errorText());
                    }
                },
                0);
        client.send();
    }

    private void readState(final int disk, final NbdClient client) {
        final int ofGeneration = generation;
        client.readControl(
                states[disk],
                ControlRecord.LENGTH,
                (token, errno) -> {
                    if (ofGeneration != generation) {
                        return;
                    }
                    if (errno == 0) {
                        onAttached();
                    } else if (errno != Errno.ESHUTDOWN) {
                        refuse(disk, client.errorText());
                    }
                },
                0);
        client.send();
    }

    private void onAttached() {
        answerCount++;
        if (++readyCount < disks.length) {
            return;
        }
        phase = Phase.UP;
        hasStood = true;
        backoffNanos = BACKOFF_MIN_NANOS;
        released = log.released();
        next = released;
        inFlightBytes = 0;
        Arrays.fill(answered, false);
        commitSent = commitDone;
        long sealed = 0;
        long committed = 0;
        if (!isForeign()) {
            sealed = Long.MAX_VALUE;
            for (final MemorySegment state : states) {
                sealed = Math.min(sealed, ControlRecord.epoch(state, 0));
                committed = Math.max(committed, ControlRecord.committedEpoch(state, 0));
            }
        }
        owner.onUp(isForeign(), sealed, committed);
        work();
    }

    private void refuse(final int disk, final String reason) {
        end();
        owner.onRefused(disks[disk].name(), -1, Errno.EPERM, reason);
    }

    private void goDown(final String reason) {
        if (phase == Phase.ENDED || phase == Phase.DOWN) {
            return;
        }
        final boolean wasUp = phase == Phase.UP;
        phase = Phase.DOWN;
        generation++;
        abortAll();
        if (wasUp) {
            owner.onDown(reason);
        } else {
            owner.onUnreachable(reason);
        }
        loop.schedule(
                backoffNanos,
                () -> {
                    if (phase == Phase.DOWN) {
                        start();
                    }
                });
        backoffNanos = Math.min(BACKOFF_MAX_NANOS, 2 * backoffNanos);
    }

    private void abortAll() {
        for (final NbdClient client : clients) {
            if (client != null) {
                client.abort("the link is cut");
            }
        }
    }

    /** Ends it for good. */
    void end() {
        if (phase == Phase.ENDED) {
            return;
        }
        phase = Phase.ENDED;
        generation++;
        abortAll();
    }

    /** Ends it for good, in the protocol's way: what is in flight is answered first. */
    void leave() {
        if (phase == Phase.ENDED) {
            return;
        }
        phase = Phase.ENDED;
        generation++;
        for (final NbdClient client : clients) {
            if (client != null) {
                client.disconnect();
            }
        }
        loop.schedule(LEAVE_NANOS, this::abortAll);
    }

    /** Ends it for good and at once: nothing of the log is sent any more. */
    void cut() {
        end();
        abortAll();
    }

    private boolean isForeign() {
        return secondary == Secondary.FOREIGN;
    }

    // ---- Sending.

    /** Sends what can be sent. Called when frames were decided, and when some were answered. */
    void work() {
        if (phase != Phase.UP) {
            return;
        }
        sendCommit();
        final long decided = log.decided();
        int count = 0;
        while (next < decided && count < FRAMES_PER_TURN && phase == Phase.UP) {
            if (!sendFrame(next)) {
                break;
            }
            next++;
            count++;
        }
        for (final NbdClient client : clients) {
            if (phase == Phase.UP) {
                client.send();
            }
        }
        final boolean hasReleased = releaseAnswered();
        if (count == FRAMES_PER_TURN || (hasReleased && next < decided)) {
            workLater(); // others have their turn
        }
    }

    private boolean sendFrame(final long frame) {
        if (log.isFailed(frame)) {
            answered[(int) (frame & answeredMask)] = true;
            return true;
        }
        final ForwardLog.Kind kind = log.kind(frame);
        final long length = log.length(frame);
        if (inFlightBytes > 0
                && inFlightBytes + length > IN_FLIGHT_BYTES_MAX
                && kind == ForwardLog.Kind.WRITE) {
            return false;
        }
        if (isForeign() && mustWait(frame, kind)) {
            return false;
        }
        final NbdClient client = clients[log.disk(frame)];
        final boolean isTaken =
                switch (kind) {
                    case WRITE ->
                            client.writeFrame(
                                    log.offset(frame),
                                    (int) length,
                                    log.memory(),
                                    log.payloadPosition(frame),
                                    0,
                                    onAnswer,
                                    token(frame));
                    case ZERO ->
                            client.writeZeroes(
                                    log.offset(frame),
                                    length,
                                    (log.flags(frame) & Disk.ZERO_NO_HOLE) != 0
                                            ? Nbd.CMD_FLAG_NO_HOLE
                                            : 0,
                                    onAnswer,
                                    token(frame));
                    case FLUSH -> client.flush(onAnswer, token(frame));
                    case SEAL -> sendSeal(client, frame);
                };
        if (isTaken && kind == ForwardLog.Kind.WRITE) {
            inFlightBytes += length;
        }
        return isTaken;
    }

    /** The frame's number, and beside it what tells a completion of this link from older ones. */
    private long token(final long frame) {
        return (frame << 16) | (generation & 0xffff);
    }

    private boolean sendSeal(final NbdClient client, final long frame) {
        if (isForeign()) {
            return sealForeign(frame);
        }
        ControlRecord.write(
                record,
                0,
                ControlRecord.SEAL,
                log.offset(frame),
                0,
                session.high,
                session.low,
                log.flags(frame));
        return client.writeControl(record, ControlRecord.LENGTH, onAnswer, token(frame));
    }

    /** What a foreign server may reorder must not be in flight together. */
    private boolean mustWait(final long frame, final ForwardLog.Kind kind) {
        if (next - released >= FOREIGN_IN_FLIGHT_MAX) {
            return true;
        }
        if (kind == ForwardLog.Kind.SEAL) {
            return false; // it asks for itself
        }
        final long start = log.offset(frame);
        final long end = start + log.length(frame);
        for (long other = released; other < frame; other++) {
            if (!answered[(int) (other & answeredMask)]
                    && log.disk(other) == log.disk(frame)
                    && log.offset(other) < end
                    && start < log.offset(other) + log.length(other)) {
                return true;
            }
        }
        return false;
    }

    /** A foreign server is sealed when it has answered all; then it waits for its commit. */
    private boolean sealForeign(final long frame) {
        releaseAnswered(); // the seals of the disks before this one
        if (released < frame) {
            return false;
        }
        final long epoch = log.offset(frame);
        if (log.disk(frame) == 0 && sealReached < epoch) {
            sealReached = epoch;
            owner.onSealed(epoch);
        }
        if (commitDone < epoch) {
            return false;
        }
        answered[(int) (frame & answeredMask)] = true;
        return true;
    }

    /** Asks for the commit of an epoch whose seals were answered. */
    void commit(final long epoch) {
        commitAsked = Math.max(commitAsked, epoch);
        work();
    }

    private void sendCommit() {
        if (commitAsked <= commitSent) {
            return;
        }
        final long epoch = commitAsked;
        if (isForeign()) {
            commitSent = epoch;
            commitDone = epoch;
            owner.onCommitted(epoch);
            return;
        }
        ControlRecord.write(
                record, 0, ControlRecord.COMMIT, epoch, 0, session.high, session.low, 0);
        final int ofGeneration = generation;
        final NbdClient client = clients[0];
        final boolean isTaken =
                client.writeControl(
                        record,
                        ControlRecord.LENGTH,
                        (token, errno) -> {
                            if (ofGeneration != generation) {
                                return;
                            }
                            if (errno == 0) {
                                commitDone = Math.max(commitDone, epoch);
                                answerCount++;
                                owner.onCommitted(epoch);
                            } else if (errno != Errno.ESHUTDOWN) {
                                refuse(0, client.errorText());
                            }
                        },
                        0);
        if (isTaken) {
            commitSent = epoch;
        }
    }

    // ---- Answers.

    private void onAnswer(final long token, final int errno) {
        if (phase != Phase.UP || (token & 0xffff) != (generation & 0xffff)) {
            return;
        }
        answerCount++;
        final long frame = token >> 16;
        if (errno != 0) {
            if (errno != Errno.ESHUTDOWN) {
                fail(frame, errno);
            }
            return; // of a connection that ends: onClosed follows
        }
        answerCount++;
        answered[(int) (frame & answeredMask)] = true;
        if (log.kind(frame) == ForwardLog.Kind.WRITE) {
            inFlightBytes -= log.length(frame);
        }
        if (frame == released) {
            releaseAnswered();
        }
        workLater();
    }

    private void workLater() {
        if (!workScheduled) {
            workScheduled = true;
            loop.execute(workTask);
        }
    }

    private void workSoon() {
        workScheduled = false;
        work();
    }

    private void fail(final long frame, final int errno) {
        final int disk = log.disk(frame);
        final String reason = clients[disk].errorText();
        final long offset = log.offset(frame);
        end();
        owner.onRefused(
                disks[disk].name(),
                offset,
                errno,
                reason.isEmpty() ? "the secondary answered: " + Errno.meaning(errno) : reason);
    }

    /** Answers whether there was anything to release. */
    private boolean releaseAnswered() {
        final long before = released;
        while (released < next && answered[(int) (released & answeredMask)]) {
            answered[(int) (released & answeredMask)] = false;
            final boolean isLastSeal =
                    log.kind(released) == ForwardLog.Kind.SEAL
                            && log.disk(released) == disks.length - 1
                            && !isForeign()
                            && !log.isFailed(released);
            final long epoch = log.offset(released);
            final int flags = log.flags(released);
            released++;
            if (isLastSeal) {
                onSealed(epoch, (flags & ControlRecord.AND_COMMIT) != 0);
            }
        }
        if (released == before) {
            return false;
        }
        log.release(released);
        owner.onReleased();
        return true;
    }

    private void onSealed(final long epoch, final boolean isCommitted) {
        if (isCommitted) {
            owner.onCommitted(epoch);
        } else {
            owner.onSealed(epoch);
        }
    }
}

package io.lockstep.engine.primary;

import io.lockstep.engine.client.ClientLimits;
import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Word;
import io.lockstep.nbd.ClientNegotiated;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Optional;
import java.util.concurrent.TimeUnit;

/**
 * The connections to the secondary's exports, one a disk. They stand and fall together: they are up
 * when every export was found fit and the primary is attached to it; when one of them is cut, or
 * owes an answer and is silent for long, all are cut, and made again, at growing intervals.
 *
 * <p>All on the link's loop. See docs/protocol.md, "Connections" and "ATTACH".
 */
final class SecondaryConnections {
    /** Hears how it goes, on the link's loop. */
    interface Owner {
        /** All stand. The secondary's epochs are those of a lockstep, or 0 and 0. */
        void onUp(long sealedEpoch, long committedEpoch);

        /** A secondary of our own kind was found for a disk; answers whether it may have it. */
        void onFound(int disk, Summary secondary, Link.Judgement judgement);

        /** Whether the secondary owes an answer, now that all stand. */
        boolean isAnswerOwed();

        /** Whether a disk's connection owes the answer to a heartbeat. */
        boolean isBeatOwed(int disk);

        /** They stood, and are cut; they are made again. */
        void onDown(String reason);

        /** They could not be made, and will be tried again. */
        void onUnreachable(String reason);

        /** The secondary is not fit for a disk, or will not have us: they have ended for good. */
        void onRefused(int disk, String reason);
    }

    private static final int IN_FLIGHT_MAX = 1024;
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
    private final int payloadLengthMax;
    private final Owner owner;
    private final NbdClient[] clients;
    private final MemorySegment record =
            Arena.ofAuto().allocate(ControlRecord.LENGTH_WITH_SUMMARY, 8);
    private final MemorySegment[] states;

    private Phase phase = Phase.IDLE;
    private Secondary secondary = Secondary.UNKNOWN;

    /** What belongs to connections that were cut is told by this number. */
    private int generation;

    /** Under which the primary attached last. */
    private Id session = Id.NONE;

    private long backoffNanos = BACKOFF_MIN_NANOS;
    private boolean hasStood;
    private int readyCount;
    private long answerCount;
    private final long[] answerCounts;

    /**
     * Connections that {@link #start} makes.
     *
     * @param payloadLengthMax of a write, in bytes
     */
    SecondaryConnections(
            final IoLoop loop,
            final Peer[] peers,
            final PrimaryDisk[] disks,
            final int payloadLengthMax,
            final Owner owner) {
        this.loop = loop;
        this.peers = peers;
        this.disks = disks;
        this.payloadLengthMax = payloadLengthMax;
        this.owner = owner;
        clients = new NbdClient[disks.length];
        answerCounts = new long[disks.length];
        states = new MemorySegment[disks.length];
        for (int i = 0; i < states.length; i++) {
            states[i] = Arena.ofAuto().allocate(ControlRecord.LENGTH_WITH_SUMMARY, 8);
        }
    }

    /** Whether all stand. */
    boolean isUp() {
        return phase == Phase.UP;
    }

    /** Whether the secondary is a server that knows no epochs. */
    boolean isForeign() {
        return secondary == Secondary.FOREIGN;
    }

    /** The name of the primary's session that they are of. */
    Id session() {
        return session;
    }

    /** Of the connections that stand now: another one after each cut. */
    int generation() {
        return generation;
    }

    /** That of a disk. */
    NbdClient client(final int disk) {
        return clients[disk];
    }

    /** Sends what was asked of all of them. */
    void send() {
        for (final NbdClient client : clients) {
            if (isUp()) {
                client.send();
            }
        }
    }

    /** The secondary has answered something on a disk's connection. */
    void onAnswer(final int disk) {
        answerCount++;
        answerCounts[disk]++;
    }

    // ---- Making them.

    /** Makes them. */
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
        final long[] seenOf = answerCounts.clone();
        final boolean[] isBeatOwed = new boolean[disks.length];
        for (int i = 0; i < disks.length; i++) {
            isBeatOwed[i] = owner.isBeatOwed(i);
        }
        final boolean isOwed = phase == Phase.CONNECTING || owner.isAnswerOwed();
        loop.schedule(
                SILENCE_MAX_NANOS,
                () -> {
                    if (ofGeneration != generation) {
                        return;
                    }
                    if (isOwed && answerCount == seen || isSilent(isBeatOwed, seenOf)) {
                        goDown(
                                "no answer for "
                                        + TimeUnit.NANOSECONDS.toSeconds(SILENCE_MAX_NANOS)
                                        + " s");
                    } else {
                        watch(ofGeneration);
                    }
                });
    }

    /** Whether a connection owes an answer, while those of other disks may go on. */
    private boolean isSilent(final boolean[] isBeatOwed, final long[] seen) {
        for (int i = 0; i < seen.length; i++) {
            if (isBeatOwed[i] && answerCounts[i] == seen[i]) {
                return true;
            }
        }
        return false;
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
                                    SecondaryConnections.this.onReady(disk, client);
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
            refuse(disk, "the secondary's export is read-only; export it writable");
        } else if (!negotiated.has(Nbd.FLAG_SEND_WRITE_ZEROES | Nbd.FLAG_SEND_FLUSH)) {
            refuse(
                    disk,
                    "the secondary's server offers no write-zeroes or no flush; use one that"
                            + " does");
        } else if (negotiated.export().blockSizeMin() > 1) {
            refuse(
                    disk,
                    "the secondary's server takes only whole blocks of "
                            + negotiated.export().blockSizeMin()
                            + " bytes, and the guest may write less; use one that takes any");
        } else if (negotiated.export().payloadLengthMax() < payloadLengthMax) {
            refuse(
                    disk,
                    "the secondary's server takes at most "
                            + negotiated.export().payloadLengthMax()
                            + " bytes in a write, and the primary sends up to "
                            + payloadLengthMax
                            + "; use one that takes as much");
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
            ask(disk, client);
        }
    }

    /** Each side computes from what both say of themselves whether they are a pair. */
    private void ask(final int disk, final NbdClient client) {
        final int ofGeneration = generation;
        client.readControl(
                states[disk],
                ControlRecord.LENGTH_WITH_SUMMARY,
                (token, errno) -> {
                    if (ofGeneration != generation) {
                        return;
                    }
                    if (errno == 0) {
                        onTold(disk, client);
                    } else if (errno != Errno.ESHUTDOWN) {
                        refuse(disk, client.errorText());
                    }
                },
                0);
        client.send();
    }

    private void onTold(final int disk, final NbdClient client) {
        final int ofGeneration = generation;
        final Optional<Summary> secondary =
                ControlRecord.isValid(states[disk], 0)
                        ? ControlRecord.summary(states[disk], 0)
                        : Optional.empty();
        if (secondary.isEmpty()) {
            refuse(disk, "the secondary is of another version of lockstep; use the same on both");
            return;
        }
        owner.onFound(
                disk,
                secondary.get(),
                (refusal, own, word) -> {
                    if (ofGeneration == generation) {
                        if (refusal == null) {
                            attach(disk, client, own, word);
                        } else {
                            refuse(disk, refusal);
                        }
                    }
                });
    }

    private void attach(
            final int disk, final NbdClient client, final Summary own, final Word word) {
        final int ofGeneration = generation;
        session = own.session();
        ControlRecord.write(
                record, 0, ControlRecord.ATTACH, 0, 0, session, ControlRecord.flagsOf(word));
        ControlRecord.summary(record, 0, own);
        client.writeControl(
                record,
                ControlRecord.LENGTH_WITH_SUMMARY,
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
        long sealed = 0;
        long committed = 0;
        if (!isForeign()) {
            sealed = Long.MAX_VALUE;
            for (final MemorySegment state : states) {
                sealed = Math.min(sealed, ControlRecord.epoch(state, 0));
                committed = Math.max(committed, ControlRecord.committedEpoch(state, 0));
            }
        }
        owner.onUp(sealed, committed);
    }

    /** Ends them for good, because of what the secondary said of a disk. */
    private void refuse(final int disk, final String reason) {
        end();
        owner.onRefused(disk, reason);
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

    /** Cuts those that stand, or are being made; they are made again. */
    void sever(final String reason) {
        if (phase == Phase.UP || phase == Phase.CONNECTING) {
            goDown(reason);
        }
    }

    private void abortAll() {
        for (final NbdClient client : clients) {
            if (client != null) {
                client.abort("the link is cut");
            }
        }
    }

    // ---- Ending them.

    /** Ends them for good. */
    void end() {
        if (phase == Phase.ENDED) {
            return;
        }
        phase = Phase.ENDED;
        generation++;
        abortAll();
    }

    /** Ends them for good, in the protocol's way: what is in flight is answered first. */
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

    /** Ends them for good and at once, also where they were left before. */
    void cut() {
        end();
        abortAll();
    }
}

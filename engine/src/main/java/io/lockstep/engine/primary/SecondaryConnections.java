package io.lockstep.engine.primary;

import io.lockstep.engine.client.ClientLimits;
import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.PeerTimeout;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Summary;
import io.lockstep.nbd.ClientNegotiated;
import io.lockstep.nbd.Nbd;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/**
 * The connections to the secondary's exports, one a disk. They stand and fall together: they are up
 * when every export was found fit and the primary is attached to it; when one of them is cut, or
 * the secondary is silent for long, all are cut, and made again, at growing intervals.
 *
 * <p>A secondary of our own kind takes nothing from a connection when another is attached. Of a
 * foreign server nobody knows when it does what it was asked for; so its connections are not cut
 * but drained: they are made again when those before can do nothing any more.
 *
 * <p>All on the link's loop. See docs/protocol.md, "Connections", "ATTACH", "A foreign secondary".
 */
final class SecondaryConnections {
    private static final int IN_FLIGHT_MAX = 1024;
    private static final long BACKOFF_MIN_NANOS = TimeUnit.MILLISECONDS.toNanos(50);
    private static final long BACKOFF_MAX_NANOS = TimeUnit.SECONDS.toNanos(1);

    /**
     * What a foreign server had begun when it ended a connection is done then: Linux gives a
     * command to a disk so long.
     */
    static final long SETTLE_NANOS = TimeUnit.SECONDS.toNanos(30);

    private static final long LEAVE_NANOS = TimeUnit.SECONDS.toNanos(5);
    private static final ClientLimits LIMITS =
            new ClientLimits(IN_FLIGHT_MAX, 0, TimeUnit.SECONDS.toNanos(10));

    private enum Phase {
        IDLE,
        CONNECTING,
        UP,
        /** Is down, and waits for what a foreign server still does for connections of before. */
        DRAINING,
        /** Waits to connect again. */
        DOWN,
        ENDED
    }

    private final IoLoop loop;
    private final Peer[] peers;
    private final PrimaryDisk[] disks;
    private final int payloadLengthMax;
    private final PeerTimeout timeout;
    private final SecondaryKind wanted;
    private final int attachFlags;
    private final ConnectionsOwner owner;
    private final NbdClient[] clients;
    private final MemorySegment record =
            Arena.ofAuto().allocate(ControlRecord.LENGTH_WITH_SUMMARY, 8);
    private final MemorySegment[] states;

    private Phase phase = Phase.IDLE;
    private SecondaryKind secondary = SecondaryKind.UNKNOWN;

    /** What belongs to connections that were cut is told by this number. */
    private int generation;

    /** Under which the primary attached last. */
    private Id session = Id.NONE;

    private long backoffNanos = BACKOFF_MIN_NANOS;
    private boolean hasStood;
    private int readyCount;
    private final AnswerWatch answers;

    /** Which connections have ended. */
    private final boolean[] isClosed;

    private Pulse pulse;

    /**
     * Connections that {@link #start} makes.
     *
     * @param payloadLengthMax of a write, in bytes
     * @param wanted UNKNOWN for what is there
     * @param attachFlags with which the primary presents itself, beside its user's word
     */
    SecondaryConnections(
            final IoLoop loop,
            final Peer[] peers,
            final PrimaryDisk[] disks,
            final int payloadLengthMax,
            final PeerTimeout timeout,
            final SecondaryKind wanted,
            final int attachFlags,
            final ConnectionsOwner owner) {
        this.loop = loop;
        this.peers = peers;
        this.disks = disks;
        this.payloadLengthMax = payloadLengthMax;
        this.timeout = timeout;
        this.wanted = wanted;
        this.attachFlags = attachFlags;
        this.owner = owner;
        clients = new NbdClient[disks.length];
        isClosed = new boolean[disks.length];
        answers = new AnswerWatch(timeout, disks.length);
        states = new MemorySegment[disks.length];
        for (int i = 0; i < states.length; i++) {
            states[i] = Arena.ofAuto().allocate(ControlRecord.LENGTH_WITH_SUMMARY, 8);
        }
    }

    /** Whether all stand. */
    boolean isUp() {
        return phase == Phase.UP;
    }

    /** Whether answers to what was asked on connections of the present generation count. */
    boolean takesAnswers() {
        return phase == Phase.UP || phase == Phase.DRAINING;
    }

    /** Whether the secondary is a server that knows no epochs. */
    boolean isForeign() {
        return secondary == SecondaryKind.FOREIGN;
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
        answers.onHeard(disk);
    }

    // ---- Making them.

    /** Makes them. */
    void start() {
        phase = Phase.CONNECTING;
        final int ofGeneration = ++generation;
        readyCount = 0;
        if (!hasStood) {
            secondary = SecondaryKind.UNKNOWN;
        }
        final long now = loop.nanoTime();
        for (int i = 0; i < disks.length && ofGeneration == generation; i++) {
            isClosed[i] = false;
            answers.begin(i, now);
            connect(i, ofGeneration);
        }
        watch(ofGeneration);
    }

    /** Makes them now, unless they stand, or are being made with a server that is there. */
    void startNow() {
        if (phase == Phase.CONNECTING && !isAny(NbdClient::isConnected)) {
            cutAll();
        }
        if (phase == Phase.DOWN && !isForeign()) {
            backoffNanos = BACKOFF_MIN_NANOS;
            start();
        }
    }

    private boolean isAny(final Predicate<NbdClient> wanted) {
        return Arrays.stream(clients).filter(Objects::nonNull).anyMatch(wanted);
    }

    /** A host that lost its power says nothing, and neither does a network that is parted. */
    private void watch(final int ofGeneration) {
        if (ofGeneration != generation || phase == Phase.DRAINING || phase == Phase.ENDED) {
            return;
        }
        final boolean isConnecting = phase == Phase.CONNECTING;
        final long silent = answers.longestNanos(loop.nanoTime(), isConnecting, owner);
        if (silent >= patienceNanos()) {
            goDown("no answer for " + TimeUnit.NANOSECONDS.toSeconds(silent) + " s");
        } else {
            loop.schedule(answers.lookNanos(), () -> watch(ofGeneration));
        }
    }

    private long patienceNanos() {
        if (phase == Phase.CONNECTING) {
            return answers.connectPatienceNanos();
        }
        return isForeign()
                ? answers.foreignPatienceNanos(owner.owedLength())
                : answers.patienceNanos();
    }

    private void connect(final int disk, final int ofGeneration) {
        clients[disk] =
                NbdClient.connect(
                        loop,
                        peers[disk].server(),
                        FitExport.options(peers[disk].export(), wanted),
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
                                    SecondaryConnections.this.onClosed(disk, reason);
                                }
                            }
                        });
    }

    private void onReady(final int disk, final NbdClient client) {
        clients[disk] = client; // a loop may connect before connect() returns
        final ClientNegotiated negotiated = client.negotiated();
        final String refusal =
                FitExport.refusal(negotiated, disks[disk].length(), payloadLengthMax);
        if (refusal != null) {
            refuse(disk, refusal);
        } else {
            onFound(
                    disk,
                    client,
                    negotiated.hasContext(Nbd.CONTEXT_CONTROL)
                            ? SecondaryKind.LOCKSTEP
                            : SecondaryKind.FOREIGN);
        }
    }

    /**
     * A server that knows no epochs must not get what was on its way to one that does: it saves no
     * pre-images, and nobody would commit there what is asked for.
     */
    private void onFound(final int disk, final NbdClient client, final SecondaryKind found) {
        if (secondary == SecondaryKind.UNKNOWN) {
            secondary = found;
        }
        if (secondary != found) {
            final String reason =
                    "export "
                            + peers[disk].export()
                            + (found == SecondaryKind.FOREIGN ? " is not" : " is")
                            + " one of a lockstep secondary, unlike "
                            + (hasStood ? "before" : "those of other disks");
            if (hasStood) {
                goDown(reason);
            } else {
                refuse(disk, reason);
            }
        } else if (found == SecondaryKind.FOREIGN && attachFlags != 0) {
            refuse(disk, "a disk is shared with a lockstep alone, which this server is not");
        } else if (found == SecondaryKind.FOREIGN) {
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
                    if (isGranted(ofGeneration, disk, client, errno)) {
                        onTold(disk, client);
                    }
                },
                0);
        client.send();
    }

    /** Whether the secondary did what it was asked to do on the way to an attachment. */
    private boolean isGranted(
            final int ofGeneration, final int disk, final NbdClient client, final int errno) {
        if (ofGeneration != generation) {
            return false;
        }
        onAnswer(disk);
        if (errno == Errno.ESHUTDOWN) {
            goDown(client.errorText()); // it was cut, or an old connection of ours came late
        } else if (errno != 0) {
            refuse(disk, client.errorText());
        }
        return errno == 0;
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
        final int flags = ControlRecord.flags(states[disk], 0);
        final String otherKind = FitExport.otherKind(attachFlags, flags);
        if (otherKind != null) {
            refuse(disk, otherKind);
            return;
        }
        final long there = client.negotiated().export().size();
        if (secondary.get().standing() == Standing.FRESH && there != disks[disk].length()) {
            refuse(disk, FitExport.otherLength(there, disks[disk].length()));
            return;
        }
        owner.onFound(
                disk,
                secondary.get(),
                (flags & ControlRecord.PRIMARY) != 0,
                ruling -> {
                    if (ofGeneration != generation) {
                        return;
                    }
                    if (ruling.refusal() == null) {
                        attach(disk, client, ruling);
                    } else if (ruling.isFinal()) {
                        refuse(disk, ruling.refusal());
                    } else {
                        goDown(ruling.refusal());
                    }
                });
    }

    private void attach(final int disk, final NbdClient client, final LinkOwner.Ruling ruling) {
        final int ofGeneration = generation;
        session = ruling.own().session();
        final int flags = ControlRecord.flagsOf(ruling.word()) | attachFlags;
        ControlRecord.write(record, 0, ControlRecord.ATTACH, 0, 0, session, flags);
        ControlRecord.toCome(record, 0, ruling.toCome());
        ControlRecord.diskLength(record, 0, disks[disk].length());
        ControlRecord.summary(record, 0, ruling.own());
        client.writeControl(
                record,
                ControlRecord.LENGTH_WITH_SUMMARY,
                (token, errno) -> {
                    if (isGranted(ofGeneration, disk, client, errno) && isOfLength(disk, client)) {
                        readState(disk, client);
                    }
                },
                0);
        client.send();
    }

    /** A shorter one the secondary takes for itself, when it is told of ours. */
    private boolean isOfLength(final int disk, final NbdClient client) {
        final long there = client.negotiated().export().size();
        final long length = disks[disk].length();
        if (there < length) {
            refuse(disk, FitExport.otherLength(there, length));
        } else if (there > length) {
            goDown("the secondary's disk has become longer");
            owner.onLongerThere(disk, there);
        }
        return there == length;
    }

    private void readState(final int disk, final NbdClient client) {
        final int ofGeneration = generation;
        client.readControl(
                states[disk],
                ControlRecord.LENGTH,
                (token, errno) -> {
                    if (isGranted(ofGeneration, disk, client, errno)) {
                        onAttached();
                    }
                },
                0);
        client.send();
    }

    private void onAttached() {
        if (++readyCount < disks.length) {
            return;
        }
        if (isForeign()) {
            goUp();
        } else {
            startPulse();
        }
    }

    private void startPulse() {
        final int ofGeneration = generation;
        pulse =
                Pulse.start(
                        loop,
                        peers[0],
                        session,
                        timeout,
                        () -> {
                            if (ofGeneration == generation) {
                                goUp();
                            }
                        },
                        reason -> {
                            if (ofGeneration == generation) {
                                goDown(reason);
                            }
                        });
    }

    private void goUp() {
        phase = Phase.UP;
        hasStood = true;
        backoffNanos = BACKOFF_MIN_NANOS;
        long sealed = Long.MAX_VALUE;
        long committed = 0;
        for (int disk = 0; disk < disks.length; disk++) {
            answers.begin(disk, loop.nanoTime());
            sealed = Math.min(sealed, sealedEpoch(disk));
            committed = Math.max(committed, ControlRecord.committedEpoch(states[disk], 0));
        }
        owner.onUp(sealed, committed);
    }

    /** The last one that it had sealed of a disk when they came up; 0 where it knows none. */
    long sealedEpoch(final int disk) {
        return ControlRecord.epoch(states[disk], 0);
    }

    /** Ends them for good, because of what the secondary said of a disk. */
    private void refuse(final int disk, final String reason) {
        end();
        owner.onRefused(disk, reason);
    }

    private void onClosed(final int disk, final String reason) {
        isClosed[disk] = true;
        if (phase == Phase.DRAINING) {
            startWhenDrained();
        } else {
            goDown(reason);
        }
    }

    private void goDown(final String reason) {
        switch (phase) {
            case UP -> {
                if (isForeign()) {
                    drain(reason);
                } else {
                    cutAll();
                    owner.onDown(reason);
                    startAfter(backoffNanos);
                }
            }
            case CONNECTING -> {
                cutAll();
                owner.onUnreachable(reason, isAny(NbdClient::isRefused));
                startAfter(backoffNanos);
            }
            case IDLE, DRAINING, DOWN, ENDED -> {}
        }
    }

    private void cutAll() {
        phase = Phase.DOWN;
        generation++;
        abortAll();
    }

    private void startAfter(final long delayNanos) {
        final int ofGeneration = generation;
        loop.schedule(
                delayNanos,
                () -> {
                    if (phase == Phase.DOWN && ofGeneration == generation) {
                        start();
                    }
                });
        backoffNanos = Math.min(BACKOFF_MAX_NANOS, 2 * backoffNanos);
    }

    // ---- Draining those to a foreign server.

    /**
     * Says no more on them. Each ends when all that was asked on it is answered, or when the server
     * or its host have ended it; what is answered until then counts. Cut by us it would go on
     * there, and nobody knew until when.
     */
    private void drain(final String reason) {
        phase = Phase.DRAINING;
        owner.onDown(
                reason
                        + "; it is tried again when what the server was asked for is answered, or"
                        + " has ended there");
        for (final NbdClient client : clients) {
            client.disconnect();
        }
        startWhenDrained();
    }

    private void startWhenDrained() {
        for (final boolean isEnded : isClosed) {
            if (!isEnded) {
                return;
            }
        }
        if (phase == Phase.DRAINING) {
            phase = Phase.DOWN;
            generation++;
            startAfter(owner.isChangeOwed() ? SETTLE_NANOS : backoffNanos);
        }
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
        if (pulse != null) {
            pulse.cut();
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
        if (pulse != null) {
            pulse.leave();
        }
        loop.schedule(LEAVE_NANOS, this::abortAll);
    }

    /** Ends them for good and at once, also where they were left before. */
    void cut() {
        end();
        abortAll();
    }
}

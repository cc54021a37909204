package io.lockstep.engine.primary;

import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.memory.Errno;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;

/**
 * What the secondary is asked for past all that waits in the log: to commit an epoch that is
 * sealed, and to say when one is on its stable storage. A commit that a link before has not
 * answered is asked for again. On the link's loop.
 */
final class EpochRequests {
    /** One whose flush is under way there, and one that waits for the next flush. */
    private static final int DURABLE_IN_FLIGHT_MAX = 2;

    private final SecondaryConnections connections;
    private final LinkOwner owner;
    private final Runnable endLink;
    private final MemorySegment record = Arena.ofAuto().allocate(ControlRecord.LENGTH, 8);

    private long commitAsked;
    private long commitSent;
    private long commitDone;

    private long durableAsked;
    private long durableSent;
    private int durableInFlight;

    /**
     * None yet.
     *
     * @param endLink the secondary has refused, and the link ends for good
     */
    EpochRequests(
            final SecondaryConnections connections, final LinkOwner owner, final Runnable endLink) {
        this.connections = connections;
        this.owner = owner;
        this.endLink = endLink;
    }

    /**
     * The link is up, with nothing asked on it yet.
     *
     * @param sealed the last epoch that the secondary has sealed: one behind it that was to be
     *     committed was lost with its buffers, and is sent otherwise
     */
    void onUp(final long sealed) {
        if (!connections.isForeign()) {
            commitAsked = Math.min(commitAsked, sealed);
            commitDone = Math.min(commitDone, commitAsked);
        }
        commitSent = commitDone;
        durableAsked = 0; // whoever still waits for one asks again
        durableSent = 0;
        durableInFlight = 0;
    }

    /** The last epoch that was committed because it was asked for. */
    long committed() {
        return commitDone;
    }

    /** Asks for the commit of an epoch whose seals were answered. */
    void commit(final long epoch) {
        commitAsked = Math.max(commitAsked, epoch);
    }

    /** Asks to be told when an epoch is committed and on stable storage. */
    void askDurable(final long epoch) {
        durableAsked = Math.max(durableAsked, epoch);
    }

    /** Sends what is to be asked, as far as the connection takes it. */
    void send() {
        if (commitAsked > commitSent) {
            sendCommit(commitAsked);
        }
        if (durableAsked > durableSent
                && durableInFlight < DURABLE_IN_FLIGHT_MAX
                && !connections.isForeign()) {
            sendDurable(durableAsked);
        }
    }

    private void sendCommit(final long epoch) {
        if (connections.isForeign()) {
            commitSent = epoch;
            commitDone = epoch;
            owner.onCommitted(epoch);
            return;
        }
        final boolean isTaken =
                ask(
                        ControlRecord.COMMIT,
                        epoch,
                        "the commit of epoch " + epoch,
                        () -> {
                            commitDone = Math.max(commitDone, epoch);
                            owner.onCommitted(epoch);
                        });
        if (isTaken) {
            commitSent = epoch;
        }
    }

    private void sendDurable(final long epoch) {
        final boolean isTaken =
                ask(
                        ControlRecord.DURABLE,
                        epoch,
                        "to make epoch " + epoch + " durable",
                        () -> {
                            durableInFlight--;
                            // The seal's answer may wait for those of frames before it.
                            owner.onCommitted(epoch);
                            owner.onStored(epoch);
                            send();
                            connections.send();
                        });
        if (isTaken) {
            durableSent = epoch;
            durableInFlight++;
        }
    }

    /**
     * Answers whether the connection takes it; a refusal ends the link, and with it what is asked.
     */
    private boolean ask(
            final int kind, final long epoch, final String what, final Runnable whenDone) {
        final int ofGeneration = connections.generation();
        final NbdClient client = connections.client(0);
        ControlRecord.write(record, 0, kind, epoch, 0, connections.session(), 0);
        return client.writeControl(
                record,
                ControlRecord.LENGTH,
                (token, errno) -> {
                    if (ofGeneration != connections.generation()) {
                        return;
                    }
                    if (errno == 0) {
                        connections.onAnswer(0);
                        whenDone.run();
                    } else {
                        refuse(client, what, errno);
                    }
                },
                0);
    }

    private void refuse(final NbdClient client, final String what, final int errno) {
        if (errno != Errno.ESHUTDOWN) {
            final String reason = client.errorText();
            endLink.run();
            owner.onRefused(what, "", -1, errno, reason);
        }
    }
}

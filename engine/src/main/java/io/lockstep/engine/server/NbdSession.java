package io.lockstep.engine.server;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.memory.Errno;
import io.lockstep.nbd.Export;
import io.lockstep.nbd.ExportCatalog;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.Negotiated;
import io.lockstep.nbd.ReplyEncoder;
import io.lockstep.nbd.ReplyStyle;
import io.lockstep.nbd.Request;
import io.lockstep.nbd.ServerHandshake;
import io.lockstep.nbd.ServerTransmission;

import java.io.IOException;
import java.util.List;

/**
 * One client of an NBD server: moves bytes between its connection and the protocol's state
 * machines, and requests between those and a disk.
 *
 * <p>In the transmission phase a request costs this: the socket is read once for as many requests
 * as it has; a write's payload goes to the disk from where it was received; a read's data comes
 * from the disk to where it will be sent, behind its header; all replies that are ready go out in
 * one send. Requests in flight and bytes of replies are bounded: at a bound the session takes no
 * more requests, the socket fills, and the client waits.
 *
 * <p>All on the loop of its connection; in steady state nothing is allocated.
 */
final class NbdSession
        implements ConnectionHandler, ServerTransmission.Handler, Disk.Completion, ExportCatalog {
    /** Requests of one connection that are in flight at most. */
    static final int IN_FLIGHT_MAX = 256;

    /**
     * Replies wait no longer for others once they have so many bytes: the client can go on with
     * these.
     */
    private static final int TRANSMIT_THRESHOLD = 128 << 10;

    /**
     * Reads longer than this are looked through for holes, where the client can be told of them.
     */
    private static final int HOLE_SEARCH_MIN = 4096;

    /** Descriptors in a block status reply at most; the client asks again for the rest. */
    private static final int DESCRIPTORS_MAX = 1024;

    /** Room of the reply ring beyond one longest reply, in bytes. */
    private static final int RING_ROOM = 1 << 20;

    /** Of each buffer a session keeps so much while it is idle, in bytes. */
    private static final int IDLE_KEEP = 512 << 10;

    /**
     * Times that the socket is read in a row before other connections of the loop have their turn.
     */
    private static final int RECEIVES_PER_EVENT = 8;

    /** Seconds without progress after which a session is cut that only has replies left to send. */
    private static final int ENDING_TICKS_MAX = 30;

    private enum Phase {
        HANDSHAKE,
        TRANSMISSION,
        /** Takes no more requests; answers those in flight. */
        ENDING,
        /** All was sent; waits for the client to close, so that no reply is lost to a reset. */
        LINGERING,
        CLOSED
    }

    private final NbdServer server;
    private final Connection connection;
    private final ServerHandshake handshake;
    private final ReceiveBuffer received;
    private final ReplyRing replies;

    private Phase phase = Phase.HANDSHAKE;
    private boolean entered;
    private boolean refusing;
    private boolean busy;
    private boolean sendBlocked;
    private int idleTicks;
    private int lastMessageLength = ReplyStyle.SIMPLE.requestHeaderLength();

    // Of the transmission phase.
    private Disk disk;
    private ServerTransmission transmission;
    private ReplyEncoder encoder;
    private RequestTable requests;

    NbdSession(final NbdServer server, final Connection connection) {
        this.server = server;
        this.connection = connection;
        handshake = new ServerHandshake(this);
        received =
                new ReceiveBuffer(
                        ServerHandshake.MESSAGE_LENGTH_MAX + Nbd.PAYLOAD_LENGTH_DEFAULT_MAX);
        replies = new ReplyRing(Nbd.PAYLOAD_LENGTH_DEFAULT_MAX + RING_ROOM, 2 * IN_FLIGHT_MAX);
    }

    /** Sends the greeting. */
    void start() {
        advance();
    }

    // ---- Events of the connection.

    @Override
    public void onReadable() {
        idleTicks = 0;
        advance();
    }

    @Override
    public void onWritable() {
        idleTicks = 0;
        sendBlocked = false;
        advance();
    }

    @Override
    public void onFailure(final Throwable cause) {
        close();
    }

    /**
     * Does what can be done now. Called with {@link #busy} set, so that completions don't call it
     * again.
     */
    private void advance() {
        busy = true;
        try {
            switch (phase) {
                case HANDSHAKE -> negotiate();
                case TRANSMISSION -> serve();
                case ENDING -> end();
                case LINGERING -> linger();
                case CLOSED -> {}
            }
        } catch (final IOException e) {
            server.events().onClientProblem(connection.peer(), String.valueOf(e.getMessage()));
            close();
        } finally {
            busy = false;
        }
        updateInterest();
    }

    private void updateInterest() {
        final boolean readable =
                switch (phase) {
                    case HANDSHAKE -> !sendBlocked;
                    case TRANSMISSION ->
                            !transmission.isStalled() && !received.isFull(transmission.wanted());
                    case LINGERING -> true;
                    case ENDING, CLOSED -> false;
                };
        if (phase != Phase.CLOSED) {
            connection.interest(readable, sendBlocked);
        }
    }

    // ---- Handshake.

    private void negotiate() throws IOException {
        boolean more = sendHandshake();
        while (more && handshake.state() == ServerHandshake.State.NEGOTIATING) {
            final long position =
                    handshake.receive(received.memory(), received.head(), received.tail());
            if (position != received.head()) {
                received.workedOff(position);
                more = sendHandshake();
            } else {
                final int count =
                        received.receive(connection, ServerHandshake.MESSAGE_LENGTH_MAX, 1);
                if (count < 0) {
                    close();
                    return;
                }
                more = count > 0;
            }
        }
        if (!handshake.output().isEmpty() || !replies.isEmpty()) {
            return;
        }
        switch (handshake.state()) {
            case NEGOTIATING -> {}
            case TRANSMISSION -> {
                enterTransmission(handshake.negotiated());
                serve();
            }
            case CLOSING -> {
                server.events().onClientProblem(connection.peer(), handshake.closeReason());
                startLingering();
            }
        }
    }

    /** Answers whether all output is sent. */
    private boolean sendHandshake() throws IOException {
        while (!handshake.output().isEmpty() || !replies.isEmpty()) {
            if (replies.isEmpty()) {
                final int length = Math.min(handshake.output().length(), RING_ROOM);
                final int slot = replies.reserve(length);
                handshake.output().take(replies.memory(), replies.position(slot), length);
                replies.commit(slot, length);
            }
            if (!transmit()) {
                return false;
            }
        }
        return true;
    }

    @Override
    public List<Export> list() {
        return server.list();
    }

    @Override
    public Choice find(final String name) {
        return server.find(name);
    }

    @Override
    public Choice enter(final String name) {
        final Choice choice = server.find(name);
        if (choice instanceof Choice.Accepted && !entered) {
            if (!server.admit()) {
                return new Choice.Refused(
                        Nbd.REP_ERR_POLICY,
                        "too many connections; the limit is " + server.connectionsMax());
            }
            entered = true;
        }
        return choice;
    }

    private void enterTransmission(final Negotiated negotiated) {
        disk = server.disk(negotiated.export().name());
        transmission = new ServerTransmission(negotiated, this);
        encoder = new ReplyEncoder(negotiated.replyStyle());
        requests = new RequestTable(IN_FLIGHT_MAX);
        phase = Phase.TRANSMISSION;
        server.onTransmission(this);
    }

    // ---- Transmission.

    private void serve() throws IOException {
        boolean drained = false;
        int receives = 0;
        while (true) {
            takeRequests();
            transmit();
            if (transmission.state() != ServerTransmission.State.OPEN) {
                if (transmission.state() == ServerTransmission.State.VIOLATED) {
                    server.events().onClientProblem(connection.peer(), transmission.violation());
                }
                startEnding();
                return;
            }
            if (transmission.isStalled()) {
                if (sendBlocked || !requests.isEmpty()) {
                    return; // the socket or a completion calls again
                }
                continue; // sending has made room
            }
            if (drained || receives++ == RECEIVES_PER_EVENT) {
                return;
            }
            final int count =
                    received.receive(connection, transmission.wanted(), lastMessageLength);
            if (count < 0) {
                startEnding();
                return;
            }
            if (count == 0) {
                return;
            }
            drained = received.hasDrained(count);
        }
    }

    private void takeRequests() {
        final int head = received.head();
        received.workedOff(transmission.receive(received.memory(), head, received.tail()));
        disk.poll();
        received.workedOff(received.head()); // again, as the writes it held may be done
    }

    @Override
    public boolean onRequest(final Request request) {
        if (refusing) {
            return onRejected(request, Nbd.ESHUTDOWN, "server is shutting down");
        }
        final int length = replyLength(request);
        final int slot = requests.isFull() ? -1 : replies.reserve(length);
        if (slot < 0) {
            return false;
        }
        final int index = requests.add(request, slot);
        submit(request, index);
        disk.poll();
        if (replies.readyBytes() >= TRANSMIT_THRESHOLD && !sendBlocked) {
            transmitOrFail();
        }
        return true;
    }

    private int replyLength(final Request request) {
        return switch (request.command()) {
            case Nbd.CMD_READ -> encoder.dataHeaderLength() + (int) request.length();
            case Nbd.CMD_BLOCK_STATUS -> encoder.blockStatusLength(DESCRIPTORS_MAX);
            default -> encoder.doneLength();
        };
    }

    private void submit(final Request request, final int index) {
        final long offset = request.offset();
        final long length = request.length();
        switch (request.command()) {
            case Nbd.CMD_READ ->
                    submitRead(index, offset, (int) length, request.has(Nbd.CMD_FLAG_DF));
            case Nbd.CMD_WRITE -> {
                lastMessageLength = encoder.style().requestHeaderLength() + (int) length;
                received.pin();
                disk.write(
                        offset,
                        (int) length,
                        received.memory(),
                        request.payloadPosition(),
                        this,
                        index);
                return;
            }
            case Nbd.CMD_FLUSH -> {
                requests.flushing(index);
                disk.flush(this, index);
            }
            case Nbd.CMD_TRIM -> disk.discard(offset, length, this, index);
            case Nbd.CMD_CACHE -> disk.prefetch(offset, length, this, index);
            case Nbd.CMD_WRITE_ZEROES -> disk.zero(offset, length, zeroFlags(request), this, index);
            case Nbd.CMD_BLOCK_STATUS ->
                    disk.extents(
                            offset, length, requests.extents(index, DESCRIPTORS_MAX), this, index);
            default -> throw new IllegalStateException("command " + request.command());
        }
        lastMessageLength = encoder.style().requestHeaderLength();
    }

    private static int zeroFlags(final Request request) {
        return (request.has(Nbd.CMD_FLAG_NO_HOLE) ? Disk.ZERO_NO_HOLE : 0)
                | (request.has(Nbd.CMD_FLAG_FAST_ZERO) ? Disk.ZERO_FAST : 0);
    }

    private void submitRead(
            final int index, final long offset, final int length, final boolean whole) {
        final boolean searchHoles =
                encoder.style() != ReplyStyle.SIMPLE && !whole && length > HOLE_SEARCH_MIN;
        if (searchHoles) {
            disk.extents(offset, length, requests.extents(index, DESCRIPTORS_MAX), this, index);
        } else {
            requests.reading(index, 1);
            readData(index, offset, length, replies.position(requests.slot(index)), true);
        }
    }

    /**
     * Writes the header of a run of data and has the disk read it in behind. Answers the position
     * after.
     */
    private int readData(
            final int index,
            final long offset,
            final int length,
            final int position,
            final boolean last) {
        final int header =
                length == 0
                        ? encoder.none(replies.memory(), position, requests.cookie(index), offset)
                        : encoder.dataHeader(
                                replies.memory(),
                                position,
                                requests.cookie(index),
                                requests.offset(index),
                                offset,
                                length,
                                last);
        requests.replyLength(
                index, position - replies.position(requests.slot(index)) + header + length);
        disk.read(offset, length, replies.memory(), position + header, this, index);
        return position + header + length;
    }

    @Override
    public boolean onRejected(final Request request, final int error, final String reason) {
        final int slot = replies.reserve(encoder.doneLength());
        if (slot < 0) {
            return false;
        }
        writeError(slot, request.cookie(), request.offset(), error, reason);
        return true;
    }

    private void writeError(
            final int slot,
            final long cookie,
            final long offset,
            final int error,
            final String reason) {
        final int position = replies.errorPosition(slot);
        final int length = encoder.error(replies.memory(), position, cookie, offset, error, reason);
        replies.commitError(slot, length);
    }

    // ---- Completions of the disk.

    @Override
    public void onComplete(final long token, final int errno) {
        final int index = (int) token;
        if (requests.command(index) == Nbd.CMD_WRITE && !requests.isFlushing(index)) {
            received.unpin();
        }
        if (phase == Phase.CLOSED) {
            discard(index);
        } else {
            complete(index, errno);
            if (!busy) {
                advance();
            }
        }
    }

    private void complete(final int index, final int errno) {
        if (errno != 0) {
            requests.failed(index, errno);
        }
        switch (requests.command(index)) {
            case Nbd.CMD_READ -> completeRead(index);
            case Nbd.CMD_BLOCK_STATUS -> completeBlockStatus(index);
            default -> completeWithoutPayload(index);
        }
    }

    private void completeWithoutPayload(final int index) {
        final boolean flushNow =
                requests.has(index, Nbd.CMD_FLAG_FUA)
                        && requests.command(index) != Nbd.CMD_CACHE
                        && !requests.isFlushing(index)
                        && requests.errno(index) == 0;
        if (flushNow) {
            requests.flushing(index);
            disk.flush(this, index);
            return;
        }
        final int slot = requests.slot(index);
        if (requests.errno(index) == 0) {
            replies.commit(
                    slot,
                    encoder.done(
                            replies.memory(),
                            replies.position(slot),
                            requests.cookie(index),
                            requests.offset(index)));
        } else {
            commitFailure(index);
        }
        requests.remove(index);
    }

    private void completeRead(final int index) {
        if (requests.isSearching(index) && requests.errno(index) == 0) {
            readRuns(index);
            return;
        }
        if (!requests.isSearching(index) && requests.finishPart(index) > 0) {
            return;
        }
        if (requests.errno(index) == 0) {
            replies.commit(requests.slot(index), requests.replyLength(index));
        } else {
            commitFailure(index);
        }
        requests.remove(index);
    }

    /**
     * Lays out a read's chunks, and reads those that hold data. A hole pays for its own chunk and
     * for the header of the data behind it, or it is none: so the chunks never need more room than
     * the one that the reply's place was reserved for.
     */
    private void readRuns(final int index) {
        final ExtentList extents = requests.extents(index, DESCRIPTORS_MAX);
        extents.fillHolesShorterThan(encoder.holeLength() + encoder.dataHeaderLength());
        final long rest = requests.length(index) - extents.totalLength();
        // What did not fit in the list is read as data.
        final boolean complete = rest == 0 || extents.add(rest, ExtentList.DATA);
        final long end = requests.offset(index) + requests.length(index);
        final int runs = extents.size() + (complete ? 0 : 1);
        int parts = complete ? 0 : 1;
        for (int run = 0; run < extents.size(); run++) {
            parts += extents.state(run) == ExtentList.DATA ? 1 : 0;
        }
        requests.reading(index, parts);
        long offset = requests.offset(index);
        int position = replies.position(requests.slot(index));
        for (int run = 0; run < runs; run++) {
            final boolean last = run == runs - 1;
            final int length = (int) (last ? end - offset : extents.length(run));
            if (run < extents.size() && extents.state(run) != ExtentList.DATA) {
                position +=
                        encoder.hole(
                                replies.memory(),
                                position,
                                requests.cookie(index),
                                requests.offset(index),
                                offset,
                                length,
                                last);
                requests.replyLength(index, position - replies.position(requests.slot(index)));
            } else {
                position = readData(index, offset, length, position, last);
            }
            offset += length;
        }
        if (parts == 0) {
            replies.commit(requests.slot(index), requests.replyLength(index));
            requests.remove(index);
        }
    }

    private void completeBlockStatus(final int index) {
        if (requests.errno(index) != 0) {
            commitFailure(index);
            requests.remove(index);
            return;
        }
        final ExtentList extents = requests.extents(index, DESCRIPTORS_MAX);
        final int descriptors = requests.has(index, Nbd.CMD_FLAG_REQ_ONE) ? 1 : extents.size();
        final int slot = requests.slot(index);
        final int context = Integer.numberOfTrailingZeros(requests.contexts(index));
        final int start = replies.position(slot);
        int position =
                start
                        + encoder.blockStatusHeader(
                                replies.memory(),
                                start,
                                requests.cookie(index),
                                requests.offset(index),
                                context,
                                descriptors,
                                true);
        for (int run = 0; run < descriptors; run++) {
            position +=
                    encoder.descriptor(
                            replies.memory(),
                            position,
                            extents.length(run),
                            allocationFlags(extents.state(run)));
        }
        replies.commit(slot, position - start);
        requests.remove(index);
    }

    private static int allocationFlags(final int state) {
        return switch (state) {
            case ExtentList.HOLE -> Nbd.STATE_HOLE | Nbd.STATE_ZERO;
            case ExtentList.ZERO -> Nbd.STATE_ZERO;
            default -> 0;
        };
    }

    private void commitFailure(final int index) {
        final int errno = requests.errno(index);
        final String reason =
                "disk "
                        + disk.name()
                        + ": "
                        + CommandName.of(requests.command(index))
                        + " of "
                        + requests.length(index)
                        + " bytes at "
                        + requests.offset(index)
                        + " failed: "
                        + Errno.meaning(errno)
                        + " ("
                        + Errno.name(errno)
                        + ")";
        if (errno != Errno.EOPNOTSUPP) {
            server.events().onDiskError(reason);
        }
        writeError(
                requests.slot(index),
                requests.cookie(index),
                requests.offset(index),
                nbdError(errno),
                reason);
    }

    /** The protocol knows few errors; the rest is an input/output error. Section "Error values". */
    static int nbdError(final int errno) {
        return switch (errno) {
            case Errno.EPERM, Errno.EACCES, Errno.EROFS -> Nbd.EPERM;
            case Errno.ENOMEM -> Nbd.ENOMEM;
            case Errno.EINVAL -> Nbd.EINVAL;
            case Errno.ENOSPC, Errno.EDQUOT, Errno.EFBIG -> Nbd.ENOSPC;
            case Errno.EOPNOTSUPP -> Nbd.ENOTSUP;
            case Errno.ESHUTDOWN -> Nbd.ESHUTDOWN;
            default -> Nbd.EIO;
        };
    }

    /** Nobody waits for the reply any more. */
    private void discard(final int index) {
        final boolean partsLeft =
                requests.command(index) == Nbd.CMD_READ
                        && !requests.isSearching(index)
                        && requests.finishPart(index) > 0;
        if (!partsLeft) {
            requests.remove(index);
        }
        releaseWhenQuiet();
    }

    /** Answers whether the socket took all that was ready. */
    private boolean transmit() throws IOException {
        if (!sendBlocked) {
            sendBlocked = !replies.transmit(connection);
        }
        return !sendBlocked;
    }

    private void transmitOrFail() {
        try {
            transmit();
        } catch (final IOException e) {
            // Inside the parser is no place to end a session: the socket's next event meets the
            // error again.
            sendBlocked = true;
        }
    }

    // ---- The end.

    /** Answers what is in flight, refuses the rest, and closes. */
    void shutDown() {
        refusing = true;
        handshake.shutDown();
        onReadable(); // what the client has sent by now is still answered
        if (phase == Phase.HANDSHAKE || phase == Phase.TRANSMISSION) {
            phase = Phase.ENDING;
            advance();
        }
    }

    private void startEnding() throws IOException {
        phase = Phase.ENDING;
        end();
    }

    private void end() throws IOException {
        transmit();
        if ((requests == null || requests.isEmpty()) && replies.isEmpty()) {
            startLingering();
        }
    }

    private void startLingering() throws IOException {
        connection.shutdownOutput();
        phase = Phase.LINGERING;
        server.onLingering(this);
        linger();
    }

    private void linger() throws IOException {
        received.workedOff(received.tail());
        int count = received.receive(connection, 0, 1);
        while (count > 0) {
            received.workedOff(received.tail());
            count = received.receive(connection, 0, 1);
        }
        if (count < 0) {
            close();
        }
    }

    /**
     * Closes at once. What is in flight ends unanswered; the buffers go when the disk is done with
     * them.
     */
    void close() {
        if (phase == Phase.CLOSED) {
            return;
        }
        phase = Phase.CLOSED;
        connection.close();
        server.onClosed(this, entered);
        releaseWhenQuiet();
    }

    private void releaseWhenQuiet() {
        if (requests == null || requests.isEmpty()) {
            received.close();
            replies.close();
        }
    }

    /**
     * Called once a second: a session that does nothing gives memory back, and one that can't end
     * is cut.
     */
    void onTick() {
        idleTicks++;
        if (idleTicks > ENDING_TICKS_MAX && phase == Phase.ENDING) {
            server.events().onClientProblem(connection.peer(), "does not take its last replies");
            close();
        } else if (idleTicks > 1) {
            received.trim(IDLE_KEEP);
            replies.trim(IDLE_KEEP);
        }
    }
}

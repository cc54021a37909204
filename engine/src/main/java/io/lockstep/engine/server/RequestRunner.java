package io.lockstep.engine.server;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.WriteWindow;
import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.memory.Errno;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyEncoder;
import io.lockstep.nbd.ReplyStyle;
import io.lockstep.nbd.Request;
import io.lockstep.nbd.ServerTransmission;

import java.io.IOException;

/**
 * Carries out one client's requests on a disk, and writes their replies.
 *
 * <p>A write's payload goes to the disk from where it was received; a read's data comes from the
 * disk to where it will be sent, behind its header. The disk may complete in any order, at once or
 * later. All on the session's loop; in steady state nothing is allocated.
 */
final class RequestRunner
        implements ServerTransmission.Handler, Disk.Completion, ControlSpace.Client {
    /** Requests of one client that are in flight at most. */
    static final int IN_FLIGHT_MAX = 256;

    private static final String STRANGER = "another primary replicates to this disk; stop that one";

    /** Hears that a request has ended: there may be a reply to send, and room for more requests. */
    interface Owner {
        void onProgress();

        /** The connection is to be closed. */
        void close();

        /** Whether the connection takes long replies as the pages they lie in. */
        boolean takesPages();
    }

    private final Disk disk;
    private final ControlSpace control;
    private final WritePolicy policy;
    private final ExportCounters counters;
    private final ReplyEncoder encoder;
    private final ReceiveBuffer received;
    private final ReplyRing replies;
    private final Owner owner;
    private final RequestTable requests = new RequestTable(IN_FLIGHT_MAX);
    private final ReadRunner reads;
    private final ReplyWriter writer;

    private int lastMessageLength;

    /** A write whose payload is being received right where the disk wants it; -1 for none. */
    private int incoming = -1;

    private final WriteWindow window = new WriteWindow();

    private boolean refusing;
    private boolean abandoned;

    RequestRunner(
            final ServedExport served,
            final ReplyStyle style,
            final ReceiveBuffer received,
            final ReplyRing replies,
            final ServerEvents events,
            final Owner owner) {
        disk = served.disk();
        control = served.control();
        policy = served.policy();
        counters = served.counters();
        this.received = received;
        this.replies = replies;
        this.owner = owner;
        encoder = new ReplyEncoder(style);
        reads = new ReadRunner(disk, encoder, requests, replies, owner.takesPages(), this);
        writer = new ReplyWriter(served, encoder, requests, replies, events);
        lastMessageLength = style.requestHeaderLength();
    }

    /** Whether nothing is in flight. */
    boolean isQuiet() {
        return requests.isEmpty();
    }

    /**
     * Length of the last message, a guess at those to come; 0 where the payload of the next one
     * should be left for its window.
     */
    int lastMessageLength() {
        return lastMessageLength;
    }

    /** From now on requests are refused: the server is going. */
    void refuse() {
        refusing = true;
    }

    /** From now on nobody wants replies: the client is gone. What is in flight still ends. */
    void abandon() {
        abandoned = true;
        if (control != null) {
            control.onGone(this);
        }
        dropIncoming();
    }

    /** The client says no more. */
    void onEnding() {
        dropIncoming();
        if (control != null) {
            control.onEnding(this);
        }
    }

    /** The rest of a payload will not come: its write is none. */
    void dropIncoming() {
        if (incoming >= 0) {
            replies.withdraw(requests.slot(incoming));
            requests.remove(incoming);
            incoming = -1;
            if (!window.isRevoked()) {
                disk.dropWriteWindow(window);
            }
        }
    }

    /** Receives a part of the payload that was taken ahead, where it belongs. */
    int receivePayload(final Connection connection, final long remaining) throws IOException {
        final int count =
                connection.receive(
                        window.memory(), window.position() + window.received(), (int) remaining);
        window.addReceived(Math.max(0, count));
        return count;
    }

    /** Takes the completions that the disk has. */
    void poll() {
        disk.poll();
    }

    // ---- Requests.

    @Override
    public boolean onRequest(final Request request) {
        if (refusing) {
            return onRejected(request, Nbd.ESHUTDOWN, "server is shutting down");
        }
        final boolean isControl = request.has(Nbd.CMD_FLAG_CONTROL);
        if (!isControl && isChange(request.command()) && !mayChange()) {
            return onRejected(request, Nbd.EPERM, STRANGER);
        }
        if (request.command() == Nbd.CMD_READ && !isControl && reads.replyFromWindow(request)) {
            counters.onEnd(Nbd.CMD_READ, request.offset(), request.length(), 0);
            owner.onProgress();
            return true;
        }
        final int length = replyLength(request);
        final int slot = requests.isFull() ? -1 : replies.reserve(length);
        if (slot < 0) {
            return false;
        }
        final int index = requests.add(request, slot);
        if (isControl) {
            submitControl(request, index);
        } else {
            submit(request, index);
        }
        disk.poll();
        return true;
    }

    /** Whether the client may change the disk. */
    private boolean mayChange() {
        return control == null || control.mayChange(this);
    }

    @Override
    public boolean onPayloadAhead(final Request request) {
        final boolean isWorthIt =
                request.length() >= disk.windowLengthMin()
                        && !refusing
                        && !requests.isFull()
                        && mayChange();
        final int slot = isWorthIt ? replies.reserve(encoder.doneLength()) : -1;
        if (slot < 0) {
            return false; // it comes by way of the receive buffer
        }
        if (!disk.openWriteWindow(request.offset(), (int) request.length(), window)) {
            replies.withdraw(slot);
            return false;
        }
        incoming = requests.add(request, slot);
        return true;
    }

    @Override
    public void onPayload(final Request request) {
        final int index = incoming;
        incoming = -1;
        received.pin();
        if (window.isRevoked()) {
            writeRevoked(index);
        } else {
            disk.write(window, this, index);
        }
        disk.poll();
    }

    private void writeRevoked(final int index) {
        final int errno = mayChange() ? window.errno() : Errno.EPERM;
        if (errno != 0) {
            onComplete(index, errno);
        } else {
            disk.write(
                    window.offset(),
                    window.length(),
                    window.memory().segment(),
                    window.position(),
                    this,
                    index);
        }
    }

    private int replyLength(final Request request) {
        return switch (request.command()) {
            case Nbd.CMD_READ -> encoder.dataHeaderLength() + (int) request.length();
            case Nbd.CMD_BLOCK_STATUS -> encoder.blockStatusLength(RequestTable.EXTENTS_MAX);
            default -> encoder.doneLength();
        };
    }

    private void submit(final Request request, final int index) {
        final long offset = request.offset();
        final long length = request.length();
        switch (request.command()) {
            case Nbd.CMD_READ -> reads.submit(index, request);
            case Nbd.CMD_WRITE -> {
                final boolean goesAhead =
                        length >= disk.windowLengthMin()
                                && disk.hasWriteWindow(offset, (int) length);
                lastMessageLength =
                        goesAhead ? 0 : encoder.style().requestHeaderLength() + (int) length;
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
                    disk.extents(offset, length, requests.extents(index), this, index);
            default -> throw new IllegalStateException("command " + request.command());
        }
        lastMessageLength = encoder.style().requestHeaderLength();
    }

    private void submitControl(final Request request, final int index) {
        final long offset = request.offset();
        final int length = (int) request.length();
        lastMessageLength = encoder.style().requestHeaderLength();
        if (request.command() == Nbd.CMD_CACHE) {
            control.announce(this, offset, request.length(), this, index);
            return;
        }
        if (request.command() == Nbd.CMD_WRITE) {
            received.pin();
            final long payload = request.payloadPosition();
            control.write(this, (int) offset, length, received.memory(), payload, this, index);
            return;
        }
        requests.reading(index, 1);
        final int start = replies.position(requests.slot(index));
        final int header =
                encoder.dataHeader(
                        replies.memory(),
                        start,
                        requests.cookie(index),
                        offset,
                        offset,
                        length,
                        true);
        requests.replyLength(index, header + length);
        control.read(offset, length, replies.memory(), start + header, this, index);
    }

    static boolean isChange(final int command) {
        return command == Nbd.CMD_WRITE
                || command == Nbd.CMD_WRITE_ZEROES
                || command == Nbd.CMD_TRIM;
    }

    @Override
    public void evict() {
        owner.close();
    }

    private int zeroFlags(final Request request) {
        final boolean makesNoHole = request.has(Nbd.CMD_FLAG_NO_HOLE) || policy.keepsAllocated();
        return (makesNoHole ? Disk.ZERO_NO_HOLE : 0)
                | (request.has(Nbd.CMD_FLAG_FAST_ZERO) ? Disk.ZERO_FAST : 0);
    }

    @Override
    public boolean onRejected(final Request request, final int error, final String reason) {
        final int slot = replies.reserve(encoder.doneLength());
        if (slot < 0) {
            return false;
        }
        writer.error(slot, request.cookie(), request.offset(), error, reason);
        return true;
    }

    // ---- Completions of the disk.

    @Override
    public void onComplete(final long token, final int errno) {
        final int index = (int) token;
        if (requests.command(index) == Nbd.CMD_WRITE && !requests.isFlushing(index)) {
            received.unpin();
        }
        if (abandoned) {
            discard(index, errno);
        } else {
            complete(index, errno);
        }
        owner.onProgress();
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

    private void count(final int index) {
        if (!requests.has(index, Nbd.CMD_FLAG_CONTROL)) {
            counters.onEnd(
                    requests.command(index),
                    requests.offset(index),
                    requests.length(index),
                    requests.errno(index));
        }
    }

    private boolean isWrittenThrough(final int index) {
        return policy.isWrittenThrough()
                && isChange(requests.command(index))
                && !requests.has(index, Nbd.CMD_FLAG_CONTROL);
    }

    private void completeRead(final int index) {
        if (!reads.advance(index)) {
            return;
        }
        count(index);
        if (requests.errno(index) == 0) {
            replies.commit(requests.slot(index), requests.replyLength(index));
        } else {
            writer.failure(index);
        }
        requests.remove(index);
    }

    private void completeBlockStatus(final int index) {
        if (requests.errno(index) == 0) {
            writer.blockStatus(index);
        } else {
            writer.failure(index);
        }
        requests.remove(index);
    }

    private void completeWithoutPayload(final int index) {
        final boolean flushNow =
                (requests.has(index, Nbd.CMD_FLAG_FUA) || isWrittenThrough(index))
                        && requests.command(index) != Nbd.CMD_CACHE
                        && !requests.isFlushing(index)
                        && requests.errno(index) == 0;
        if (flushNow) {
            requests.flushing(index);
            disk.flush(this, index);
            return;
        }
        count(index);
        if (requests.errno(index) == 0) {
            writer.done(index);
        } else {
            writer.failure(index);
        }
        requests.remove(index);
    }

    /** Nobody waits for the reply any more. */
    private void discard(final int index, final int errno) {
        if (errno != 0) {
            requests.failed(index, errno);
        }
        final boolean partsLeft =
                requests.command(index) == Nbd.CMD_READ
                        && !requests.isSearching(index)
                        && requests.finishPart(index) > 0;
        if (!partsLeft) {
            count(index);
            requests.remove(index);
        }
    }
}

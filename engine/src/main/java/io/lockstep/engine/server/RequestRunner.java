package io.lockstep.engine.server;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.disk.WriteWindow;
import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;
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

    /**
     * Reads longer than this are looked through for holes, where the client can be told of them.
     */
    private static final int HOLE_SEARCH_MIN = 4096;

    /**
     * Bytes of a long reply that are copied behind its header where the rest is copied to the
     * socket. They go out in one call with it, the rest in another: a header by itself would be a
     * packet by itself, and a gathering write of NIO's makes objects.
     */
    private static final int HEAD_LENGTH = 4096;

    /** A shorter reply is not worth the second call, where that copies; in bytes. */
    private static final int TWO_CALLS_LENGTH_MIN = 64 << 10;

    private static final String STRANGER = "another primary replicates to this disk; stop that one";

    /** Descriptors in a block status reply at most; the client asks again for the rest. */
    private static final int DESCRIPTORS_MAX = 1024;

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
    private final ServerEvents events;
    private final Owner owner;
    private final RequestTable requests = new RequestTable(IN_FLIGHT_MAX);

    private final boolean takesPages;

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
        this.events = events;
        this.owner = owner;
        takesPages = owner.takesPages();
        encoder = new ReplyEncoder(style);
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
        final IoBuffer ready =
                request.command() == Nbd.CMD_READ
                                && !isControl
                                && request.length() >= disk.windowLengthMin()
                                && (takesPages || request.length() >= TWO_CALLS_LENGTH_MIN)
                        ? disk.window(request.offset(), (int) request.length())
                        : null;
        if (ready != null && replyFrom(ready, request)) {
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

    /**
     * Replies to a read with the disk's own memory. Answers false where that can't be: there is no
     * room for the reply, or the disk must say what is wrong with it.
     */
    private boolean replyFrom(final IoBuffer memory, final Request request) {
        final long offset = request.offset();
        final int length = (int) request.length();
        final int head = takesPages ? 0 : HEAD_LENGTH;
        final int slot = replies.reserve(encoder.dataHeaderLength() + head);
        if (slot < 0) {
            return false;
        }
        final int position = disk.windowPosition(offset);
        final int header =
                encoder.dataHeader(
                        replies.memory(),
                        replies.position(slot),
                        request.cookie(),
                        offset,
                        offset,
                        length,
                        true);
        final int behindHeader = replies.position(slot) + header;
        if (head > 0 && !memory.copyOut(position, head, replies.buffer(), behindHeader)) {
            replies.withdraw(slot);
            return false;
        }
        replies.commit(slot, header + head, memory, position + head, length - head);
        counters.onEnd(Nbd.CMD_READ, offset, length, true);
        owner.onProgress();
        return true;
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
                    disk.extents(
                            offset, length, requests.extents(index, DESCRIPTORS_MAX), this, index);
            default -> throw new IllegalStateException("command " + request.command());
        }
        lastMessageLength = encoder.style().requestHeaderLength();
    }

    private void submitControl(final Request request, final int index) {
        final int offset = (int) request.offset();
        final int length = (int) request.length();
        lastMessageLength = encoder.style().requestHeaderLength();
        if (request.command() == Nbd.CMD_WRITE) {
            received.pin();
            final long payload = request.payloadPosition();
            control.write(this, offset, length, received.memory(), payload, this, index);
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
        onComplete(index, control.read(offset, length, replies.memory(), start + header));
    }

    private static boolean isChange(final int command) {
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
        final int slot = requests.slot(index);
        count(index);
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

    private void count(final int index) {
        if (!requests.has(index, Nbd.CMD_FLAG_CONTROL)) {
            counters.onEnd(
                    requests.command(index),
                    requests.offset(index),
                    requests.length(index),
                    requests.errno(index) == 0);
        }
    }

    private boolean isWrittenThrough(final int index) {
        return policy.isWrittenThrough()
                && isChange(requests.command(index))
                && !requests.has(index, Nbd.CMD_FLAG_CONTROL);
    }

    private void completeRead(final int index) {
        if (requests.isSearching(index) && requests.errno(index) == 0) {
            readRuns(index);
            return;
        }
        if (!requests.isSearching(index) && requests.finishPart(index) > 0) {
            return;
        }
        count(index);
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
            count(index);
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
        if (requests.has(index, Nbd.CMD_FLAG_CONTROL)) {
            writeError(
                    requests.slot(index),
                    requests.cookie(index),
                    requests.offset(index),
                    errno,
                    control.reason());
            return;
        }
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
            events.onDiskError(reason);
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

package io.lockstep.engine.server;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyEncoder;
import io.lockstep.nbd.ReplyStyle;
import io.lockstep.nbd.Request;

/**
 * Carries out one client's reads: where the data of each lies in its reply, and what of it the disk
 * reads there, is sent out of the disk's own memory, or is told as a hole. On the session's loop;
 * in steady state nothing is allocated.
 */
final class ReadRunner {
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

    private final Disk disk;
    private final ReplyEncoder encoder;
    private final RequestTable requests;
    private final ReplyRing replies;
    private final boolean takesPages;
    private final Disk.Completion completion;

    /**
     * None under way.
     *
     * @param takesPages whether the connection takes long replies as the pages they lie in
     * @param completion hears of the disk's operations, with a request's index
     */
    ReadRunner(
            final Disk disk,
            final ReplyEncoder encoder,
            final RequestTable requests,
            final ReplyRing replies,
            final boolean takesPages,
            final Disk.Completion completion) {
        this.disk = disk;
        this.encoder = encoder;
        this.requests = requests;
        this.replies = replies;
        this.takesPages = takesPages;
        this.completion = completion;
    }

    /**
     * Replies to a read with the disk's own memory. Answers false where that can't be: there is
     * none, no room for the reply, or the disk must say what is wrong with it.
     */
    boolean replyFromWindow(final Request request) {
        final boolean isWorthIt =
                request.length() >= disk.windowLengthMin()
                        && (takesPages || request.length() >= TWO_CALLS_LENGTH_MIN);
        final IoBuffer memory =
                isWorthIt ? disk.window(request.offset(), (int) request.length()) : null;
        return memory != null && replyFrom(memory, request);
    }

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
        final boolean isWhole =
                head == 0
                        || (memory.isWholeTo(position + length)
                                && memory.copyOut(position, head, replies.buffer(), behindHeader));
        if (!isWhole) {
            replies.withdraw(slot);
            return false;
        }
        replies.commit(slot, header + head, memory, position + head, length - head);
        return true;
    }

    /** Begins a read whose reply has its place. */
    void submit(final int index, final Request request) {
        final long offset = request.offset();
        final int length = (int) request.length();
        final boolean searchHoles =
                encoder.style() != ReplyStyle.SIMPLE
                        && !request.has(Nbd.CMD_FLAG_DF)
                        && length > HOLE_SEARCH_MIN;
        if (searchHoles) {
            disk.extents(offset, length, requests.extents(index), completion, index);
        } else {
            requests.reading(index, 1);
            readData(index, offset, length, replies.position(requests.slot(index)), true);
        }
    }

    /** An operation of the disk for a read has ended. Answers whether that was all of the read. */
    boolean advance(final int index) {
        if (requests.isSearching(index)) {
            return requests.errno(index) != 0 || readRuns(index) == 0;
        }
        return requests.finishPart(index) == 0;
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
        disk.read(offset, length, replies.memory(), position + header, completion, index);
        return position + header + length;
    }

    /**
     * Lays out a read's chunks, and reads those that hold data. A hole pays for its own chunk and
     * for the header of the data behind it, or it is none: so the chunks never need more room than
     * the one that the reply's place was reserved for. Answers how many are read.
     */
    private int readRuns(final int index) {
        final ExtentList extents = requests.extents(index);
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
        return parts;
    }
}

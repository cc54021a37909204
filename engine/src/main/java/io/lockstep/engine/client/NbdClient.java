package io.lockstep.engine.client;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.ClientNegotiated;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.PendingRequest;

import java.lang.foreign.MemorySegment;

/**
 * A client of one export of an NBD server, over one connection: requests are made one after the
 * other, without waiting, and complete in any order.
 *
 * <p>Each request method answers whether the request was taken: not where {@link
 * ClientLimits#inFlightMax} are in flight, and not before {@link Listener#onReady} or after {@link
 * #disconnect}; then nothing happened, and the next completion is the time to try again. A request
 * that was taken completes exactly once: as its reply says, or with {@link Errno#ESHUTDOWN} when
 * the connection ends before. Memory that it names belongs to the client until then. Requests made
 * in a completion go out together when all completions of one receive have run; those made
 * elsewhere wait for {@link #send}.
 *
 * <p>Whoever calls keeps to what the server said in {@link #negotiated}: ranges within the export
 * and on its block size, reads and writes up to {@code payloadLengthMax}, other ranges up to {@code
 * effectLengthMax}, and only what was offered.
 *
 * <p>Everything, listeners included, is called on the loop's thread. In steady state nothing is
 * allocated. Source: {@code doc/proto.md}, "Transmission".
 */
public final class NbdClient {
    /** Hears how the connection fares. */
    public interface Listener {
        /** The handshake is done: requests are taken. */
        void onReady(NbdClient client);

        /**
         * The connection has ended, or never stood; all requests have completed. The last call.
         *
         * @param reason a sentence; empty where it ended because of {@link #disconnect}
         */
        void onClosed(NbdClient client, String reason);
    }

    /** Takes the extents of a block status as they come. */
    public interface ExtentHandler {
        /**
         * One extent. Those of one context come in order, the first at the request's offset.
         *
         * @param token of the request
         * @param contextId of {@link ClientNegotiated#contexts}
         */
        void onExtent(long token, int contextId, long offset, long length, long flags);
    }

    private final ClientLimits limits;
    private final RequestsInFlight requests;
    private final ClientSession session;

    private NbdClient(final IoLoop loop, final ClientLimits limits, final Listener listener) {
        this.limits = limits;
        requests = new RequestsInFlight(limits.inFlightMax());
        session = new ClientSession(loop, limits, requests, this, listener);
    }

    /**
     * Connects, without waiting.
     *
     * @param options of {@link ClientOptions#use}
     * @param listener hears how it goes
     */
    public static NbdClient connect(
            final IoLoop loop,
            final Endpoint endpoint,
            final ClientOptions options,
            final ClientLimits limits,
            final Listener listener) {
        if (options.goal() != ClientOptions.Goal.TRANSMISSION) {
            throw new IllegalArgumentException("options of ClientOptions.use are needed");
        }
        final NbdClient client = new NbdClient(loop, limits, listener);
        client.session.connect(endpoint, options);
        return client;
    }

    /** What was agreed on; null before {@link Listener#onReady}. */
    public ClientNegotiated negotiated() {
        return session.negotiated();
    }

    /** Whether a server was there, whatever became of the connection. */
    public boolean isConnected() {
        return session.isConnected();
    }

    /** Whether the connection came to nothing as nobody listens there. */
    public boolean isRefused() {
        return session.isRefused();
    }

    /** How many requests are in flight. */
    public int inFlight() {
        return requests.size();
    }

    /** Whether requests are taken while there is room. */
    public boolean isReady() {
        return session.isReady();
    }

    /**
     * In a completion that tells of an error: the sentence that the server gave, or why the
     * connection has ended. May be empty.
     */
    public String errorText() {
        return requests.errorText();
    }

    // ---- Requests.

    /** Reads into a buffer; what is long is received there with no copy. */
    public boolean read(
            final long offset,
            final int length,
            final IoBuffer into,
            final int position,
            final Disk.Completion completion,
            final long token) {
        assert position >= 0 && length <= into.length() - position;
        final ReplyTarget target = start(Nbd.CMD_READ, 0, offset, length, 0, completion, token);
        if (target == null) {
            return false;
        }
        target.fill(into, position, offset);
        return true;
    }

    /**
     * Writes from a buffer; what is long is sent from there with no copy.
     *
     * @param flags {@link Nbd#CMD_FLAG_FUA} or 0
     */
    public boolean write(
            final long offset,
            final int length,
            final IoBuffer from,
            final int position,
            final int flags,
            final Disk.Completion completion,
            final long token) {
        assert position >= 0 && length <= from.length() - position;
        final boolean copied = length <= limits.copyLengthMax();
        final ReplyTarget target =
                start(Nbd.CMD_WRITE, flags, offset, length, copied ? length : 0, completion, token);
        if (target == null) {
            return false;
        }
        if (copied) {
            session.sender().stagePayload(from.segment(), position, length);
        } else {
            target.lendPayload(session.sender().appendPayload(from, position, length));
        }
        return true;
    }

    /**
     * Writes from a frame: a payload with the room for its header right before it. The header is
     * put there, and frames that lie side by side go out in one send, from where they lie.
     *
     * @param position of the payload
     * @param flags {@link Nbd#CMD_FLAG_FUA} or 0
     */
    public boolean writeFrame(
            final long offset,
            final int length,
            final IoBuffer from,
            final int position,
            final int flags,
            final Disk.Completion completion,
            final long token) {
        assert position >= frameHeaderLength() && length <= from.length() - position;
        if (!session.isReady() || requests.isFull()) {
            return false;
        }
        assert isWithinWhatWasAgreed(Nbd.CMD_WRITE, flags, offset, length);
        final PendingRequest write =
                requests.add(Nbd.CMD_WRITE, flags, offset, length, completion, token);
        requests.target(write)
                .lendPayload(session.sender().appendFrame(write, from, position, length));
        return true;
    }

    /** How much room a frame needs before its payload, in bytes; known once it is ready. */
    public int frameHeaderLength() {
        return session.sender().headerLength();
    }

    /** Writes a part of the control space; it is copied at once. */
    public boolean writeControl(
            final MemorySegment from,
            final int length,
            final Disk.Completion completion,
            final long token) {
        final ReplyTarget target =
                start(Nbd.CMD_WRITE, Nbd.CMD_FLAG_CONTROL, 0, length, length, completion, token);
        if (target == null) {
            return false;
        }
        session.sender().stagePayload(from, 0, length);
        return true;
    }

    /** Reads the front of the control space. */
    public boolean readControl(
            final MemorySegment into,
            final int length,
            final Disk.Completion completion,
            final long token) {
        return readControl(0, length, into, 0, completion, token);
    }

    /** Reads a part of the control space. */
    public boolean readControl(
            final long offset,
            final int length,
            final MemorySegment into,
            final long position,
            final Disk.Completion completion,
            final long token) {
        final ReplyTarget target =
                start(Nbd.CMD_READ, Nbd.CMD_FLAG_CONTROL, offset, length, 0, completion, token);
        if (target == null) {
            return false;
        }
        target.fill(into, position, offset);
        return true;
    }

    /** Announces that a range of the disk will be overwritten: done when its content is kept. */
    public boolean announce(
            final long offset,
            final long length,
            final Disk.Completion completion,
            final long token) {
        return start(Nbd.CMD_CACHE, Nbd.CMD_FLAG_CONTROL, offset, length, 0, completion, token)
                != null;
    }

    /** Puts on stable storage all writes that completed before this call. */
    public boolean flush(final Disk.Completion completion, final long token) {
        requireOffered(Nbd.FLAG_SEND_FLUSH, "flush");
        return start(Nbd.CMD_FLUSH, 0, 0, 0, 0, completion, token) != null;
    }

    /**
     * Says that a range's content is no longer needed.
     *
     * @param flags {@link Nbd#CMD_FLAG_FUA} or 0
     */
    public boolean trim(
            final long offset,
            final long length,
            final int flags,
            final Disk.Completion completion,
            final long token) {
        requireOffered(Nbd.FLAG_SEND_TRIM, "trim");
        return start(Nbd.CMD_TRIM, flags, offset, length, 0, completion, token) != null;
    }

    /** Says that a range will be read soon. */
    public boolean cache(
            final long offset,
            final long length,
            final Disk.Completion completion,
            final long token) {
        requireOffered(Nbd.FLAG_SEND_CACHE, "cache");
        return start(Nbd.CMD_CACHE, 0, offset, length, 0, completion, token) != null;
    }

    /**
     * Makes a range read as zeroes.
     *
     * @param flags of {@link Nbd#CMD_FLAG_FUA}, {@link Nbd#CMD_FLAG_NO_HOLE}, {@link
     *     Nbd#CMD_FLAG_FAST_ZERO}
     */
    public boolean writeZeroes(
            final long offset,
            final long length,
            final int flags,
            final Disk.Completion completion,
            final long token) {
        requireOffered(Nbd.FLAG_SEND_WRITE_ZEROES, "write zeroes");
        return start(Nbd.CMD_WRITE_ZEROES, flags, offset, length, 0, completion, token) != null;
    }

    /**
     * Asks for the state of a range in every metadata context that was selected. The answer may end
     * before the range does, or behind it.
     *
     * @param flags {@link Nbd#CMD_FLAG_REQ_ONE} or 0
     */
    public boolean blockStatus(
            final long offset,
            final long length,
            final int flags,
            final ExtentHandler extents,
            final Disk.Completion completion,
            final long token) {
        if (negotiated() != null && negotiated().contexts().isEmpty()) {
            throw new IllegalStateException("no metadata context was selected");
        }
        final ReplyTarget target =
                start(Nbd.CMD_BLOCK_STATUS, flags, offset, length, 0, completion, token);
        if (target == null) {
            return false;
        }
        target.tell(extents);
        return true;
    }

    private void requireOffered(final int flag, final String what) {
        if (negotiated() != null && !negotiated().has(flag)) {
            throw new IllegalStateException("the server does not offer " + what);
        }
    }

    /**
     * Takes a place and stages the header.
     *
     * @param stagedLength of what the caller will stage behind it
     * @return where the reply goes; null where the request is not taken
     */
    private ReplyTarget start(
            final int command,
            final int flags,
            final long offset,
            final long length,
            final int stagedLength,
            final Disk.Completion completion,
            final long token) {
        if (!session.isReady() || requests.isFull()) {
            return null;
        }
        final RequestSender sender = session.sender();
        if (sender.hasEnough()) {
            session.send();
        }
        if (!sender.hasRoom(stagedLength)) {
            return null;
        }
        assert isWithinWhatWasAgreed(command, flags, offset, length);
        final PendingRequest request =
                requests.add(command, flags, offset, length, completion, token);
        sender.stageHeader(request);
        return requests.target(request);
    }

    private boolean isWithinWhatWasAgreed(
            final int command, final int flags, final long offset, final long length) {
        final ClientNegotiated agreed = negotiated();
        final boolean isControl = (flags & Nbd.CMD_FLAG_CONTROL) != 0;
        final boolean hasPayload = command == Nbd.CMD_READ || command == Nbd.CMD_WRITE;
        return offset >= 0
                && length >= 0
                && (isControl || length <= agreed.export().size() - offset)
                && length
                        <= (hasPayload
                                ? agreed.export().payloadLengthMax()
                                : agreed.effectLengthMax())
                && ((flags & Nbd.CMD_FLAG_FUA) == 0 || agreed.has(Nbd.FLAG_SEND_FUA))
                && ((flags & Nbd.CMD_FLAG_FAST_ZERO) == 0 || agreed.has(Nbd.FLAG_SEND_FAST_ZERO));
    }

    /** Sends the requests that were made, as far as the socket takes them; the rest follows. */
    public void send() {
        session.send();
    }

    // ---- Leaving.

    /**
     * Takes no more requests, and leaves in the protocol's way when those in flight have completed.
     */
    public void disconnect() {
        session.disconnect();
    }

    /** Cuts the connection; requests in flight complete with an error before this returns. */
    public void abort(final String reason) {
        session.abort(reason);
    }
}

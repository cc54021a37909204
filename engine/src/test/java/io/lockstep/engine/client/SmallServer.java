package io.lockstep.engine.client;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.Export;
import io.lockstep.nbd.ExportCatalog;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyEncoder;
import io.lockstep.nbd.ReplyStyle;
import io.lockstep.nbd.Request;
import io.lockstep.nbd.ServerHandshake;
import io.lockstep.nbd.ServerTransmission;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** An NBD server of one client in memory, which a test can hold back and make misbehave. */
final class SmallServer implements ConnectionHandler, ServerTransmission.Handler, ExportCatalog {
    static final int SIZE = 1 << 20;

    private static final int MESSAGE_MAX = SIZE + (1 << 17);

    final byte[] disk = new byte[SIZE];
    final List<Integer> commands = new ArrayList<>();

    /** While set no reply is sent. */
    boolean holding;

    /** Answered to every request, where it isn't 0. */
    int failWith;

    private final Connection connection;
    private final Random random;
    private final Export export;
    private final ServerHandshake handshake = new ServerHandshake(this);
    private final IoBuffer in = IoBuffer.reserve(MESSAGE_MAX);
    private final IoBuffer out = IoBuffer.reserve(MESSAGE_MAX);
    private final List<byte[]> replies = new ArrayList<>();
    private ServerTransmission transmission;
    private ReplyEncoder encoder;
    private int inEnd;
    private int outStart;
    private int outEnd;

    SmallServer(final Connection connection, final long seed, final int flags) {
        this.connection = connection;
        random = new Random(seed);
        export =
                new Export(
                        "disk",
                        "in memory",
                        SIZE,
                        flags,
                        1,
                        4096,
                        SIZE,
                        List.of(Nbd.CONTEXT_BASE_ALLOCATION));
        connection.interest(true, false);
        try {
            send();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    boolean hasLeftSoftly() {
        return transmission.state() == ServerTransmission.State.DISCONNECTED;
    }

    String closeReason() {
        return handshake.closeReason();
    }

    /** Sends bytes as they are. */
    void sendRaw(final byte[] bytes) {
        replies.add(bytes);
        resume();
    }

    /** Sends what was held back. */
    void resume() {
        try {
            send();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public void onReadable() {
        try {
            final int count = connection.receive(in, inEnd, in.length() - inEnd);
            if (count < 0) {
                connection.close();
                return;
            }
            inEnd += count;
            long position = 0;
            long taken = receive(position);
            while (taken > position) {
                position = taken;
                send();
                taken = receive(position);
            }
            MemorySegment.copy(in.segment(), position, in.segment(), 0, inEnd - position);
            inEnd -= (int) position;
            send();
        } catch (final IOException e) {
            connection.close();
        }
    }

    private long receive(final long position) {
        if (transmission == null && handshake.state() == ServerHandshake.State.TRANSMISSION) {
            transmission = new ServerTransmission(handshake.negotiated(), this);
            encoder = new ReplyEncoder(handshake.negotiated().replyStyle());
        }
        return transmission == null
                ? handshake.receive(in.segment(), position, inEnd)
                : transmission.receive(in.segment(), position, inEnd);
    }

    @Override
    public void onWritable() {
        resume();
    }

    @Override
    public void onFailure(final Throwable cause) {
        throw new AssertionError(cause);
    }

    private void send() throws IOException {
        boolean sent = true;
        while (sent && (outStart < outEnd || fill())) {
            outStart += connection.send(out, outStart, outEnd - outStart);
            sent = outStart == outEnd;
        }
        connection.interest(true, !sent);
    }

    /** Takes the next bytes to send; replies in any order. */
    private boolean fill() {
        outStart = 0;
        outEnd = handshake.output().take(out.segment(), 0, out.length());
        if (outEnd == 0 && !replies.isEmpty() && !holding) {
            final byte[] reply = replies.remove(random.nextInt(replies.size()));
            MemorySegment.copy(reply, 0, out.segment(), ValueLayout.JAVA_BYTE, 0, reply.length);
            outEnd = reply.length;
        }
        return outEnd > 0;
    }

    @Override
    public List<Export> list() {
        return List.of(export);
    }

    @Override
    public Choice find(final String name) {
        return name.equals("disk")
                ? new Choice.Accepted(export)
                : new Choice.Refused(Nbd.REP_ERR_UNKNOWN, "there is only disk");
    }

    @Override
    public boolean onRejected(final Request request, final int error, final String reason) {
        final byte[] reply = new byte[ReplyEncoder.ERROR_LENGTH_MAX];
        final int length =
                encoder.error(
                        MemorySegment.ofArray(reply),
                        0,
                        request.cookie(),
                        request.offset(),
                        error,
                        reason);
        replies.add(Arrays.copyOf(reply, length));
        return true;
    }

    @Override
    public boolean onRequest(final Request request) {
        commands.add(request.command());
        if (failWith != 0) {
            return onRejected(request, failWith, "told to fail");
        }
        switch (request.command()) {
            case Nbd.CMD_READ -> read(request);
            case Nbd.CMD_BLOCK_STATUS -> status(request);
            case Nbd.CMD_WRITE -> {
                MemorySegment.copy(
                        in.segment(),
                        ValueLayout.JAVA_BYTE,
                        request.payloadPosition(),
                        disk,
                        (int) request.offset(),
                        (int) request.length());
                done(request);
            }
            case Nbd.CMD_WRITE_ZEROES, Nbd.CMD_TRIM -> {
                final int start = (int) request.offset();
                Arrays.fill(disk, start, start + (int) request.length(), (byte) 0);
                done(request);
            }
            default -> done(request);
        }
        return true;
    }

    private void done(final Request request) {
        final byte[] reply = new byte[encoder.doneLength()];
        encoder.done(MemorySegment.ofArray(reply), 0, request.cookie(), request.offset());
        replies.add(reply);
    }

    /** In two chunks where the style has them, the second a hole where it can be. */
    private void read(final Request request) {
        final int offset = (int) request.offset();
        final int length = (int) request.length();
        final boolean chunked = encoder.style() != ReplyStyle.SIMPLE && length > 1;
        final int first = chunked ? 1 + random.nextInt(length - 1) : length;
        final byte[] reply = new byte[length + 200];
        final MemorySegment memory = MemorySegment.ofArray(reply);
        int position = chunk(memory, 0, request, offset, first, !chunked);
        if (chunked) {
            position += chunk(memory, position, request, offset + first, length - first, true);
        }
        replies.add(Arrays.copyOf(reply, position));
    }

    private int chunk(
            final MemorySegment memory,
            final int position,
            final Request request,
            final int offset,
            final int length,
            final boolean last) {
        boolean zero = encoder.style() != ReplyStyle.SIMPLE;
        for (int i = offset; zero && i < offset + length; i++) {
            zero = disk[i] == 0;
        }
        if (zero) {
            return encoder.hole(
                    memory, position, request.cookie(), request.offset(), offset, length, last);
        }
        final int header =
                encoder.dataHeader(
                        memory, position, request.cookie(), request.offset(), offset, length, last);
        MemorySegment.copy(disk, offset, memory, ValueLayout.JAVA_BYTE, position + header, length);
        return header + length;
    }

    private void status(final Request request) {
        final byte[] reply = new byte[encoder.blockStatusLength(1)];
        final MemorySegment memory = MemorySegment.ofArray(reply);
        final int header =
                encoder.blockStatusHeader(
                        memory, 0, request.cookie(), request.offset(), 0, 1, true);
        encoder.descriptor(memory, header, request.length(), Nbd.STATE_ZERO);
        replies.add(reply);
    }
}

package io.lockstep.bench.jmh;

import io.lockstep.nbd.Export;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.Negotiated;
import io.lockstep.nbd.ReplyEncoder;
import io.lockstep.nbd.ReplyStyle;
import io.lockstep.nbd.Request;
import io.lockstep.nbd.RequestEncoder;
import io.lockstep.nbd.ServerTransmission;

import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** NBD on the server's side: a batch of requests is parsed, and replies are written. */
@State(Scope.Thread)
public class WireBenchmark extends PieceBenchmark {
    private static final int BATCH = 16;
    private static final int BLOCK_LENGTH = 4096;
    private static final long EXPORT_LENGTH = 1L << 30;

    /** Of the headers. */
    @Param({"SIMPLE", "STRUCTURED", "EXTENDED"})
    public ReplyStyle style;

    private final MemorySegment memory = Arena.global().allocate(BATCH * (BLOCK_LENGTH + 64L), 64);
    private final MemorySegment replyMemory = Arena.global().allocate(BATCH * 64L, 64);
    private ServerTransmission transmission;
    private ReplyEncoder replies;
    private long writesLength;
    private long readsStart;
    private long readsEnd;
    private long sum;

    /** Lays a batch of writes and one of reads in memory, as the socket would. */
    @Setup
    public void prepare() {
        final int flags = Nbd.FLAG_HAS_FLAGS | Nbd.FLAG_SEND_FLUSH;
        final Export export =
                new Export("d", "", EXPORT_LENGTH, flags, 1, BLOCK_LENGTH, 32 << 20, List.of());
        transmission =
                new ServerTransmission(
                        new Negotiated(export, style, List.of(), flags), new Summing());
        replies = new ReplyEncoder(style);
        final RequestEncoder requests = new RequestEncoder(style);
        long at = 0;
        for (int i = 0; i < BATCH; i++) {
            at += encode(requests, at, Nbd.CMD_WRITE, i);
            at += BLOCK_LENGTH;
        }
        writesLength = at;
        readsStart = at;
        for (int i = 0; i < BATCH; i++) {
            at += encode(requests, at, Nbd.CMD_READ, i);
        }
        readsEnd = at;
    }

    private int encode(
            final RequestEncoder requests, final long at, final int command, final int index) {
        final long offset = (long) index * BLOCK_LENGTH;
        return requests.encode(memory, at, command, 0, index, offset, BLOCK_LENGTH);
    }

    /** Adds up what requests say, so that none can be left undecoded. */
    private final class Summing implements ServerTransmission.Handler {
        @Override
        public boolean onRequest(final Request request) {
            sum += request.offset() + request.payloadPosition() + request.cookie();
            return true;
        }

        @Override
        public boolean onRejected(final Request request, final int error, final String reason) {
            throw new IllegalStateException(reason);
        }
    }

    /** A write of 4 KiB out of a batch. */
    @Benchmark
    @OperationsPerInvocation(BATCH)
    public long parseWrite() {
        return transmission.receive(memory, 0, writesLength) + sum;
    }

    /** A read out of a batch. */
    @Benchmark
    @OperationsPerInvocation(BATCH)
    public long parseRead() {
        return transmission.receive(memory, readsStart, readsEnd) + sum;
    }

    /** The reply to a write. */
    @Benchmark
    @OperationsPerInvocation(BATCH)
    public long replyDone() {
        long at = 0;
        for (int i = 0; i < BATCH; i++) {
            at += replies.done(replyMemory, at, i, (long) i * BLOCK_LENGTH);
        }
        return at;
    }

    /** The header of the reply to a read. */
    @Benchmark
    @OperationsPerInvocation(BATCH)
    public long replyData() {
        long at = 0;
        for (int i = 0; i < BATCH; i++) {
            final long offset = (long) i * BLOCK_LENGTH;
            at += replies.dataHeader(replyMemory, at, i, offset, offset, BLOCK_LENGTH, true);
        }
        return at;
    }
}

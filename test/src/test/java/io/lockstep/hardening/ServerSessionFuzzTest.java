package io.lockstep.hardening;

import com.code_intelligence.jazzer.junit.FuzzTest;

import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.memory.VirtualMemory;
import io.lockstep.engine.server.ConnectionLimit;
import io.lockstep.engine.server.NbdServer;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.nbd.ReplyStyle;

import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A whole session, from its connection to its disk, takes any client: it throws nothing; it answers
 * each request once, whole and in the agreed style; where the disk answers in order, every reply
 * says what a model of the disk says; when the client has gone the session is gone, and so are its
 * buffers.
 *
 * <p>Input: a byte for {@link Portions} of what comes, one for {@link FuzzedDisk}, one for portions
 * of what goes, one for the kind (see below), then what the client sends, which begins with the
 * handshake or behind it. Cookies in it are replaced by the number of the request.
 */
final class ServerSessionFuzzTest {
    /** Of the kind: the style, as {@link FuzzSeeds} has it. */
    static final int STYLE = 3;

    /** Of the kind: the connection breaks at the end of the stream. */
    static final int BREAKS = 0x40;

    /** Of the kind: the stream begins with the handshake. */
    static final int RAW = 0x80;

    private static final int CONTROL_LENGTH = 4;
    private static final int STEPS_MAX = 200_000;
    private static final int CONNECTIONS_MAX = 5;

    static Stream<Arguments> seeds() {
        return FuzzSeeds.serverSession().stream().map(Arguments::of);
    }

    static ReplyStyle style(final int kind) {
        return switch (kind & STYLE) {
            case 0 -> ReplyStyle.SIMPLE;
            case 1 -> ReplyStyle.STRUCTURED;
            default -> ReplyStyle.EXTENDED;
        };
    }

    @MethodSource("seeds")
    @FuzzTest
    void client(final byte[] input) {
        FuzzWatch.begin(input);
        if (input.length < CONTROL_LENGTH) {
            return;
        }
        final byte[] body = Arrays.copyOfRange(input, CONTROL_LENGTH, input.length);
        final int kind = input[3];
        final boolean inOrder = input[1] == 0;
        final boolean breaks = (kind & BREAKS) != 0;
        if ((kind & RAW) != 0) {
            run(input, body, breaks);
            return;
        }
        final ReplyStyle style = style(kind);
        final List<SentRequest> requests = SentRequest.parse(style, body);
        final byte[] stream = Messages.handshake(style, FuzzedExports.DEFAULT).put(body).toArray();
        final byte[] sent = run(input, stream, breaks);
        final boolean fails = (input[1] & 0xff) >= FuzzedDisk.FAILING;
        new SentReplies(style, requests, body, sent, inOrder, breaks, fails).check();
    }

    /** Runs one session to its end. Answers what it sent. */
    private static byte[] run(final byte[] input, final byte[] stream, final boolean breaks) {
        final long reservedBefore = VirtualMemory.reservedBytes();
        final ConnectionLimit limit = new ConnectionLimit(CONNECTIONS_MAX);
        final FuzzedConnection.Loop loop = new FuzzedConnection.Loop();
        final FuzzedDisk disk = new FuzzedDisk(input[1]);
        final NbdServer server =
                new NbdServer(loop, List.of(ServedExport.of(disk, "fuzzed")), limit, new Events());
        final FuzzedConnection connection =
                new FuzzedConnection(
                        stream, new Portions(input[0]), new Portions(input[2]), breaks);
        final ConnectionHandler handler = server.connect(connection);
        int steps = 0;
        boolean busy = true;
        while (busy) {
            FuzzCheck.that(steps++ < STEPS_MAX, "comes to no end");
            busy = connection.serve(handler);
            busy |= loop.runTasks();
            if (disk.release()) {
                loop.execute(disk::poll);
                busy = true;
            }
        }
        FuzzCheck.that(disk.isQuiet(), "operations are left");
        loop.pass(TimeUnit.SECONDS.toNanos(3)); // an end that lingers
        FuzzCheck.that(connection.isClosed(), "is still there when the client has gone");
        FuzzCheck.that(limit.count() == 0, "keeps its place");
        FuzzCheck.that(VirtualMemory.reservedBytes() == reservedBefore, "keeps its buffers");
        return connection.sent();
    }

    private static final class Events implements ServerEvents {
        @Override
        public void onDiskError(final String sentence) {
            FuzzCheck.that(!sentence.isEmpty(), "nothing to say");
        }

        @Override
        public void onClientProblem(final String peer, final String sentence) {
            FuzzCheck.that(!sentence.isEmpty(), "nothing to say");
        }
    }
}

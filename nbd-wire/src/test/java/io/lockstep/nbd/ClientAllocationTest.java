package io.lockstep.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.management.ManagementFactory;
import java.util.List;

/** In steady state the client's codecs allocate nothing (I8). */
final class ClientAllocationTest {
    private static final int ROUNDS = 20_000;
    private static final int READ_LENGTH = 64;

    private long bytesRead;

    private final ClientTransmission.Handler handler =
            new ClientTransmission.Handler() {
                @Override
                public void onData(
                        final PendingRequest request,
                        final long offset,
                        final MemorySegment memory,
                        final long position,
                        final long length) {
                    bytesRead += length;
                }

                @Override
                public void onHole(
                        final PendingRequest request, final long offset, final long length) {
                    bytesRead += length;
                }

                @Override
                public void onExtent(
                        final PendingRequest request,
                        final int context,
                        final long offset,
                        final long length,
                        final long flags) {}

                @Override
                public void onError(
                        final PendingRequest request,
                        final int error,
                        final long offset,
                        final String text) {}

                @Override
                public void onDone(final PendingRequest request, final int error) {}
            };

    @ParameterizedTest
    @EnumSource
    void requests_and_replies_cost_no_object(final ReplyStyle style) {
        final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        final PendingRequests pending = new PendingRequests(4);
        final ClientTransmission client =
                new ClientTransmission(
                        new ClientNegotiated(
                                new RemoteExport("disk", "", 1 << 20, 1, 1, 4096, 1 << 20),
                                style,
                                List.of()),
                        pending,
                        handler);
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment memory = arena.allocate(4096);
            final RequestEncoder requests = new RequestEncoder(style);
            final ReplyEncoder replies = new ReplyEncoder(style);
            long allocated = Long.MAX_VALUE;
            // The first rounds warm up; of the others the best counts, as the JVM has its own
            // needs.
            for (int measurement = 0; measurement < 5; measurement++) {
                final long before = threads.getCurrentThreadAllocatedBytes();
                for (int round = 0; round < ROUNDS; round++) {
                    answerReadAndWrite(client, pending, memory, requests, replies);
                }
                allocated = Math.min(allocated, threads.getCurrentThreadAllocatedBytes() - before);
            }
            assertEquals(5L * ROUNDS * READ_LENGTH, bytesRead);
            assertEquals(ClientTransmission.State.OPEN, client.state(), client.violation());
            assertTrue(allocated < ROUNDS, "bytes allocated: " + allocated);
        }
    }

    private static void answerReadAndWrite(
            final ClientTransmission client,
            final PendingRequests pending,
            final MemorySegment memory,
            final RequestEncoder requests,
            final ReplyEncoder replies) {
        final PendingRequest read = pending.add(Nbd.CMD_READ, 0, 512, READ_LENGTH);
        final PendingRequest write = pending.add(Nbd.CMD_WRITE, 0, 0, 512);
        requests.encode(memory, 0, Nbd.CMD_WRITE, 0, write.cookie(), 0, 512);
        requests.encode(memory, 0, Nbd.CMD_READ, 0, read.cookie(), 512, READ_LENGTH);
        int position = replies.done(memory, 0, write.cookie(), 0);
        position +=
                replies.dataHeader(memory, position, read.cookie(), 512, 512, READ_LENGTH, true);
        client.receive(memory, 0, position + READ_LENGTH);
    }
}

package io.lockstep.nbd;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Takes what a client's replies say, in words, and puts reads together. */
final class ReplyRecorder implements ClientTransmission.Handler {
    /** Content of bytes that no reply has told. */
    static final byte UNTOLD = 0x55;

    final List<String> events = new ArrayList<>();

    /** By cookie: what was read. */
    final Map<Long, byte[]> reads = new HashMap<>();

    /** By cookie: how it ended. */
    final Map<Long, Integer> done = new HashMap<>();

    Runnable onEvent = () -> {};

    private byte[] content(final PendingRequest request) {
        return reads.computeIfAbsent(
                request.cookie(),
                cookie -> {
                    final byte[] bytes = new byte[(int) request.length()];
                    Arrays.fill(bytes, UNTOLD);
                    return bytes;
                });
    }

    @Override
    public void onData(
            final PendingRequest request,
            final long offset,
            final MemorySegment memory,
            final long position,
            final long length) {
        MemorySegment.copy(
                memory,
                ValueLayout.JAVA_BYTE,
                position,
                content(request),
                (int) (offset - request.offset()),
                (int) length);
        note("data %d+%d".formatted(offset, length));
    }

    @Override
    public void onHole(final PendingRequest request, final long offset, final long length) {
        final int start = (int) (offset - request.offset());
        Arrays.fill(content(request), start, start + (int) length, (byte) 0);
        note("hole %d+%d".formatted(offset, length));
    }

    @Override
    public void onExtent(
            final PendingRequest request,
            final int context,
            final long offset,
            final long length,
            final long flags) {
        note("extent of %d %d+%d flags %x".formatted(context, offset, length, flags));
    }

    @Override
    public void onError(
            final PendingRequest request, final int error, final long offset, final String text) {
        note("error %d at %d: %s".formatted(error, offset, text));
    }

    @Override
    public void onDone(final PendingRequest request, final int error) {
        done.put(request.cookie(), error);
        note("done %d".formatted(error));
    }

    private void note(final String event) {
        events.add(event);
        onEvent.run();
    }
}

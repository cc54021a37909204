package io.lockstep.simulator;

import io.lockstep.engine.client.ClientLimits;
import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.ReplyStyle;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Objects;

/**
 * One connection of a guest: makes random requests, many at a time, until it has made its number;
 * tells the disk's model of each, and has it judge what comes back. Connects again when its
 * connection ends.
 */
final class NbdGuest implements NbdClient.Listener, Disk.Completion {
    private static final long RECONNECT_NANOS_MAX = 200 * Simulation.MILLISECOND;
    private static final long PATIENCE_NANOS = 20 * Simulation.SECOND;
    private static final long AGAIN_NANOS = Simulation.MILLISECOND;

    /** How many requests of one that streams are in sequence. */
    private static final double STREAMED = 0.8;

    /**
     * How a guest uses its disk.
     *
     * @param requests how many it makes
     * @param inFlightMax how many of them at a time
     * @param lengthMax longest range
     * @param lengthUsual longest range of most requests
     * @param mayOverlap whether a range may have a part of that of another request in flight
     * @param onlyReads whether it changes nothing
     * @param streams whether it asks, most often, for what comes behind its last request
     */
    record Habits(
            int requests,
            int inFlightMax,
            int lengthMax,
            int lengthUsual,
            boolean mayOverlap,
            boolean onlyReads,
            boolean streams) {
        Habits(
                final int requests,
                final int inFlightMax,
                final int lengthMax,
                final int lengthUsual,
                final boolean mayOverlap) {
            this(requests, inFlightMax, lengthMax, lengthUsual, mayOverlap, false, false);
        }

        Habits(
                final int requests,
                final int inFlightMax,
                final int lengthMax,
                final int lengthUsual,
                final boolean mayOverlap,
                final boolean onlyReads) {
            this(requests, inFlightMax, lengthMax, lengthUsual, mayOverlap, onlyReads, false);
        }

        /** In sequence. */
        Habits streaming() {
            return new Habits(
                    requests, inFlightMax, lengthMax, lengthUsual, mayOverlap, onlyReads, true);
        }
    }

    private final Simulation simulation;
    private final Dice dice;
    private final Habits habits;
    private final SimulatedLoop loop;
    private final Endpoint endpoint;
    private final JudgedDisk disk;
    private final ReplyStyle style;
    private final boolean wantsStatus;
    private final IoBuffer memory;
    private final Request[] slots;

    private NbdClient client;
    private int requestsLeft;

    /** Where its last request in sequence ended. */
    private long streamEnd;

    private int progress;
    private int progressSeen;
    private boolean leaving;
    private boolean gone;

    /** A request in flight. */
    private static final class Request {
        final int command;
        final int flags;
        final long offset;
        final int length;
        final long askedAt;
        final int era;
        DiskModel.Change change;
        IoBuffer ownMemory;
        long statusEnd;

        Request(
                final int command,
                final int flags,
                final long offset,
                final int length,
                final long askedAt,
                final int era) {
            this.command = command;
            this.flags = flags;
            this.offset = offset;
            this.length = length;
            this.askedAt = askedAt;
            this.era = era;
            statusEnd = offset;
        }

        /** What was the client's until now is not needed any more. */
        void giveBack() {
            if (ownMemory != null) {
                ownMemory.close();
            }
        }
    }

    NbdGuest(
            final SimulatedLoop loop,
            final Endpoint endpoint,
            final JudgedDisk disk,
            final Habits habits) {
        this.simulation = loop.host().simulation();
        this.dice = simulation.dice().split();
        this.loop = loop;
        this.endpoint = endpoint;
        this.disk = disk;
        this.habits = habits;
        style = dice.oneOf(ReplyStyle.values());
        wantsStatus = style != ReplyStyle.SIMPLE && dice.chance(0.8);
        slots = new Request[dice.between(1, habits.inFlightMax)];
        memory = IoBuffer.reserve(slots.length * habits.lengthMax);
        requestsLeft = habits.requests;
    }

    /** Begins; on no loop in particular. */
    void start() {
        loop.execute(this::connect);
        watch();
    }

    /** Whether all requests were made and answered, and the connection has ended. */
    boolean isGone() {
        return gone;
    }

    /** The memory is not needed any more. */
    void close() {
        memory.close();
    }

    private void connect() {
        final ClientOptions options = ClientOptions.use(disk.name()).withReplyStyle(style);
        client =
                NbdClient.connect(
                        loop,
                        endpoint,
                        wantsStatus
                                ? options.withMetaContexts(Nbd.CONTEXT_BASE_ALLOCATION)
                                : options,
                        ClientLimits.DEFAULT.withInFlightMax(dice.between(1, slots.length)),
                        this);
    }

    /**
     * A peer may be silent for ever: after some time without any answer the guest gives up on it.
     */
    private void watch() {
        loop.schedule(
                PATIENCE_NANOS,
                () -> {
                    if (!gone) {
                        if (progress == progressSeen && client != null) {
                            simulation.trace(loop.toString(), "gives up", 0, 0);
                            client.abort("no answer");
                        }
                        progressSeen = progress;
                        watch();
                    }
                });
    }

    @Override
    public void onReady(final NbdClient ready) {
        if (client.negotiated() != null && client.negotiated().replyStyle() != style) {
            throw new AssertionError("reply style " + client.negotiated().replyStyle());
        }
        progress++;
        work(ready);
    }

    @Override
    public void onClosed(final NbdClient closed, final String reason) {
        client = null;
        simulation.trace(loop.toString(), "was left: " + reason, 0, 0);
        for (final Request request : slots) {
            if (request != null) {
                throw new AssertionError("closed with a request in flight: " + request.command);
            }
        }
        if (leaving && reason.isEmpty()) {
            gone = true;
        } else {
            leaving = false;
            loop.schedule(dice.between(0, RECONNECT_NANOS_MAX), this::connect);
        }
    }

    /** Makes requests while there is room. */
    private void work(final NbdClient ready) {
        boolean taken = true;
        while (taken && requestsLeft > 0) {
            final int slot = freeSlot();
            taken = slot >= 0 && make(ready, slot);
            requestsLeft -= taken ? 1 : 0;
        }
        ready.send();
        if (requestsLeft == 0 && !leaving) {
            leaving = true;
            ready.disconnect();
        } else if (requestsLeft > 0 && isIdle()) {
            loop.schedule(AGAIN_NANOS, this::workAgain); // all that it chose was in use
        }
    }

    private boolean isIdle() {
        return Arrays.stream(slots).allMatch(Objects::isNull);
    }

    private void workAgain() {
        if (client != null && client.isReady() && isIdle()) {
            work(client);
        }
    }

    private int freeSlot() {
        for (int i = 0; i < slots.length; i++) {
            if (slots[i] == null) {
                return i;
            }
        }
        return -1;
    }

    private boolean make(final NbdClient ready, final int slot) {
        final int command = chooseCommand();
        final long[] range = command == Nbd.CMD_FLUSH ? new long[2] : chooseRange();
        if (!habits.mayOverlap && !disk.claim(range[0], range[1])) {
            return false;
        }
        final Request request =
                new Request(
                        command,
                        chooseFlags(command),
                        range[0],
                        (int) (range[1] - range[0]),
                        disk.model().now(),
                        disk.era());
        final boolean taken = submit(ready, request, slot);
        if (taken) {
            slots[slot] = request;
        } else {
            disk.release(range[0], range[1]);
            if (request.change != null) {
                disk.model().refused(request.change);
            }
            request.giveBack();
        }
        return taken;
    }

    /** Where it begins and where it ends: anywhere, on sectors or blocks, or just beside blocks. */
    private long[] chooseRange() {
        return habits.streams && dice.chance(STREAMED) ? chooseNext() : chooseAny();
    }

    /** Behind the one before, or where a new stream begins; now and then in its last block. */
    private long[] chooseNext() {
        final long back = dice.chance(0.2) ? dice.between(0, 4095) : 0;
        final long start = streamEnd >= disk.length() ? 0 : Math.max(0, streamEnd - back);
        final long most = Math.min(habits.lengthUsual, disk.length() - start);
        streamEnd = start + (dice.chance(0.5) ? Math.min(most, 4096) : dice.between(1, most));
        return new long[] {start, streamEnd};
    }

    private long[] chooseAny() {
        final long diskLength = disk.length();
        final int longest =
                (int)
                        Math.min(
                                diskLength,
                                dice.chance(0.1) ? habits.lengthMax : habits.lengthUsual);
        final long unit = dice.oneOf(1, 1, 512, 4096, 4096);
        final int stray = unit == 4096 && dice.chance(0.5) ? 40 : 0;
        final long length = dice.between(1, longest) / unit * unit;
        final long start =
                dice.between(0, diskLength - length) / unit * unit + dice.between(-stray, stray);
        final long end = start + length + dice.between(-stray, stray);
        final long offset = Math.clamp(start, 0, diskLength - 1);
        return new long[] {
            offset, Math.clamp(end, offset + 1, Math.min(diskLength, offset + habits.lengthMax))
        };
    }

    private int chooseCommand() {
        final int choice = dice.between(habits.onlyReads ? 35 : 0, habits.onlyReads ? 69 : 99);
        if (choice < 35) {
            return Nbd.CMD_WRITE;
        }
        if (choice < 70) {
            return Nbd.CMD_READ;
        }
        if (choice < 78) {
            return Nbd.CMD_FLUSH;
        }
        if (choice < 84) {
            return Nbd.CMD_TRIM;
        }
        if (choice < 92) {
            return Nbd.CMD_WRITE_ZEROES;
        }
        return wantsStatus && choice < 98 ? Nbd.CMD_BLOCK_STATUS : Nbd.CMD_CACHE;
    }

    private int chooseFlags(final int command) {
        final int fua = dice.chance(0.25) ? Nbd.CMD_FLAG_FUA : 0;
        return switch (command) {
            case Nbd.CMD_WRITE, Nbd.CMD_TRIM -> fua;
            case Nbd.CMD_WRITE_ZEROES ->
                    fua
                            | (dice.chance(0.3) ? Nbd.CMD_FLAG_NO_HOLE : 0)
                            | (dice.chance(0.3) ? Nbd.CMD_FLAG_FAST_ZERO : 0);
            case Nbd.CMD_BLOCK_STATUS -> dice.chance(0.3) ? Nbd.CMD_FLAG_REQ_ONE : 0;
            default -> 0;
        };
    }

    private boolean submit(final NbdClient ready, final Request request, final int slot) {
        final long offset = request.offset;
        final int length = request.length;
        final int flags = request.flags;
        final int position = position(slot);
        final DiskOracle model = disk.model();
        return switch (request.command) {
            case Nbd.CMD_READ -> {
                spoil(slot, length);
                yield ready.read(offset, length, memory, position, this, slot);
            }
            case Nbd.CMD_WRITE -> {
                final byte[] bytes = scribble(slot, length);
                request.change = model.write(offset, bytes);
                if (dice.chance(0.9)) {
                    yield ready.write(offset, length, memory, position, flags, this, slot);
                }
                request.ownMemory = IoBuffer.reserve(length);
                request.ownMemory.segment().copyFrom(MemorySegment.ofArray(bytes));
                yield ready.write(offset, length, request.ownMemory, 0, flags, this, slot);
            }
            case Nbd.CMD_WRITE_ZEROES -> {
                request.change = model.zero(offset, length);
                yield ready.writeZeroes(offset, length, flags, this, slot);
            }
            case Nbd.CMD_TRIM -> {
                request.change = model.discard(offset, length);
                yield ready.trim(offset, length, flags, this, slot);
            }
            case Nbd.CMD_BLOCK_STATUS ->
                    ready.blockStatus(offset, length, flags, this::onExtent, this, slot);
            case Nbd.CMD_CACHE -> ready.cache(offset, length, this, slot);
            default -> ready.flush(this, slot);
        };
    }

    private int position(final int slot) {
        return slot * habits.lengthMax;
    }

    /** Leaves nothing in the slot that anybody may want. */
    private void spoil(final int slot, final int length) {
        memory.segment().asSlice(position(slot), length).fill((byte) dice.any());
    }

    /** Fills the slot with bytes that nobody has seen yet, and answers them. */
    private byte[] scribble(final int slot, final int length) {
        final byte[] bytes = new byte[length];
        dice.fill(bytes);
        MemorySegment.copy(
                bytes, 0, memory.segment(), ValueLayout.JAVA_BYTE, position(slot), length);
        return bytes;
    }

    private void onExtent(
            final long token,
            final int contextId,
            final long offset,
            final long length,
            final long flags) {
        final Request request = slots[(int) token];
        if (offset != request.statusEnd || length <= 0) {
            throw new AssertionError("extent at " + offset + " after " + request.statusEnd);
        }
        request.statusEnd += length;
        final long end = Math.min(request.statusEnd, request.offset + request.length);
        if ((flags & Nbd.STATE_ZERO) != 0 && request.era == disk.era() && offset < end) {
            disk.model().checkRead(request.askedAt, offset, new byte[(int) (end - offset)]);
        }
    }

    @Override
    public void onComplete(final long token, final int errno) {
        final int slot = (int) token;
        final Request request = slots[slot];
        slots[slot] = null;
        disk.release(request.offset, request.offset + request.length);
        request.giveBack();
        if (errno == Errno.ESHUTDOWN) {
            simulation.trace(loop.toString(), "never hears", request.offset, request.length);
        } else {
            progress++;
            if (request.era == disk.era()) {
                judge(request, slot, errno);
            }
        }
        spoil(slot, request.length); // the memory is the guest's own again
        if (client != null && client.isReady()) {
            work(client);
        }
    }

    private void judge(final Request request, final int slot, final int errno) {
        if (errno != 0) {
            disk.failed(request.command, errno);
        }
        if (request.change != null) {
            judgeChange(request, errno);
        } else if (errno == 0) {
            judgeAnswer(request, slot);
        }
    }

    private void judgeChange(final Request request, final int errno) {
        if (errno == 0) {
            disk.succeeded(request.flags);
            disk.model().succeeded(request.change, (request.flags & Nbd.CMD_FLAG_FUA) != 0);
        } else if (errno == Errno.EOPNOTSUPP) {
            disk.model().refused(request.change);
        } else {
            disk.model().failed(request.change);
        }
    }

    private void judgeAnswer(final Request request, final int slot) {
        switch (request.command) {
            case Nbd.CMD_READ -> {
                final byte[] bytes =
                        memory.segment()
                                .asSlice(position(slot), request.length)
                                .toArray(ValueLayout.JAVA_BYTE);
                disk.model().checkRead(request.askedAt, request.offset, bytes);
            }
            case Nbd.CMD_FLUSH -> disk.model().flushed(request.askedAt);
            case Nbd.CMD_BLOCK_STATUS -> {
                if (request.statusEnd == request.offset) {
                    throw new AssertionError("block status of nothing");
                }
            }
            default -> {}
        }
    }
}

package io.lockstep.nbd;

/**
 * One request as {@link ServerTransmission} decoded it: a flyweight that is overwritten by the next
 * one, so that the hot path allocates nothing. Valid only inside the handler's call.
 *
 * <p>Source: {@code doc/proto.md}, "Request message", and "Extended request" of its branch.
 */
public final class Request {
    int command;
    int flags;
    long cookie;
    long offset;
    long length;
    long payloadPosition;
    int contexts;

    Request() {}

    /** The command, {@code Nbd.CMD_*}; any 16-bit number where the request is being rejected. */
    public int command() {
        return command;
    }

    /** The command flags, {@code Nbd.CMD_FLAG_*}. */
    public int flags() {
        return flags;
    }

    /** Whether one of the given command flags is set. */
    public boolean has(final int flag) {
        return (flags & flag) != 0;
    }

    /** The client's name for the request, opaque. */
    public long cookie() {
        return cookie;
    }

    /** First byte of the export that it is about. */
    public long offset() {
        return offset;
    }

    /** How many bytes of the export it is about (the effect length). */
    public long length() {
        return length;
    }

    /** Where a write's {@link #length()} bytes begin in the memory that was received. */
    public long payloadPosition() {
        return payloadPosition;
    }

    /** The metadata contexts that a block status asks for, a bit for each ID. */
    public int contexts() {
        return contexts;
    }
}

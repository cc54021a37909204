package io.lockstep.engine.server;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.memory.Errno;

import java.lang.foreign.MemorySegment;

/**
 * The control space of an export: what requests with {@link io.lockstep.nbd.Nbd#CMD_FLAG_CONTROL}
 * reach, and who may change the export. All on the loop of the export's disk.
 */
public interface ControlSpace {
    /** One client of the export. */
    interface Client {
        /** Closes its connection at once. */
        void evict();
    }

    /**
     * Reads a part of the space: of its front, or of the hashes from {@link
     * io.lockstep.nbd.Nbd#CONTROL_HASHES} on. Completes as a {@link Disk}'s operation does.
     */
    void read(
            long offset,
            int length,
            MemorySegment into,
            long position,
            Disk.Completion completion,
            long token);

    /** Writes a part of the space; completes as a {@link Disk}'s operation does, with its poll. */
    void write(
            Client client,
            int offset,
            int length,
            MemorySegment from,
            long position,
            Disk.Completion completion,
            long token);

    /**
     * A client announces that a range of the disk will be overwritten: done when what it holds now
     * is kept. Completes as a {@link Disk}'s operation does, with its poll.
     */
    default void announce(
            final Client client,
            final long offset,
            final long length,
            final Disk.Completion completion,
            final long token) {
        completion.onComplete(token, Errno.EINVAL);
    }

    /** Why the write or announcement failed that is just being completed. */
    String reason();

    /** Whether a client may change the export now. */
    boolean mayChange(Client client);

    /** Why no change of the export is taken at the moment, a sentence; empty where changes are. */
    String refusal();

    /** A client says no more, and waits for nothing: what it has asked for need not be done. */
    default void onEnding(final Client client) {}

    /** A client has gone. */
    void onGone(Client client);
}

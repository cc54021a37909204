package io.lockstep.engine.service;

import io.lockstep.engine.disk.DiskAccess;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.server.ServerEvents;

import org.agrona.ErrorHandler;

import java.nio.file.Path;

/**
 * What an {@link Engine} is made of: an immutable value.
 *
 * @param connectionsMax clients that each of its servers takes at a time
 * @param spinNanos how long a loop looks for work before it sleeps
 * @param primary how a primary forwards
 * @param attachNanos how long a primary that is started waits for its secondary before it gives up;
 *     0 for as long as it takes
 * @param bufferLimit bytes that each buffer of a secondary disk may take; 0 for what fits the disks
 *     and the buffers' file system
 * @param ownBuffers a directory of the secondary's own, which goes when the buffers go; null where
 *     they lie in somebody else's
 * @param state the directory of what the node remembers; null for the one beside the first disk
 * @param stateMayVanish whether that may lie in memory where the disks outlive it
 * @param newGeneration whether a disk that a primary writes may be used without it: that begins a
 *     generation
 * @param access how the files of disks are used
 * @param groupEvents hears of replication, on the engine's loop
 * @param serverEvents hears of problems of disks and clients
 * @param errorHandler hears of what should not happen
 */
public record EngineOptions(
        int connectionsMax,
        long spinNanos,
        PrimaryOptions primary,
        long attachNanos,
        long bufferLimit,
        Path ownBuffers,
        Path state,
        boolean stateMayVanish,
        boolean newGeneration,
        DiskAccess access,
        GroupEvents groupEvents,
        ServerEvents serverEvents,
        ErrorHandler errorHandler) {
    /** With disks that are used by nobody else, and through the page cache. */
    public EngineOptions(
            final int connectionsMax,
            final long spinNanos,
            final PrimaryOptions primary,
            final long attachNanos,
            final long bufferLimit,
            final Path ownBuffers,
            final Path state,
            final boolean stateMayVanish,
            final boolean newGeneration,
            final GroupEvents groupEvents,
            final ServerEvents serverEvents,
            final ErrorHandler errorHandler) {
        this(
                connectionsMax,
                spinNanos,
                primary,
                attachNanos,
                bufferLimit,
                ownBuffers,
                state,
                stateMayVanish,
                newGeneration,
                DiskAccess.PLAIN,
                groupEvents,
                serverEvents,
                errorHandler);
    }
}

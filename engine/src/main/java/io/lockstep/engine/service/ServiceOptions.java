package io.lockstep.engine.service;

import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.server.ServerEvents;

import org.agrona.ErrorHandler;

import java.util.List;

/**
 * What the process of a primary and that of a secondary are both made of: an immutable value.
 *
 * @param files the open disks, which the service closes when it ends, however it ends
 * @param connectionsMax clients that each of its servers takes at a time
 * @param spinNanos how long a loop looks for work before it sleeps
 * @param groupEvents hears of replication, on the group's loop
 * @param serverEvents hears of problems of disks and clients
 * @param errorHandler hears of what should not happen
 */
public record ServiceOptions(
        List<DiskFile> files,
        int connectionsMax,
        long spinNanos,
        GroupEvents groupEvents,
        ServerEvents serverEvents,
        ErrorHandler errorHandler) {
    /** Copies the list. */
    public ServiceOptions {
        files = List.copyOf(files);
    }
}

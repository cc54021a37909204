package io.lockstep.engine.service;

import io.lockstep.engine.server.ExportCounters;
import io.lockstep.engine.server.WritePolicy;

/**
 * How a disk is to be exported.
 *
 * @param name of the export; must be free, and within the limits of {@link io.lockstep.nbd.Export}
 * @param description for people, within the same limits
 * @param isReadOnly to refuse all changes
 * @param policy how changes are done
 * @param counters of what is done for its clients
 */
public record ExportRequest(
        String name,
        String description,
        boolean isReadOnly,
        WritePolicy policy,
        ExportCounters counters) {
    /** One whose changes are done as its clients ask for it. */
    public ExportRequest(final String name, final String description, final boolean isReadOnly) {
        this(name, description, isReadOnly, WritePolicy.PLAIN, new ExportCounters());
    }
}

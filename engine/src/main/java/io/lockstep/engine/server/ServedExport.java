package io.lockstep.engine.server;

import io.lockstep.engine.disk.Disk;
import io.lockstep.nbd.Export;
import io.lockstep.nbd.Nbd;

import java.util.List;

/**
 * An export and the disk behind it, as one loop of a server sees them.
 *
 * @param export what clients are told
 * @param disk the loop's own view of the disk
 * @param control what {@link Nbd#CMD_FLAG_CONTROL} reaches; null where the export does not offer
 *     {@link Nbd#CONTEXT_CONTROL}
 * @param policy how changes are done
 * @param counters of what is done for its clients
 */
public record ServedExport(
        Export export,
        Disk disk,
        ControlSpace control,
        WritePolicy policy,
        ExportCounters counters) {
    private static final int BLOCK_SIZE_PREFERRED = 4096;

    /** The export of a disk with all that a server of this project offers. */
    public static ServedExport of(final Disk disk, final String description) {
        return of(disk, description, null);
    }

    /** The same, with a control space. */
    public static ServedExport of(
            final Disk disk, final String description, final ControlSpace control) {
        final int flags =
                Nbd.FLAG_HAS_FLAGS
                        | Nbd.FLAG_SEND_FLUSH
                        | Nbd.FLAG_SEND_FUA
                        | Nbd.FLAG_SEND_TRIM
                        | Nbd.FLAG_SEND_WRITE_ZEROES
                        | Nbd.FLAG_SEND_FAST_ZERO
                        | Nbd.FLAG_SEND_CACHE
                        | Nbd.FLAG_CAN_MULTI_CONN
                        | (disk.isReadOnly() ? Nbd.FLAG_READ_ONLY : 0)
                        | (disk.isRotational() ? Nbd.FLAG_ROTATIONAL : 0);
        final Export export =
                new Export(
                        disk.name(),
                        description,
                        disk.length(),
                        flags,
                        1,
                        BLOCK_SIZE_PREFERRED,
                        Nbd.PAYLOAD_LENGTH_DEFAULT_MAX,
                        control == null
                                ? List.of(Nbd.CONTEXT_BASE_ALLOCATION)
                                : List.of(Nbd.CONTEXT_BASE_ALLOCATION, Nbd.CONTEXT_CONTROL));
        return new ServedExport(export, disk, control, WritePolicy.PLAIN, new ExportCounters());
    }

    /**
     * The same under another name.
     *
     * @param description for people; null for the one that it has
     * @param readOnly to refuse all changes
     * @param policy how changes are done
     * @param counters of what is done for its clients
     */
    public ServedExport as(
            final String name,
            final String description,
            final boolean readOnly,
            final WritePolicy policy,
            final ExportCounters counters) {
        final int flags =
                (export.transmissionFlags() | (readOnly ? Nbd.FLAG_READ_ONLY : 0))
                        & ~(policy.keepsAllocated() ? Nbd.FLAG_SEND_TRIM : 0);
        final Export renamed =
                new Export(
                        name,
                        description == null ? export.description() : description,
                        export.size(),
                        flags,
                        export.blockSizeMin(),
                        export.blockSizePreferred(),
                        export.payloadLengthMax(),
                        export.metaContexts());
        return new ServedExport(renamed, disk, control, policy, counters);
    }
}

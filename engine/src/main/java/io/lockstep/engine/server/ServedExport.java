package io.lockstep.engine.server;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.nbd.Export;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.WireString;

import java.io.IOException;
import java.util.List;

/**
 * An export and the disk behind it, as one loop of a server sees them.
 *
 * @param export what clients are told
 * @param disk the loop's own view of the disk
 * @param loop on which its clients are served; null for that which took them
 * @param control what {@link Nbd#CMD_FLAG_CONTROL} reaches; null where the export does not offer
 *     {@link Nbd#CONTEXT_CONTROL}
 * @param policy how changes are done
 * @param counters of what is done for its clients
 */
public record ServedExport(
        Export export,
        Disk disk,
        IoLoop loop,
        ControlSpace control,
        WritePolicy policy,
        ExportCounters counters) {
    private static final int BLOCK_SIZE_PREFERRED = 4096;

    /** What no client of a read-only export may do is not offered either. */
    private static final int FLAGS_OF_CHANGES =
            Nbd.FLAG_SEND_TRIM | Nbd.FLAG_SEND_WRITE_ZEROES | Nbd.FLAG_SEND_FAST_ZERO;

    /**
     * With a lower limit of connections none is told that it may have several: those that take as
     * many as they like by themselves take four ({@code nbdcopy(1)}), and fail where one is
     * refused.
     */
    static final int MULTI_CONN_CONNECTIONS_MIN = 4;

    /**
     * The export of a disk with all that a server of this project offers.
     *
     * @param disk whose name passes {@link #require}
     * @param description for people; its front, where it is too long
     */
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
                        | (disk.isRotational() ? Nbd.FLAG_ROTATIONAL : 0);
        final Export export =
                new Export(
                        disk.name(),
                        WireString.fitting(description),
                        disk.length(),
                        disk.isReadOnly() ? readOnly(flags) : flags,
                        1,
                        BLOCK_SIZE_PREFERRED,
                        Nbd.PAYLOAD_LENGTH_DEFAULT_MAX,
                        control == null
                                ? List.of(Nbd.CONTEXT_BASE_ALLOCATION)
                                : List.of(Nbd.CONTEXT_BASE_ALLOCATION, Nbd.CONTEXT_CONTROL));
        return new ServedExport(
                export, disk, null, control, WritePolicy.PLAIN, new ExportCounters());
    }

    /** What a client is told that comes now: the disk may have become longer. */
    Export present() {
        return export.size() == disk.length()
                ? export
                : with(
                                export.name(),
                                export.description(),
                                export.transmissionFlags(),
                                policy,
                                counters)
                        .export;
    }

    /** The same for clients that are served on a loop. */
    public ServedExport on(final IoLoop home) {
        return new ServedExport(export, disk, home, control, policy, counters);
    }

    private static int readOnly(final int flags) {
        return (flags | Nbd.FLAG_READ_ONLY) & ~FLAGS_OF_CHANGES;
    }

    /** The same on a server that takes so many connections. */
    ServedExport within(final int connectionsMax) {
        final int flags = export.transmissionFlags();
        return connectionsMax >= MULTI_CONN_CONNECTIONS_MIN
                ? this
                : with(
                        export.name(),
                        export.description(),
                        flags & ~Nbd.FLAG_CAN_MULTI_CONN,
                        policy,
                        counters);
    }

    /**
     * The same under another name.
     *
     * @param description for people; null for the one that it has
     * @param isReadOnly to refuse all changes
     * @param newPolicy how changes are done
     * @param newCounters of what is done for its clients
     * @throws IOException saying why clients can't be told of name or description
     */
    public ServedExport as(
            final String name,
            final String description,
            final boolean isReadOnly,
            final WritePolicy newPolicy,
            final ExportCounters newCounters)
            throws IOException {
        require("export name", name);
        if (description != null) {
            require("description", description);
        }
        final int flags =
                export.transmissionFlags() & ~(newPolicy.keepsAllocated() ? Nbd.FLAG_SEND_TRIM : 0);
        return with(
                name,
                description == null ? export.description() : description,
                isReadOnly ? readOnly(flags) : flags,
                newPolicy,
                newCounters);
    }

    /**
     * Demands that clients can be told of a text.
     *
     * @param what it is, such as "export name"
     * @throws IOException saying why they can't
     */
    public static void require(final String what, final String text) throws IOException {
        final String refusal = WireString.refusal(what, text);
        if (refusal != null) {
            throw new IOException(refusal);
        }
    }

    private ServedExport with(
            final String name,
            final String description,
            final int flags,
            final WritePolicy newPolicy,
            final ExportCounters newCounters) {
        final Export changed =
                new Export(
                        name,
                        description,
                        disk.length(),
                        flags,
                        export.blockSizeMin(),
                        export.blockSizePreferred(),
                        export.payloadLengthMax(),
                        export.metaContexts());
        return new ServedExport(changed, disk, loop, control, newPolicy, newCounters);
    }
}

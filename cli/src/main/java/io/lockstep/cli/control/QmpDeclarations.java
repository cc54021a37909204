package io.lockstep.cli.control;

import io.lockstep.engine.group.GroupEvents;

import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What the control socket speaks of: the declarations of its commands, its events and their types.
 * What is QEMU's has its names and members, as far as they mean something here. Stateless. Source:
 * QEMU's {@code qapi/*.json}.
 */
final class QmpDeclarations {
    private QmpDeclarations() {}

    /** All of it. */
    static QmpSchema schema() {
        final QmpTypes types = new QmpTypes();
        declareGeneralTypes(types);
        declareReplicationTypes(types);
        declareAddresses(types);
        declareNodes(types);
        ObjectDeclarations.declareTypes(types);
        JobDeclarations.declareTypes(types);
        final QmpSchema schema = new QmpSchema(types);
        declareGeneralCommands(schema);
        declareReplicationCommands(schema);
        declareGraphCommands(schema);
        ObjectDeclarations.declareCommands(schema);
        declareOwnCommands(schema);
        JobDeclarations.declareCommands(schema);
        declareEvents(schema);
        JobDeclarations.declareEvents(schema);
        return schema;
    }

    /** By the tag's value, in order. */
    private static Map<String, String> variants(final String... valuesAndTypes) {
        final Map<String, String> variants = new LinkedHashMap<>();
        for (int i = 0; i < valuesAndTypes.length; i += 2) {
            variants.put(valuesAndTypes[i], valuesAndTypes[i + 1]);
        }
        return variants;
    }

    // ---- What every server has.

    private static void declareGeneralTypes(final QmpTypes types) {
        types.enumeration("QMPCapability", "oob")
                .object("VersionTriple", "major: int, minor: int, micro: int")
                .object("VersionInfo", "qemu: VersionTriple, package: str")
                .object("CommandInfo", "name: str")
                .object("EventInfo", "name: str")
                .object("NameInfo", "name?: str")
                .enumeration("RunState", "running", "paused")
                .object("StatusInfo", "running: bool, singlestep: bool, status: RunState")
                .enumeration("YankInstanceType", "block-node", "chardev", "migration")
                .object("YankInstanceBlockNode", "node-name: str")
                .object("YankInstanceChardev", "id: str")
                .union(
                        "YankInstance",
                        "type: YankInstanceType",
                        "type",
                        variants(
                                "block-node", "YankInstanceBlockNode",
                                "chardev", "YankInstanceChardev"))
                .enumeration("ShutdownCause", "host-qmp-quit")
                .object("ShutdownData", "guest: bool, reason: ShutdownCause");
    }

    private static void declareGeneralCommands(final QmpSchema schema) {
        schema.command("qmp_capabilities", "enable?: [QMPCapability]", QmpSchema.NOTHING)
                .command("query-version", "VersionInfo")
                .command("query-commands", "[CommandInfo]")
                .command("query-events", "[EventInfo]")
                .command("query-qmp-schema", "any")
                .command("query-name", "NameInfo")
                .command("query-status", "StatusInfo")
                .command("stop", QmpSchema.NOTHING)
                .command("cont", QmpSchema.NOTHING)
                .command("query-yank", "[YankInstance]")
                .command("yank", "instances: [YankInstance]", QmpSchema.NOTHING)
                .command("quit", QmpSchema.NOTHING)
                .oob("query-yank", "yank");
    }

    // ---- Replication.

    private static void declareReplicationTypes(final QmpTypes types) {
        types.object("ReplicationStatus", "error: bool, desc?: str")
                .enumeration("COLOMode", "none", "primary", "secondary")
                .enumeration("COLOExitReason", "none", "request", "error")
                .object("COLOStatus", "mode: COLOMode, last-mode: COLOMode, reason: COLOExitReason")
                .object("ColoExitData", "mode: COLOMode, reason: COLOExitReason")
                .enumeration("JobType", "commit", "mirror", GroupJob.VERIFICATION_TYPE)
                .enumeration(
                        "JobStatus",
                        "created",
                        "running",
                        "paused",
                        "ready",
                        "standby",
                        "waiting",
                        "pending",
                        "aborting",
                        "concluded",
                        "null")
                .enumeration("BlockDeviceIoStatus", "ok")
                .object(
                        "JobInfo",
                        "id: str, type: JobType, status: JobStatus, current-progress: int,"
                                + " total-progress: int, error?: str")
                .object(
                        "BlockJobInfo",
                        "type: JobType, device: str, len: int, offset: int, speed: int, busy: bool,"
                                + " paused: bool, ready: bool, status: JobStatus, io-status:"
                                + " BlockDeviceIoStatus, auto-finalize: bool, auto-dismiss: bool,"
                                + " error?: str")
                .object(
                        "BlockJobData",
                        "type: JobType, device: str, len: int, offset: int, speed: int, error?:"
                                + " str")
                .enumeration("BlockErrorAction", "report", "ignore")
                .object("BlockIoErrorData", "device: str, action: BlockErrorAction, reason: str")
                .object("LockstepEvent", "device?: str, epoch: int, reason: str")
                .object("LockstepEpoch", "epoch: int")
                .object("LockstepFailover", "epoch: int, done-before: bool")
                .object("LockstepLength", "disk: str, before: int, length: int")
                .object("LockstepEnd", "done-before: bool, reason: str")
                .object("LockstepCheckpoint", "epoch: int, duration-ns: int")
                .object("LockstepHistograms", "checkpoints: str, commits?: str");
    }

    private static void declareReplicationCommands(final QmpSchema schema) {
        schema.command(
                        "xen-set-replication",
                        "enable: bool, primary: bool, failover?: bool",
                        QmpSchema.NOTHING)
                .command("xen-colo-do-checkpoint", QmpSchema.NOTHING)
                .command("query-xen-replication-status", "ReplicationStatus")
                .command("x-colo-lost-heartbeat", QmpSchema.NOTHING)
                .command("query-block-jobs", "[BlockJobInfo]")
                .command("query-jobs", "[JobInfo]")
                .command("query-colo-status", "COLOStatus");
    }

    private static void declareOwnCommands(final QmpSchema schema) {
        schema.command("x-lockstep-seal", "LockstepEpoch")
                .command("x-lockstep-commit", "epoch: int", QmpSchema.NOTHING)
                .command("x-lockstep-checkpoint", "durable?: bool", "LockstepCheckpoint")
                .command("x-lockstep-set-ack", "level: str", QmpSchema.NOTHING)
                .command("x-lockstep-status", "any")
                .command("x-lockstep-histograms", "LockstepHistograms")
                .command("x-lockstep-failover", "force?: bool, fenced?: bool", "LockstepFailover")
                .command("x-lockstep-verdict", "any")
                .command("x-lockstep-state", "any")
                .command("x-lockstep-switchover", "LockstepEpoch")
                .command("x-lockstep-promote", "fenced?: bool", QmpSchema.NOTHING)
                .command("x-lockstep-join", QmpSchema.NOTHING)
                .command("x-lockstep-resolve", "discard?: bool", "any")
                .command("x-lockstep-verify", QmpSchema.NOTHING)
                .command("x-lockstep-resize", "disk?: str", "[LockstepLength]")
                .command(
                        "block_resize",
                        "device?: str, node-name?: str, size: int",
                        QmpSchema.NOTHING)
                .command("x-lockstep-synchronise", QmpSchema.NOTHING)
                .command("x-lockstep-stop", "fenced?: bool", "LockstepEnd")
                .oob("x-lockstep-status");
    }

    // ---- Nodes and their exports.

    private static void declareAddresses(final QmpTypes types) {
        types.enumeration("SocketAddressType", "inet", "unix")
                .object(
                        "InetSocketAddress",
                        "host: str, port: str, numeric?: bool, to?: uint32, ipv4?: bool, ipv6?:"
                                + " bool, keep-alive?: bool")
                .object("UnixSocketAddress", "path: str, abstract?: bool, tight?: bool")
                .union(
                        "SocketAddress",
                        "type: SocketAddressType",
                        "type",
                        variants("inet", "InetSocketAddress", "unix", "UnixSocketAddress"))
                .object("InetSocketAddressWrapper", "data: InetSocketAddress")
                .object("UnixSocketAddressWrapper", "data: UnixSocketAddress")
                .union(
                        "SocketAddressLegacy",
                        "type: SocketAddressType",
                        "type",
                        variants(
                                "inet", "InetSocketAddressWrapper",
                                "unix", "UnixSocketAddressWrapper"));
    }

    private static void declareNodes(final QmpTypes types) {
        types.enumeration(
                        "BlockdevDriver",
                        "raw",
                        "file",
                        "host_device",
                        "extents",
                        "nbd",
                        "replication",
                        "quorum",
                        "throttle")
                .alternate("BlockdevRef", "BlockdevOptions", "str")
                .enumeration("BlockdevDiscardOptions", "ignore", "unmap")
                .enumeration("BlockdevDetectZeroesOptions", "off")
                .enumeration("BlockdevAioOptions", "threads", "native", "io_uring")
                .object("BlockdevCacheOptions", "direct?: bool, no-flush?: bool")
                .object("BlockdevOptionsFile", "filename: str, aio?: BlockdevAioOptions")
                .object("BlockdevOptionsRaw", "file: BlockdevRef, offset?: int, size?: int")
                .enumeration("BufferFileDriver", "file")
                .object("BufferFile", "driver: BufferFileDriver, node-name?: str, filename: str")
                .object("BlockdevOptionsExtents", "file: BufferFile, backing?: BlockdevRef")
                .object(
                        "BlockdevOptionsNbd",
                        "server: SocketAddress, export?: str, reconnect-delay?: uint32,"
                                + " open-timeout?: uint32")
                .enumeration("ReplicationMode", "primary", "secondary")
                .object(
                        "BlockdevOptionsReplication",
                        "mode: ReplicationMode, top-id?: str, file: BlockdevRef")
                .enumeration("QuorumReadPattern", "fifo", "quorum")
                .enumeration("QuorumOpType", "read", "write", "flush")
                .object(
                        "QuorumReportBadData",
                        "type: QuorumOpType, error?: str, node-name: str, sector-num: int,"
                                + " sectors-count: int")
                .object(
                        "BlockdevOptionsQuorum",
                        "children: [BlockdevRef], vote-threshold: int, read-pattern?:"
                                + " QuorumReadPattern, blkverify?: bool, rewrite-corrupted?: bool")
                .union(
                        "BlockdevOptions",
                        "driver: BlockdevDriver, node-name?: str, discard?:"
                                + " BlockdevDiscardOptions, cache?: BlockdevCacheOptions,"
                                + " read-only?: bool, detect-zeroes?: BlockdevDetectZeroesOptions",
                        "driver",
                        variants(
                                "raw", "BlockdevOptionsRaw",
                                "file", "BlockdevOptionsFile",
                                "host_device", "BlockdevOptionsFile",
                                "extents", "BlockdevOptionsExtents",
                                "nbd", "BlockdevOptionsNbd",
                                "replication", "BlockdevOptionsReplication",
                                "quorum", "BlockdevOptionsQuorum",
                                "throttle", "BlockdevOptionsThrottle"))
                .enumeration("BlockExportType", "nbd")
                .object("BlockExportOptionsNbd", "name?: str, description?: str")
                .union(
                        "BlockExportOptions",
                        "type: BlockExportType, id: str, fixed-iothread?: bool, iothread?: str,"
                                + " node-name: str, writable?: bool, writethrough?: bool",
                        "type",
                        variants("nbd", "BlockExportOptionsNbd"))
                .enumeration("BlockExportRemoveMode", "safe", "hard")
                .object("BlockExportDeletedData", "id: str")
                .object(
                        "BlockExportInfo",
                        "id: str, type: BlockExportType, node-name: str, shutting-down: bool");
    }

    private static void declareGraphCommands(final QmpSchema schema) {
        schema.commandOf("blockdev-add", "BlockdevOptions", QmpSchema.NOTHING)
                .checkedByItself("blockdev-add")
                .command("blockdev-del", "node-name: str", QmpSchema.NOTHING)
                .command("human-monitor-command", "command-line: str, cpu-index?: int", "str")
                .command(
                        "x-blockdev-change",
                        "parent: str, child?: str, node?: str",
                        QmpSchema.NOTHING)
                .command(
                        "nbd-server-start",
                        "addr: SocketAddressLegacy, max-connections?: uint32",
                        QmpSchema.NOTHING)
                .command("nbd-server-stop", QmpSchema.NOTHING)
                .command(
                        "nbd-server-add",
                        "name?: str, description?: str, device: str, writable?: bool",
                        QmpSchema.NOTHING)
                .command(
                        "nbd-server-remove",
                        "name: str, mode?: BlockExportRemoveMode",
                        QmpSchema.NOTHING)
                .commandOf("block-export-add", "BlockExportOptions", QmpSchema.NOTHING)
                .command(
                        "block-export-del",
                        "id: str, mode?: BlockExportRemoveMode",
                        QmpSchema.NOTHING)
                .command("query-named-block-nodes", "flat?: bool", "[any]")
                .command("query-block", "[any]")
                .command("query-blockstats", "query-nodes?: bool", "[any]")
                .command("query-block-exports", "[BlockExportInfo]");
    }

    // ---- Events.

    private static void declareEvents(final QmpSchema schema) {
        schema.event("BLOCK_EXPORT_DELETED", "BlockExportDeletedData")
                .event("BLOCK_IO_ERROR", "BlockIoErrorData")
                .event("COLO_EXIT", "ColoExitData")
                .event("STOP", QmpSchema.NOTHING)
                .event("QUORUM_REPORT_BAD", "QuorumReportBadData")
                .event("RESUME", QmpSchema.NOTHING)
                .event("SHUTDOWN", "ShutdownData");
        for (final GroupEvents.Event event : GroupEvents.Event.values()) {
            schema.event(EventReport.nameOf(event), "LockstepEvent");
        }
    }
}

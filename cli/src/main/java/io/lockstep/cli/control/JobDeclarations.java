package io.lockstep.cli.control;

/**
 * What the control socket speaks of jobs, and of what begins them. Stateless. Source: QEMU's {@code
 * qapi/job.json} and {@code qapi/block-core.json}.
 */
final class JobDeclarations {
    private static final String OF_ANY_MIRROR =
            "job-id?: str, device: str, target: str, sync: MirrorSyncMode, speed?: int,"
                    + " granularity?: uint32, buf-size?: int, on-source-error?:"
                    + " BlockdevOnError, on-target-error?: BlockdevOnError, copy-mode?:"
                    + " MirrorCopyMode, auto-finalize?: bool, auto-dismiss?: bool";

    private JobDeclarations() {}

    static void declareTypes(final QmpTypes types) {
        types.enumeration("MirrorSyncMode", "top", "full", "none", "incremental", "bitmap")
                .enumeration("MirrorCopyMode", "background", "write-blocking")
                .enumeration("NewImageMode", "existing", "absolute-paths")
                .enumeration("BlockdevOnError", "report", "ignore", "enospc", "stop", "auto")
                .enumeration("IoOperationType", "read", "write")
                .object("JobStatusData", "id: str, status: JobStatus")
                .object("BlockJobPendingData", "type: JobType, id: str")
                .object(
                        "BlockJobErrorData",
                        "device: str, operation?: IoOperationType, action?: BlockErrorAction,"
                            + " type?: JobType, len?: int, offset?: int, speed?: int, error?: str");
    }

    static void declareCommands(final QmpSchema schema) {
        schema.command(
                        "drive-mirror",
                        OF_ANY_MIRROR + ", format?: str, mode?: NewImageMode, unmap?: bool",
                        QmpSchema.NOTHING)
                .command("blockdev-mirror", OF_ANY_MIRROR, QmpSchema.NOTHING)
                .command("block-job-cancel", "device: str, force?: bool", QmpSchema.NOTHING)
                .command("block-job-set-speed", "device: str, speed: int", QmpSchema.NOTHING);
        for (final String verb : new String[] {"complete", "pause", "resume"}) {
            schema.command("block-job-" + verb, "device: str", QmpSchema.NOTHING);
        }
        for (final String verb : new String[] {"finalize", "dismiss"}) {
            schema.command("block-job-" + verb, "id: str", QmpSchema.NOTHING);
        }
        for (final String verb :
                new String[] {"cancel", "complete", "pause", "resume", "finalize", "dismiss"}) {
            schema.command("job-" + verb, "id: str", QmpSchema.NOTHING);
        }
    }

    static void declareEvents(final QmpSchema schema) {
        schema.event("JOB_STATUS_CHANGE", "JobStatusData")
                .event("BLOCK_JOB_READY", "BlockJobData")
                .event("BLOCK_JOB_PENDING", "BlockJobPendingData")
                .event("BLOCK_JOB_COMPLETED", "BlockJobData")
                .event("BLOCK_JOB_CANCELLED", "BlockJobData")
                .event("BLOCK_JOB_ERROR", "BlockJobErrorData");
    }
}

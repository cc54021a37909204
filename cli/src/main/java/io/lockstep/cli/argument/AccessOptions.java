package io.lockstep.cli.argument;

import io.lockstep.engine.disk.DiskAccess;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

import java.nio.file.Files;

/** How the files of a pair's disks are used, on the command line. */
public final class AccessOptions {
    @Option(
            names = "--shared",
            description =
                    "Both hosts see the same disks (a SAN, a cluster's file system), and so does"
                            + " the other command say. Nothing is copied or sent: the secondary"
                            + " reads what a block held before the primary overwrites it. Disks"
                            + " are used past the page cache, and the state lies where --state"
                            + " says. See docs/shared-disk.md.")
    private boolean isShared;

    @Option(
            names = "--shared-on-one-host",
            description =
                    "As --shared, with both nodes on one host, for tests: through its page cache.")
    private boolean isOnOneHost;

    @Option(
            names = "--direct",
            description =
                    "Read and write past the page cache (O_DIRECT; QEMU calls it cache=none). With"
                            + " --shared that is so anyway.")
    private boolean isDirect;

    /** Whether both hosts see the same disks. */
    public boolean isShared() {
        return isShared || isOnOneHost;
    }

    /** How this node uses them. */
    public DiskAccess access(final DiskAccess.Sharing role) {
        final DiskAccess access = isShared() ? DiskAccess.PLAIN.shared(role) : DiskAccess.PLAIN;
        return isDirect || isShared && !isOnOneHost ? access.direct() : access;
    }

    /**
     * Sees to it that the two nodes don't keep their states in one place.
     *
     * @throws ParameterException where they would
     */
    public void require(
            final CommandSpec spec, final DiskArguments disks, final StateOptions state) {
        final boolean isBesideFile = disks.files().values().stream().anyMatch(Files::isRegularFile);
        if (isShared() && state.directory() == null && isBesideFile) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--shared needs --state DIR, a directory of this host's own: beside the file,"
                            + " which both hosts see, the other node's state would be in the same"
                            + " place");
        }
    }
}

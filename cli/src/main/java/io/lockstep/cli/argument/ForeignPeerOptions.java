package io.lockstep.cli.argument;

import io.lockstep.cli.control.PeerMonitor;

import picocli.CommandLine.Option;

import java.util.Optional;

/** How a primary has a secondary checkpointed that is no lockstep, on the command line. */
public final class ForeignPeerOptions {
    @Option(
            names = "--peer-qmp",
            paramLabel = "ADDRESS",
            converter = PeerMonitorConverter.class,
            description =
                    "The secondary is QEMU's: its QMP monitor (PATH or tcp:HOST:PORT), over which"
                            + " it is checkpointed. A monitor of its own: QEMU serves one client"
                            + " on each.")
    private PeerMonitor.Address monitor;

    /** Where a secondary that knows no epochs is checkpointed, if it is one. */
    public Optional<PeerMonitor.Address> monitor() {
        return Optional.ofNullable(monitor);
    }
}

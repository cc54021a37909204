package io.lockstep.cli.command;

import io.lockstep.cli.argument.EndpointArguments;
import io.lockstep.cli.argument.ForeignPeerOptions;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.primary.PrimaryOptions;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.util.concurrent.Callable;

/** {@code lockstep primary}: serves a guest and forwards its writes, until SIGTERM or SIGINT. */
@Command(
        name = "primary",
        description =
                "Serves a virtual machine's disks, and forwards what it writes to the secondary.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  The primary of two hosts, whose disks are equal; a checkpoint every second:",
            "    lockstep primary --disk vda=vda.img --peer nbd://SECONDARY:10809 \\",
            "        --guest nbd+unix:///?socket=/run/guest.sock \\",
            "        --control /run/primary.qmp --assume-identical --checkpoint-every 1s",
            "",
            "  The virtual machine finds its disk at nbd+unix:///vda?socket=/run/guest.sock.",
            "  Disks without any data on both sides are known to be equal; of others you say",
            "  so with --assume-identical, after copying them (docs/operations.md).",
            "",
            "  It prints one line that begins with \"ready\" when the guest may come. Started",
            "  again, it serves the guest when it has met its peer, which may have taken over",
            "  meanwhile; or at once when it is told that it has not: lockstep promote.",
            "",
            "Exit codes: 0 stopped by SIGTERM or SIGINT; 1 a disk, an address or the control",
            "socket can't be had, or the secondary refuses; 2 wrong usage."
        })
public final class PrimaryCommand implements Callable<Integer> {
    @Spec private CommandSpec spec;
    @Mixin private PairOptions pair;

    @Option(
            names = "--peer",
            required = true,
            paramLabel = "URI",
            description = "Where the secondary listens (its --listen).")
    private String peer;

    @Mixin private ReplicationOptions replication;
    @Mixin private LoopOptions loops;
    @Mixin private ForeignPeerOptions foreignPeer;

    @Override
    public Integer call() throws InterruptedException {
        final Endpoint peerAt = EndpointArguments.parsePeer(spec, "--peer", peer);
        final PairOptions.Pair checked = pair.toPair(spec);
        final PrimaryOptions options = replication.toGroupOptions(spec, checked);
        loops.require(spec);
        return new PrimaryRole(checked, replication, loops, options, peerAt)
                .checkpointAt(foreignPeer.monitor())
                .run();
    }
}

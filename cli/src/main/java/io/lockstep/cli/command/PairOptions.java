package io.lockstep.cli.command;

import io.lockstep.cli.argument.AccessOptions;
import io.lockstep.cli.argument.AfterSplitBrainConverter;
import io.lockstep.cli.argument.ControlPathConverter;
import io.lockstep.cli.argument.DiskArguments;
import io.lockstep.cli.argument.EndpointArguments;
import io.lockstep.cli.argument.PeerOptions;
import io.lockstep.cli.argument.StateOptions;
import io.lockstep.cli.run.Console;
import io.lockstep.cli.run.ServerRun;
import io.lockstep.engine.group.PeerTimeout;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.node.AfterSplitBrain;

import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

import java.nio.file.Path;
import java.util.List;

/**
 * What the commands have in common that start one half of a pair by its disks' names: the disks,
 * where the guest finds them, the control socket, and what the node remembers.
 */
final class PairOptions {
    @Option(
            names = "--disk",
            required = true,
            paramLabel = "NAME=FILE",
            description =
                    "A regular file or block device, and its name, which is the same on the other"
                            + " host. Repeatable: all disks of one virtual machine.")
    private List<String> disks;

    @Option(
            names = "--guest",
            required = true,
            paramLabel = "URI",
            description =
                    "Where this host's virtual machine finds its disks: nbd://HOST:PORT (no host:"
                            + " every address; port 0: a free one) or nbd+unix:///?socket=PATH. On"
                            + " a secondary that is the last checkpoint, overlaid with its own"
                            + " writes. Repeatable.")
    private List<String> guest;

    @Option(
            names = "--control",
            required = true,
            paramLabel = "PATH",
            converter = ControlPathConverter.class,
            description =
                    "The control socket (QMP); users outside its group can't connect. Counters and"
                            + " epochs lie beside it, at PATH.counters and PATH.epochs.")
    private Path control;

    @Mixin private PeerOptions peerOptions;
    @Mixin private StateOptions state;
    @Mixin private AccessOptions access;

    @Option(
            names = "--after-split-brain",
            paramLabel = "POLICY",
            defaultValue = "disconnect",
            converter = AfterSplitBrainConverter.class,
            description =
                    "Which of two nodes gives its own way up where both have acknowledged writes"
                            + " that the other lacks, if both say the same: disconnect (neither,"
                            + " until 'lockstep resolve' is said), discard-older (the one that went"
                            + " its own way earlier), discard-smaller (the one that has changed"
                            + " less). Not one that alone has a client of its guest (default:"
                            + " ${DEFAULT-VALUE}).")
    private AfterSplitBrain afterSplitBrain;

    @Option(
            names = "--max-connections",
            paramLabel = "N",
            defaultValue = "" + ServerRun.CONNECTIONS_DEFAULT,
            description =
                    "Clients served at a time, of the guest's exports and of those for a primary"
                            + " each (default: ${DEFAULT-VALUE}).")
    private int connectionsMax;

    @Option(
            names = "--verbose",
            description =
                    "Tell of checkpoints, and of clients that break the protocol or their"
                            + " connection.")
    private boolean verbose;

    /** The same, checked: what every role is made of. */
    record Pair(
            DiskArguments disks,
            List<Endpoint> guests,
            Path control,
            StateOptions state,
            AccessOptions access,
            PeerTimeout peerTimeout,
            int connectionsMax,
            AfterSplitBrain afterSplitBrain,
            Console console) {}

    /**
     * What they come to.
     *
     * @throws ParameterException where they make no sense
     */
    Pair toPair(final CommandSpec spec) {
        final List<Endpoint> guests = EndpointArguments.parse(spec, "--guest", guest);
        final DiskArguments arguments = DiskArguments.parse(spec, disks);
        arguments.requireFilesOfTheirOwn(spec);
        access.require(spec, arguments, state);
        requireAtLeastOne(spec, "--max-connections", connectionsMax);
        return new Pair(
                arguments,
                guests,
                control,
                state,
                access,
                peerOptions.timeout(spec),
                connectionsMax,
                afterSplitBrain,
                new Console(spec, verbose));
    }

    /**
     * The same of a command that lets primaries in as well.
     *
     * @param listenAt where
     * @throws ParameterException as above, and where guests are to come to the same address
     */
    Pair toPair(final CommandSpec spec, final List<Endpoint> listenAt) {
        final Pair pair = toPair(spec);
        EndpointArguments.requireApart(spec, "--guest", pair.guests(), "--listen", listenAt);
        return pair;
    }

    static void requireAtLeastOne(final CommandSpec spec, final String option, final long value) {
        if (value < 1) {
            throw new ParameterException(
                    spec.commandLine(), option + " must be at least 1, not " + value);
        }
    }
}

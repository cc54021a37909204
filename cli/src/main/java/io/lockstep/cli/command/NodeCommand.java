package io.lockstep.cli.command;

import io.lockstep.cli.argument.EndpointArguments;
import io.lockstep.cli.argument.OwnEndpoint;
import io.lockstep.cli.run.ServerRun;
import io.lockstep.engine.disk.DiskAccess;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.NodeRole;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.state.StateFile;
import io.lockstep.engine.state.StatePlace;

import picocli.CommandLine.Command;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;

/**
 * {@code lockstep node}: either half of a pair, as the node's record says; until SIGTERM or SIGINT.
 */
@Command(
        name = "node",
        description =
                "Starts one half of a pair as what it was last: primary, secondary, or the one that"
                        + " has taken over. The same command on both hosts, with the addresses"
                        + " exchanged: for units and cluster agents.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  On the host north, which is the primary at first:",
            "    lockstep node --disk vda=vda.img --first primary \\",
            "        --listen nbd://:10809 --peer nbd://south:10809 \\",
            "        --guest nbd+unix:///?socket=/run/vda.sock --control /run/vda.qmp",
            "",
            "  and on the host south:",
            "    lockstep node --disk vda=vda.img --first secondary \\",
            "        --listen nbd://:10809 --peer nbd://north:10809 \\",
            "        --guest nbd+unix:///?socket=/run/vda.sock --control /run/vda.qmp",
            "",
            "  --first may stay in the command line: it counts while there is no record. A",
            "  node that has taken over stays promoted, and replicates to the former primary",
            "  when that is there; which is its secondary then, and gets what differs; also",
            "  where it was only cut off, or stood still, and its guest is there yet.",
            "",
            "  What it is, and why: lockstep state --control /run/vda.qmp",
            "",
            "Exit codes: 0 stopped by SIGTERM or SIGINT; 1 a disk, an address, the control",
            "socket or the buffers can't be had, the peer refuses, or nobody has said what the",
            "node is first; 2 wrong usage."
        })
public final class NodeCommand implements Callable<Integer> {
    /** What a node can be where it was never in a pair. */
    static final class FirstConverter implements ITypeConverter<NodeRole> {
        @Override
        public NodeRole convert(final String text) {
            return switch (text) {
                case "primary" -> NodeRole.PRIMARY;
                case "secondary" -> NodeRole.SECONDARY;
                default ->
                        throw new TypeConversionException(
                                "'" + text + "' is neither primary nor secondary");
            };
        }
    }

    @Spec private CommandSpec spec;
    @Mixin private PairOptions pair;

    @Option(
            names = "--listen",
            required = true,
            paramLabel = "URI",
            description =
                    "Where this host takes the primary's stream, and as a primary tells another"
                            + " one that it is:"
                            + " nbd://HOST:PORT (no host: every address; port 0: a free one) or"
                            + " nbd+unix:///?socket=PATH. Repeatable.")
    private List<String> listen;

    @Option(
            names = "--peer",
            required = true,
            paramLabel = "URI",
            description = "Where the other host does (its --listen).")
    private String peer;

    @Option(
            names = "--first",
            paramLabel = "primary|secondary",
            converter = FirstConverter.class,
            description =
                    "What this node is where it has no record of a pair yet; one host each. With a"
                            + " record it means nothing.")
    private NodeRole first;

    @Mixin private ReplicationOptions replication;
    @Mixin private BufferOptions buffers;
    @Mixin private LoopOptions loops;

    @Override
    public Integer call() throws InterruptedException {
        final List<Endpoint> listenAt = EndpointArguments.parse(spec, "--listen", listen);
        final Endpoint peerAt = EndpointArguments.parsePeer(spec, "--peer", peer);
        OwnEndpoint.find(peerAt, listenAt).ifPresent(this::refuseOwn);
        final long bufferLimit = buffers.limit(spec);
        loops.require(spec);
        final PairOptions.Pair checked = pair.toPair(spec, listenAt);
        final PrimaryOptions options = replication.toGroupOptions(spec, checked);
        final Optional<NodeRole> role;
        try {
            role = role(checked);
        } catch (final IOException e) {
            checked.console().say(e.getMessage());
            return 1;
        }
        if (role.isEmpty()) {
            checked.console()
                    .say(
                            "this node has no record of a pair, so that nobody knows what it is:"
                                    + " add --first primary here and --first secondary on the other"
                                    + " host, or the other way round; where there was a record,"
                                    + " name its directory with --state");
            return 1;
        }
        // What is said while the process runs holds in all roles that it comes to.
        final AtomicReference<PrimaryOptions> now = new AtomicReference<>(options);
        final Supplier<SecondaryRole> secondary =
                () ->
                        new SecondaryRole(checked, buffers, loops, bufferLimit, listenAt)
                                .replicateBack(peerAt, now.get(), replication);
        final Supplier<PrimaryRole> primary =
                () ->
                        new PrimaryRole(checked, replication, loops, options, peerAt)
                                .listen(listenAt)
                                .switchRoles();
        int code = 1;
        try {
            code = run(role.get(), primary, secondary, now);
        } finally {
            ServerRun.over(code);
        }
        return code;
    }

    private static int run(
            final NodeRole first,
            final Supplier<PrimaryRole> primary,
            final Supplier<SecondaryRole> secondary,
            final AtomicReference<PrimaryOptions> options)
            throws InterruptedException {
        int code;
        if (first == NodeRole.PRIMARY) {
            final PrimaryRole role = primary.get();
            code = role.run();
            options.updateAndGet(now -> now.withAck(role.ack()));
        } else {
            code = run(secondary.get(), options);
        }
        while (code == ServerRun.GOES_ON) {
            code = run(secondary.get().ofFormerPrimary(), options); // its peer replicates back
        }
        return code;
    }

    private static int run(final SecondaryRole role, final AtomicReference<PrimaryOptions> options)
            throws InterruptedException {
        final int code = role.run();
        options.updateAndGet(now -> now.withAck(role.ack()));
        return code;
    }

    /** Both hosts have one command line, with the addresses exchanged: here they were not. */
    private void refuseOwn(final Endpoint own) {
        throw new ParameterException(
                spec.commandLine(),
                "--peer "
                        + peer
                        + " is where this host listens itself (--listen "
                        + EndpointArguments.uri(own)
                        + "), and a node is no pair with itself: name the other host's --listen");
    }

    /**
     * As the record says, or else the command line. It is looked at, and no more: the role looks
     * again when it has the state for itself.
     */
    private Optional<NodeRole> role(final PairOptions.Pair checked) throws IOException {
        final Path directory = place(checked);
        final Optional<NodeRecord> record =
                Files.isDirectory(directory) ? StateFile.read(directory) : Optional.empty();
        return record.flatMap(NodeRole::of).or(() -> Optional.ofNullable(first));
    }

    private static Path place(final PairOptions.Pair checked) throws IOException {
        if (checked.state().directory() != null) {
            return checked.state().directory();
        }
        final List<DiskFile> files =
                checked.disks()
                        .open(checked.access().access(DiskAccess.Sharing.READER).readOnly(true));
        try {
            return StatePlace.of(files.getFirst());
        } finally {
            files.forEach(DiskFile::close);
        }
    }
}

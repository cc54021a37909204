package io.lockstep.cli.command;

import io.lockstep.cli.argument.AccessOptions;
import io.lockstep.cli.argument.EndpointArguments;
import io.lockstep.cli.argument.ForeignPeerOptions;
import io.lockstep.cli.argument.ForwardOptions;
import io.lockstep.cli.argument.LostLinkOptions;
import io.lockstep.cli.argument.MachineOptions;
import io.lockstep.cli.argument.PeerOptions;
import io.lockstep.cli.argument.QmpArgument;
import io.lockstep.cli.argument.SizeConverter;
import io.lockstep.cli.argument.StateOptions;
import io.lockstep.cli.control.ControlAddress;
import io.lockstep.cli.graph.GraphException;
import io.lockstep.cli.run.Console;
import io.lockstep.cli.run.EngineRun;
import io.lockstep.cli.run.FenceCommand;
import io.lockstep.cli.run.ServerRun;
import io.lockstep.engine.disk.DiskAccess;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.PrimaryOptions;

import picocli.CommandLine.Command;
import picocli.CommandLine.IParameterConsumer;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Stack;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;

/**
 * {@code lockstep engine}: either side of a pair, set up with the arguments and commands of QEMU's
 * block replication, until SIGTERM or SIGINT.
 */
@Command(
        name = "engine",
        description =
                "Either side of a pair, set up as QEMU's block replication is: with -drive and"
                        + " --blockdev, and over QMP.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  A primary, which gets its replication child over QMP:",
            "    lockstep engine --qmp /run/primary.qmp \\",
            "        --guest nbd+unix:///?socket=/run/g.sock \\",
            "        -drive if=virtio,driver=quorum,read-pattern=fifo,id=colo1,\\",
            "vote-threshold=1,children.0.file.filename=1.raw,children.0.driver=raw",
            "",
            "  A secondary:",
            "    lockstep engine --qmp /run/secondary.qmp \\",
            "        --guest nbd+unix:///?socket=/run/g.sock \\",
            "        -drive if=none,driver=raw,file.filename=1.raw,id=colo1 \\",
            "        -drive if=virtio,id=top1,driver=replication,mode=secondary,\\",
            "file.driver=extents,file.file.filename=/dev/shm/active,\\",
            "file.backing.driver=extents,file.backing.file.filename=/dev/shm/hidden,\\",
            "file.backing.backing=colo1",
            "",
            "Arguments of QEMU's that are taken and mean nothing, since there is no guest here:",
            MachineOptions.NAMES + ".",
            "-name X is what query-name answers.",
            "",
            "  docs/qemu.md has the whole of it, to the failover and behind it.",
            "",
            "Exit codes: 0 stopped by SIGTERM or SIGINT; 1 a node, an address or a control",
            "socket can't be had; 2 wrong usage."
        })
public final class EngineCommand implements Callable<Integer> {
    /** A secondary that is there answers sooner. */
    private static final long ATTACH_SECONDS = 5;

    @Spec private CommandSpec spec;

    @Option(
            names = {"--drive", "-drive"},
            paramLabel = "OPTIONS",
            parameterConsumer = InOrder.class,
            description =
                    "A drive, in QEMU's dotted keys; 'if' means nothing here. Repeatable; nodes are"
                            + " made in the order of the arguments.")
    private List<String> drives;

    @Option(
            names = {"--blockdev", "-blockdev"},
            paramLabel = "OPTIONS",
            parameterConsumer = InOrder.class,
            description = "A block node, in QEMU's dotted keys or as JSON. Repeatable.")
    private List<String> nodes;

    @Option(
            names = {"--object", "-object"},
            paramLabel = "OPTIONS",
            description =
                    "A throttle group, whose limits nodes of driver=throttle keep to:"
                            + " throttle-group,id=ID,x-bps-total=N and so on, or JSON. Repeatable;"
                            + " made before the nodes.")
    private List<String> objects = List.of();

    @Option(
            names = {"--qmp", "-qmp"},
            paramLabel = "ADDRESS",
            description =
                    "A control socket (QMP): PATH or unix:PATH,server=on,wait=off,"
                            + " tcp:HOST:PORT,server=on,wait=off (no host: loopback), or stdio,"
                            + " which leaves standard output to QMP. Repeatable. Counters and"
                            + " epochs lie beside the first Unix socket, at PATH.counters and"
                            + " PATH.epochs.")
    private List<String> qmp = List.of();

    @Option(
            names = {"--chardev", "-chardev"},
            paramLabel = "OPTIONS",
            description =
                    "For -mon: socket,id=ID,path=PATH,server=on,wait=off, the same with host=HOST"
                            + " and port=PORT, or stdio,id=ID. Repeatable.")
    private List<String> chardevs = List.of();

    @Option(
            names = {"--mon", "-mon"},
            paramLabel = "OPTIONS",
            description =
                    "A control socket at a character device: chardev=ID,mode=control. Repeatable.")
    private List<String> monitors = List.of();

    @Option(
            names = "--guest",
            paramLabel = "URI",
            description =
                    "Where virtual machines find what is on top of the graph, under the drives'"
                            + " ids: nbd://HOST:PORT (no host: every address; port 0: a free one)"
                            + " or nbd+unix:///?socket=PATH. Repeatable.")
    private List<String> guest = List.of();

    @Mixin private ForwardOptions forward;
    @Mixin private LostLinkOptions lostLink;
    @Mixin private PeerOptions peerOptions;
    @Mixin private ForeignPeerOptions foreignPeer;
    @Mixin private StateOptions state;
    @Mixin private AccessOptions access;

    @Option(
            names = "--new-generation",
            description =
                    "Let also a disk be written whose node is a secondary, as its state says,"
                        + " without its primary: that begins a generation, which its peer does not"
                        + " have. Without it such a disk is used by its replication node, or"
                        + " read-only, or not at all.")
    private boolean newGeneration;

    @Mixin private MachineOptions machine;

    @Option(
            names = "--buffer-limit",
            paramLabel = "SIZE",
            converter = SizeConverter.class,
            description =
                    "How much each of the three buffers of a secondary disk may take, such as 512M"
                            + " (default: as much as the longest disk, and all together at most"
                            + " half of the buffers' file system).")
    private Long bufferLimit;

    @Option(
            names = "--max-connections",
            paramLabel = "N",
            defaultValue = "" + ServerRun.CONNECTIONS_DEFAULT,
            description =
                    "Clients served at a time, by the guests' server and by the NBD server each"
                            + " (default: ${DEFAULT-VALUE}).")
    private int connectionsMax;

    @Option(
            names = "--verbose",
            description =
                    "Tell of checkpoints, and of clients that break the protocol or their"
                            + " connection.")
    private boolean verbose;

    private final List<Node> inOrder = new ArrayList<>();
    private EngineRun run;

    /** One of the arguments that make nodes. */
    private record Node(boolean isDrive, String text) {}

    /** Keeps drives and nodes in the order in which they stand among each other. */
    static final class InOrder implements IParameterConsumer {
        @Override
        public void consumeParameters(
                final Stack<String> arguments, final ArgSpec argument, final CommandSpec command) {
            final OptionSpec option = (OptionSpec) argument;
            if (arguments.isEmpty()) {
                throw new ParameterException(
                        command.commandLine(),
                        "Missing required parameter for option '" + option.longestName() + "'");
            }
            ((EngineCommand) command.userObject())
                    .inOrder.add(new Node(option.longestName().equals("--drive"), arguments.pop()));
        }
    }

    @Override
    public Integer call() throws InterruptedException {
        final List<Endpoint> guestAt = EndpointArguments.parse(spec, "--guest", guest);
        final List<ControlAddress> control = QmpArgument.parse(spec, qmp, chardevs, monitors);
        if (connectionsMax < 1) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--max-connections must be at least 1, not " + connectionsMax);
        }
        if (bufferLimit != null && bufferLimit < 1) {
            throw new ParameterException(
                    spec.commandLine(), "--buffer-limit must be at least 1, not " + bufferLimit);
        }
        final Console console = new Console(spec, verbose);
        if (control.contains(new ControlAddress.Stdio())) {
            console.leaveStandardOutput();
        }
        final String name = machine.name(spec).orElse(null);
        final String note = machine.note(spec);
        if (!note.isEmpty()) {
            console.say(note);
        }
        try {
            run =
                    EngineRun.start(
                            console,
                            connectionsMax,
                            primaryOptions(control, console),
                            TimeUnit.SECONDS.toNanos(ATTACH_SECONDS),
                            bufferLimit == null ? 0 : bufferLimit,
                            null,
                            state,
                            newGeneration,
                            access.access(DiskAccess.Sharing.WRITER));
            run.name(name);
            objects.forEach(this::addObject);
            inOrder.forEach(this::add);
            run.engine().openSecondary();
            run.serveGuests(guestAt);
            if (foreignPeer.monitor().isPresent()) {
                run.checkpointPeerAt(foreignPeer.monitor().get());
            }
            run.control(control);
            run.rehearse();
        } catch (final IOException | GraphException e) {
            stop();
            console.say(e.getMessage());
            return 1;
        }
        return ServerRun.serve(
                console,
                "engine"
                        + (guestAt.isEmpty()
                                ? ""
                                : " serves guests on "
                                        + EndpointArguments.uris(run.engine().guests().endpoints()))
                        + "; control socket "
                        + control(),
                run::awaitRehearsedLoad,
                this::stop,
                new CompletableFuture<>());
    }

    private PrimaryOptions primaryOptions(
            final List<ControlAddress> control, final Console console) {
        if (access.isShared()) {
            lostLink.suspendUnlessSaid();
            if (state.directory() == null) {
                throw new ParameterException(
                        spec.commandLine(),
                        "--shared needs --state DIR, a directory of this host's own");
            }
        }
        final PrimaryOptions options =
                forward.toGroupOptions(spec, Word.NOW)
                        .withPeerTimeout(peerOptions.timeout(spec))
                        .withLostLink(
                                FenceCommand.policy(spec, lostLink, socket(control), console));
        return access.isShared() ? options.sharing() : options;
    }

    /** Where whoever fences finds this process. */
    private static String socket(final List<ControlAddress> control) {
        return control.stream()
                .filter(
                        address ->
                                address
                                        instanceof
                                        ControlAddress.Socket(final Endpoint.Unix socket))
                .findFirst()
                .map(ControlAddress::toString)
                .orElse("");
    }

    private String control() {
        return run.controlService().addresses().stream()
                .map(ControlAddress::toString)
                .collect(Collectors.joining(", "));
    }

    private void addObject(final String text) {
        try {
            run.graph().objects().add(text);
        } catch (final GraphException e) {
            throw new GraphException("-object " + text + ": " + e.getMessage());
        }
    }

    private void add(final Node node) {
        try {
            if (node.isDrive()) {
                run.graph().addDrive(node.text());
            } else {
                run.graph().addBlockdev(node.text());
            }
        } catch (final GraphException e) {
            throw new GraphException(
                    (node.isDrive() ? "-drive " : "--blockdev ")
                            + node.text()
                            + ": "
                            + e.getMessage());
        }
    }

    /** Answers whether the disks could be flushed. */
    private boolean stop() {
        return run == null || run.stop();
    }
}

package io.lockstep.cli.command;

import io.lockstep.cli.argument.ControlPathConverter;
import io.lockstep.cli.argument.DiskArguments;
import io.lockstep.cli.argument.DurationConverter;
import io.lockstep.cli.argument.EndpointArguments;
import io.lockstep.cli.argument.ForwardOptions;
import io.lockstep.cli.argument.PeerOptions;
import io.lockstep.cli.argument.StateOptions;
import io.lockstep.cli.graph.GraphException;
import io.lockstep.cli.run.Console;
import io.lockstep.cli.run.EngineRun;
import io.lockstep.cli.run.PeerCheck;
import io.lockstep.cli.run.ServerRun;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.loop.AddressFamilies;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.service.LoopCall;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

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
    /** A secondary that is there answers sooner. */
    private static final long FIRST_ATTACH_MS = 2000;

    @Spec private CommandSpec spec;

    @Option(
            names = "--disk",
            required = true,
            paramLabel = "NAME=FILE",
            description =
                    "A regular file or block device, and its name, which is the same on the"
                            + " secondary. Repeatable: all disks of one virtual machine.")
    private List<String> disks;

    @Option(
            names = "--guest",
            required = true,
            paramLabel = "URI",
            description =
                    "Where the virtual machine finds its disks: nbd://HOST:PORT (no host: every"
                            + " address; port 0: a free one) or nbd+unix:///?socket=PATH."
                            + " Repeatable.")
    private List<String> guest;

    @Option(
            names = "--peer",
            required = true,
            paramLabel = "URI",
            description = "Where the secondary listens (its --listen).")
    private String peer;

    @Option(
            names = "--control",
            required = true,
            paramLabel = "PATH",
            converter = ControlPathConverter.class,
            description =
                    "The control socket (QMP); users outside its group can't connect. Counters lie"
                            + " beside it, at PATH.counters.")
    private Path control;

    @Option(
            names = "--assume-identical",
            description =
                    "The disks hold the same data on both sides: you have copied them. It counts"
                            + " when they meet for the first time, of which neither was in a pair"
                            + " before. Without it only disks without any data are taken for"
                            + " equal.")
    private boolean assumeIdentical;

    @Option(
            names = "--checkpoint-every",
            paramLabel = "TIME",
            converter = DurationConverter.class,
            description =
                    "Make a checkpoint each time so much has passed, such as 50ms or 1s (default:"
                            + " only when told to).")
    private Duration checkpointEvery;

    @Mixin private ForwardOptions forward;
    @Mixin private PeerOptions peerOptions;
    @Mixin private StateOptions state;

    @Option(
            names = "--max-connections",
            paramLabel = "N",
            defaultValue = "" + ServerRun.CONNECTIONS_DEFAULT,
            description = "Clients served at a time (default: ${DEFAULT-VALUE}).")
    private int connectionsMax;

    @Option(
            names = "--verbose",
            description =
                    "Tell of checkpoints, and of clients that break the protocol or their"
                            + " connection.")
    private boolean verbose;

    private EngineRun run;
    private Console console;

    @Override
    public Integer call() throws InterruptedException {
        final List<Endpoint> guestAt = EndpointArguments.parse(spec, "--guest", guest);
        final Endpoint peerAt = EndpointArguments.parsePeer(spec, "--peer", peer);
        final DiskArguments arguments = DiskArguments.parse(spec, disks);
        arguments.requireFilesOfTheirOwn(spec);
        final PrimaryOptions options = groupOptions();
        console = new Console(spec, verbose);
        try {
            AddressFamilies.requireFor(peerAt);
            run = EngineRun.start(console, connectionsMax, options, 0, 0, null, state);
            arguments.files().forEach((name, file) -> run.graph().addPrimary(name, file, peerAt));
            if (forward.peerMonitor().isPresent()) {
                run.checkpointPeerAt(forward.peerMonitor().get());
            }
            run.control(control);
            if (!attach(peerAt, arguments.nameList())) {
                stop();
                return 1;
            }
            run.serveGuests(guestAt);
        } catch (final IOException | GraphException e) {
            stop();
            console.say(e.getMessage());
            return 1;
        }
        if (checkpointEvery != null) {
            run.engine().loop().execute(this::makeCheckpoints);
        }
        return ServerRun.serve(
                console,
                "primary of "
                        + arguments.names()
                        + " serves the guest on "
                        + EndpointArguments.uris(run.engine().guests().endpoints())
                        + " and forwards to "
                        + EndpointArguments.uri(peerAt)
                        + "; control socket "
                        + control,
                this::stop);
    }

    private PrimaryOptions groupOptions() {
        if (checkpointEvery != null && checkpointEvery.isZero()) {
            throw usage("--checkpoint-every must be more than 0");
        }
        if (connectionsMax < 1) {
            throw usage("--max-connections must be at least 1, not " + connectionsMax);
        }
        return forward.toGroupOptions(spec, assumeIdentical ? Word.AT_FIRST : Word.NONE)
                .withPeerTimeout(peerOptions.timeout(spec));
    }

    private ParameterException usage(final String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    /**
     * Starts replication. A secondary that isn't there yet is waited for in the background, with
     * the guest served: one that refuses is told of.
     *
     * @return whether it did not refuse; otherwise the console has been told why
     */
    private boolean attach(final Endpoint peerAt, final List<String> names)
            throws IOException, InterruptedException {
        final CompletableFuture<Void> started =
                LoopCall.call(run.engine().loop(), () -> run.engine().group().start());
        try {
            started.get(FIRST_ATTACH_MS, TimeUnit.MILLISECONDS);
            return true;
        } catch (final ExecutionException e) {
            return isWaiting(); // the group's event has said why
        } catch (final TimeoutException e) {
            final PeerCheck.Finding finding = PeerCheck.ask(peerAt, names, console);
            console.say(
                    (finding.isRefusal() ? "" : "waiting for the secondary: ")
                            + finding.sentence());
            return !finding.isRefusal();
        }
    }

    /** Whether the guest is not served until its user has decided. */
    private boolean isWaiting() throws IOException {
        final String waiting =
                LoopCall.call(run.engine().loop(), () -> run.engine().group().node())
                        .map(NodeStatus::waiting)
                        .orElse("");
        if (!waiting.isEmpty()) {
            console.say(waiting);
        }
        return !waiting.isEmpty();
    }

    private void makeCheckpoints() {
        run.controlService()
                .checkpoints()
                .makeEvery(
                        checkpointEvery.toNanos(),
                        reason -> console.say("no checkpoint could be made: " + reason));
    }

    /** Answers whether the disks could be flushed. */
    private boolean stop() {
        return run == null || run.stop();
    }
}

package io.lockstep.cli.command;

import io.lockstep.cli.argument.ControlPathConverter;
import io.lockstep.cli.argument.DiskArguments;
import io.lockstep.cli.argument.EndpointArguments;
import io.lockstep.cli.argument.ForwardOptions;
import io.lockstep.cli.argument.PathConverter;
import io.lockstep.cli.argument.PeerOptions;
import io.lockstep.cli.argument.SizeConverter;
import io.lockstep.cli.argument.StateOptions;
import io.lockstep.cli.graph.GraphException;
import io.lockstep.cli.run.Console;
import io.lockstep.cli.run.EngineRun;
import io.lockstep.cli.run.ServerRun;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.secondary.BufferFiles;

import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;

/** {@code lockstep secondary}: takes a primary's stream, until SIGTERM or SIGINT. */
@Command(
        name = "secondary",
        description =
                "Takes a primary's writes, and can take over at its last checkpoint. Start it"
                        + " before the primary.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  One disk, whose content is a copy of the primary's:",
            "    lockstep secondary --disk vda=vda.img --listen nbd://:10809 \\",
            "        --guest nbd+unix:///?socket=/run/guest.sock --control /run/secondary.qmp",
            "",
            "  and on the primary's host",
            "    lockstep primary --disk vda=vda.img --peer nbd://SECONDARY:10809 \\",
            "        --guest nbd+unix:///?socket=/run/guest.sock \\",
            "        --control /run/primary.qmp --assume-identical",
            "",
            "  It prints one line that begins with \"ready\" when a primary may come. A process",
            "  that was stopped or killed goes on where it was when it is started with the",
            "  same --buffers.",
            "",
            "Exit codes: 0 stopped by SIGTERM or SIGINT; 1 a disk, an address, the control",
            "socket or the buffers can't be had; 2 wrong usage."
        })
public final class SecondaryCommand implements Callable<Integer> {
    private static final Path MEMORY = Path.of("/dev/shm");

    @Spec private CommandSpec spec;

    @Option(
            names = "--disk",
            required = true,
            paramLabel = "NAME=FILE",
            description =
                    "A regular file or block device, and its name, which is the same on the"
                            + " primary. Repeatable: all disks of one virtual machine.")
    private List<String> disks;

    @Option(
            names = "--listen",
            required = true,
            paramLabel = "URI",
            description =
                    "Where the primary's stream comes in: nbd://HOST:PORT (no host: every address;"
                            + " port 0: a free one) or nbd+unix:///?socket=PATH. Repeatable.")
    private List<String> listen;

    @Option(
            names = "--guest",
            required = true,
            paramLabel = "URI",
            description =
                    "Where the secondary's virtual machine finds its disks: the last checkpoint,"
                            + " overlaid with its own writes. Repeatable.")
    private List<String> guest;

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
            names = "--buffers",
            paramLabel = "DIR",
            converter = PathConverter.class,
            description =
                    "A directory of this group's own for hidden and active disks, best in memory;"
                        + " made if it is missing. They hold what the disks hold: only this user"
                        + " may own and write it (default: one under /dev/shm that is named after"
                        + " the control socket).")
    private Path buffers;

    @Option(
            names = "--buffer-limit",
            paramLabel = "SIZE",
            converter = SizeConverter.class,
            description =
                    "How much each of the three buffers of a disk may take, such as 512M; beyond"
                            + " it replication stops with an error (default: as much as the longest"
                            + " disk, and all together at most half of the buffers' file system).")
    private Long bufferLimit;

    @Option(
            names = "--max-connections",
            paramLabel = "N",
            defaultValue = "" + ServerRun.CONNECTIONS_DEFAULT,
            description =
                    "Clients served at a time, of the primary and of the guest each (default:"
                            + " ${DEFAULT-VALUE}).")
    private int connectionsMax;

    @Option(
            names = "--verbose",
            description =
                    "Tell of checkpoints, and of clients that break the protocol or their"
                            + " connection.")
    private boolean verbose;

    @Mixin private PeerOptions peerOptions;
    @Mixin private StateOptions state;

    private EngineRun run;

    @Override
    public Integer call() throws InterruptedException {
        final List<Endpoint> listenAt = EndpointArguments.parse(spec, "--listen", listen);
        final List<Endpoint> guestAt = EndpointArguments.parse(spec, "--guest", guest);
        final DiskArguments arguments = DiskArguments.parse(spec, disks);
        arguments.requireFilesOfTheirOwn(spec);
        requireAtLeastOne("--max-connections", connectionsMax);
        requireAtLeastOne("--buffer-limit", bufferLimit == null ? 1 : bufferLimit);
        final Console console = new Console(spec, verbose);
        final Path directory;
        try {
            directory = buffers == null ? defaultBuffers(control) : buffers;
            start(arguments, directory, console);
            run.serveSecondary(arguments.nameList(), connectionsMax, listenAt, guestAt);
            run.control(control);
            run.rehearseFailover();
        } catch (final IOException | GraphException e) {
            stop();
            console.say(e.getMessage());
            return 1;
        }
        return ServerRun.serve(
                console,
                "secondary of "
                        + arguments.names()
                        + " takes the stream on "
                        + EndpointArguments.uris(run.engine().nbdServer().endpoints())
                        + ", the guest on "
                        + EndpointArguments.uris(run.engine().guests().endpoints())
                        + "; control socket "
                        + control
                        + ", buffers in "
                        + directory,
                this::stop);
    }

    private void requireAtLeastOne(final String option, final long value) {
        if (value < 1) {
            throw new ParameterException(
                    spec.commandLine(), option + " must be at least 1, not " + value);
        }
    }

    /**
     * The same for the same control socket, so that a restart finds it, and another for any other.
     *
     * @throws IOException where there is no place in memory for it
     */
    private static Path defaultBuffers(final Path control) throws IOException {
        if (!Files.isWritable(MEMORY)) {
            throw new IOException(
                    MEMORY
                            + " is not there or can't be written, so that the buffers have no place"
                            + " in memory; name a directory for them with --buffers");
        }
        return MEMORY.resolve(defaultName(control.toAbsolutePath().normalize().toString()));
    }

    /** A path as a name: slashes are hyphens, and what could be taken for another is escaped. */
    static String defaultName(final String path) {
        final StringBuilder name = new StringBuilder("lockstep");
        for (final byte value : path.getBytes(StandardCharsets.UTF_8)) {
            final char character = (char) (value & 0xff);
            if (character == '/') {
                name.append('-');
            } else if (character < 0x80
                    && (Character.isLetterOrDigit(character) || "._".indexOf(character) >= 0)) {
                name.append(character);
            } else {
                name.append(String.format("%%%02x", (int) character));
            }
        }
        return name.toString();
    }

    private void start(final DiskArguments arguments, final Path directory, final Console console)
            throws IOException {
        run =
                EngineRun.start(
                        console,
                        connectionsMax,
                        ForwardOptions.none().withPeerTimeout(peerOptions.timeout(spec)),
                        0,
                        bufferLimit == null ? 0 : bufferLimit,
                        directory,
                        state);
        int number = 0;
        for (final Map.Entry<String, Path> disk : arguments.files().entrySet()) {
            run.graph()
                    .addSecondary(
                            disk.getKey(), disk.getValue(), BufferFiles.in(directory, number++));
        }
        run.startSecondary();
    }

    /** Answers whether the disks could be flushed. */
    private boolean stop() {
        return run == null || run.stop();
    }
}

package io.lockstep.cli.command;

import io.lockstep.cli.argument.DiskArguments;
import io.lockstep.cli.argument.EndpointArguments;
import io.lockstep.cli.run.Console;
import io.lockstep.cli.run.QuietCompiler;
import io.lockstep.cli.run.ServerRun;
import io.lockstep.engine.disk.DiskAccess;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.WallClock;
import io.lockstep.engine.node.Reigns;
import io.lockstep.engine.server.DiskService;
import io.lockstep.engine.state.PairedDisks;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.security.SecureRandom;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;

/** {@code lockstep serve}: a plain NBD server over disks, until SIGTERM or SIGINT. */
@Command(
        name = "serve",
        description = "Serves disks over NBD to any client.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  A disk image on the default port, for this host only:",
            "    truncate -s 10G vda.img",
            "    lockstep serve --disk vda=vda.img --listen nbd://localhost",
            "    nbdinfo nbd://localhost/vda",
            "",
            "  Two disks, read-only, on a Unix socket and on every address of this host:",
            "    lockstep serve --disk vda=vda.img --disk vdb=/dev/sdb --read-only \\",
            "        --listen nbd+unix:///?socket=/run/lockstep.sock --listen nbd://:10809",
            "",
            "  Once every address is listened on it prints one line that begins with \"ready\".",
            "  SIGTERM answers what is in flight, flushes the disks, and exits with 0.",
            "",
            "Exit codes: 0 stopped by SIGTERM or SIGINT; 1 a disk or an address can't be had;",
            "2 wrong usage."
        })
public final class ServeCommand implements Callable<Integer> {
    /**
     * Loops at most; up to here there is one a core. More of them would wake and push aside each
     * other and the clients, where one that has several connections serves them in one cycle.
     */
    private static final int LOOPS_MAX = 16;

    @Spec private CommandSpec spec;

    @Option(
            names = "--disk",
            required = true,
            paramLabel = "NAME=FILE",
            description = "A regular file or block device, and the name of its export. Repeatable.")
    private List<String> disks;

    @Option(
            names = "--listen",
            required = true,
            paramLabel = "URI",
            description =
                    "Where to listen: nbd://HOST:PORT (no host: every address; port 0: a free one)"
                            + " or nbd+unix:///?socket=PATH, whose mode is as the umask says."
                            + " Repeatable.")
    private List<String> listen;

    @Option(
            names = "--read-only",
            description = "Refuse writes; the files are opened for reading only.")
    private boolean readOnly;

    @Option(
            names = "--direct",
            description =
                    "Read and write past the page cache (O_DIRECT; QEMU calls it cache=none).")
    private boolean direct;

    @Option(
            names = "--new-generation",
            description =
                    "Write also a disk that is in a pair, as the state beside its file says: that"
                            + " begins a generation, which its peer does not have, and the pair"
                            + " refuses to replicate until it is set up anew. Without it such a"
                            + " disk is served read-only or not at all.")
    private boolean newGeneration;

    @Option(
            names = "--max-connections",
            paramLabel = "N",
            defaultValue = "" + ServerRun.CONNECTIONS_DEFAULT,
            description =
                    "Connections served at a time; one more is told so and refused. Below 4 no"
                        + " client is told that it may have several (default: ${DEFAULT-VALUE}).")
    private int connectionsMax;

    @Option(
            names = "--verbose",
            description = "Tell of clients that break the protocol or their connection.")
    private boolean verbose;

    @Override
    public Integer call() throws InterruptedException {
        final List<Endpoint> endpoints = EndpointArguments.parse(spec, "--listen", listen);
        final DiskArguments arguments = DiskArguments.parse(spec, disks);
        if (connectionsMax < 1) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--max-connections must be at least 1, not " + connectionsMax);
        }
        if (!readOnly) {
            arguments.requireFilesOfTheirOwn(spec);
        }
        final Console console = new Console(spec, verbose);
        final DiskService service;
        try {
            service = start(endpoints, openDisks(arguments), console);
        } catch (final IOException e) {
            console.say(e.getMessage());
            return 1;
        }
        return ServerRun.serve(
                console,
                "serving "
                        + arguments.names()
                        + " on "
                        + EndpointArguments.uris(service.endpoints()),
                service::stop);
    }

    private List<DiskFile> openDisks(final DiskArguments arguments) throws IOException {
        final List<DiskFile> files =
                arguments.open(new DiskAccess(readOnly, direct, DiskAccess.Sharing.NONE));
        boolean prepared = readOnly;
        try {
            if (!readOnly) {
                PairedDisks.prepare(
                        files,
                        newGeneration
                                ? Optional.of(new Reigns(new SecureRandom(), WallClock::seconds))
                                : Optional.empty());
                prepared = true;
            }
            return files;
        } finally {
            if (!prepared) {
                files.forEach(DiskFile::close);
            }
        }
    }

    private DiskService start(
            final List<Endpoint> endpoints, final List<DiskFile> files, final Console console)
            throws IOException {
        QuietCompiler.begin();
        // Of a unit of a disk past the page cache one loop knows who else writes a part.
        final int loopCount =
                direct ? 1 : Math.min(LOOPS_MAX, Runtime.getRuntime().availableProcessors());
        return DiskService.start(
                new DiskService.Configuration(
                        files,
                        endpoints,
                        loopCount,
                        connectionsMax,
                        ServerRun.SPIN_NANOS,
                        console,
                        console));
    }
}

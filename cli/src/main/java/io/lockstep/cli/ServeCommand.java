package io.lockstep.cli;

import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.server.DiskService;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.NbdUri;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;

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
            "Exit codes: 0 stopped by SIGTERM or SIGINT; 1 a disk or an address can't be had; 2"
                    + " wrong usage."
        })
final class ServeCommand implements Callable<Integer> {
    private static final int CONNECTIONS_DEFAULT = 256;
    private static final int LOOPS_MAX = 16;

    /**
     * Clients on the same host compete with the loops for its cores: with one loop a core, many of
     * them would leave the loops too small a share.
     */
    private static final int LOOPS_PER_CORE = 2;

    /** A loop looks for work so long before it sleeps: about what waking it would cost. */
    private static final long SPIN_NANOS = 20_000;

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
                            + " or nbd+unix:///?socket=PATH. Repeatable.")
    private List<String> listen;

    @Option(
            names = "--read-only",
            description = "Refuse writes; the files are opened for reading only.")
    private boolean readOnly;

    @Option(
            names = "--max-connections",
            paramLabel = "N",
            defaultValue = "" + CONNECTIONS_DEFAULT,
            description =
                    "Clients served at a time; one more is told so and refused (default:"
                            + " ${DEFAULT-VALUE}).")
    private int connectionsMax;

    @Option(
            names = "--verbose",
            description = "Tell of clients that break the protocol or their connection.")
    private boolean verbose;

    @Override
    public Integer call() throws InterruptedException {
        final List<Endpoint> endpoints = endpoints();
        final List<DiskArgument> arguments = diskArguments();
        if (connectionsMax < 1) {
            throw usage("--max-connections must be at least 1, not " + connectionsMax);
        }
        final DiskService service;
        try {
            service = start(endpoints, arguments);
        } catch (final IOException e) {
            error().println("lockstep serve: " + e.getMessage());
            return 1;
        }
        stopOnSignal(service);
        final PrintWriter out = spec.commandLine().getOut();
        out.println("ready: serving " + diskNames(arguments) + " on " + uris(service.endpoints()));
        out.flush();
        new CountDownLatch(1).await(); // the signal's hook ends the process
        return 0;
    }

    private DiskService start(final List<Endpoint> endpoints, final List<DiskArgument> arguments)
            throws IOException {
        final List<DiskFile> files = new ArrayList<>();
        boolean opened = false;
        try {
            for (final DiskArgument disk : arguments) {
                files.add(DiskFile.open(disk.name(), disk.file(), readOnly));
            }
            opened = true;
        } finally {
            if (!opened) {
                files.forEach(DiskFile::close);
            }
        }
        final int loopCount =
                Math.min(LOOPS_MAX, LOOPS_PER_CORE * Runtime.getRuntime().availableProcessors());
        return DiskService.start(
                new DiskService.Configuration(
                        files,
                        endpoints,
                        loopCount,
                        connectionsMax,
                        SPIN_NANOS,
                        new Events(),
                        error -> error().println("lockstep serve: internal error: " + error)));
    }

    /**
     * Java ends a process on a signal by running its hooks; this one ends it with 0 when all is
     * done.
     */
    private static void stopOnSignal(final DiskService service) {
        Runtime.getRuntime()
                .addShutdownHook(
                        new Thread(
                                () -> {
                                    Runtime.getRuntime().halt(service.stop() ? 0 : 1);
                                },
                                "lockstep-stop"));
    }

    private List<Endpoint> endpoints() {
        final List<Endpoint> endpoints = new ArrayList<>();
        for (final String text : listen) {
            final NbdUri uri;
            try {
                uri = NbdUri.parse(text);
            } catch (final IllegalArgumentException e) {
                throw usage("--listen: " + e.getMessage());
            }
            if (uri.tls()) {
                throw usage(
                        "--listen: TLS is not supported yet; write nbd: instead of nbds: in "
                                + text);
            }
            if (!uri.exportName().isEmpty()) {
                throw usage(
                        "--listen: leave the export out of "
                                + text
                                + "; --disk gives exports their names");
            }
            endpoints.add(
                    uri.isUnix()
                            ? new Endpoint.Unix(Path.of(uri.socket()))
                            : new Endpoint.Tcp(uri.host(), uri.port()));
        }
        return endpoints;
    }

    private List<DiskArgument> diskArguments() {
        final List<DiskArgument> arguments = new ArrayList<>();
        final Set<String> names = new LinkedHashSet<>();
        for (final String text : disks) {
            final int equals = text.indexOf('=');
            if (equals < 1 || equals == text.length() - 1) {
                throw usage(
                        "--disk takes NAME=FILE, for example vda=/var/lib/images/vda.img; not "
                                + text);
            }
            final String name = text.substring(0, equals);
            if (name.getBytes(StandardCharsets.UTF_8).length > Nbd.STRING_LENGTH_MAX) {
                throw usage(
                        "--disk: the export name is longer than "
                                + Nbd.STRING_LENGTH_MAX
                                + " bytes");
            }
            if (!names.add(name)) {
                throw usage(
                        "--disk: export name " + name + " is given twice; give each disk its own");
            }
            arguments.add(new DiskArgument(name, Path.of(text.substring(equals + 1))));
        }
        return arguments;
    }

    private static String diskNames(final List<DiskArgument> arguments) {
        return String.join(", ", arguments.stream().map(DiskArgument::name).toList());
    }

    private static String uris(final List<Endpoint> endpoints) {
        return String.join(
                ", ", endpoints.stream().map(ServeCommand::uri).map(NbdUri::toString).toList());
    }

    private static NbdUri uri(final Endpoint endpoint) {
        return endpoint instanceof Endpoint.Tcp(String host, int port)
                ? new NbdUri(false, host, port, null, "")
                : new NbdUri(false, null, -1, ((Endpoint.Unix) endpoint).path().toString(), "");
    }

    private ParameterException usage(final String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    private PrintWriter error() {
        return spec.commandLine().getErr();
    }

    /** A disk as the command line names it. */
    private record DiskArgument(String name, Path file) {}

    /** Prints what goes wrong. Called by the service's loops. */
    private final class Events implements ServerEvents {
        @Override
        public void onDiskError(final String sentence) {
            error().println("lockstep serve: " + sentence);
            error().flush();
        }

        @Override
        public void onClientProblem(final String peer, final String sentence) {
            if (verbose) {
                error().println("lockstep serve: client " + peer + ": " + sentence);
                error().flush();
            }
        }
    }
}

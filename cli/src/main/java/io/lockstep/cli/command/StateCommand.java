package io.lockstep.cli.command;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;

import io.lockstep.cli.argument.ControlPathConverter;
import io.lockstep.cli.argument.DurationConverter;
import io.lockstep.cli.control.QmpClient;
import io.lockstep.cli.control.StateReport;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeException;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.state.Boot;
import io.lockstep.engine.state.StateFile;
import io.lockstep.engine.tracking.Tracking;

import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;

/** {@code lockstep state}: what a node remembers of its pair, and having it forget that. */
@Command(
        name = "state",
        description =
                "Shows what a node remembers of its pair, or takes its disks out of the pair.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  What the disk vda.img was last, in sentences and as JSON:",
            "    lockstep state --state vda.img.lockstep",
            "    lockstep state --state vda.img.lockstep --json",
            "",
            "  The same of a lockstep that runs, wherever its state is:",
            "    lockstep state --control /run/vda.qmp",
            "",
            "  The disk becomes one that was never in a pair, for example before a copy of",
            "  the other host's is put in its place:",
            "    lockstep state --state vda.img.lockstep --forget",
            "",
            "  It asks nothing, changes nothing on the disks, and is refused while a",
            "  lockstep runs with that state, or before a failover's merge is done.",
            "",
            "Exit codes: 0 shown, or forgotten; 1 there is no state, it can't be read, nobody",
            "answers, or that was refused; 2 wrong usage."
        })
public final class StateCommand implements Callable<Integer> {
    private static final Gson JSON = new GsonBuilder().serializeNulls().create();

    @Spec private CommandSpec spec;

    @ArgGroup(exclusive = true, multiplicity = "1")
    private Place place;

    @Option(
            names = "--timeout",
            paramLabel = "TIME",
            defaultValue = "10s",
            converter = DurationConverter.class,
            description =
                    "How long to wait for a running lockstep's answer (default:"
                            + " ${DEFAULT-VALUE}).")
    private Duration timeout;

    @Option(names = "--json", description = "As a JSON object in one line.")
    private boolean json;

    @Option(
            names = "--forget",
            description = "Take the disks out of their pair; with --state, and nothing running.")
    private boolean forget;

    /** Where the record is to be had. */
    private static final class Place {
        @Option(
                names = "--state",
                paramLabel = "DIR",
                description =
                        "Where the node's state is; by itself FILE.lockstep beside a disk FILE.")
        private Path directory;

        @Option(
                names = "--control",
                paramLabel = "PATH",
                converter = ControlPathConverter.class,
                description = "The control socket of the lockstep that runs with it.")
        private Path control;
    }

    @Override
    public Integer call() {
        try {
            if (place.control != null) {
                requireNothingToForget();
                print(askProcess());
                return 0;
            }
            if (!Files.isDirectory(place.directory)) {
                throw new IOException("there is no directory " + place.directory);
            }
            if (forget) {
                forget();
            } else {
                print(
                        StateReport.of(
                                StateFile.read(place.directory).orElseThrow(this::nothing),
                                StateFile.isInUse(place.directory)));
            }
            return 0;
        } catch (final IOException | NodeException e) {
            spec.commandLine().getErr().println("lockstep state: " + e.getMessage());
            return 1;
        }
    }

    private void requireNothingToForget() throws IOException {
        if (forget) {
            throw new IOException(
                    "a running lockstep does not forget its pair: stop it, and say --forget with"
                            + " --state DIR");
        }
    }

    private JsonObject askProcess() throws IOException {
        try (QmpClient client = QmpClient.connect(place.control, timeout)) {
            return client.execute("x-lockstep-state", new JsonObject(), timeout).getAsJsonObject();
        }
    }

    private IOException nothing() {
        return new IOException("there is no state in " + place.directory);
    }

    private void print(final JsonObject report) throws IOException {
        final PrintWriter out = spec.commandLine().getOut();
        if (json) {
            out.println(JSON.toJson(report));
        } else {
            StateText.print(out, report);
        }
    }

    private void forget() throws IOException {
        final Id name = Id.random(new SecureRandom());
        try (StateFile file = StateFile.open(place.directory)) {
            final String was = forget(file, name);
            final PrintWriter out = spec.commandLine().getOut();
            if (json) {
                out.println(
                        JSON.toJson(
                                StateReport.of(
                                        StateFile.read(place.directory).orElseThrow(), false)));
            } else {
                out.println(
                        "forgotten: "
                                + was
                                + "; now it is node "
                                + name
                                + ", which was never in a pair");
            }
        }
    }

    /** Answers what the node was. */
    private String forget(final StateFile file, final Id name) throws IOException {
        final Optional<NodeRecord> record;
        try {
            record = file.load();
        } catch (final IOException e) {
            file.replace(NodeRecord.fresh(name, Boot.current(), List.of()));
            return "a state that could not be read (" + e.getMessage() + ")";
        }
        final NodeRecord before = record.orElseThrow(this::nothing);
        try {
            new Node(before, file).forget(name).join();
            Tracking.invalidate(file.directory()); // it was of the pair
        } catch (final CompletionException e) {
            if (e.getCause() instanceof NodeException refused) {
                throw refused;
            }
            throw e;
        }
        return "node " + before.node() + " " + before.standing().sentence();
    }
}

package io.lockstep.cli.command;

import com.google.gson.JsonObject;

import io.lockstep.cli.argument.ControlPathConverter;
import io.lockstep.cli.argument.DurationConverter;
import io.lockstep.cli.control.QmpClient;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeException;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.state.StateFile;
import io.lockstep.engine.tracking.Tracking;

import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;

/** {@code lockstep join}: a secondary's disks are overwritten by its primary's, once. */
@Command(
        name = "join",
        description =
                "Lets the primary that comes next overwrite the disks of a secondary that have data"
                        + " of their own; once, and never by a repeated command line. What is equal"
                        + " there is not sent. A node that is in a pair leaves it.",
        mixinStandardHelpOptions = true,
        sortOptions = false,
        footerHeading = "%nExamples:%n",
        footer = {
            "  On the host of the secondary whose data may go:",
            "    lockstep join --control /run/secondary.qmp",
            "",
            "  On the host of a node that gives way to the other one, whatever it was, when",
            "  its process has ended: 'lockstep node' is a secondary there from the next",
            "  start on, with the same command line, --first primary too:",
            "    lockstep join --state vda.img.lockstep",
            "",
            "  Said on both hosts it leaves no primary. Then, on the one whose disks count:",
            "    lockstep state --forget --state vda.img.lockstep",
            "  and its process once more, with --first primary.",
            "",
            "Exit codes: 0 done; 1 refused, no answer, or no state; 2 wrong usage."
        })
public final class JoinCommand implements Callable<Integer> {
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

    /** Which node it is. */
    private static final class Place {
        @Option(
                names = "--control",
                paramLabel = "PATH",
                converter = ControlPathConverter.class,
                description = "The control socket of one that runs.")
        private Path control;

        @Option(
                names = "--state",
                paramLabel = "DIR",
                description =
                        "The state of one that does not run; by itself FILE.lockstep beside a disk"
                                + " FILE.")
        private Path directory;
    }

    @Override
    public Integer call() {
        try {
            spec.commandLine()
                    .getOut()
                    .println(place.control == null ? join(place.directory) : askProcess());
            return 0;
        } catch (final IOException | NodeException e) {
            spec.commandLine().getErr().println("lockstep join: " + e.getMessage());
            return 1;
        }
    }

    private String askProcess() throws IOException {
        try (QmpClient client = QmpClient.connect(place.control, timeout)) {
            client.execute("x-lockstep-join", new JsonObject(), timeout);
            return "the disks are overwritten by the primary that comes next";
        }
    }

    /** Of a node without a process; answers what it is now. */
    private static String join(final Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            throw new IOException("there is no directory " + directory);
        }
        final Id name = Id.random(new SecureRandom());
        try (StateFile file = StateFile.open(directory)) {
            final NodeRecord before =
                    file.load()
                            .orElseThrow(
                                    () -> new IOException("there is no state in " + directory));
            final Node node = new Node(before, file); // which stores before it returns
            node.join(name).join();
            Tracking.invalidate(directory); // it was of the pair
            return "node "
                    + before.node()
                    + " "
                    + before.standing().sentence()
                    + "; now it is node "
                    + node.record().node()
                    + ", whose disks are overwritten by the primary that comes next: start it with"
                    + " 'lockstep node', whatever that says with --first, or as a secondary. The"
                    + " other host's disks are what both have then: don't say it there, too";
        } catch (final CompletionException e) {
            if (e.getCause() instanceof NodeException refused) {
                throw refused;
            }
            throw e;
        }
    }
}

package io.lockstep.cli.command;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonObject;

import io.lockstep.cli.control.StateReport;
import io.lockstep.cli.run.Quantity;
import io.lockstep.engine.node.DiskIdentity;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeException;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Reign;
import io.lockstep.engine.state.Boot;
import io.lockstep.engine.state.StateFile;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Instant;
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
            "  The disk becomes one that was never in a pair, for example before a copy of",
            "  the other host's is put in its place:",
            "    lockstep state --state vda.img.lockstep --forget",
            "",
            "  It asks nothing, changes nothing on the disks, and is refused while a",
            "  lockstep runs with that state, or before a failover's merge is done.",
            "",
            "Exit codes: 0 shown, or forgotten; 1 there is no state, it can't be read, or",
            "that was refused; 2 wrong usage."
        })
public final class StateCommand implements Callable<Integer> {
    private static final Gson JSON = new GsonBuilder().serializeNulls().create();

    @Spec private CommandSpec spec;

    @Option(
            names = "--state",
            required = true,
            paramLabel = "DIR",
            description = "Where the node's state is; by itself FILE.lockstep beside a disk FILE.")
    private Path directory;

    @Option(names = "--json", description = "As a JSON object in one line.")
    private boolean json;

    @Option(names = "--forget", description = "Take the disks out of their pair.")
    private boolean forget;

    @Override
    public Integer call() {
        try {
            if (!Files.isDirectory(directory)) {
                throw new IOException("there is no directory " + directory);
            }
            if (forget) {
                forget();
            } else {
                show();
            }
            return 0;
        } catch (final IOException | NodeException e) {
            spec.commandLine().getErr().println("lockstep state: " + e.getMessage());
            return 1;
        }
    }

    private IOException nothing() {
        return new IOException("there is no state in " + directory);
    }

    private void show() throws IOException {
        final NodeRecord record = StateFile.read(directory).orElseThrow(this::nothing);
        final boolean isInUse = StateFile.isInUse(directory);
        final PrintWriter out = spec.commandLine().getOut();
        if (json) {
            final JsonObject report = StateReport.of(record);
            report.addProperty("in-use", isInUse);
            out.println(JSON.toJson(report));
        } else {
            StateText.print(out, record, isInUse, record.boot().equals(Boot.current()));
        }
    }

    private void forget() throws IOException {
        final Id name = Id.random(new SecureRandom());
        try (StateFile file = StateFile.open(directory)) {
            final String was = forget(file, name);
            final PrintWriter out = spec.commandLine().getOut();
            if (json) {
                out.println(JSON.toJson(StateReport.of(StateFile.read(directory).orElseThrow())));
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
        } catch (final CompletionException e) {
            if (e.getCause() instanceof NodeException refused) {
                throw refused;
            }
            throw e;
        }
        return "node " + before.node() + " " + before.standing().sentence();
    }

    /** A record in lines for people. */
    private static final class StateText {
        private StateText() {}

        static void print(
                final PrintWriter out,
                final NodeRecord record,
                final boolean isInUse,
                final boolean isOfThisBoot) {
            out.println("node " + record.node() + " " + record.standing().sentence());
            if (!record.group().isNone()) {
                out.println(
                        "pair: group "
                                + record.group()
                                + ", "
                                + (record.peer().isNone()
                                        ? "no peer yet"
                                        : "peer " + record.peer()));
                out.println("epoch: " + record.committedEpoch() + " was committed, as last heard");
            }
            if (record.isMerging()) {
                out.println("merge: not done; the buffers hold what the disks lack");
            }
            if (record.isForced()) {
                out.println("forced: it took over because somebody insisted");
            }
            out.println("process: " + process(record, isInUse, isOfThisBoot));
            for (final Reign reign : record.lineage().reigns()) {
                out.println(
                        "generation "
                                + reign.generation()
                                + ": from epoch "
                                + reign.origin()
                                + ", since "
                                + Instant.ofEpochSecond(reign.began()));
            }
            for (final DiskIdentity disk : record.disks()) {
                out.println(
                        "disk "
                                + disk.name()
                                + ": "
                                + Quantity.bytes(disk.length())
                                + (disk.backing().isEmpty() ? "" : "; " + disk.backing()));
            }
        }

        private static String process(
                final NodeRecord record, final boolean isInUse, final boolean isOfThisBoot) {
            if (isInUse) {
                return "runs";
            }
            return (record.isClean() ? "stopped in good order" : "not stopped in good order")
                    + (isOfThisBoot ? "" : ", before the host was started again");
        }
    }
}

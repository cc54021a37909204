package io.lockstep.cli.command;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;

import io.lockstep.cli.Lockstep;
import io.lockstep.engine.node.DiskIdentity;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.NodeRole;
import io.lockstep.engine.node.Reign;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.state.Boot;
import io.lockstep.engine.state.StateFile;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import picocli.CommandLine;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/** {@code lockstep state}: what it shows, and what it has forgotten. */
final class StateCommandTest {
    private static final Id NODE = new Id(1, 1);

    @TempDir private Path parent;
    private Path directory;
    private String out;
    private String err;

    @BeforeEach
    void makeState() throws IOException {
        directory = parent.resolve("vda.img.lockstep");
        try (StateFile file = StateFile.open(directory)) {
            final NodeRecord fresh =
                    NodeRecord.fresh(
                            NODE,
                            Boot.current(),
                            List.of(new DiskIdentity("vda", 1 << 20, "inode 12")));
            file.write(fresh);
            node(file).reign(new Id(7, 1), new Reign(new Id(2, 1), 0, 3600)).join();
            node(file).rejoin(new Id(1, 2), 41).join();
        }
    }

    private static Node node(final StateFile file) throws IOException {
        return new Node(file.load().orElseThrow(), file);
    }

    private int lockstep(final String... arguments) {
        final StringWriter outText = new StringWriter();
        final StringWriter errText = new StringWriter();
        final CommandLine command =
                Lockstep.commandLine()
                        .setOut(new PrintWriter(outText))
                        .setErr(new PrintWriter(errText));
        final int code = command.execute(arguments);
        out = outText.toString();
        err = errText.toString();
        return code;
    }

    private int state(final String... more) {
        final String[] arguments = new String[3 + more.length];
        arguments[0] = "state";
        arguments[1] = "--state";
        arguments[2] = directory.toString();
        System.arraycopy(more, 0, arguments, 3, more.length);
        return lockstep(arguments);
    }

    @Test
    void showsARecordInSentences() throws IOException {
        assertEquals(0, state(), () -> err);
        assertEquals(
                """
                node 00000000000000010000000000000001 is a primary
                pair: group 00000000000000070000000000000001, peer 00000000000000010000000000000002
                epoch: 41 was committed, as last heard
                process: not stopped in good order
                generation 00000000000000020000000000000001: from epoch 0, since 1970-01-01T01:00:00Z
                disk vda: 1.0 MiB; inode 12
                """,
                out);
        try (StateFile file = StateFile.open(directory)) {
            node(file).part(new Reign(new Id(2, 2), 50, 7200)).join();
            node(file).close().join();
            assertEquals(0, state());
            assertTrue(out.contains("is a primary without its peer\n"), out);
            assertTrue(out.contains("process: runs\n"), out);
        }
        assertEquals(0, state());
        assertTrue(out.contains("process: stopped in good order\n"), out);
    }

    @Test
    void showsARecordAsJson() {
        assertEquals(0, state("--json"), () -> err);
        final JsonObject report = JsonParser.parseString(out).getAsJsonObject();
        assertEquals("reigning", report.get("standing").getAsString());
        assertEquals(41, report.get("committed-epoch").getAsLong());
        assertTrue(report.get("left-session").isJsonNull());
        assertFalse(report.get("in-use").getAsBoolean());
        assertEquals(
                "1970-01-01T01:00:00Z",
                report.getAsJsonArray("lineage")
                        .get(0)
                        .getAsJsonObject()
                        .get("began")
                        .getAsString());
        assertEquals(
                "inode 12",
                report.getAsJsonArray("disks")
                        .get(0)
                        .getAsJsonObject()
                        .get("backing")
                        .getAsString());
    }

    @Test
    void forgetsAndSaysWhatItWas() throws IOException {
        assertEquals(0, state("--forget"), () -> err);
        assertTrue(out.startsWith("forgotten: node " + NODE + " is a primary; now it is"), out);
        final NodeRecord now = StateFile.read(directory).orElseThrow();
        assertEquals(Standing.FRESH, now.standing());
        assertFalse(now.node().equals(NODE), "the peer would know it again");
        assertTrue(now.disks().isEmpty());
        assertEquals(0, state());
        assertTrue(out.contains("was never in a pair"), out);
    }

    /** The way out of a split brain, with a unit that says {@code --first primary} for good. */
    @Test
    void aNodeThatGivesWayIsASecondaryAtItsNextStart() throws IOException {
        assertEquals(0, lockstep("join", "--state", directory.toString()), () -> err);
        assertTrue(out.startsWith("node " + NODE + " is a primary; now it is node "), out);
        assertTrue(out.contains("start it with 'lockstep node', whatever"), out);
        final NodeRecord now = StateFile.read(directory).orElseThrow();
        assertEquals(Optional.of(NodeRole.SECONDARY), NodeRole.of(now));
        assertTrue(now.isJoining());
        assertFalse(now.node().equals(NODE), "the peer would know it again");
        assertEquals(NODE, now.former(), "nobody would know whose its buffers are");
        assertEquals(0, state());
        assertTrue(out.contains("joining: the primary that comes next may overwrite"), out);
        assertEquals(0, lockstep("join", "--state", directory.toString()), () -> err);
        assertEquals(now, StateFile.read(directory).orElseThrow());
    }

    @Test
    void nothingJoinsWhatAProcessHasOrAMergeNeeds() throws IOException {
        try (StateFile file = StateFile.open(directory)) {
            assertEquals(1, lockstep("join", "--state", directory.toString()));
            assertTrue(err.contains("is in use by another lockstep"), err);
            node(file).forget(NODE).join();
            node(file).force(new Id(7, 2), new Reign(new Id(2, 3), 0, 0)).join();
        }
        assertEquals(1, lockstep("join", "--state", directory.toString()));
        assertTrue(err.contains("a merge is not done"), err);
        assertEquals(Standing.ALONE, StateFile.read(directory).orElseThrow().standing());
    }

    @Test
    void forgetsNothingWhileAProcessHasIt() throws IOException {
        try (StateFile file = StateFile.open(directory)) {
            assertEquals(1, state("--forget"));
            assertTrue(err.contains("is in use by another lockstep"), err);
            assertEquals(Standing.REIGNING, node(file).standing());
        }
    }

    @Test
    void forgetsNothingBeforeTheMergeIsDone() throws IOException {
        try (StateFile file = StateFile.open(directory)) {
            node(file).forget(NODE).join();
            node(file).force(new Id(7, 2), new Reign(new Id(2, 3), 0, 0)).join();
        }
        assertEquals(0, state());
        assertTrue(out.contains("merge: not done"), out);
        assertTrue(out.contains("forced: it took over"), out);
        assertEquals(1, state("--forget"));
        assertTrue(err.contains("a merge is not done"), err);
        assertEquals(Standing.ALONE, StateFile.read(directory).orElseThrow().standing());
    }

    @Test
    void forgetsWhatCannotBeRead() throws IOException {
        Files.write(directory.resolve("state-0"), new byte[10]);
        Files.write(directory.resolve("state-1"), new byte[10]);
        assertEquals(1, state());
        assertTrue(err.contains("none does. Restore them, or"), err);
        assertEquals(0, state("--forget"), () -> err);
        assertTrue(out.startsWith("forgotten: a state that could not be read ("), out);
        assertEquals(Standing.FRESH, StateFile.read(directory).orElseThrow().standing());
    }

    @Test
    void saysThatThereIsNone() throws IOException {
        final String missing = parent.resolve("missing").toString();
        for (final String[] arguments :
                List.of(
                        new String[] {"state", "--state", missing},
                        new String[] {"state", "--state", missing, "--forget"},
                        new String[] {"join", "--state", missing})) {
            assertEquals(1, lockstep(arguments));
            assertEquals(
                    "lockstep " + arguments[0] + ": there is no directory " + missing + "\n", err);
            assertFalse(Files.exists(Path.of(missing)));
        }
        final Path empty = Files.createDirectory(parent.resolve("empty"));
        assertEquals(1, lockstep("state", "--state", empty.toString()));
        assertEquals("lockstep state: there is no state in " + empty + "\n", err);
        assertEquals(1, lockstep("state", "--state", empty.toString(), "--forget"));
        assertEquals("lockstep state: there is no state in " + empty + "\n", err);
        assertEquals(1, lockstep("join", "--state", empty.toString()));
        assertEquals("lockstep join: there is no state in " + empty + "\n", err);
    }

    @Test
    void wrongUsageIsToldApart() {
        assertEquals(2, lockstep("state"));
        assertEquals(2, lockstep("join"));
        assertEquals(2, lockstep("join", "--control", "a", "--state", "b"));
        assertEquals(0, lockstep("state", "--help"));
        assertTrue(out.contains("Exit codes: 0 shown"), out);
    }
}

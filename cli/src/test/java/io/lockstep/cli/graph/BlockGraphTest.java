package io.lockstep.cli.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.PrimaryGroup;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.engine.service.Engine;
import io.lockstep.engine.service.EngineOptions;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;

/** Nodes in their places: what fits together, and what is said of the rest. */
final class BlockGraphTest {
    private static final String QUORUM =
            "driver=quorum,read-pattern=fifo,vote-threshold=1,children.0";

    private final Queue<String> problems = new ConcurrentLinkedQueue<>();
    @TempDir private Path folder;
    private Engine engine;
    private BlockGraph graph;
    private BlockExports exports;

    @BeforeEach
    void start() throws IOException {
        for (final String name : List.of("1.raw", "2.raw")) {
            try (RandomAccessFile file =
                    new RandomAccessFile(folder.resolve(name).toFile(), "rw")) {
                file.setLength(1 << 20);
            }
        }
        engine =
                Engine.start(
                        new EngineOptions(
                                4,
                                0,
                                new PrimaryGroup.Options(1 << 20, FullLogPolicy.BLOCK, Word.NOW),
                                1,
                                1 << 20,
                                null,
                                null,
                                false,
                                (event, disk, epoch, sentence) -> {},
                                new Problems(),
                                thrown -> problems.add(thrown.toString())));
        graph = new BlockGraph(engine);
        exports = new BlockExports(graph);
    }

    @AfterEach
    void stop() {
        assertTrue(engine.stop());
        assertEquals(List.of(), List.copyOf(problems));
    }

    private final class Problems implements ServerEvents {
        @Override
        public void onDiskError(final String sentence) {
            problems.add(sentence);
        }

        @Override
        public void onClientProblem(final String peer, final String sentence) {
            problems.add(sentence);
        }
    }

    private void drive(final String options) {
        graph.addDrive(options.replace("@", folder + "/"));
    }

    private static String refusal(final Executable action) {
        return assertThrows(GraphException.class, action).getMessage();
    }

    private void assertRefused(final String options, final String part) {
        final String sentence = refusal(() -> drive(options));
        assertTrue(sentence.contains(part), sentence);
    }

    private void addSecondary(final String more) {
        drive("if=none,driver=raw,file.filename=@1.raw,id=colo1");
        drive(
                "id=childs1,driver=replication,mode=secondary,file.driver=extents,"
                        + "file.file.filename=@active,file.backing.driver=extents,"
                        + "file.backing.file.filename=@hidden,file.backing.backing=colo1"
                        + more);
    }

    @Test
    void guestsUseWhatIsOnTop() {
        drive("id=q," + QUORUM + ".driver=raw,children.0.file.filename=@2.raw");
        assertEquals(List.of("q"), graph.guestNames());
        addSecondary("");
        assertEquals(List.of("q", "childs1"), graph.guestNames());
        drive("id=top," + QUORUM + "=childs1");
        assertEquals(List.of("q", "top"), graph.guestNames());
        graph.removeDrive("top");
        assertEquals(List.of("q", "childs1"), graph.guestNames());
        graph.removeDrive("childs1");
        graph.removeDrive("q");
        assertEquals(List.of(), graph.guestNames());
    }

    @Test
    void whatWasRemovedCanComeAgain() {
        for (int i = 0; i < 3; i++) {
            addSecondary(",top-id=top");
            drive("id=top," + QUORUM + "=childs1");
            graph.removeDrive("top");
            graph.removeDrive("childs1");
            graph.removeDrive("colo1");
        }
        assertTrue(graph.reportNodes(true).isEmpty());
    }

    @Test
    void whatCouldNotBeLeavesNothingBehind() {
        drive("id=colo1,driver=raw,file.filename=@1.raw");
        assertRefused(
                "id=q," + QUORUM + ".driver=raw,children.0.file.filename=@2.raw,children.1=colo1",
                "node 'q': beside its disk it takes a node of driver=replication, mode=primary");
        drive("id=other,driver=raw,file.filename=@2.raw");
        drive("id=q," + QUORUM + "=colo1");
        assertEquals(List.of("q"), graph.guestNames());
    }

    @Test
    void namesAreUnique() {
        drive("id=a,driver=raw,file.filename=@1.raw,node-name=n");
        assertRefused("id=a,driver=raw,file.filename=@2.raw", "Duplicate ID 'a' for drive");
        assertRefused(
                "id=b,driver=raw,file.filename=@2.raw,node-name=n",
                "Duplicate nodes with node-name='n'");
        assertRefused(
                "id=b,driver=raw,file.filename=@2.raw,node-name=a",
                "node-name=a is conflicting with a device id");
    }

    @Test
    void graphsThatDoNothingHereSayWhatWould() {
        assertRefused("id=a,driver=raw,file=@nowhere", "no such file");
        assertRefused("id=a," + QUORUM + "=nobody", "Cannot find device='nobody'");
        assertRefused(
                "id=a,driver=replication,mode=primary,file.filename=@1.raw",
                "node 'a': with mode=primary it stands on driver=nbd");
        assertRefused(
                "id=a,driver=replication,mode=secondary,file.filename=@1.raw",
                "node 'a': with mode=secondary it stands on the active disk (driver=extents)");
        addSecondary("");
        assertRefused("id=a," + QUORUM + "=colo1", "which node ");
    }

    @Test
    void aSecondaryThatIsNotThereIsTold() {
        final String sentence =
                refusal(
                        () ->
                                drive(
                                        "id=a,driver=replication,mode=primary,file.driver=nbd,"
                                                + "file.path=@nobody,file.export=colo1"));
        assertTrue(sentence.startsWith("Failed to connect to '" + folder), sentence);
        assertTrue(sentence.endsWith("the secondary must be there first"), sentence);
    }

    @Test
    void exportsHaveIdsAndTheServerMustRun() throws IOException {
        addSecondary("");
        final Endpoint socket = new Endpoint.Unix(folder.resolve("s"));
        assertEquals(
                "NBD server not running",
                refusal(() -> exports.add("colo1", "colo1", null, true, "colo1")));
        exports.start(List.of(socket), 0);
        assertEquals(
                "NBD server already running", refusal(() -> exports.start(List.of(socket), 0)));
        exports.add("colo1", "colo1", null, true, "colo1");
        assertEquals(
                "Block export id 'colo1' is already in use",
                refusal(() -> exports.add("colo1", "x", null, true, "colo1")));
        assertEquals(
                "NBD server already has export named 'colo1'",
                refusal(() -> exports.add("x", "colo1", null, true, "childs1")));
        assertEquals("Export 'x' is not found", refusal(() -> exports.remove("x", false)));
        assertTrue(refusal(() -> graph.removeDrive("colo1")).startsWith("Node colo1 is in use"));
        exports.remove("colo1", false);
        exports.add("colo1", "colo1", null, true, "colo1");
        assertEquals(List.of("colo1"), exports.stop());
        assertFalse(Files.exists(folder.resolve("s")));
        assertEquals("NBD server not running", refusal(exports::stop));
    }

    @Test
    void aSecondarysDisksAreTogether() throws IOException {
        addSecondary("");
        engine.openSecondary();
        assertTrue(Files.exists(folder.resolve("hidden.group")));
        assertTrue(
                refusal(() -> graph.removeDrive("childs1"))
                        .contains("the secondary's buffers are open"));
        drive("driver=raw,file.filename=@2.raw,id=colo2");
        assertRefused(
                "id=childs2,driver=replication,mode=secondary,file.driver=extents,"
                        + "file.file.filename=@active2,file.backing.driver=extents,"
                        + "file.backing.file.filename=@hidden2,file.backing.backing=colo2",
                "name all of them on the command line");
    }

    @Test
    void buffersAreNamedOnce() {
        addSecondary("");
        drive("driver=raw,file.filename=@2.raw,id=colo2");
        assertRefused(
                "id=childs2,driver=replication,mode=secondary,file.driver=extents,"
                        + "file.file.filename=@active2,file.backing.driver=extents,"
                        + "file.backing.file.filename=@hidden,file.backing.backing=colo2",
                "hidden' is named twice");
    }

    @Test
    void aGraphInOnePieceIsTakenApartInOnePiece() {
        final String wrong =
                "id=q,driver=quorum,read-pattern=fifo,vote-threshold=1,"
                        + "children.0.driver=replication,children.0.mode=secondary,"
                        + "children.0.file.driver=extents,"
                        + "children.0.file.file.filename=@active,"
                        + "children.0.file.backing.driver=extents,"
                        + "children.0.file.backing.file.filename=@hidden,"
                        + "children.0.file.backing.backing.file.filename=@1.raw,"
                        + "children.0.file.backing.backing.driver=raw";
        drive("id=other,driver=raw,file.filename=@2.raw");
        assertRefused(wrong + ",children.1=other", "beside its disk it takes a node");
        drive(wrong);
        assertEquals(List.of("q"), graph.guestNames());
        graph.removeDrive("q");
        drive(wrong);
    }

    /** Another process may have them, and its disks be others. */
    @Test
    void buffersHaveOneUser() throws IOException {
        addSecondary("");
        engine.openSecondary();
        final Engine other = engine;
        start();
        drive("if=none,driver=raw,file.filename=@2.raw,id=colo1");
        drive(
                "id=childs1,driver=replication,mode=secondary,file.driver=extents,"
                        + "file.file.filename=@active,file.backing.driver=extents,"
                        + "file.backing.file.filename=@hidden,file.backing.backing=colo1");
        final String sentence = assertThrows(IOException.class, engine::openSecondary).getMessage();
        assertTrue(sentence.contains("are in use by another lockstep"), sentence);
        assertTrue(other.stop());
        final String left = assertThrows(IOException.class, engine::openSecondary).getMessage();
        assertTrue(left.contains("are those of another node"), left);
    }

    @Test
    void aQuorumKeepsItsDisk() {
        drive("id=q," + QUORUM + ".driver=raw,children.0.file.filename=@1.raw");
        assertEquals(
                "The number of children cannot be lower than the vote threshold 1",
                refusal(() -> graph.removeChild("q", "children.0")));
        assertEquals(
                "Node 'q' does not have child 'children.1'",
                refusal(() -> graph.removeChild("q", "children.1")));
        assertEquals("Node 'nobody' not found", refusal(() -> graph.addChild("q", "nobody")));
    }
}

package io.lockstep.cli.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.node.Word;
import io.lockstep.engine.primary.FullLogPolicy;
import io.lockstep.engine.primary.PrimaryOptions;
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
                                new PrimaryOptions(1 << 20, FullLogPolicy.BLOCK, Word.NOW),
                                1,
                                1 << 20,
                                null,
                                null,
                                false,
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

    private void blockdev(final String options) {
        graph.addBlockdev(options.replace("@", folder + "/"));
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
                refusal(() -> exports.add("colo1", "colo1", null, true, false, "colo1")));
        exports.start(List.of(socket), 0);
        assertEquals(
                "NBD server already running", refusal(() -> exports.start(List.of(socket), 0)));
        exports.add("colo1", "colo1", null, true, false, "colo1");
        assertEquals(
                "Block export id 'colo1' is already in use",
                refusal(() -> exports.add("colo1", "x", null, true, false, "colo1")));
        assertEquals(
                "NBD server already has export named 'colo1'",
                refusal(() -> exports.add("x", "colo1", null, true, false, "childs1")));
        assertEquals("Export 'x' is not found", refusal(() -> exports.remove("x", false)));
        assertTrue(refusal(() -> graph.removeDrive("colo1")).startsWith("Node colo1 is in use"));
        exports.remove("colo1", false);
        exports.add("colo1", "colo1", null, true, false, "colo1");
        assertEquals(List.of("colo1"), exports.stop());
        assertFalse(Files.exists(folder.resolve("s")));
        assertEquals("NBD server not running", refusal(exports::stop));
    }

    /** The protocol's limits, and QEMU's rule of ids; what a disk of ours is called is free. */
    @Test
    void exportsHaveNamesThatCanBeSent() throws IOException {
        drive("id=a,driver=raw,file.filename=@1.raw");
        exports.start(List.of(), 0);
        for (final String id : List.of("", "#invalid", "a b", "1a", "ü", "x".repeat(5000))) {
            final String sentence = refusal(() -> exports.add(id, "a", null, true, false, "a"));
            assertTrue(sentence.startsWith("Invalid block export id"), sentence);
        }
        final String tooLong = "ü".repeat(2049);
        assertUnsendable(() -> exports.add("e", tooLong, null, true, false, "a"));
        assertUnsendable(() -> exports.add("e", "a", tooLong, true, false, "a"));
        assertUnsendable(() -> exports.add("e", "a\0b", null, true, false, "a"));
        assertUnsendable(() -> exports.add("e", "a", "a\0b", true, false, "a"));
        exports.add("e", "ü".repeat(2048), "ü".repeat(2048), true, false, "a");
        exports.remove("e", false);
        graph.addPrimary("1 ü", folder.resolve("2.raw"), new Endpoint.Tcp("nobody", 1));
        exports.addDisk("1 ü", "it is");
        final String longest = "x".repeat(4096);
        graph.removeDrive("a");
        drive("id=" + longest + ",driver=raw,file.filename=@1.raw");
        exports.add(longest, longest, null, true, false, longest);
    }

    private static void assertUnsendable(final Executable export) {
        final String sentence = assertThrows(IOException.class, export).getMessage();
        assertTrue(sentence.contains("NBD"), sentence);
    }

    /** From then on it is ours, whatever becomes of its name. */
    @Test
    void aFileIsOpenedWithItsNode() throws IOException {
        assertTrue(
                refusal(() -> blockdev("file,node-name=f,filename=@nowhere"))
                        .startsWith("Could not open '" + folder + "/nowhere': no such file"));
        assertTrue(
                refusal(() -> blockdev("file,node-name=f,filename=@"))
                        .startsWith("Could not open '" + folder + "': it is a directory"));
        assertEquals("[]", graph.reportNodes(true).toString());
        blockdev("file,node-name=f,filename=@1.raw");
        assertTrue(
                refusal(() -> blockdev("file,node-name=g,filename=@1.raw"))
                        .startsWith("Could not open '" + folder + "/1.raw': it is in use"));
        Files.delete(folder.resolve("1.raw"));
        blockdev("raw,node-name=r,file=f");
        graph.removeNode("r");
        graph.removeNode("f");
        assertTrue(
                refusal(() -> blockdev("file,node-name=f,filename=@1.raw"))
                        .contains("no such file"));
    }

    @Test
    void aFileIsExportedByItself() throws IOException {
        blockdev("file,node-name=f,filename=@1.raw");
        exports.start(List.of(), 0);
        exports.add("e", "f", null, true, false, "f");
        assertEquals(
                "node 'r': 'f' is exported already; remove its export first",
                refusal(() -> blockdev("raw,node-name=r,file=f")));
        exports.remove("e", false);
        blockdev("raw,node-name=r,file=f");
        assertEquals(
                "node 'f' is a part of 'r'; export that",
                refusal(() -> exports.add("e", "f", null, true, false, "f")));
    }

    /** Its length is the part's; what else is done there is shown over real exports. */
    @Test
    void aPartOfAFileIsADisk() throws IOException {
        blockdev("file,node-name=f,filename=@1.raw");
        for (int i = 0; i < 2; i++) {
            blockdev("raw,node-name=r,file=f,offset=512,size=1024");
            assertEquals(1024, lengthOf("r"));
            graph.removeNode("r");
            blockdev("raw,node-name=r,file=f,offset=1M");
            assertEquals(0, lengthOf("r"));
            graph.removeNode("r");
            assertEquals(1 << 20, lengthOf("f"));
        }
        assertEquals(
                "Offset (1048577) cannot be greater than size of the containing file (1048576)",
                refusal(() -> blockdev("raw,node-name=r,file=f,offset=1048577")));
        assertTrue(
                refusal(() -> blockdev("raw,node-name=r,file=f,offset=512,size=1M"))
                        .startsWith("The sum of offset (512) and size (1048576) has to be"));
        blockdev("raw,node-name=r,file=f");
        assertEquals(1 << 20, lengthOf("r"));
    }

    private long lengthOf(final String name) {
        return graph.find(name).length();
    }

    @Test
    void whatIsReadOnlyIsNotWrittenTo() throws IOException {
        drive("id=a,file=@1.raw,format=raw,readonly=on,node-name=an");
        exports.start(List.of(), 0);
        assertEquals(
                "Block node is read-only",
                refusal(() -> exports.add("a", "a", null, true, false, "a")));
        exports.add("a", "a", null, false, false, "a");
        assertRefused("id=q," + QUORUM + "=a", "Block node is read-only: 'a'; say read-only=on");
        assertRefused(
                "id=s,driver=replication,mode=secondary,file.driver=extents,"
                        + "file.file.filename=@active,file.backing.driver=extents,"
                        + "file.backing.file.filename=@hidden,file.backing.backing=a",
                "'a' is exported already");
        exports.stop();
        assertRefused(
                "id=s,driver=replication,mode=secondary,file.driver=extents,"
                        + "file.file.filename=@active,file.backing.driver=extents,"
                        + "file.backing.file.filename=@hidden,file.backing.backing=a",
                "Block node is read-only: 'a'; a secondary disk is written to");
        drive("id=q,read-only=on," + QUORUM + "=a");
        assertTrue(graph.isReadOnly("q"));
        drive("id=r," + QUORUM + ".driver=raw,children.0.file.filename=@2.raw");
        assertFalse(graph.isReadOnly("r"));
        assertTrue(graph.reportNodes(true).toString().contains("\"node-name\":\"an\",\"ro\":true"));
    }

    /** Both hosts' disks are the same where the same is trimmed on both. */
    @Test
    void aSecondaryDiskIsTrimmedAsItsPrimary() {
        drive("if=none,driver=raw,file.filename=@1.raw,id=colo1,discard=ignore");
        assertRefused(
                "id=s,driver=replication,mode=secondary,file.driver=extents,"
                        + "file.file.filename=@active,file.backing.driver=extents,"
                        + "file.backing.file.filename=@hidden,file.backing.backing=colo1",
                "say discard=ignore there, not of 'colo1'");
    }

    /** It makes its files itself. */
    @Test
    void aBufferNamesNoNode() {
        blockdev("file,node-name=f,filename=@1.raw");
        assertTrue(
                refusal(() -> blockdev("extents,node-name=e,file=f"))
                        .startsWith("Parameter 'file': driver 'extents' makes its files"));
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

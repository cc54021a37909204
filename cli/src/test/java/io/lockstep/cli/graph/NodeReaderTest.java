package io.lockstep.cli.graph;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.cli.graph.BlockNode.Child;
import io.lockstep.cli.graph.BlockNode.Definition;
import io.lockstep.engine.loop.Endpoint;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.nio.file.Path;
import java.util.List;

/** What nodes are asked for, in each notation. */
final class NodeReaderTest {
    private static final BlockNode RAW = new BlockNode.Raw(file("1.raw"));

    private static Child file(final String path) {
        return inline(new BlockNode.FileNode(Path.of(path)));
    }

    private static Child buffer(final String path) {
        return inline(new BlockNode.BufferFile(Path.of(path)));
    }

    private static Child inline(final BlockNode node) {
        return new Child.Inline(new Definition("", "", node));
    }

    private static Definition json(final String text) {
        return NodeReader.blockdev(JsonText.object(text.replace('\'', '"')));
    }

    @Test
    void aDisk() {
        final Definition raw = new Definition("colo1", "", RAW);
        assertEquals(raw, NodeReader.drive("if=none,driver=raw,file.filename=1.raw,id=colo1"));
        assertEquals(raw, NodeReader.drive("file=1.raw,format=raw,id=colo1"));
        assertEquals(raw, NodeReader.drive("file.filename=1.raw,id=colo1"));
        final Definition node = new Definition("", "colo1", RAW);
        assertEquals(
                node,
                NodeReader.blockdev("raw,node-name=colo1,file.driver=file,file.filename=1.raw"));
        assertEquals(
                node,
                json(
                        "{'driver':'raw','node-name':'colo1',"
                                + "'file':{'driver':'file','filename':'1.raw'}}"));
        assertEquals(
                new Definition("", "colo1", new BlockNode.Raw(new Child.Named("f"))),
                NodeReader.blockdev("driver=raw,node-name=colo1,file=f"));
    }

    /** They ask for less than is done, or for what is done anyway. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "format=raw",
                "driver=raw,cache=none",
                "driver=raw,cache=writeback",
                "driver=raw,cache=unsafe",
                "driver=raw,cache.direct=on,cache.no-flush=on",
                "driver=raw,cache.writeback=on",
                "driver=raw,file.cache.direct=on",
                "driver=raw,aio=native",
                "driver=raw,aio=io_uring",
                "driver=raw,file.aio=threads",
                "driver=raw,discard=unmap",
                "driver=raw,discard=on",
                "driver=raw,file.discard=on",
                "driver=raw,detect-zeroes=off",
                "driver=raw,detect-zeroes=on",
                "driver=raw,detect-zeroes=unmap",
                "driver=raw,read-only=off",
                "driver=raw,readonly=off",
                "driver=raw,offset=0",
            })
    void optionsThatChangeNothing(final String options) {
        assertEquals(
                new Definition("colo1", "", RAW),
                NodeReader.drive("id=colo1,file.filename=1.raw," + options));
    }

    @Test
    void howADiskIsUsed() {
        final Access readOnly = new Access(true, false, false);
        final Child file =
                new Child.Inline(
                        new Definition("", "", new BlockNode.FileNode(Path.of("1.raw")), readOnly));
        final Definition expected = new Definition("a", "", new BlockNode.Raw(file), readOnly);
        assertEquals(expected, NodeReader.drive("id=a,file=1.raw,read-only=on"));
        assertEquals(expected, NodeReader.drive("id=a,file=1.raw,format=raw,readonly=on"));
        assertEquals(
                new Access(false, true, true),
                NodeReader.drive("id=a,file=1.raw,discard=ignore,cache=directsync").access());
        assertEquals(
                new Access(false, true, true),
                NodeReader.drive("id=a,file=1.raw,discard=off,cache.writeback=off").access());
        assertEquals(
                new Access(false, false, true),
                NodeReader.drive("id=a,file=1.raw,cache=writethrough").access());
        assertEquals(
                new BlockNode.Raw(file("1.raw"), 512, 1 << 20),
                NodeReader.drive("id=a,file.filename=1.raw,driver=raw,offset=512,size=1M").node());
        assertEquals(
                new BlockNode.Raw(new Child.Named("f"), 1, 512),
                json("{'driver':'raw','node-name':'n','file':'f','offset':1,'size':512}").node());
    }

    @Test
    void aClientMayWait() {
        assertEquals(
                new BlockNode.NbdClient(new Endpoint.Tcp("h", 1), "e", 7),
                json("{'driver':'nbd','node-name':'n','export':'e','open-timeout':7,"
                                + "'reconnect-delay':5,'server':{'type':'inet','host':'h',"
                                + "'port':'1','keep-alive':true,'to':9,'numeric':false}}")
                        .node());
    }

    /** The JSON may be deeper than what is built of it. */
    @Test
    void nodesAreNestedNoDeeperThanCanBeBuilt() {
        final String raw = "{'driver':'raw','node-name':'n','file':";
        final String inner = "{'driver':'raw','file':";
        final int deepest = NodeReader.NESTING_MAX;
        json(raw + inner.repeat(deepest - 1) + "'f'" + "}".repeat(deepest));
        assertRefused(
                ".file': there are more than 32 nodes within each other",
                () -> json(raw + inner.repeat(deepest) + "'f'" + "}".repeat(deepest + 1)));
        assertRefused(
                "there are more than 32 nodes within each other",
                () -> json(raw + inner.repeat(900) + "'f'" + "}".repeat(901)));
    }

    private static void assertRefused(final String part, final Executable reading) {
        final String sentence = assertThrows(GraphException.class, reading).getMessage();
        assertTrue(sentence.contains(part), sentence);
        assertFalse(sentence.contains("''"), sentence);
    }

    @Test
    void aNodeWithoutANameIsToldByItsPlace() {
        assertRefused(
                "the node: there is no driver 'qcow2'", () -> NodeReader.drive("driver=qcow2"));
        assertRefused(
                "node 'file': there is no driver 'qcow2'",
                () -> NodeReader.drive("driver=raw,file.driver=qcow2"));
        assertRefused(
                "the node: The primary side does not support option top-id",
                () -> NodeReader.drive("driver=replication,mode=primary,top-id=t,file=f"));
        assertRefused(
                "the node: a quorum here takes no votes",
                () ->
                        NodeReader.drive(
                                "driver=quorum,vote-threshold=1,children.0.driver=file,"
                                        + "children.0.filename=f"));
    }

    @Test
    void aPathWithANulIsRefused() {
        assertRefused(
                "Could not open 'a\0b': a path can't have a NUL in it",
                () -> json("{'driver':'file','node-name':'n','filename':'a\\u0000b'}"));
        assertRefused(
                "Parameter 'server.path' is no path: a path can't have a NUL in it",
                () ->
                        json(
                                "{'driver':'nbd','node-name':'n',"
                                        + "'server':{'type':'unix','path':'a\\u0000b'}}"));
    }

    @Test
    void aQuorum() {
        assertEquals(
                new Definition("colo1", "", new BlockNode.Quorum(List.of(inline(RAW)))),
                NodeReader.drive(
                        "if=virtio,driver=quorum,read-pattern=fifo,id=colo1,vote-threshold=1,"
                                + "children.0.file.filename=1.raw,children.0.driver=raw"));
        assertEquals(
                new Definition("", "q", new BlockNode.Quorum(List.of(new Child.Named("c")))),
                json(
                        "{'driver':'quorum','node-name':'q','read-pattern':'fifo',"
                                + "'vote-threshold':1,'children':['c']}"));
    }

    @Test
    void theReplicationNodeOfAPrimary() {
        final BlockNode expected =
                new BlockNode.PrimaryReplication(
                        inline(new BlockNode.NbdClient(new Endpoint.Tcp("south", 9999), "colo1")));
        assertEquals(
                new Definition("", "nbd_client1", expected),
                NodeReader.drivenNode(
                        "driver=replication,mode=primary,file.driver=nbd,file.host=south,"
                                + "file.port=9999,file.export=colo1,node-name=nbd_client1,"
                                + "if=none"));
        assertEquals(
                new Definition("", "nbd_client1", expected),
                json(
                        "{'driver':'replication','mode':'primary','node-name':'nbd_client1',"
                                + "'file':{'driver':'nbd','server':{'type':'inet','host':'south',"
                                + "'port':'9999'},'export':'colo1'}}"));
        assertEquals(
                new BlockNode.NbdClient(new Endpoint.Unix(Path.of("/run/s")), "a"),
                NodeReader.blockdev("nbd,node-name=n,server.type=unix,server.path=/run/s,export=a")
                        .node());
    }

    @Test
    void theReplicationNodeOfASecondary() {
        final Child hidden =
                inline(new BlockNode.Extents(buffer("hidden_disk"), new Child.Named("colo1")));
        final Child active = inline(new BlockNode.Extents(buffer("active_disk"), hidden));
        final String options =
                "if=none,id=childs1,driver=replication,mode=secondary,"
                        + "file.file.filename=active_disk,file.driver=extents,"
                        + "file.backing.file.filename=hidden_disk,file.backing.driver=extents,"
                        + "file.backing.backing=colo1";
        assertEquals(
                new Definition("childs1", "", new BlockNode.SecondaryReplication("", active)),
                NodeReader.drive(options));
        assertEquals(
                new Definition("childs1", "", new BlockNode.SecondaryReplication("top", active)),
                NodeReader.drive(options + ",top-id=top"));
    }

    @Test
    void whereQcow2IsAskedForExtentsAreNamed() {
        final String sentence =
                assertThrows(
                                GraphException.class,
                                () ->
                                        NodeReader.drive(
                                                "id=childs1,driver=replication,mode=secondary,"
                                                        + "file.file.filename=active_disk,"
                                                        + "file.driver=qcow2"))
                        .getMessage();
        assertTrue(sentence.startsWith("node 'file': "), sentence);
        assertTrue(sentence.contains("'extents'"), sentence);
    }

    /** What QEMU 7.2 was seen to say, and behind it what would work. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "driver=zzz,id=a|Unknown driver 'zzz'; there are raw",
                "id=a|Must specify either driver or file",
                "driver=raw,id=a|A block device must be specified for \"file\"",
                "id=a,driver=raw,file.filename=p,zzz=1|Parameter 'zzz' is unexpected; driver 'raw'",
                "id=a,driver=raw,file.filename=p,file.x=1|Parameter 'file.x' is unexpected",
                "id=1a,driver=raw,file.filename=p|Parameter 'id' expects an identifier",
                "id=,driver=raw,file.filename=p|Parameter 'id' expects an identifier",
                "id=a,node-name=,driver=raw,file.filename=p|Invalid node-name: ''",
                "id=a,driver=raw,file.filename=|The 'file' block driver requires a file name",
                "driver=raw,file.filename=p|Parameter 'id' is missing",
                "id=a,driver=replication,file.filename=p|Missing the option mode",
                "id=a,driver=replication,mode=primary|A block device must be specified",
                "id=a,driver=replication,mode=x,file=b|The option mode's value should be",
                "id=a,driver=replication,mode=primary,top-id=t,file.filename=p"
                        + "|node 'a': The primary side does not support option top-id",
                "id=a,driver=quorum,vote-threshold=1|Number of provided children must be 1 or",
                "id=a,driver=quorum,vote-threshold=2,children.0=b"
                        + "|threshold may not exceed children count",
                "id=a,driver=quorum,vote-threshold=1,children.0=b,read-pattern=zz"
                        + "|Please set read-pattern as fifo or quorum",
                "id=a,driver=quorum,vote-threshold=1,children.0=b"
                        + "|node 'a': a quorum here takes no votes; it needs vote-threshold=1",
                "id=a,driver=nbd,host=h,port=x|Parameter 'port' is no port number: 'x'",
                "id=a,file=p,format=raw,driver=raw|Cannot specify both 'driver' and 'format'",
                "id=a,file=p,cache=fast|Parameter 'cache' does not accept value 'fast'; there are",
                "id=a,file=p,cache.x=1|Parameter 'cache.x' is unexpected",
                "id=a,driver=raw,file.filename=p,file.cache.writeback=on"
                        + "|Parameter 'file.cache.writeback' is unexpected",
                "id=a,file=p,aio=x|Parameter 'aio' does not accept value 'x'",
                "id=a,file=p,discard=x|Parameter 'discard' does not accept value 'x'",
                "id=a,file=p,detect-zeroes=x|Parameter 'detect-zeroes' does not accept value 'x'",
                "id=a,file=p,discard=ignore,detect-zeroes=unmap|Parameter 'detect-zeroes': 'unmap'"
                        + " contradicts",
                "id=a,file=p,read-only=x|Invalid parameter type for 'read-only', expected: bool",
                "id=a,file=p,read-only=on,readonly=on|'readonly' and 'read-only' are the same",
                "id=a,file=p,size=100|Specified size is not multiple of 512",
                "id=a,file=p,size=x|Parameter 'size' expects a size, such as 512 or 10G, not 'x'",
                "id=a,file=p,size=9999999999T|Parameter 'size' expects a size",
                "id=a,file=p,offset=-1|Parameter 'offset' expects a size",
                "id=a,driver=nbd,host=h,export=e,read-only=on|node 'a': driver 'nbd' is for",
                "id=a,driver=nbd,host=h,export=e,discard=ignore|node 'a': driver 'nbd' is for",
                "id=a,driver=nbd,host=h,open-timeout=-1|Parameter 'open-timeout' expects a number",
                "id=a,driver=extents,file.filename=p,read-only=on|node 'a': driver 'extents' is",
                "id=a,driver=extents,file.filename=p,file.read-only=on"
                        + "|Parameter 'file': driver 'extents' makes its files",
            })
    void aDriveThatCannotBeSaysWhy(final String drive, final String beginning) {
        final String sentence =
                assertThrows(GraphException.class, () -> NodeReader.drive(drive)).getMessage();
        assertTrue(sentence.startsWith(beginning), sentence);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "{'driver':'raw'}|Parameter 'file' is missing",
                "{'node-name':'x'}|Parameter 'driver' is missing",
                "{'driver':'zzz','node-name':'x'}|Parameter 'driver' does not accept value 'zzz'",
                "{'driver':'raw','file':'f'}|'node-name' must be specified for the root node",
                "{'driver':'replication','node-name':'x','file':'f'}|Parameter 'mode' is missing",
                "{'driver':'replication','node-name':'x','mode':'zz','file':'f'}"
                        + "|Parameter 'mode' does not accept value 'zz'",
                "{'driver':'nbd','node-name':'x'}|Parameter 'server' is missing",
                "{'driver':'nbd','node-name':'x','server':{'type':'inet','host':'h','port':5}}"
                        + "|Invalid parameter type for 'server.port', expected: string",
                "{'driver':'quorum','node-name':'x','vote-threshold':'1','children':['c']}"
                        + "|Invalid parameter type for 'vote-threshold', expected: integer",
                "{'driver':'raw','node-name':'x!','file':'f'}|Invalid node-name: 'x!'",
                "{'driver':'raw','node-name':'','file':'f'}|Invalid node-name: ''",
                "{'driver':'raw','node-name':'x','file':{'driver':'file','filename':'f',"
                        + "'node-name':'#x'}}|Invalid node-name: '#x'",
                "{'driver':'raw','node-name':'x123456789012345678901234567890X','file':'f'}"
                        + "|Node name too long",
                "{'driver':'raw','node-name':'x','file':5}"
                        + "|Invalid parameter type for 'file', expected: BlockdevRef",
                "{'driver':5,'node-name':'x'}"
                        + "|Invalid parameter type for 'driver', expected: string",
            })
    void aNodeThatCannotBeSaysWhy(final String node, final String beginning) {
        final String sentence = assertThrows(GraphException.class, () -> json(node)).getMessage();
        assertTrue(sentence.startsWith(beginning), sentence);
    }
}

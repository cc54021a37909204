package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * {@code lockstep engine}, stopped, killed, and started again on disks that are in a pair: what
 * docs/qemu.md has goes on, and what would write a disk behind its pair's back is refused.
 */
@Timeout(value = 5, unit = TimeUnit.MINUTES)
final class EngineLivesTest {
    private static final int LENGTH = 4 << 20;
    private static final String CHECKPOINT = "{ 'execute': 'xen-colo-do-checkpoint' }";

    @AutoClose private final Rig rig = new Rig();

    private LockstepProcess north;
    private LockstepProcess south;
    private QmpLine onNorth;
    private QmpLine onSouth;

    EngineLivesTest() {
        rig.hole("north.img", LENGTH);
        rig.hole("south.img", LENGTH);
    }

    // ---- The procedures of docs/qemu.md.

    private List<String> engine(final String host, final String... arguments) {
        final List<String> all = new ArrayList<>(List.of("engine"));
        all.addAll(List.of("-qmp", rig.path(host + ".qmp").toString()));
        all.addAll(List.of("--guest", "nbd+unix:///?socket=" + rig.path(host + ".sock")));
        all.addAll(List.of(arguments));
        return all;
    }

    /** A quorum over the disk alone, as a primary's. */
    private List<String> primary(final String host, final String... more) {
        final List<String> arguments =
                new ArrayList<>(
                        List.of(
                                "-drive",
                                "if=virtio,driver=quorum,read-pattern=fifo,id=colo1,"
                                        + "vote-threshold=1,children.0.file.filename="
                                        + host
                                        + ".img,children.0.driver=raw"));
        arguments.addAll(List.of(more));
        return engine(host, arguments.toArray(String[]::new));
    }

    private List<String> secondary() {
        return engine(
                "south",
                "-drive",
                "if=none,driver=raw,file.filename=south.img,id=colo1",
                "-drive",
                "if=none,id=childs1,driver=replication,mode=secondary,top-id=childs1,"
                        + "file.file.filename=active,file.driver=extents,"
                        + "file.backing.file.filename=hidden,file.backing.driver=extents,"
                        + "file.backing.backing=colo1",
                "-drive",
                "if=virtio,driver=quorum,read-pattern=fifo,id=top-disk1,vote-threshold=1,"
                        + "children.0=childs1");
    }

    private QmpLine connect(final String host) {
        return rig.keep(QmpLine.connect(rig.path(host + ".qmp")));
    }

    private void startSecondary() {
        south = rig.server(secondary());
        onSouth = connect("south");
        serveLink();
        onSouth.done(
                "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'colo1', 'writable': true"
                        + " } }");
    }

    private void serveLink() {
        onSouth.done(
                "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': { 'type': 'unix', 'data':"
                        + " { 'path': '"
                        + rig.path("link")
                        + "' } } } }");
    }

    private void startPrimary() {
        north = rig.server(primary("north"));
        onNorth = connect("north");
    }

    private void replicate() {
        onNorth.done(
                "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'replication', 'mode':"
                        + " 'primary', 'node-name': 'nbd_client1', 'file': { 'driver': 'nbd',"
                        + " 'server': { 'type': 'unix', 'path': '"
                        + rig.path("link")
                        + "' }, 'export': 'colo1' } } }");
        onNorth.done(
                "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'colo1', 'node':"
                        + " 'nbd_client1' } }");
        onNorth.done(setReplication(true));
    }

    private static String setReplication(final boolean isPrimary) {
        return "{ 'execute': 'xen-set-replication', 'arguments': { 'enable': true, 'primary': "
                + isPrimary
                + " } }";
    }

    private void startBoth() {
        startSecondary();
        onSouth.done(setReplication(false));
        startPrimary();
        replicate();
    }

    // ---- What is there.

    private void write(final String host, final String export, final int value) {
        rig.python(
                "h = connect(sys.argv[1]); h.pwrite(bytes([int(sys.argv[2])]) * 4096, 0);"
                        + " h.flush()",
                "nbd+unix:///" + export + "?socket=" + rig.path(host + ".sock"),
                "" + value);
    }

    private int firstByte(final String host) {
        return Rig.read(rig.path(host + ".img"))[0];
    }

    private JsonObject state(final String host) {
        final Path directory = rig.path(host + ".img.lockstep");
        final String json =
                rig.lockstep("state", "--json", "--state", directory.toString())
                        .requireSuccess()
                        .out();
        return JsonParser.parseString(json).getAsJsonObject();
    }

    private String standing(final String host) {
        return state(host).get("standing").getAsString();
    }

    private static void assertContains(final String part, final String sentence) {
        assertTrue(sentence.contains(part), sentence);
    }

    // ---- The tests.

    /** A stopped pair, the same commands again. */
    @Test
    void aStoppedPairIsStartedAgain() {
        startBoth();
        write("north", "colo1", 1);
        onNorth.done(CHECKPOINT);
        assertEquals(0, north.stop());
        assertEquals(0, south.stop());
        assertEquals("reigning", standing("north"));

        startSecondary(); // it goes on where it was
        startPrimary();
        replicate();
        write("north", "colo1", 2);
        onNorth.done(CHECKPOINT);
        assertEquals("reigning", standing("north"));
        assertEquals("following", standing("south"));
        assertEquals(2, firstByte("south"));
    }

    /** What the guest writes before replication is started again the peer can't have. */
    @Test
    void aPrimaryWhoseGuestWritesBeforeTheStartIsAlone() {
        startBoth();
        write("north", "colo1", 1);
        assertEquals(0, north.stop());
        assertEquals("reigning", standing("north"));
        startPrimary();
        assertEquals("reigning", standing("north"));
        write("north", "colo1", 2);
        assertEquals("alone", standing("north"));
        assertContains("a generation has begun which the peer does not have", north.err());
        assertEquals(0, north.stop());

        final List<String> asked =
                List.of(
                        "primary",
                        "--disk",
                        "colo1=north.img",
                        "--guest",
                        "nbd+unix:///?socket=" + rig.path("g"),
                        "--peer",
                        "nbd+unix:///?socket=" + rig.path("link"),
                        "--control",
                        rig.path("c").toString());
        rig.server(asked);
        try (Control control = Control.connect(rig.path("c"))) {
            control.awaitHealed();
        }
        assertEquals(2, firstByte("south"));
    }

    @Test
    void whoTakesTheChildAwayIsAloneBeforeItsGuestsNextWrite() {
        startBoth();
        write("north", "colo1", 1);
        onNorth.done(CHECKPOINT);
        onNorth.done(
                "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'colo1', 'child':"
                        + " 'children.1' } }");
        assertEquals("reigning", standing("north"));
        write("north", "colo1", 2);
        assertEquals("alone", standing("north"));
        assertEquals(2, firstByte("north"));
    }

    /** It is between two checkpoints: only its replication node knows the way back. */
    @Test
    void theDiskOfAKilledSecondaryIsNoPlainDisk() {
        startBoth();
        write("north", "colo1", 1);
        onNorth.done(CHECKPOINT);
        write("north", "colo1", 2);
        try (Control control = Control.connect(rig.path("north.qmp"))) {
            control.awaitDrained();
        }
        north.kill();
        south.kill();
        assertEquals(2, firstByte("south"));
        final String refusal = rig.serverInVain(primary("south"));
        assertContains("disk colo1 is not written without its pair", refusal);
        assertContains("is a secondary", refusal);
        assertContains("--new-generation", refusal);

        final QmpLine empty = startEmpty();
        empty.done("{ 'execute': 'blockdev-add', 'arguments': " + raw("false") + " }");
        final JsonObject answer =
                empty.ask(
                        "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'disk',"
                                + " 'writable': true } }");
        assertContains("is not written without its pair", answer.toString());
        empty.done("{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'disk' } }");
        assertEquals(0, south.stop());

        south = rig.server(secondary()); // with the arguments that it had
        onSouth = connect("south");
        onSouth.done("{ 'execute': 'x-colo-lost-heartbeat' }");
        try (Control control = Control.connect(rig.path("south.qmp"))) {
            control.awaitMerged();
        }
        assertEquals(1, firstByte("south"));
    }

    private static String raw(final String isReadOnly) {
        return "{ 'driver': 'raw', 'node-name': 'disk', 'read-only': "
                + isReadOnly
                + ", 'file': { 'driver': 'file', 'filename': 'south.img' } }";
    }

    private QmpLine startEmpty() {
        south = rig.server(engine("south"));
        onSouth = connect("south");
        serveLink();
        return onSouth;
    }

    @Test
    void aNewGenerationOnRequestIsOneThatThePairKnows() {
        startBoth();
        write("north", "colo1", 1);
        onNorth.done(CHECKPOINT);
        south.kill();
        south = rig.server(primary("south", "--new-generation"));
        write("south", "colo1", 3);
        assertEquals(3, firstByte("south"));
        assertEquals("alone", standing("south"));
        assertTrue(state("south").get("forced").getAsBoolean());
    }

    /** docs/qemu.md: a quorum over the raw drive alone. */
    @Test
    void anEngineThatTookOverIsStartedAgainAsAPrimary() {
        startBoth();
        write("north", "colo1", 1);
        onNorth.done(CHECKPOINT);
        north.kill();
        onSouth.done("{ 'execute': 'x-colo-lost-heartbeat' }");
        try (Control control = Control.connect(rig.path("south.qmp"))) {
            control.awaitMerged();
        }
        assertEquals(0, south.stop());
        final JsonObject before = state("south");
        south = rig.server(primary("south"));
        write("south", "colo1", 2);
        assertEquals(2, firstByte("south"));
        assertEquals(before.get("lineage"), state("south").get("lineage"));
        assertEquals(1, firstByte("north"));
    }
}

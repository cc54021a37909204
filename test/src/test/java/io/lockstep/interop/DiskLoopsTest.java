package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.util.List;

/** Nodes whose disks have loops of their own, through their roles: docs/loops.md. */
final class DiskLoopsTest {
    private static final List<String> DISKS = List.of("vda", "vdb", "vdc");

    /** Each write is answered before the next one, on another disk, begins. */
    private static final String WRITE =
            """
            handles = [connect(uri) for uri in sys.argv[2:]]
            for number in range(60):
                for h in handles:
                    h.pwrite(bytes([int(sys.argv[1])]) * 4096, number * 65536 % (4 << 20))
            for h in handles:
                h.flush()
            """;

    private static final String READ =
            """
            print(*(connect(uri).pread(1, 59 * 65536 % (4 << 20))[0] for uri in sys.argv[1:]))
            """;

    @AutoClose private final Rig rig = new Rig();

    private final NodeHost north = host("n", "s", "primary");
    private final NodeHost south = host("s", "n", "secondary");

    private NodeHost host(final String name, final String other, final String first) {
        return new NodeHost(rig, name, other, first)
                .withDisk("vdb")
                .withDisk("vdc")
                .with("--loops", "3", "--ack", "flush");
    }

    private static String[] guests(final NodeHost host, final String... before) {
        final String[] all = new String[before.length + DISKS.size()];
        System.arraycopy(before, 0, all, 0, before.length);
        for (int i = 0; i < DISKS.size(); i++) {
            all[before.length + i] = "nbd+unix:///" + DISKS.get(i) + "?socket=" + host.socket("g");
        }
        return all;
    }

    private void write(final NodeHost host, final int value) {
        rig.python(WRITE, guests(host, "" + value));
    }

    private String read(final NodeHost host) {
        return rig.python(READ, guests(host)).out().strip();
    }

    private static void awaitRole(final NodeHost host, final String role) {
        try (Control control = host.control()) {
            control.await("role " + role, status -> status.get("role").getAsString().equals(role));
        }
    }

    private static void switchOver(final NodeHost from, final NodeHost to) {
        try (Control control = from.control()) {
            control.execute("x-lockstep-switchover");
        }
        awaitRole(to, "primary");
        to.awaitLink();
    }

    private static JsonObject verify(final NodeHost host) {
        try (Control control = host.control()) {
            control.execute("x-lockstep-verify");
            return control.await(
                            "verified",
                            status ->
                                    status.has("verification")
                                            && status.getAsJsonObject("verification")
                                                    .get("state")
                                                    .getAsString()
                                                    .equals("completed"))
                    .getAsJsonObject("verification");
        }
    }

    @Test
    void rolesComeAndGo() {
        south.start();
        north.start();
        north.awaitLink();
        write(north, 1);
        assertEquals("1 1 1", read(north));
        assertEquals(0, verify(north).get("differing").getAsLong());

        switchOver(north, south);
        assertEquals("1 1 1", read(south));
        write(south, 2);
        switchOver(south, north);
        assertEquals("2 2 2", read(north));

        write(north, 3);
        south.process.kill();
        write(north, 4); // what it lacks is noted, and sent
        south.start();
        try (Control control = north.control()) {
            control.awaitHealed();
        }
        write(north, 5);
        assertEquals(0, verify(north).get("differing").getAsLong());

        north.process.kill();
        try (Control control = south.control()) {
            control.execute("x-lockstep-failover");
        }
        assertEquals("5 5 5", read(south)); // each flush was answered behind its epoch
    }

    @Test
    void aGuestGoesOnWithoutItsPair() {
        south.start();
        north.start();
        north.awaitLink();
        write(north, 1);
        try (Control control = north.control()) {
            control.execute("x-lockstep-stop");
        }
        write(north, 2);
        assertEquals("2 2 2", read(north));
        assertEquals(0, north.process.stop());
        for (final String disk : List.of("n.img", "n-vdb.img", "n-vdc.img")) {
            assertEquals(2, Rig.read(rig.path(disk))[59 * 65536 % (4 << 20)]);
        }
    }
}

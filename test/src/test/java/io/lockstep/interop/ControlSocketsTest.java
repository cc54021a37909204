package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Where a control socket may be, and what it lets through while something takes long. */
final class ControlSocketsTest {
    private static final String QUERY = "{ 'execute': 'query-status' }";
    private static final String NAME = "{ 'execute': 'query-name' }";
    private static final Pattern TCP = Pattern.compile("control socket .*?127\\.0\\.0\\.1:(\\d+)");

    @AutoClose private final Rig rig = new Rig();

    @Test
    void thereMayBeManyAndAtTheLoopbackAddressUnlessAskedOtherwise() {
        final LockstepProcess engine =
                rig.server(
                        List.of(
                                "engine",
                                "-qmp",
                                "unix:" + rig.path("one") + ",server=on,wait=off",
                                "--qmp",
                                rig.path("a,,b").toString(),
                                "-qmp",
                                "unix:" + rig.path("c,,d") + ",server,nowait",
                                "-qmp",
                                "tcp::0,server=on,wait=off",
                                "-chardev",
                                "socket,id=m,path=" + rig.path("mon") + ",server=on,wait=off",
                                "-mon",
                                "chardev=m,mode=control"));
        for (final String name : List.of("one", "a,,b", "c,d", "mon")) {
            assertTrue(rig.keep(QmpLine.connect(rig.path(name))).ask(QUERY).has("return"), name);
        }
        final Matcher tcp = TCP.matcher(engine.ready());
        assertTrue(tcp.find(), engine::ready);
        final InetSocketAddress address =
                new InetSocketAddress(
                        InetAddress.getLoopbackAddress(), Integer.parseInt(tcp.group(1)));
        assertTrue(rig.keep(QmpLine.connect(address)).ask(QUERY).has("return"));
        assertTrue(rig.path("one.counters").toFile().exists());
        assertTrue(rig.path("one.epochs").toFile().exists());
        assertEquals(0, engine.stop());
        for (final String name : List.of("one", "one.counters", "one.epochs", "c,d", "mon")) {
            assertFalse(rig.path(name).toFile().exists(), name);
        }
    }

    /** As QEMU 7.2 was seen to answer. */
    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "vm0|{\"name\":\"vm0\"}",
                "guest=vm0,process=p,debug-threads=on|{\"name\":\"vm0\"}",
                "a,,b|{\"name\":\"a,b\"}",
                "process=p|{}",
            })
    void aManagerIsToldWhatTheMachineIsCalled(final String name, final String answer) {
        final LockstepProcess engine =
                rig.server(List.of("engine", "--qmp", rig.path("c").toString(), "-name", name));
        final QmpLine line = rig.keep(QmpLine.connect(rig.path("c")));
        assertEquals(answer, line.ask(NAME).get("return").toString());
        assertEquals(0, engine.stop());
        assertFalse(engine.err().contains("-name"), engine::err);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {"vm0,x=1|'x'", "guest.a=1|'guest'", "vm0,x|'x'"})
    void aNameOfWhichQemuKnowsNothingIsRefused(final String name, final String part) {
        final Tool.Output output =
                rig.lockstep("engine", "--qmp", rig.path("c").toString(), "-name", name);
        assertEquals(2, output.exitCode(), output::toString);
        assertTrue(output.err().contains(part), output::toString);
    }

    @Test
    void standardInputAndOutputAreOneWithNothingElseOnThem() {
        final Program engine =
                rig.keep(
                        Program.startTalking(
                                "lockstep engine",
                                LockstepProcess.command(List.of("engine", "-qmp", "stdio")),
                                rig.directory()));
        engine.awaitLine(line -> line.contains("\"QMP\""));
        engine.say("{ 'execute': 'qmp_capabilities' }");
        engine.say("{ 'execute': 'query-qmp-schema', 'id': 'long' } \u0001");
        engine.say("{ 'execute': 'query-status', 'id': 'short' }");
        engine.awaitLine(line -> line.contains("\"id\":\"short\""));
        for (final String line : engine.out().strip().split("\n", -1)) {
            assertTrue(line.startsWith("{"), line);
        }
        assertTrue(engine.err().contains("ready: engine; control socket stdio"), engine::err);
        engine.say("{ 'execute': 'quit' }");
        assertEquals(0, engine.awaitExit());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "stdio,x=1",
                "fd:3",
                "pty",
                "null",
                "vc",
                "pipe:x",
                "telnet:localhost:4444,server",
                "unix:x",
                "unix:,server=on",
                "unix:x,server=on,wait=on",
                "unix:x,server=off",
                "unix:x,server=on,abstract=on",
                "unix:x,server=on,server=on",
                "tcp:localhost,server=on",
                "tcp:localhost:x,server=on",
                "tcp:localhost:99999,server=on",
                "tcp:::1:4444,server=on",
                "tcp:localhost:4444"
            })
    void whatIsNotSupportedIsRefusedAndNeverTakenForAFile(final String address) {
        final Tool.Output output = rig.lockstep("engine", "-qmp", address);
        assertEquals(2, output.exitCode(), output::toString);
        assertEquals("", output.out());
        assertTrue(output.err().startsWith("lockstep engine: --qmp: "), output::toString);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "stdio", "tcp:localhost:4444", "unix:x,server=on,wait=off"})
    void onePathAloneIsTakenByPrimaryAndSecondary(final String control) {
        final String disk = "a=" + rig.hole("a", 4096);
        final String guest = "nbd+unix:///?socket=" + rig.path("g");
        final Tool.Output output =
                rig.lockstep(
                        "primary",
                        "--disk",
                        disk,
                        "--guest",
                        guest,
                        "--peer",
                        "nbd://127.0.0.1:1",
                        "--control",
                        control);
        assertEquals(2, output.exitCode(), output::toString);
        assertTrue(output.err().contains("--control"), output::toString);
    }

    @ParameterizedTest
    @ValueSource(strings = {"none/x", ".", "file", "/", "counted", "tcp:192.0.2.1:0,server=on"})
    void whereNoSocketCanBeIsSaidInOneSentence(final String address) {
        rig.hole("file", 1);
        assertTrue(rig.path("counted.counters/x").toFile().mkdirs());
        final Tool.Output output = rig.lockstep("engine", "-qmp", address);
        assertEquals(1, output.exitCode(), output::toString);
        assertTrue(
                output.err().matches("lockstep engine: .{20,}\n") && output.out().isEmpty(),
                output::toString);
        assertFalse(rig.path("counted").toFile().exists(), "a socket was left");
    }

    @Test
    void yankCutsALinkFromWhichNothingComesWhileACheckpointWaitsForIt() {
        final ReplicatedPair pair = new ReplicatedPair(rig, "y", 1, 1 << 20).start();
        final QmpLine line = rig.keep(QmpLine.connectOutOfBand(pair.primaryControlSocket()));
        pair.secondary().signal("STOP");
        line.send("{ 'execute': 'xen-colo-do-checkpoint', 'id': 'waits' }\n");
        line.send("{ 'execute': 'query-status', 'id': 'behind' }\n");
        final JsonObject asked = line.ask("{ 'exec-oob': 'query-yank', 'id': 'beside' }");
        assertEquals("\"beside\"", asked.get("id").toString());
        final JsonArray instances = asked.getAsJsonArray("return");
        assertEquals(1, instances.size());
        final JsonObject cut =
                line.ask(
                        "{ 'exec-oob': 'yank', 'id': 'cut', 'arguments': { 'instances': "
                                + instances
                                + " } }");
        final JsonObject failed = cut.toString().contains("waits") ? cut : line.next();
        assertTrue(failed.toString().contains("(yank)"), failed::toString);
        pair.secondary().signal("CONT");
        try (Control control = pair.primaryControl()) {
            control.await("committed", status -> status.get("committed-epoch").getAsLong() == 1);
            assertEquals(2, control.checkpoint());
        }
    }
}

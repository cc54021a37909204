package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonNull;
import com.google.gson.JsonObject;
import com.google.gson.JsonPrimitive;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.List;
import java.util.Random;

/**
 * Nodes, exports and addresses of every kind and shape, most of them wrong, from a seed: each
 * command is answered, by what it asks for or by an error with a sentence that is for people; the
 * connection is kept, and nothing that should not happen does.
 */
final class BadNodesTest {
    private static final int COMMANDS = 1500;
    private static final String UNEXPECTED =
            "(?s).*(Exception|java\\.|io\\.lockstep|internal error).*";

    private static final List<JsonElement> NAMES =
            List.of(
                    text("d0"),
                    text("q0"),
                    text(""),
                    text("#block001"),
                    text("n1"),
                    text("n2"),
                    text("n3"),
                    text("a".repeat(31)),
                    text("a".repeat(32)),
                    text("a".repeat(5000)),
                    text("ü"),
                    text("a b"),
                    text("a\0b"),
                    text("children.0"),
                    text("children.1"),
                    number(5),
                    JsonNull.INSTANCE,
                    new JsonArray(),
                    new JsonObject());
    private static final List<String> FILES =
            List.of(
                    "c.raw",
                    "c.raw",
                    "c.raw",
                    "d.raw",
                    "/tmp",
                    "/dev/null",
                    "/nowhere/x",
                    "",
                    "a\0b",
                    "x".repeat(300),
                    "x".repeat(5000),
                    "empty",
                    "/dev/full",
                    "../..");
    private static final List<JsonElement> NUMBERS =
            List.of(
                    number(0),
                    number(1),
                    number(512),
                    number(1 << 20),
                    number((1 << 20) + 512),
                    number(-1),
                    number(Long.MAX_VALUE),
                    new JsonPrimitive(1.5),
                    text("512"),
                    JsonNull.INSTANCE);
    private static final List<String> LINES =
            List.of(
                    "",
                    "\0",
                    "drive_add",
                    "drive_add -n",
                    "drive_add -n buddy =",
                    "drive_add -n buddy driver=raw,file.filename=c.raw,node-name=n1",
                    "drive_add -n buddy a.b.c.d=1,a=1",
                    "drive_add buddy file=c.raw,id=n2",
                    "drive_add buddy file=c.raw,id=" + "x".repeat(5000),
                    "drive_del",
                    "drive_del n1",
                    "drive_del n2",
                    "info",
                    "info block",
                    "info block -v",
                    "info x");

    @AutoClose private final Rig rig = new Rig();
    private Random random;

    private static JsonElement text(final String value) {
        return new JsonPrimitive(value);
    }

    private static JsonElement number(final long value) {
        return new JsonPrimitive(value);
    }

    private <T> T oneOf(final List<T> all) {
        return all.get(random.nextInt(all.size()));
    }

    private boolean isNow(final int percent) {
        return random.nextInt(100) < percent;
    }

    private JsonElement name() {
        return isNow(70) ? text("n" + random.nextInt(6)) : oneOf(NAMES);
    }

    private JsonObject file() {
        final JsonObject node = new JsonObject();
        node.addProperty("driver", oneOf(List.of("file", "host_device")));
        node.addProperty("filename", oneOf(FILES));
        if (isNow(20)) {
            node.add("read-only", oneOf(List.of(new JsonPrimitive(true), text("on"))));
        }
        if (isNow(20)) {
            node.addProperty("aio", oneOf(List.of("native", "x")));
        }
        if (isNow(20)) {
            node.addProperty("discard", oneOf(List.of("ignore", "unmap", "x")));
        }
        if (isNow(10)) {
            node.add("cache", oneOf(NAMES));
        }
        return node;
    }

    private JsonElement child(final int depth) {
        return isNow(50) ? name() : node(depth + 1);
    }

    private JsonObject server() {
        final JsonObject server = new JsonObject();
        server.addProperty("type", oneOf(List.of("inet", "inet", "unix", "unix", "fd", "vsock")));
        if (isNow(70)) {
            server.addProperty("host", oneOf(List.of("::1", "127.0.0.1", "", "x y", "a\0b")));
            server.addProperty("port", oneOf(List.of("1", "0", "x", "70000")));
        }
        if (isNow(50)) {
            server.addProperty("path", oneOf(FILES));
        }
        if (isNow(20)) {
            server.add(oneOf(List.of("to", "ipv4", "ipv6", "abstract", "x")), oneOf(NUMBERS));
        }
        return server;
    }

    private JsonObject node(final int depth) {
        final String driver =
                oneOf(
                        List.of(
                                "file",
                                "raw",
                                "raw",
                                "nbd",
                                "replication",
                                "quorum",
                                "extents",
                                "x"));
        if (depth > 3 || driver.equals("file")) {
            return file();
        }
        final JsonObject node = new JsonObject();
        node.addProperty("driver", driver);
        switch (driver) {
            case "raw" -> {
                node.add("file", isNow(50) ? file() : child(depth));
                if (isNow(40)) {
                    node.add(oneOf(List.of("offset", "size")), oneOf(NUMBERS));
                }
            }
            case "nbd" -> {
                node.add("server", server());
                node.add("export", oneOf(NAMES));
            }
            case "replication" -> {
                node.addProperty("mode", oneOf(List.of("primary", "secondary", "x")));
                node.add("file", child(depth));
            }
            case "quorum" -> {
                final JsonArray children = new JsonArray();
                for (int i = random.nextInt(4); i > 0; i--) {
                    children.add(child(depth));
                }
                node.add("children", children);
                node.addProperty("vote-threshold", 1);
                node.addProperty("read-pattern", "fifo");
            }
            case "extents" -> {
                node.add("file", child(depth));
                node.add("backing", child(depth));
            }
            default -> node.add("x", oneOf(NAMES));
        }
        return node;
    }

    private JsonObject arguments(final String command) {
        final JsonObject arguments = command.equals("blockdev-add") ? node(0) : new JsonObject();
        switch (command) {
            case "blockdev-add", "blockdev-del" -> arguments.add("node-name", name());
            case "x-blockdev-change" -> {
                arguments.add("parent", name());
                arguments.add(oneOf(List.of("child", "node")), name());
            }
            case "nbd-server-start" -> {
                final JsonObject address = new JsonObject();
                address.addProperty("type", oneOf(List.of("unix", "inet")));
                address.add("data", server());
                arguments.add("addr", address);
            }
            case "nbd-server-add" -> {
                arguments.add("device", name());
                arguments.add(oneOf(List.of("name", "description")), oneOf(NAMES));
            }
            case "block-export-add" -> {
                arguments.addProperty("type", "nbd");
                arguments.add("id", name());
                arguments.add("node-name", name());
                arguments.add(oneOf(List.of("name", "writethrough", "iothread")), oneOf(NAMES));
            }
            case "block-export-del" -> arguments.add("id", name());
            case "human-monitor-command" -> arguments.add("command-line", text(oneOf(LINES)));
            default -> {}
        }
        return arguments;
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3})
    void areAnswered(final long seed) {
        random = new Random(seed);
        for (final String file : List.of("c.raw", "d.raw", "q.raw")) {
            rig.hole(file, 1 << 20);
        }
        rig.hole("empty", 0);
        final LockstepProcess engine =
                rig.server(
                        List.of(
                                "engine",
                                "-qmp",
                                rig.path("q").toString(),
                                "-drive",
                                "driver=quorum,read-pattern=fifo,vote-threshold=1,id=q0,"
                                        + "children.0.driver=raw,children.0.file.filename=q.raw"));
        final QmpLine line = rig.keep(QmpLine.connect(rig.path("q")));
        line.ask(
                "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': { 'type': 'unix', 'data':"
                        + " { 'path': '"
                        + rig.path("n")
                        + "' } } } }");
        final List<String> commands =
                List.of(
                        "blockdev-add",
                        "blockdev-add",
                        "blockdev-add",
                        "blockdev-add",
                        "blockdev-del",
                        "x-blockdev-change",
                        "nbd-server-start",
                        "nbd-server-add",
                        "block-export-add",
                        "block-export-del",
                        "human-monitor-command",
                        "query-block",
                        "query-named-block-nodes",
                        "query-blockstats",
                        "query-block-exports");
        int done = 0;
        for (int i = 0; i < COMMANDS; i++) {
            final JsonObject message = new JsonObject();
            final String command = oneOf(commands);
            message.addProperty("execute", command);
            message.add("arguments", arguments(command));
            final JsonObject answer = line.ask(message.toString());
            final String both = message + "\n" + answer;
            assertFalse(answer.toString().matches(UNEXPECTED), both);
            if (answer.has("error")) {
                final JsonObject error = answer.getAsJsonObject("error");
                assertEquals("GenericError", error.get("class").getAsString(), both);
                assertFalse(error.get("desc").getAsString().isBlank(), both);
            } else {
                done++;
            }
        }
        assertTrue(done > COMMANDS / 10, "so few were right: " + done);
        assertEquals("", engine.err());
        assertEquals(0, engine.stop(), engine::toString);
    }
}

package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Two long lists of mistakes, {@code malformed-messages.txt} and {@code bad-commands.txt}, made at
 * QEMU and at Lockstep side by side: the answers are as many, and of the same classes.
 */
final class QemuMistakesTest {
    private static final int COMMANDS_MIN = 100;

    /** In answer to which Lockstep refuses, on purpose, what QEMU says was done. */
    private static final Map<String, String> REFUSED =
            Map.of(
                    "{ 'execute': 'xen-set-replication', 'arguments': { 'enable': true,"
                            + " 'primary': true } }",
                    "no disk has a replication child",
                    "{ 'execute': 'xen-set-replication', 'arguments': { 'enable': false,"
                            + " 'primary': true } }",
                    "replication is not running",
                    "{ 'execute': 'xen-colo-do-checkpoint' }",
                    "replication is not running");

    @AutoClose private final Rig rig = new Rig();

    /** Either of the two, with a directory of its own. */
    private record Side(Path directory, Path socket) {}

    private Side qemu() {
        final Path directory = directory("q");
        final QemuProcess qemu =
                QemuProcess.start(rig, "q", List.of("-drive", drive(directory), "-name", "q"));
        return new Side(directory, qemu.secondMonitor());
    }

    private Side lockstep() {
        final Path directory = directory("l");
        final Path socket = rig.path("l.qmp");
        rig.server(List.of("engine", "-drive", drive(directory), "--qmp", socket.toString()));
        return new Side(directory, socket);
    }

    private Path directory(final String name) {
        final Path directory = rig.path(name);
        assertTrue(directory.toFile().mkdir());
        rig.hole(name + "/colo1.raw", 1 << 20);
        rig.hole(name + "/spare.raw", 1 << 20);
        return directory;
    }

    private static String drive(final Path directory) {
        return "if=none,driver=quorum,read-pattern=fifo,id=colo1,vote-threshold=1,"
                + "children.0.driver=raw,children.0.file.filename="
                + directory.resolve("colo1.raw");
    }

    private static List<String> lines(final String resource) {
        try (InputStream in = QemuMistakesTest.class.getResourceAsStream(resource)) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .filter(line -> !line.isEmpty() && !line.startsWith("#"))
                    .toList();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String classOf(final JsonObject answer) {
        if (!answer.has("error")) {
            assertTrue(answer.has("return"), answer::toString);
            return "return";
        }
        final JsonObject error = answer.getAsJsonObject("error");
        assertTrue(!error.get("desc").getAsString().isBlank(), answer::toString);
        return error.get("class").getAsString();
    }

    // ---- Messages.

    /** The bytes that a line stands for. */
    private static byte[] bytes(final String line) {
        final ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        int at = 0;
        while (at < line.length()) {
            final boolean isByte = line.startsWith("\\x", at);
            if (isByte) {
                bytes.write(Integer.parseInt(line.substring(at + 2, at + 4), 16));
            } else {
                bytes.write(line.charAt(at));
            }
            at += isByte ? 4 : 1;
        }
        return bytes.toByteArray();
    }

    /** What is answered, up to the answer to the whole command behind it. */
    private static List<String> answers(final Side side, final byte[] message) {
        try (QmpLine line = QmpLine.connect(side.socket())) {
            line.send(message);
            line.send("\n{ 'execute': 'query-version', 'id': 'next' }\n");
            final List<String> answers = new ArrayList<>();
            JsonObject answer = line.next();
            while (!answer.has("id") || !answer.get("id").toString().equals("\"next\"")) {
                answers.add(classOf(answer));
                answer = line.next();
            }
            assertEquals("return", classOf(answer));
            return answers;
        }
    }

    @Test
    void malformedMessagesAreAnsweredAlikeAndTheNextOneToo() {
        final Side qemu = qemu();
        final Side lockstep = lockstep();
        final List<Executable> checks = new ArrayList<>();
        for (final String line : lines("malformed-messages.txt")) {
            final List<String> theirs = answers(qemu, bytes(line));
            final List<String> ours = answers(lockstep, bytes(line));
            checks.add(() -> assertEquals(theirs, ours, line));
        }
        Assertions.assertAll(checks);
    }

    /** Whether or not what was opened is ever closed. */
    @Test
    void whatIsNestedTooDeepIsAnsweredAlikeAndTheNextOneToo() {
        final Side qemu = qemu();
        final Side lockstep = lockstep();
        for (final String message :
                List.of(
                        nestedId(60),
                        nestedId(1020),
                        nestedId(1023),
                        nestedId(1024),
                        nestedId(1500),
                        "[".repeat(1025),
                        "[".repeat(1025) + " 1 { 'execute': 'query-version' } ]",
                        "[".repeat(2050),
                        "{ 'a': ".repeat(1025),
                        "{ 'a': ".repeat(1100) + "1" + "}".repeat(1100),
                        "[".repeat(1100) + "\u0001")) {
            final byte[] bytes = message.getBytes(StandardCharsets.UTF_8);
            assertEquals(answers(qemu, bytes), answers(lockstep, bytes), message);
        }
    }

    private static String nestedId(final int depth) {
        return "{ 'execute': 'query-version', 'id': "
                + "[".repeat(depth)
                + "]".repeat(depth)
                + " }";
    }

    @Test
    void whatIsTooLongIsAnErrorAndTheConnectionIsKept() {
        final Side lockstep = lockstep();
        for (final String token : List.of("'%s'", "1%s", "{ 'execute': '%s' }", "['%s")) {
            final byte[] message =
                    String.format(token, "1".repeat(2 << 20)).getBytes(StandardCharsets.UTF_8);
            assertEquals(List.of("GenericError"), answers(lockstep, message), token);
        }
    }

    // ---- Commands.

    private static JsonObject ask(final QmpLine line, final Side side, final String command) {
        return line.ask(
                command.replace("DIR", side.directory().toString())
                        .replace("LONG", "x".repeat(5000))
                        .replace("BEYOND", "b".repeat(4097)));
    }

    /** Whatever would be wrong with the export's name. */
    @Test
    void aDeviceThatIsNotThereIsToldInQemusWords() {
        final Side qemu = qemu();
        final Side lockstep = lockstep();
        final QmpLine qemuLine = rig.keep(QmpLine.connect(qemu.socket()));
        final QmpLine lockstepLine = rig.keep(QmpLine.connect(lockstep.socket()));
        for (final boolean isRunning : List.of(false, true)) {
            if (isRunning) {
                final String start =
                        "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': {"
                                + " 'type': 'unix', 'data': { 'path': 'DIR/nbd' } } } }";
                assertEquals(ask(qemuLine, qemu, start), ask(lockstepLine, lockstep, start));
            }
            for (final String arguments :
                    List.of(
                            "'device': ''",
                            "'device': 'a b'",
                            "'device': 'nobody'",
                            "'device': 'nobody', 'name': ''",
                            "'device': '', 'writable': true")) {
                final String command =
                        "{ 'execute': 'nbd-server-add', 'arguments': { " + arguments + " } }";
                assertEquals(ask(qemuLine, qemu, command), ask(lockstepLine, lockstep, command));
            }
        }
    }

    @Test
    void badCommandsAreAnsweredAlike() {
        final Side qemu = qemu();
        final Side lockstep = lockstep();
        final QmpLine qemuLine = rig.keep(QmpLine.connect(qemu.socket()));
        final QmpLine lockstepLine = rig.keep(QmpLine.connect(lockstep.socket()));
        final Map<String, String> refused = new HashMap<>(REFUSED);
        final List<String> commands = lines("bad-commands.txt");
        assertTrue(commands.size() > COMMANDS_MIN);
        final List<Executable> checks = new ArrayList<>();
        for (final String command : commands) {
            final JsonObject theirs = ask(qemuLine, qemu, command);
            final JsonObject ours = ask(lockstepLine, lockstep, command);
            final String both = command + "\nQEMU says " + theirs + "\nLockstep says " + ours;
            final String refusal = refused.remove(command);
            if (refusal == null) {
                checks.add(() -> assertEquals(classOf(theirs), classOf(ours), both));
            } else {
                checks.add(() -> assertEquals("return", classOf(theirs), both));
                checks.add(() -> assertTrue(ours.toString().contains(refusal), both));
            }
        }
        checks.add(() -> assertEquals(Map.of(), refused, "differences that were not asked for"));
        Assertions.assertAll(checks);
    }
}

package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * Commands that are wrong, unknown, or come at the wrong time, and queries, asked of QEMU and of
 * Lockstep side by side: the answer has the same class, and begins with the same words.
 */
final class QemuWordsTest {
    /** Times are not measured, and what never reached a disk is not counted. */
    private static final Pattern UNTOLD =
            Pattern.compile(
                    ".*actual-size|.*dirty-flag|.*_time_ns|.*\\.invalid_.*|\\.parent(\\..*)?");

    private static final List<String> QUESTIONS =
            List.of(
                    "{ 'execute': 'nonsense' }",
                    "{ 'execute': 'qmp_capabilities' }",
                    "{ 'execute': 'query-status', 'arguments': { 'x': 1 } }",
                    "{ 'execute': 5 }",
                    "{ 'execute': 'nbd-server-stop' }",
                    "{ 'execute': 'nbd-server-start' }",
                    "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': 5 } }",
                    "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': { 'type': 'foo' } } }",
                    "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': { 'type': 'inet',"
                            + " 'data': { 'host': '127.0.0.1' } } } }",
                    "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': { 'type': 'inet',"
                            + " 'data': { 'host': '127.0.0.1', 'port': 5 } } } }",
                    "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'colo1' } }",
                    "{ 'execute': 'nbd-server-add' }",
                    "{ 'execute': 'block-export-add', 'arguments': { 'type': 'zzz', 'id': 'a',"
                            + " 'node-name': 'colo1' } }",
                    "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': { 'type': 'unix',"
                            + " 'data': { 'path': 'SOCKET' } } } }",
                    "{ 'execute': 'nbd-server-start', 'arguments': { 'addr': { 'type': 'unix',"
                            + " 'data': { 'path': 'SOCKET' } } } }",
                    "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'nobody' } }",
                    "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'colo1', 'writable':"
                            + " 'yes' } }",
                    "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'colo1' } }",
                    "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'colo1' } }",
                    "{ 'execute': 'block-export-add', 'arguments': { 'type': 'nbd', 'id': 'colo1',"
                            + " 'node-name': 'colo1' } }",
                    "{ 'execute': 'block-export-add', 'arguments': { 'type': 'nbd', 'id':"
                            + " '#invalid', 'node-name': 'colo1' } }",
                    "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'colo1', 'name': ''"
                            + " } }",
                    "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'colo1', 'name':"
                            + " 'a b' } }",
                    "{ 'execute': 'nbd-server-remove', 'arguments': { 'name': 'nobody' } }",
                    "{ 'execute': 'block-export-del', 'arguments': { 'id': 'nobody' } }",
                    "{ 'execute': 'block-export-del' }",
                    "{ 'execute': 'nbd-server-remove', 'arguments': { 'name': 'colo1' } }",
                    "{ 'execute': 'nbd-server-stop' }",
                    "{ 'execute': 'x-blockdev-change' }",
                    "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'colo1' } }",
                    "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'nobody', 'node':"
                            + " 'nobody' } }",
                    "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'colo1', 'node':"
                            + " 'nobody' } }",
                    "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'colo1', 'child':"
                            + " 'children.7' } }",
                    "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'colo1', 'child':"
                            + " 'children.0' } }",
                    "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'colo1', 'child':"
                            + " 'children.0', 'node': 'x' } }",
                    "{ 'execute': 'blockdev-del', 'arguments': { 'node-name': 'nobody' } }",
                    "{ 'execute': 'blockdev-del', 'arguments': { 'node-name': 'colo1' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'raw' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'node-name': 'x' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'zzz', 'node-name': 'x'"
                            + " } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'replication',"
                            + " 'node-name': 'x', 'mode': 'primary' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'replication',"
                            + " 'node-name': 'x', 'mode': 'zz', 'file': 'colo1' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'replication',"
                            + " 'node-name': 'x', 'file': 'colo1' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'raw', 'node-name': 'x',"
                            + " 'file': 'nobody' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'raw', 'node-name': 'x',"
                            + " 'file': 'colo1', 'bla': 1 } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'nbd', 'node-name': 'x'"
                            + " } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'nbd', 'node-name': 'x',"
                            + " 'server': { 'type': 'inet', 'host': '127.0.0.1', 'port': 5 } } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'nbd', 'node-name': 'x',"
                            + " 'server': { 'type': 'unix', 'path': '/nowhere' } } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'file', 'node-name':"
                            + " 'x', 'filename': '/nowhere/x' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'file', 'node-name':"
                            + " 'x', 'filename': '' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'raw', 'node-name':"
                            + " 'x', 'file': { 'driver': 'file', 'filename': '/nowhere/x' } } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'raw', 'node-name':"
                            + " '#invalid', 'file': 'colo1' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'raw', 'node-name': '',"
                            + " 'file': 'colo1' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'raw', 'node-name':"
                            + " 'x23456789012345678901234567890123', 'file': 'colo1' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'raw', 'node-name':"
                            + " 'x', 'file': 'colo1', 'size': 100 } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'raw', 'node-name':"
                            + " 'x', 'file': 'colo1', 'discard': 'x' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'raw', 'node-name':"
                            + " 'x', 'file': 'colo1', 'cache': { 'writeback': true } } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'raw', 'node-name':"
                            + " 'x', 'file': 'colo1', 'read-only': 'on' } }",
                    "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'nbd', 'node-name': 'x',"
                            + " 'server': { 'type': 'inet', 'host': '127.0.0.1', 'port': '5',"
                            + " 'ipv4': false, 'ipv6': false } } }",
                    "{ 'execute': 'human-monitor-command' }",
                    "{ 'execute': 'human-monitor-command', 'arguments': { 'command-line': 'zzz' }"
                            + " }",
                    "{ 'execute': 'human-monitor-command', 'arguments': { 'command-line':"
                            + " 'drive_add -n' } }",
                    "{ 'execute': 'human-monitor-command', 'arguments': { 'command-line':"
                            + " 'drive_add -n buddy driver=zzz,node-name=x' } }",
                    "{ 'execute': 'human-monitor-command', 'arguments': { 'command-line':"
                            + " 'drive_add -n buddy driver=raw,node-name=x' } }",
                    "{ 'execute': 'human-monitor-command', 'arguments': { 'command-line':"
                            + " 'drive_del' } }",
                    "{ 'execute': 'human-monitor-command', 'arguments': { 'command-line':"
                            + " 'drive_del nobody' } }",
                    "{ 'execute': 'human-monitor-command', 'arguments': { 'command-line': 'info"
                            + " status' } }",
                    "{ 'execute': 'human-monitor-command', 'arguments': { 'command-line': 'info"
                            + " zzz' } }",
                    "{ 'execute': 'human-monitor-command', 'arguments': { 'command-line': 'info"
                            + " block nobody' } }",
                    "{ 'execute': 'human-monitor-command', 'arguments': { 'command-line': '' } }",
                    "{ 'execute': 'query-blockstats', 'arguments': { 'query-nodes': 'x' } }",
                    "{ 'execute': 'query-colo-status' }",
                    "{ 'execute': 'query-colo-status', 'arguments': { 'x': 1 } }",
                    "{ 'execute': 'query-block-jobs' }",
                    "{ 'execute': 'query-jobs' }",
                    "{ 'execute': 'job-pause', 'arguments': { 'id': 'nobody' } }",
                    "{ 'execute': 'job-resume', 'arguments': { 'id': 'nobody' } }",
                    "{ 'execute': 'job-cancel', 'arguments': { 'id': 'nobody' } }",
                    "{ 'execute': 'job-dismiss', 'arguments': { 'id': 'nobody' } }",
                    "{ 'execute': 'block-job-pause', 'arguments': { 'device': 'nobody' } }",
                    "{ 'execute': 'block-job-resume', 'arguments': { 'device': 'nobody' } }",
                    "{ 'execute': 'block-job-cancel', 'arguments': { 'device': 'nobody' } }",
                    "{ 'execute': 'block-job-set-speed', 'arguments': { 'device': 'nobody',"
                            + " 'speed': 1 } }",
                    "{ 'execute': 'block-job-set-speed', 'arguments': { 'device': 'nobody' } }",
                    "{ 'execute': 'query-block-exports' }",
                    "{ 'execute': 'xen-set-replication', 'arguments': { 'enable': true } }",
                    "{ 'execute': 'xen-set-replication', 'arguments': { 'enable': 1, 'primary':"
                            + " true } }");

    @AutoClose private final Rig rig = new Rig();

    private QmpLine lockstep() {
        rig.hole("l.raw", 1 << 20);
        rig.server(List.of("engine", "-drive", drive("l.raw"), "--qmp", rig.path("l").toString()));
        return rig.keep(QmpLine.connect(rig.path("l")));
    }

    private QmpLine qemu() {
        rig.hole("q.raw", 1 << 20);
        final QemuProcess qemu = QemuProcess.start(rig, "q", List.of("-drive", drive("q.raw")));
        return rig.keep(QmpLine.connect(qemu.secondMonitor()));
    }

    private static String drive(final String file) {
        return "if=none,driver=quorum,read-pattern=fifo,id=colo1,vote-threshold=1,"
                + "children.0.driver=raw,children.0.file.filename="
                + file;
    }

    /**
     * Of a secondary that is not started, then started, then failed over; both exports are there.
     *
     * @param own what our refusal begins with, where QEMU's words are of its inside; or empty
     */
    private record Question(String typed, String own) {
        private static Question alike(final String typed) {
            return new Question(typed, "");
        }

        private static Question replication(final String arguments, final String own) {
            return new Question(
                    "{ 'execute': 'xen-set-replication', 'arguments': { " + arguments + " } }",
                    own);
        }
    }

    private static final String NOT_RUNNING = "replication is not running";

    private static final List<Question> OF_A_SECONDARY =
            List.of(
                    // What is no command.
                    new Question("{ 'execute': }", "JSON parse error, "),
                    new Question("{ 'execute': 'query-block' ]", "JSON parse error, "),
                    Question.alike("[]"),
                    Question.alike("5"),
                    Question.alike("'text'"),
                    Question.alike("{ 'arguments': {} }"),
                    Question.alike("{ 'exec-oob': 'query-block' }"),
                    Question.alike("{ 'execute': 'query-block', 'surprise': 1 }"),
                    Question.alike("{ 'execute': 'query-block', 'arguments': [] }"),
                    Question.alike("{ 'execute': 'query-block', 'arguments': { 'x': 1 } }"),
                    // Types, and what is missing or too much.
                    Question.replication("'enable': 'yes', 'primary': false", ""),
                    Question.replication("'enable': true, 'primary': null", ""),
                    Question.replication("'primary': false", ""),
                    Question.replication("'enable': true, 'primary': false, 'more': 1", ""),
                    Question.replication("'enable': true, 'primary': false, 'failover': true", ""),
                    Question.alike(
                            "{ 'execute': 'xen-colo-do-checkpoint', 'arguments': { 'now': 1 } }"),
                    Question.alike(
                            "{ 'execute': 'query-xen-replication-status', 'arguments': { 'x': 1 }"
                                    + " }"),
                    Question.alike(
                            "{ 'execute': 'query-named-block-nodes', 'arguments': { 'flat': 'yes' }"
                                    + " }"),
                    Question.alike(
                            "{ 'execute': 'nbd-server-remove', 'arguments': { 'name': 'a', 'mode':"
                                    + " 'gently' } }"),
                    Question.alike(
                            "{ 'execute': 'nbd-server-stop', 'arguments': { 'now': true } }"),
                    // Before the start.
                    Question.replication("'enable': false, 'primary': false", NOT_RUNNING),
                    Question.replication(
                            "'enable': true, 'primary': true",
                            "The parameter mode's value is invalid, needs "),
                    new Question("{ 'execute': 'xen-colo-do-checkpoint' }", NOT_RUNNING),
                    new Question("{ 'execute': 'x-colo-lost-heartbeat' }", NOT_RUNNING),
                    Question.alike(
                            "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'top' } }"),
                    Question.alike(
                            "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'top',"
                                    + " 'child': 'children.0' } }"),
                    // Started.
                    Question.replication("'enable': true, 'primary': false", ""),
                    Question.replication(
                            "'enable': true, 'primary': false", "replication is already running"),
                    Question.alike("{ 'execute': 'query-xen-replication-status' }"),
                    Question.alike("{ 'execute': 'xen-colo-do-checkpoint' }"),
                    Question.alike("{ 'execute': 'nbd-server-stop' }"),
                    Question.alike(
                            "{ 'execute': 'nbd-server-add', 'arguments': { 'device': 'a' } }"),
                    // Failed over.
                    Question.replication("'enable': false, 'primary': false, 'failover': true", ""),
                    Question.replication("'enable': true, 'primary': false", ""),
                    Question.replication("'enable': false, 'primary': false", ""),
                    Question.alike("{ 'execute': 'xen-colo-do-checkpoint' }"),
                    Question.alike("{ 'execute': 'query-xen-replication-status' }"));

    @Test
    void areQemusOfASecondary() {
        final List<Executable> checks = new ArrayList<>();
        final QmpLine qemu = secondary(ReplicationPeer.QEMU);
        final QmpLine lockstep = secondary(ReplicationPeer.LOCKSTEP);
        for (final Question question : OF_A_SECONDARY) {
            final JsonObject theirs = qemu.ask(question.typed());
            final JsonObject ours = lockstep.ask(question.typed());
            if (!question.own().isEmpty()) {
                theirs.getAsJsonObject("error").addProperty("desc", question.own());
            }
            checks.add(() -> assertAlike(question.typed(), theirs, ours));
        }
        Assertions.assertAll(checks);
    }

    private QmpLine secondary(final ReplicationPeer peer) {
        final Path disk = rig.random(peer + ".img", 1 << 20, 1);
        final ReplicationSide side = ReplicationSide.secondary(peer, rig, peer.name(), disk);
        return rig.keep(QmpLine.connect(side.engine().secondMonitor()));
    }

    @Test
    void areQemus() {
        final QmpLine qemu = qemu();
        final QmpLine lockstep = lockstep();
        final List<Executable> checks = new ArrayList<>();
        for (final String question : QUESTIONS) {
            final JsonObject theirs =
                    qemu.ask(question.replace("SOCKET", rig.path("q-nbd").toString()));
            final JsonObject ours =
                    lockstep.ask(question.replace("SOCKET", rig.path("l-nbd").toString()));
            checks.add(() -> assertAlike(question, theirs, ours));
        }
        Assertions.assertAll(checks);
    }

    private static void assertAlike(
            final String question, final JsonObject theirs, final JsonObject ours) {
        final String both = question + "\nQEMU says " + theirs + "\nLockstep says " + ours;
        assertEquals(theirs.has("error"), ours.has("error"), both);
        if (theirs.has("error")) {
            final JsonObject their = theirs.getAsJsonObject("error");
            final JsonObject our = ours.getAsJsonObject("error");
            assertEquals(their.get("class"), our.get("class"), both);
            assertBegins(their.get("desc"), our.get("desc"), both);
        } else {
            assertBegins(theirs.get("return"), ours.get("return"), both);
        }
    }

    /** Up to where the one names what the other has not: what would work, or why it didn't. */
    private static void assertBegins(
            final JsonElement theirs, final JsonElement ours, final String both) {
        if (theirs.isJsonPrimitive()) {
            final String their = theirs.getAsString().split("\r\n|: No such file|\nId", -1)[0];
            assertTrue(ours.getAsString().startsWith(their), both);
        } else {
            assertEquals(theirs, ours, both);
        }
    }

    @Test
    void ofADiskAreThoseThatQemuTells() {
        for (final String query :
                List.of("query-block", "query-named-block-nodes", "query-blockstats")) {
            final String question = "{ 'execute': '" + query + "' }";
            final Set<String> theirs = new TreeSet<>();
            collect(qemuOnce().ask(question).get("return"), "", theirs);
            final Set<String> ours = new TreeSet<>();
            collect(lockstepOnce().ask(question).get("return"), "", ours);
            // What is optional in QEMU's schema, and can't be told of here.
            theirs.removeIf(name -> UNTOLD.matcher(name).matches());
            assertEquals(theirs, ours, query);
        }
    }

    private QmpLine theirs;
    private QmpLine ours;

    private QmpLine qemuOnce() {
        theirs = theirs == null ? qemu() : theirs;
        return theirs;
    }

    private QmpLine lockstepOnce() {
        ours = ours == null ? lockstep() : ours;
        return ours;
    }

    /** The names of all members, at any depth. */
    private static void collect(
            final JsonElement value, final String path, final Set<String> names) {
        if (value.isJsonObject()) {
            value.getAsJsonObject()
                    .entrySet()
                    .forEach(
                            member -> {
                                final String name = path + "." + member.getKey();
                                names.add(name);
                                collect(member.getValue(), name, names);
                            });
        } else if (value.isJsonArray()) {
            value.getAsJsonArray().forEach(element -> collect(element, path, names));
        }
    }
}

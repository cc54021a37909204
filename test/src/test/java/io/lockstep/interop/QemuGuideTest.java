package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Runs docs/qemu.md: every line behind a prompt, section by section, on hosts that are processes of
 * this one, with ports, paths and sizes of the test.
 */
final class QemuGuideTest {
    private static final int LENGTH = 4 << 20;
    private static final int GROWN_LENGTH = 2 * LENGTH;
    private static final Pattern WORD = Pattern.compile("'([^']*)'|(\\S+)");

    @AutoClose private final Rig rig = new Rig();
    private final GuidePage page = GuidePage.read("qemu.md");
    private final Map<String, LockstepProcess> engines = new HashMap<>();
    private final Map<String, QmpLine> lines = new HashMap<>();
    private final Map<String, String> replaced = new HashMap<>();

    QemuGuideTest() {
        replaced.put("/run/", rig.directory() + "/");
        replaced.put("/dev/shm/", rig.directory() + "/");
        for (final String port : List.of("9999", "9998")) {
            final String free = Integer.toString(Peer.freePort());
            replaced.put("'" + port + "'", "'" + free + "'");
            replaced.put(":" + port + "/", ":" + free + "/");
        }
        for (final String host : List.of("north", "south", "west")) {
            replaced.put("'host': '" + host + "'", "'host': '127.0.0.1'");
            replaced.put("nbd://" + host + ":", "nbd://127.0.0.1:");
        }
        replaced.put("21474836480", Integer.toString(GROWN_LENGTH));
    }

    private void run(final String section) {
        run(section, page.steps(section));
    }

    /** What comes before a command. */
    private void runUntil(final String section, final String command) {
        run(
                section,
                page.steps(section).stream()
                        .takeWhile(step -> !step.text().contains(command))
                        .toList());
    }

    private void run(final String section, final List<GuidePage.Step> steps) {
        assertFalse(steps.isEmpty(), section);
        for (final GuidePage.Step step : steps) {
            String text = step.text();
            for (final Map.Entry<String, String> replacement : replaced.entrySet()) {
                text = text.replace(replacement.getKey(), replacement.getValue());
            }
            if (step.isShell()) {
                shell(step.host(), text);
            } else {
                final JsonObject answer = lines.get(step.host()).ask(text);
                assertTrue(answer.has("return"), () -> step.text() + "\n" + answer);
                if (text.contains("human-monitor-command")) {
                    assertEquals("", answer.get("return").getAsString());
                } else if (text.contains("drive-mirror")) {
                    awaitReady(step.host());
                } else if (text.contains("device_del")) {
                    awaitUnplugged(step.host());
                }
            }
        }
    }

    private void awaitReady(final String host) {
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        while (!lines.get(host)
                .ask("{ 'execute': 'query-block-jobs' }")
                .toString()
                .contains("\"ready\":true")) {
            assertTrue(System.nanoTime() < deadline, "the mirror does not become ready");
            Rig.pause();
        }
    }

    private void awaitUnplugged(final String host) {
        JsonObject message = lines.get(host).nextOfAny();
        while (!message.has("event")
                || !message.get("event").getAsString().equals("DEVICE_DELETED")) {
            message = lines.get(host).nextOfAny();
        }
    }

    private void shell(final String host, final String text) {
        final List<String> words =
                WORD.matcher(text)
                        .results()
                        .map(word -> word.group(1) == null ? word.group(2) : word.group(1))
                        .toList();
        switch (words.getFirst()) {
            case "truncate" ->
                    rig.hole(words.get(3), words.get(2).equals("20G") ? GROWN_LENGTH : LENGTH);
            case "lockstep" -> lockstep(host, words.subList(1, words.size()));
            default -> throw new AssertionError(text);
        }
    }

    private void lockstep(final String host, final List<String> arguments) {
        if (arguments.getFirst().equals("engine")) {
            engines.put(host, rig.server(arguments));
            lines.put(host, rig.keep(QmpLine.connect(rig.path(host + ".qmp"))));
        } else {
            rig.lockstep(arguments.toArray(String[]::new)).requireSuccess();
        }
    }

    private String guest(final String host, final String export) {
        return "nbd+unix:///" + export + "?socket=" + rig.path(host + ".sock");
    }

    private void write(final String uri, final byte[] content) {
        rig.run(Tool.NBDCOPY, rig.write(rig.hole("content", 0), 0, content).toString(), uri);
    }

    private void assertHolds(final byte[] content, final String uri) {
        rig.run(Tool.NBDCOPY, uri, rig.path("copy").toString());
        assertArrayEquals(content, Rig.read(rig.path("copy")), uri);
    }

    @Test
    void fromTheFirstSetUpToTheThirdHost() {
        final byte[] first = Rig.randomBytes(LENGTH, 1);
        final byte[] second = Rig.randomBytes(LENGTH, 2);
        run("Set up");
        write(guest("north", "colo1"), first);
        run("Run");
        write(guest("north", "colo1"), second);
        assertHolds(first, guest("south", "top-disk1"));
        engines.get("north").kill();
        run("The primary's host is lost");
        assertHolds(first, guest("south", "top-disk1"));
        run("The new primary");
        write(guest("south", "top-disk1"), second);
        assertHolds(first, guest("west", "top-disk1"));
        lines.get("south").done("{ 'execute': 'xen-colo-do-checkpoint' }");
        assertHolds(second, guest("west", "top-disk1"));
    }

    @Test
    void whereTheSecondaryIsLost() {
        final byte[] first = Rig.randomBytes(LENGTH, 1);
        run("Set up");
        engines.get("south").kill();
        run("The secondary's host is lost");
        write(guest("north", "colo1"), first);
        assertArrayEquals(first, Rig.read(rig.path("north.img")));
    }

    @Test
    void aMirrorWithinLimits() {
        final byte[] first = Rig.randomBytes(LENGTH, 1);
        run("Set up");
        write(guest("north", "colo1"), first);
        lines.get("north").done("{ 'execute': 'xen-colo-do-checkpoint' }");
        engines.get("north").kill();
        run("The primary's host is lost");
        runUntil("The new primary", "drive-mirror");
        run("So fast, and no faster");
        awaitReady("south");
        lines.get("south").done("{ 'execute': 'stop' }");
        lines.get("south")
                .done(
                        "{ 'execute': 'block-job-cancel', 'arguments': { 'device': 'resync' }"
                                + " }");
        awaitNoJob("south", "resync");
        assertArrayEquals(first, Rig.read(rig.path("west.img")));
    }

    private void awaitNoJob(final String host, final String job) {
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        while (lines.get(host).ask("{ 'execute': 'query-block-jobs' }").toString().contains(job)) {
            assertTrue(System.nanoTime() < deadline, "the mirror does not end");
            Rig.pause();
        }
    }

    /** The machine is a real one, and its disk an NBD client. */
    @Test
    void aDiskGrows() {
        final byte[] first = Rig.randomBytes(LENGTH, 1);
        run("Set up");
        write(guest("north", "colo1"), first);
        final QemuProcess machine =
                QemuProcess.start(
                        rig,
                        "vm",
                        List.of(
                                "-machine",
                                "q35",
                                "-S",
                                "-blockdev",
                                "driver=nbd,node-name=vda,export=colo1,server.type=unix,server.path="
                                        + rig.path("north.sock"),
                                "-device",
                                "virtio-scsi-pci,id=scsi0",
                                "-device",
                                "scsi-hd,id=disk0,drive=vda"));
        final QmpLine line = rig.keep(QmpLine.connect(machine.secondMonitor()));
        lines.put("vm", line);
        assertEquals(LENGTH, virtualSize(line));
        final String refusal =
                line.refusal(
                        "{ 'execute': 'block_resize', 'arguments': { 'node-name': 'vda', 'size': "
                                + GROWN_LENGTH
                                + " } }");
        assertTrue(refusal.startsWith("Cannot grow NBD nodes"), refusal);
        run("A disk grows");
        assertEquals(GROWN_LENGTH, virtualSize(line));
        final byte[] second = Rig.randomBytes(GROWN_LENGTH, 2);
        write(guest("north", "colo1"), second);
        lines.get("north").done("{ 'execute': 'xen-colo-do-checkpoint' }");
        assertHolds(second, guest("south", "top-disk1"));
    }

    private static long virtualSize(final QmpLine line) {
        final String answer =
                line.ask(
                                "{ 'execute': 'query-named-block-nodes', 'arguments': { 'flat':"
                                        + " true } }")
                        .toString();
        final Matcher size = Pattern.compile("\"virtual-size\":(\\d+)").matcher(answer);
        assertTrue(size.find(), answer);
        return Long.parseLong(size.group(1));
    }

    @Test
    void withoutAQuorumAndWithBlockdev() {
        run("Without a quorum on the secondary");
        assertHolds(new byte[LENGTH], guest("south", "top-disk1"));
        run("With --blockdev");
        final byte[] first = Rig.randomBytes(LENGTH, 1);
        write(guest("north", "colo1"), first);
        assertArrayEquals(first, Rig.read(rig.path("north.img")));
    }
}

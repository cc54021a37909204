package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

import java.util.ArrayList;
import java.util.List;

/** The job that mirrors a disk: what managers hear of it, asked of both with one expectation. */
final class MirrorJobTest {
    private static final int LENGTH = 4 << 20;
    private static final String DATA =
            " {\"device\":\"job\",\"len\":4194304,\"offset\":4194304,\"speed\":0,\"type\":\"mirror\"}";

    @AutoClose private final Rig rig = new Rig();
    private QmpLine line;
    private LockstepProcess target;

    private void start(final ReplicationPeer peer) {
        target = rig.serve(rig.hole("target", LENGTH));
        final ReplicationSide primary =
                ReplicationSide.primary(peer, rig, "north", rig.random("north.img", LENGTH, 1));
        line = rig.keep(QmpLine.connect(primary.engine().secondMonitor()));
    }

    private String mirror(final String more) {
        return "{ 'execute': 'drive-mirror', 'arguments': { 'device': 'a', 'target': '"
                + rig.uri()
                + "', 'mode': 'existing', 'format': 'raw'"
                + more
                + " } }";
    }

    /** Sends a command; answers the events, until one says that, and the command is answered. */
    private List<String> events(final String command, final String last) {
        line.send(command + "\n");
        return events(last, false);
    }

    private List<String> events(final String last) {
        return events(last, true);
    }

    private List<String> events(final String last, final boolean isAnsweredBefore) {
        final List<String> events = new ArrayList<>();
        boolean isAnswered = isAnsweredBefore;
        while (!isAnswered || events.isEmpty() || !events.getLast().equals(last)) {
            final JsonObject message = line.nextOfAny();
            if (message.has("event")) {
                events.add(shown(message));
            } else {
                assertTrue(message.has("return"), message::toString);
                isAnswered = true;
            }
        }
        return events;
    }

    private static String shown(final JsonObject event) {
        final JsonObject data = event.getAsJsonObject("data");
        if (event.get("event").getAsString().equals("JOB_STATUS_CHANGE")) {
            return data.get("status").getAsString();
        }
        final JsonObject sorted = new JsonObject();
        data.keySet().stream().sorted().forEach(key -> sorted.add(key, data.get(key)));
        return event.get("event").getAsString() + " " + sorted;
    }

    @ParameterizedTest
    @EnumSource(ReplicationPeer.class)
    void itsEventsComeInQemusOrder(final ReplicationPeer peer) {
        start(peer);
        final String ready = "BLOCK_JOB_READY" + DATA;
        assertEquals(
                List.of("created", "running", "ready", ready),
                events(mirror(", 'sync': 'full', 'job-id': 'job'"), ready));
        assertEquals(
                List.of("waiting", "pending", "BLOCK_JOB_COMPLETED" + DATA, "concluded", "null"),
                events(
                        "{ 'execute': 'block-job-cancel', 'arguments': { 'device': 'job' } }",
                        "null"));
        events(mirror(", 'sync': 'full', 'job-id': 'job', 'auto-dismiss': false"), ready);
        assertEquals(
                List.of("aborting", "BLOCK_JOB_CANCELLED" + DATA, "concluded"),
                events(
                        "{ 'execute': 'block-job-cancel', 'arguments': { 'device': 'job', 'force':"
                                + " true } }",
                        "concluded"));
        line.expect(
                "{ 'execute': 'block-job-finalize', 'arguments': { 'id': 'job' } }",
                "{\"error\":{\"class\":\"GenericError\",\"desc\":\"Job 'job' in state 'concluded'"
                        + " cannot accept command verb 'finalize'\"}}");
        assertEquals(
                List.of("null"),
                events("{ 'execute': 'job-dismiss', 'arguments': { 'id': 'job' } }", "null"));
    }

    @ParameterizedTest
    @EnumSource(ReplicationPeer.class)
    void whatCanNotBeMirroredIsRefusedInQemusWords(final ReplicationPeer peer) {
        start(peer);
        assertRefused("Sync mode 'bitmap' not supported", mirror(", 'sync': 'bitmap'"));
        assertRefused("Invalid job ID '1st'", mirror(", 'sync': 'full', 'job-id': '1st'"));
        assertRefused(
                "Parameter 'granularity' expects a value in range [512B, 64MB]",
                mirror(", 'sync': 'full', 'granularity': 3"));
        assertRefused(
                "Cannot find device='b' nor node-name='b'",
                mirror(", 'sync': 'full'").replace("'device': 'a'", "'device': 'b'"));
        assertRefused(
                "Block job 'job' not found",
                "{ 'execute': 'block-job-cancel', 'arguments': { 'device': 'job' } }");
        assertRefused("Job not found", "{ 'execute': 'job-cancel', 'arguments': { 'id': 'job' } }");
    }

    private void assertRefused(final String begin, final String command) {
        final String refusal = line.refusal(command);
        assertTrue(refusal.startsWith(begin), () -> command + " is refused with: " + refusal);
    }

    /** QEMU says so at the next write. */
    @Test
    void aTargetThatIsLostIsAnError() {
        start(ReplicationPeer.LOCKSTEP);
        events(mirror(", 'sync': 'full', 'job-id': 'job'"), "BLOCK_JOB_READY" + DATA);
        target.kill();
        final List<String> events = events("null");
        assertEquals(
                "BLOCK_JOB_ERROR"
                        + " {\"action\":\"report\",\"device\":\"job\",\"operation\":\"write\"}",
                events.getFirst());
        assertTrue(events.get(2).startsWith("BLOCK_JOB_COMPLETED"), events::toString);
        assertTrue(events.get(2).contains("connection is lost"), events::toString);
    }

    /** What is written goes to both, and whoever stops the guests may rely on the copy. */
    @Test
    void anNbdChildOfAQuorumIsACopyUntilItFails() {
        start(ReplicationPeer.LOCKSTEP);
        final String guest = "nbd+unix:///a?socket=" + rig.path("north.nbd");
        line.done(
                "{ 'execute': 'blockdev-add', 'arguments': { 'driver': 'nbd', 'node-name': 'nbd0',"
                        + " 'server': { 'type': 'unix', 'path': '"
                        + rig.socket()
                        + "' }, 'export': 'disk' } }");
        line.done(
                "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'a', 'node': 'nbd0' }"
                        + " }");
        write(guest, LENGTH);
        line.done("{ 'execute': 'stop' }");
        ReplicatedPair.assertSame(rig.path("north.img"), rig.path("target"));
        line.done("{ 'execute': 'cont' }");
        target.kill();
        JsonObject event = line.nextOfAny();
        while (!event.has("event")
                || !event.get("event").getAsString().equals("QUORUM_REPORT_BAD")) {
            event = line.nextOfAny();
        }
        assertEquals("nbd0", event.getAsJsonObject("data").get("node-name").getAsString());
        write(guest, 4096);
        line.done(
                "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'a', 'child':"
                        + " 'children.1' } }");
        line.done("{ 'execute': 'blockdev-del', 'arguments': { 'node-name': 'nbd0' } }");
    }

    private void write(final String guest, final int length) {
        rig.python(
                """
                h = connect(sys.argv[1])
                h.pwrite(pattern(int(sys.argv[2]), 5), 0)
                """,
                guest,
                Integer.toString(length));
    }
}

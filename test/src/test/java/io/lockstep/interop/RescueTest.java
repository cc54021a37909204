package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What a manager does when the other host is lost: the steps of QEMU's COLO document in every
 * order, each of them once and again at once. Source of the steps: {@code docs/COLO-FT.txt},
 * "Primary Failover" and "Secondary Failover"; the answers are those that QEMU 7.2 was seen to
 * give, but for x-colo-lost-heartbeat, which there is of a machine's migration.
 */
final class RescueTest {
    private static final int LENGTH = 1 << 20;
    private static final String DONE = "{\"return\":{}}";
    private static final String LOST_HEARTBEAT = "{ 'execute': 'x-colo-lost-heartbeat' }";
    private static final String COLO_STATUS = "{ 'execute': 'query-colo-status' }";
    private static final String CHECKPOINT = "{ 'execute': 'xen-colo-do-checkpoint' }";

    @AutoClose private final Rig rig = new Rig();

    /** A step, and what it is answered when it comes for the first time and again. */
    enum Step {
        REMOVE_CHILD(
                "{ 'execute': 'x-blockdev-change', 'arguments': { 'parent': 'a', 'child':"
                        + " 'children.1' } }"),
        DELETE_NODE(
                "{ 'execute': 'human-monitor-command', 'arguments': { 'command-line': 'drive_del"
                        + " client' } }"),
        LOSE_HEARTBEAT(LOST_HEARTBEAT),
        STOP(
                "{ 'execute': 'xen-set-replication', 'arguments': { 'enable': false, 'primary':"
                        + " true, 'failover': true } }"),
        STOP_SERVER("{ 'execute': 'nbd-server-stop' }"),
        STOP_SECONDARY(
                "{ 'execute': 'xen-set-replication', 'arguments': { 'enable': false, 'primary':"
                        + " false, 'failover': true } }");

        private final String typed;

        Step(final String typed) {
            this.typed = typed;
        }

        /** What it must answer after those steps. */
        private String answerAfter(final List<Step> before) {
            final boolean isAgain = before.contains(this);
            return switch (this) {
                case REMOVE_CHILD ->
                        isAgain ? error("Node 'a' does not have child 'children.1'") : DONE;
                case DELETE_NODE -> answerOfDeletion(before);
                case STOP_SERVER -> isAgain ? error("NBD server not running") : DONE;
                case LOSE_HEARTBEAT, STOP, STOP_SECONDARY -> DONE;
            };
        }

        private static String answerOfDeletion(final List<Step> before) {
            final int removal = before.indexOf(REMOVE_CHILD);
            if (removal < 0) {
                return "{\"return\":\"Node client is in use by 'a'\\r\\n\"}";
            }
            return before.subList(removal, before.size()).contains(DELETE_NODE)
                    ? "{\"return\":\"Device 'client' not found\\r\\n\"}"
                    : "{\"return\":\"\"}";
        }

        private static String error(final String sentence) {
            return "{\"error\":{\"class\":\"GenericError\",\"desc\":\"" + sentence + "\"}}";
        }
    }

    static List<List<Step>> ofAPrimary() {
        final List<List<Step>> orders =
                orders(List.of(Step.REMOVE_CHILD, Step.DELETE_NODE, Step.LOSE_HEARTBEAT));
        orders.add(List.of(Step.REMOVE_CHILD, Step.STOP, Step.DELETE_NODE));
        orders.add(List.of(Step.STOP, Step.REMOVE_CHILD, Step.LOSE_HEARTBEAT));
        return orders;
    }

    static List<List<Step>> ofASecondary() {
        return orders(List.of(Step.STOP_SERVER, Step.LOSE_HEARTBEAT, Step.STOP_SECONDARY));
    }

    private static List<List<Step>> orders(final List<Step> steps) {
        if (steps.isEmpty()) {
            return new ArrayList<>(List.of(List.of()));
        }
        final List<List<Step>> orders = new ArrayList<>();
        for (final Step first : steps) {
            final List<Step> rest = new ArrayList<>(steps);
            rest.remove(first);
            for (final List<Step> order : orders(rest)) {
                final List<Step> whole = new ArrayList<>(List.of(first));
                whole.addAll(order);
                orders.add(whole);
            }
        }
        return orders;
    }

    private ReplicationSide secondary(final String name, final Path disk) {
        return ReplicationSide.secondary(ReplicationPeer.LOCKSTEP, rig, name, disk).start();
    }

    /** Does them, each twice, and then all again. */
    private static void take(final List<Step> order, final QmpLine line) {
        final List<Step> before = new ArrayList<>();
        for (int round = 0; round < 2; round++) {
            for (final Step step : order) {
                for (int time = 0; time < 2; time++) {
                    line.expect(step.typed, step.answerAfter(before));
                    before.add(step);
                }
            }
        }
    }

    private void write(final ReplicationSide side, final byte[] content) {
        final Path file = rig.write(rig.hole("content", 0), 0, content);
        rig.run(Tool.NBDCOPY, file.toString(), side.guest());
    }

    @ParameterizedTest
    @MethodSource("ofAPrimary")
    void aPrimaryWhoseSecondaryIsLost(final List<Step> order) {
        final Path disk = rig.hole("p.img", LENGTH);
        final ReplicationSide secondary = secondary("s", rig.hole("s.img", LENGTH));
        final ReplicationSide primary =
                ReplicationSide.primary(ReplicationPeer.LOCKSTEP, rig, "p", disk);
        primary.attach(secondary.socket());
        primary.start();
        secondary.engine().kill();
        final QmpLine line = rig.keep(QmpLine.connect(primary.engine().secondMonitor()));
        line.expect(
                COLO_STATUS,
                "{\"return\":{\"mode\":\"primary\",\"last-mode\":\"none\",\"reason\":\"none\"}}");
        take(order, line);
        line.expect(
                COLO_STATUS,
                "{\"return\":{\"mode\":\"none\",\"last-mode\":\"primary\",\"reason\":\"request\"}}");
        assertEquals("", primary.error());
        line.done(CHECKPOINT);
        final byte[] content = Rig.randomBytes(LENGTH, 1);
        write(primary, content);
        assertArrayEquals(content, Rig.read(disk));
        replicateAnew(primary, line, content);
    }

    /** Nothing of the old pair is in the way of a new one; it is not started before it is. */
    private void replicateAnew(
            final ReplicationSide primary, final QmpLine line, final byte[] content) {
        line.ask(Step.DELETE_NODE.typed);
        final ReplicationSide secondary =
                secondary("s2", rig.write(rig.hole("s2.img", LENGTH), 0, content));
        primary.attach(secondary.socket());
        assertEquals("replication is not running", line.refusal(LOST_HEARTBEAT));
        primary.start();
        final byte[] next = Rig.randomBytes(LENGTH, 2);
        write(primary, next);
        primary.checkpoint();
        rig.run(Tool.NBDCOPY, secondary.guest(), rig.path("seen").toString());
        assertArrayEquals(next, Rig.read(rig.path("seen")));
    }

    @ParameterizedTest
    @MethodSource("ofASecondary")
    void aSecondaryWhosePrimaryIsLost(final List<Step> order) {
        final Path disk = rig.hole("s.img", LENGTH);
        final ReplicationSide secondary = secondary("s", disk);
        final ReplicationSide primary =
                ReplicationSide.primary(
                        ReplicationPeer.LOCKSTEP, rig, "p", rig.hole("p.img", LENGTH));
        primary.attach(secondary.socket());
        primary.start();
        final byte[] content = Rig.randomBytes(LENGTH, 1);
        write(primary, content);
        primary.checkpoint();
        write(primary, Rig.randomBytes(LENGTH, 2));
        primary.engine().kill();
        final QmpLine line = rig.keep(QmpLine.connect(secondary.engine().secondMonitor()));
        take(order, line);
        line.expect(
                COLO_STATUS,
                "{\"return\":{\"mode\":\"none\",\"last-mode\":\"secondary\",\"reason\":\"request\"}}");
        secondary.control().awaitMerged();
        assertArrayEquals(content, Rig.read(disk));
        final JsonObject added =
                line.ask(
                        "{ 'execute': 'human-monitor-command', 'arguments': { 'command-line':"
                                + " 'drive_add -n buddy driver=replication,mode=primary,"
                                + "file.driver=nbd,file.path=nobody,file.export=a,node-name=client'"
                                + " } }");
        assertTrue(
                added.get("return").getAsString().startsWith("Failed to connect"), added::toString);
        line.done(LOST_HEARTBEAT);
    }
}

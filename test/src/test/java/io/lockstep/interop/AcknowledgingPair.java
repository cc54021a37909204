package io.lockstep.interop;

import java.util.ArrayList;
import java.util.List;

/**
 * A pair of {@code lockstep node}s at one level of acknowledgement, over a link that takes its
 * time, whose primary dies again and again. Each time the other one takes over, and the dead one
 * comes back as its secondary, with the same command.
 */
final class AcknowledgingPair {
    /**
     * There and back. A primary that dies has some of what it sent, and of what it waits for, on
     * the way.
     */
    private static final long DELAY_MILLIS = 1;

    /**
     * So that a peer that has to wait for this machine's cores is not taken for a dead one: its
     * primary would go on alone then, and acknowledge what nobody else has. And checkpoints, which
     * are all that is left of level {@code local}.
     */
    private static final List<String> MORE =
            List.of("--peer-timeout", "60s", "--checkpoint-every", "100ms");

    private final AcknowledgementLevel level;
    private final List<LinkProxy> ways;
    private SwitchingHost serving;
    private SwitchingHost other;

    private AcknowledgingPair(final Rig rig, final AcknowledgementLevel level, final int length) {
        this.level = level;
        ways =
                List.of(
                        rig.keep(LinkProxy.start(rig.path("ts"), rig.path("sl"), DELAY_MILLIS)),
                        rig.keep(LinkProxy.start(rig.path("tn"), rig.path("nl"), DELAY_MILLIS)));
        serving = host(rig, "n", "ts", "primary", length);
        other = host(rig, "s", "tn", "secondary", length);
    }

    private SwitchingHost host(
            final Rig rig,
            final String name,
            final String way,
            final String first,
            final int length) {
        final List<String> more = new ArrayList<>(List.of("--first", first));
        if (level != AcknowledgementLevel.LOCAL) {
            more.addAll(List.of("--ack", level.option()));
        }
        more.addAll(MORE);
        return new SwitchingHost(rig, name, way, length, more.toArray(String[]::new));
    }

    /** Starts one whose disks are holes, and waits until its promise is in force. */
    static AcknowledgingPair start(
            final Rig rig, final AcknowledgementLevel level, final int length) {
        final AcknowledgingPair pair = new AcknowledgingPair(rig, level, length);
        pair.other.start();
        pair.serving.start();
        pair.awaitInForce();
        return pair;
    }

    private void awaitInForce() {
        serving.awaitHealed();
        if (level != AcknowledgementLevel.LOCAL) {
            try (Control control = serving.connect()) {
                control.await(
                        "in force",
                        status -> status.getAsJsonObject("ack").get("in-force").getAsBoolean());
            }
        }
    }

    /** Who serves the guest. */
    SwitchingHost serving() {
        return serving;
    }

    /** Kills the primary's process: what it sent arrives. */
    void killPrimary() {
        serving.process().kill();
    }

    /**
     * Kills the primary's host: what is on the way is lost. For a moment it does not know, and
     * could acknowledge what nobody else will ever have.
     */
    void losePrimary() {
        ways.forEach(LinkProxy::silence);
        Rig.pause();
        killPrimary();
        ways.forEach(LinkProxy::cut);
    }

    /** The secondary takes over, and serves from now on. */
    void failOver() {
        try (Control control = other.connect()) {
            control.await("left by its primary", status -> !status.get("linked").getAsBoolean());
            control.execute("x-lockstep-failover");
        }
        final SwitchingHost former = serving;
        serving = other;
        other = former;
    }

    /** The one that died is started again, and made equal. */
    void comeBack() {
        ways.forEach(LinkProxy::mend);
        other.start();
        awaitInForce();
    }

    /** What both print, for a failure's message. */
    @Override
    public String toString() {
        return serving + ": " + serving.process() + "\n" + other + ": " + other.process();
    }
}

package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.gson.JsonObject;
import com.google.gson.JsonParser;

import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** A host of a pair, with one disk and the one command that is typed there again and again. */
final class SwitchingHost {
    private final Rig rig;
    private final String name;
    private final String peer;
    private final List<String> more;
    private LockstepProcess process;

    /**
     * One whose disk is a hole.
     *
     * @param peer where the other one is found: the name of its socket in the rig
     * @param more arguments
     */
    SwitchingHost(
            final Rig rig,
            final String name,
            final String peer,
            final int length,
            final String... more) {
        this.rig = rig;
        this.name = name;
        this.peer = peer;
        this.more = List.of(more);
        rig.hole(name + ".img", length);
    }

    Path disk() {
        return rig.path(name + ".img");
    }

    Path control() {
        return rig.path(name + "c");
    }

    /** Where its guest finds the disk. */
    String guest() {
        return "nbd+unix:///vda?socket=" + rig.path(name + "g");
    }

    LockstepProcess process() {
        return process;
    }

    List<String> command() {
        final List<String> arguments = new ArrayList<>();
        arguments.addAll(List.of("node", "--disk", "vda=" + disk()));
        arguments.addAll(List.of("--guest", "nbd+unix:///?socket=" + rig.path(name + "g")));
        arguments.addAll(List.of("--control", control().toString()));
        arguments.addAll(List.of("--listen", "nbd+unix:///?socket=" + rig.path(name + "l")));
        arguments.addAll(List.of("--peer", "nbd+unix:///?socket=" + rig.path(peer)));
        arguments.addAll(List.of("--buffers", rig.path(name + "buffers").toString()));
        arguments.addAll(more);
        return arguments;
    }

    /** Answers what it says that it is. */
    String start() {
        process = rig.server(command());
        return process.ready();
    }

    /** The same, and nobody waits for it. */
    void begin() {
        process = rig.keep(LockstepProcess.start(rig.directory(), command()));
    }

    boolean isRunning() {
        return process != null && process.isRunning();
    }

    /**
     * Connects as soon as there is a socket; it goes, and comes again, where roles are switched.
     */
    Control connect() {
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        while (true) {
            try {
                return Control.connect(control());
            } catch (final UncheckedIOException e) {
                if (!isRunning() || System.nanoTime() > deadline) {
                    throw new AssertionError(process.toString(), e);
                }
                Rig.pause();
            }
        }
    }

    /** Whether it is a primary now whose secondary is linked and equal. */
    boolean isHealedPrimary() {
        try (Control control = Control.connect(control())) {
            final JsonObject status = control.status();
            return status.get("role").getAsString().equals("primary")
                    && status.get("linked").getAsBoolean()
                    && !status.has("synchronisation")
                    && status.get("standing").getAsString().equals("reigning");
        } catch (final UncheckedIOException | AssertionError e) {
            return false; // it is not there yet, or not any more
        }
    }

    /** Waits until its secondary is equal, over however many connections that takes. */
    void awaitHealed() {
        try (Control control = connect()) {
            control.awaitHealed();
            control.awaitDrained();
        }
    }

    /**
     * Waits until its record says that it has a checkpoint on stable storage. Its primary hears of
     * it with its next heartbeat, and knows from then on what it may lack.
     */
    void awaitDurable() {
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        try (Control control = connect()) {
            while (recordedEpoch(control) == 0) {
                assertTrue(System.nanoTime() < deadline, process::toString);
                Rig.pause();
            }
        }
    }

    private static long recordedEpoch(final Control control) {
        final JsonObject record = control.execute("x-lockstep-state").getAsJsonObject();
        return record.get("committed-epoch").getAsLong();
    }

    /** Says it until the primary has heard of its secondary all that it needs for that. */
    Tool.Output switchover() {
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        Tool.Output output = rig.lockstep("switchover", "--control", control().toString());
        while (isToBeSaidAgain(output.err()) && System.nanoTime() < deadline) {
            output = rig.lockstep("switchover", "--control", control().toString());
        }
        return output;
    }

    /** The first is the primary's answer, the second what a secondary hears of it. */
    private static boolean isToBeSaidAgain(final String refusal) {
        return refusal.contains("linked just now")
                || refusal.contains("the primary does not hand over now");
    }

    /** What its record says, whether it runs or not. */
    String standing() {
        final JsonObject state =
                JsonParser.parseString(
                                rig.lockstep("state", "--json", "--state", disk() + ".lockstep")
                                        .requireSuccess()
                                        .out())
                        .getAsJsonObject();
        return state.get("standing").getAsString();
    }

    @Override
    public String toString() {
        return name;
    }
}

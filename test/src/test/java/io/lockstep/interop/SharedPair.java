package io.lockstep.interop;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * {@code lockstep primary} and {@code lockstep secondary} on the same disks, over Unix sockets, in
 * a rig's directory. Either can be killed and started again.
 */
final class SharedPair {
    private final Rig rig;
    private final String name;
    private final String shared;
    private final List<Path> disks;
    private final List<String> moreForPrimary = new ArrayList<>();
    private LockstepProcess primary;
    private LockstepProcess secondary;

    /**
     * Starts nothing yet.
     *
     * @param name short, of this pair among those of the rig
     * @param shared the option with which both share
     * @param disks files or devices
     */
    SharedPair(final Rig rig, final String name, final String shared, final List<Path> disks) {
        this.rig = rig;
        this.name = name;
        this.shared = shared;
        this.disks = List.copyOf(disks);
    }

    SharedPair withPrimary(final String... arguments) {
        moreForPrimary.addAll(List.of(arguments));
        return this;
    }

    private static String disk(final int number) {
        return String.valueOf((char) ('a' + number));
    }

    private List<String> command(final String what, final String side) {
        final List<String> arguments = new ArrayList<>(List.of(what, shared));
        for (int i = 0; i < disks.size(); i++) {
            arguments.addAll(List.of("--disk", disk(i) + "=" + disks.get(i)));
        }
        arguments.addAll(List.of("--state", rig.path(name + side + "state").toString()));
        arguments.add("--state-may-vanish");
        arguments.addAll(List.of("--guest", uri(side + "g", "")));
        arguments.addAll(List.of("--control", control(side).toString()));
        return arguments;
    }

    private Path control(final String side) {
        return rig.path(name + side + "c");
    }

    private String uri(final String socket, final String export) {
        return "nbd+unix:///" + export + "?socket=" + rig.path(name + socket);
    }

    List<String> primaryCommand() {
        final List<String> arguments = command("primary", "p");
        arguments.addAll(List.of("--peer", uri("l", "")));
        arguments.addAll(moreForPrimary);
        return arguments;
    }

    List<String> secondaryCommand() {
        final List<String> arguments = command("secondary", "s");
        arguments.addAll(List.of("--listen", uri("l", "")));
        arguments.addAll(List.of("--buffers", rig.path(name + "buffers").toString()));
        return arguments;
    }

    /** Starts both, and waits for the first checkpoint. */
    SharedPair start() {
        startSecondary();
        startPrimary();
        awaitCheckpoint();
        return this;
    }

    void startSecondary() {
        secondary = rig.server(secondaryCommand());
    }

    void startPrimary() {
        primary = rig.server(primaryCommand());
    }

    /** They are linked, and there is something to go back to. */
    void awaitCheckpoint() {
        try (Control control = primaryControl()) {
            control.awaitHealed();
        }
    }

    LockstepProcess primary() {
        return primary;
    }

    LockstepProcess secondary() {
        return secondary;
    }

    Path primaryControlSocket() {
        return control("p");
    }

    Path secondaryControlSocket() {
        return control("s");
    }

    Control primaryControl() {
        return Control.connect(control("p"));
    }

    Control secondaryControl() {
        return Control.connect(control("s"));
    }

    /** What the guest of the primary uses. */
    List<String> guests() {
        return exports("pg");
    }

    /** What the guest of the secondary uses. */
    List<String> secondaryGuests() {
        return exports("sg");
    }

    private List<String> exports(final String socket) {
        final List<String> all = new ArrayList<>();
        for (int i = 0; i < disks.size(); i++) {
            all.add(uri(socket, disk(i)));
        }
        return all;
    }

    /** A guest that writes one thing after the other, and a manager. */
    SerialWrites write(final int length, final double pauseSeconds) {
        return SerialWrites.start(
                rig,
                guests(),
                length,
                primaryControlSocket(),
                "x-lockstep-checkpoint",
                pauseSeconds);
    }

    /** The primary is fenced; waits until the secondary's disks are plain ones. */
    void failOver() {
        try (Control control = secondaryControl()) {
            control.execute("x-lockstep-failover", "{'fenced': true}");
            control.awaitMerged();
        }
    }

    /** What the disks hold. */
    List<byte[]> contents() {
        return disks.stream().map(Rig::read).toList();
    }

    void stop() {
        if (primary.isRunning()) {
            primary.stop();
        }
        if (secondary.isRunning()) {
            secondary.stop();
        }
    }

    @Override
    public String toString() {
        return secondary + "\n" + primary;
    }
}

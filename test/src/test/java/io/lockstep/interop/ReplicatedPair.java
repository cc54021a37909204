package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * {@code lockstep primary} and {@code lockstep secondary} on the disks {@code a}, {@code b} and so
 * on, over Unix sockets, in a rig's directory. Either can be killed and started again.
 */
final class ReplicatedPair {
    private final Rig rig;
    private final String name;
    private final List<String> disks = new ArrayList<>();
    private final List<String> moreForSecondary = new ArrayList<>();
    private final List<String> moreForPrimary = new ArrayList<>();
    private Path link;
    private Path buffers;
    private LockstepProcess secondary;
    private LockstepProcess primary;

    /**
     * Makes the disks, which are holes; starts nothing yet.
     *
     * @param name short, of this pair among those of the rig
     */
    ReplicatedPair(final Rig rig, final String name, final int diskCount, final long length) {
        this.rig = rig;
        this.name = name;
        for (int i = 0; i < diskCount; i++) {
            final String disk = String.valueOf((char) ('a' + i));
            disks.add(disk);
            rig.hole(fileName("p", disk), length);
            rig.hole(fileName("s", disk), length);
        }
        link = rig.path(name + "l");
        buffers = rig.path(name + "buffers");
    }

    private String fileName(final String side, final String disk) {
        return name + side + disk + ".img";
    }

    Path primaryDisk(final String disk) {
        return rig.path(fileName("p", disk));
    }

    Path secondaryDisk(final String disk) {
        return rig.path(fileName("s", disk));
    }

    List<String> disks() {
        return disks;
    }

    ReplicatedPair withSecondary(final String... arguments) {
        moreForSecondary.addAll(List.of(arguments));
        return this;
    }

    ReplicatedPair withPrimary(final String... arguments) {
        moreForPrimary.addAll(List.of(arguments));
        return this;
    }

    ReplicatedPair withBuffers(final Path directory) {
        buffers = directory;
        return this;
    }

    /** Has the primary replicate to somebody else's secondary. */
    ReplicatedPair withLink(final Path socket) {
        link = socket;
        return this;
    }

    /** Starts both, and waits until they are linked. */
    ReplicatedPair start() {
        startSecondary();
        startPrimary();
        try (Control control = primaryControl()) {
            control.awaitLink();
        }
        return this;
    }

    /** Starts the secondary, anew where it has been killed. */
    LockstepProcess startSecondary() {
        secondary = rig.server(secondaryArguments());
        return secondary;
    }

    List<String> secondaryArguments() {
        final List<String> arguments = new ArrayList<>(List.of("secondary"));
        for (final String disk : disks) {
            arguments.addAll(List.of("--disk", disk + "=" + secondaryDisk(disk)));
        }
        arguments.addAll(
                List.of(
                        "--listen",
                        "nbd+unix:///?socket=" + link,
                        "--guest",
                        uri("t", ""),
                        "--control",
                        secondaryControlSocket().toString(),
                        "--buffers",
                        buffers().toString(),
                        "--loops",
                        "2"));
        arguments.addAll(moreForSecondary);
        return arguments;
    }

    LockstepProcess startPrimary() {
        primary = rig.server(primaryArguments());
        return primary;
    }

    List<String> primaryArguments() {
        final List<String> arguments = new ArrayList<>(List.of("primary"));
        for (final String disk : disks) {
            arguments.addAll(List.of("--disk", disk + "=" + primaryDisk(disk)));
        }
        arguments.addAll(
                List.of(
                        "--guest",
                        uri("g", ""),
                        "--peer",
                        "nbd+unix:///?socket=" + link,
                        "--control",
                        primaryControlSocket().toString(),
                        "--loops",
                        "2"));
        arguments.addAll(moreForPrimary);
        return arguments;
    }

    Path buffers() {
        return buffers;
    }

    /** The link's socket. */
    Path linkSocket() {
        return link;
    }

    Path primaryControlSocket() {
        return rig.path(name + "pc");
    }

    Path secondaryControlSocket() {
        return rig.path(name + "sc");
    }

    private String uri(final String socket, final String export) {
        return "nbd+unix:///" + export + "?socket=" + rig.path(name + socket);
    }

    /** What the guest of the primary uses. */
    String guest(final String disk) {
        return uri("g", disk);
    }

    /** What the guest of the secondary uses. */
    String secondaryGuest(final String disk) {
        return uri("t", disk);
    }

    LockstepProcess secondary() {
        return secondary;
    }

    LockstepProcess primary() {
        return primary;
    }

    /** A manager's connection to the primary. */
    Control primaryControl() {
        return Control.connect(primaryControlSocket());
    }

    /** A manager's connection to the secondary. */
    Control secondaryControl() {
        return Control.connect(secondaryControlSocket());
    }

    long checkpoint() {
        try (Control control = primaryControl()) {
            return control.checkpoint();
        }
    }

    /** Waits until the secondary has all; the disks must be equal then (I2). */
    void requireEqual() {
        try (Control control = primaryControl()) {
            control.awaitDrained();
        }
        for (final String disk : disks) {
            assertSame(primaryDisk(disk), secondaryDisk(disk));
        }
    }

    /** The pair becomes equal by itself. */
    void awaitHealed() {
        try (Control control = primaryControl()) {
            control.awaitHealed();
        }
        checkpoint();
        requireEqual();
    }

    /** Fails over, and waits until the secondary's disks are plain files. */
    void failOver() {
        try (Control control = secondaryControl()) {
            control.execute("x-lockstep-failover", "{'force': true}");
            control.awaitMerged();
        }
    }

    /** Two files must hold the same. */
    static void assertSame(final Path expected, final Path actual) {
        try {
            final long at = Files.mismatch(expected, actual);
            assertEquals(-1, at, () -> actual + " differs from " + expected + " at byte " + at);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What both print, for a failure's message. */
    @Override
    public String toString() {
        return secondary + "\n" + primary;
    }
}

package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lockstep.cli.run.DirectoryTree;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;

/**
 * One of two hosts, with the one command {@code lockstep node} that is typed there again and again,
 * whatever has died. Its power can be cut, where the machine lets a process see another boot.
 */
final class MortalHost {
    private static final Path BOOT = Path.of("/proc/sys/kernel/random/boot_id");

    private final Rig rig;
    private final String name;
    private final List<String> command;
    private final String place;
    private final boolean isBootAChoice;
    private LockstepProcess node;

    /**
     * One whose disk is a hole.
     *
     * @param first what it is where there is no record yet
     * @param place a command of the shell before {@code exec}, that gives what it starts its
     *     surroundings; or nothing
     */
    MortalHost(
            final Rig rig,
            final String name,
            final String first,
            final long length,
            final String listen,
            final String peer,
            final String place,
            final List<String> more) {
        this.rig = rig;
        this.name = name;
        this.place = place;
        command = new ArrayList<>(List.of("node", "--first", first));
        command.addAll(List.of("--disk", "vda=" + rig.hole(name + ".img", length)));
        command.addAll(List.of("--listen", listen, "--peer", peer));
        command.addAll(List.of("--guest", "nbd+unix:///?socket=" + rig.path(name + ".guest")));
        command.addAll(List.of("--control", control().toString()));
        command.addAll(List.of("--buffers", buffers().toString()));
        command.addAll(more);
        boot();
        isBootAChoice = seesAnotherBoot();
    }

    Path disk() {
        return rig.path(name + ".img");
    }

    Path control() {
        return rig.path(name + ".qmp");
    }

    private Path buffers() {
        return rig.path(name + ".buffers");
    }

    String guest() {
        return "nbd+unix:///vda?socket=" + rig.path(name + ".guest");
    }

    private Path bootName() {
        return rig.path(name + ".boot");
    }

    /** Its kernel is another one from now on, where that can be shown to a process. */
    private void boot() {
        try {
            Files.writeString(bootName(), UUID.randomUUID() + "\n");
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private String inItsBoot() {
        return "set -- unshare --mount sh -c 'mount --bind \"$0\" "
                + BOOT
                + " && exec \"$@\"' "
                + bootName()
                + " \"$@\"";
    }

    private boolean seesAnotherBoot() {
        try (Program program =
                Program.start(
                        "cat",
                        List.of(
                                "sh",
                                "-c",
                                inItsBoot() + "; exec \"$@\"",
                                "sh",
                                "cat",
                                BOOT.toString()),
                        rig.path(""))) {
            return program.awaitExit() == 0 && program.out().equals(Files.readString(bootName()));
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Types the command, and waits until it is ready. */
    void start() {
        final List<String> before = new ArrayList<>();
        if (!place.isEmpty()) {
            before.add(place);
        }
        if (isBootAChoice) {
            before.add(inItsBoot());
        }
        node =
                before.isEmpty()
                        ? rig.server(command)
                        : rig.serverAfter(String.join("; ", before), command);
    }

    boolean isRunning() {
        return node != null && node.isRunning();
    }

    void kill() {
        node.kill();
    }

    /** It is killed, and what lay in memory is gone. */
    void losePower() {
        if (isRunning()) {
            kill();
        }
        boot();
        try {
            if (Files.exists(buffers())) {
                DirectoryTree.remove(buffers());
            }
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    void stop() {
        assertEquals(0, node.stop(), node::toString);
    }

    Control connect() {
        return Control.connect(control());
    }

    @Override
    public String toString() {
        return name + ": " + node;
    }
}

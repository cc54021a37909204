package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A virtual machine with Debian's kernel, emulated, that runs one of the scenarios of {@code
 * test/guest/init} and tells on its serial line how it goes.
 */
final class RealGuest {
    private static final Path FOLDER = Path.of(System.getProperty("basedir", "."), "guest");
    private static final Path FETCHED = FOLDER.resolveSibling("target").resolve("guest");

    /** An emulator that waits for its turn is no broken timer, and no process that hangs. */
    private static final String KERNEL_PARAMETERS =
            "console=ttyS0 quiet panic=-1 no_timer_check nowatchdog ";

    private static final Pattern FILE =
            Pattern.compile("guest: (complete|found) (\\d+) ([0-9a-f]{64})");

    private final Program qemu;
    private final Path monitor;

    private RealGuest(final Program qemu, final Path monitor) {
        this.qemu = qemu;
        this.monitor = monitor;
    }

    /** Boots one whose disk is an NBD export; it runs until the test ends. */
    static RealGuest bootFrom(final Rig rig, final String disk, final String scenario) {
        return boot(rig, scenario, "", "-drive", drive(disk));
    }

    /**
     * The same, as a manager has it whose disk may go elsewhere: where there is an error of its
     * disk it stands still and hears of none, so that it tells nothing behind that any more.
     */
    static RealGuest bootFromWhatMayGo(final Rig rig, final String disk, final String scenario) {
        return boot(rig, scenario, "", "-drive", drive(disk) + ",werror=stop,rerror=stop");
    }

    private static String drive(final String disk) {
        return "if=virtio,format=raw,file=" + disk;
    }

    /** Boots one without a disk, which reaches this machine's loopback interface as 10.0.2.2. */
    static RealGuest bootWithNetwork(final Rig rig, final String scenario, final int port) {
        return boot(
                rig,
                scenario,
                " port=" + port,
                "-netdev",
                "user,id=net",
                "-device",
                "virtio-net-pci,netdev=net,romfile=");
    }

    private static RealGuest boot(
            final Rig rig, final String scenario, final String more, final String... devices) {
        final String parameters = "scenario=" + scenario + more;
        final Path monitor = rig.path(scenario + ".qmp");
        final Path kernel = FETCHED.resolve("vmlinuz");
        if (!Files.exists(FETCHED.resolve("fetched"))) {
            Tool.skip("there is no kernel to boot; to run this test: test/guest/fetch");
        }
        final List<String> command =
                new ArrayList<>(List.of(Tool.QEMU_SYSTEM.path().toString(), "-nodefaults"));
        command.addAll(List.of("-M", "q35,accel=tcg", "-cpu", "max", "-m", "256"));
        command.addAll(List.of("-display", "none", "-serial", "stdio", "-no-reboot"));
        command.addAll(List.of("-kernel", kernel.toString()));
        command.addAll(List.of("-initrd", initialFileSystem(rig).toString()));
        command.addAll(List.of("-append", KERNEL_PARAMETERS + parameters));
        command.addAll(List.of(devices));
        command.addAll(List.of("-qmp", "unix:" + monitor + ",server=on,wait=off"));
        return new RealGuest(
                rig.keep(Program.startTalking("guest " + parameters, command, rig.directory())),
                monitor);
    }

    private static Path initialFileSystem(final Rig rig) {
        final Path image = rig.path("initial");
        if (!Files.exists(image)) {
            final List<String> command =
                    List.of(FOLDER.resolve("pack").toAbsolutePath().toString(), image.toString());
            try (Program pack = Program.start("pack", command, rig.directory())) {
                assertTrue(pack.awaitExit() == 0, pack::transcript);
            }
        }
        return image;
    }

    /** Waits until it has told this. */
    void await(final String told) {
        qemu.awaitLine(line -> line.equals("guest: " + told));
    }

    /** Waits until it has told that so many files are complete. */
    void awaitComplete(final int count) {
        qemu.awaitLine(line -> complete().size() >= count);
    }

    /** The files that its disk has acknowledged, by number, with their checksums. */
    Map<Integer, String> complete() {
        return files("complete");
    }

    /** The files that it has found on its disk, by number, with their checksums. */
    Map<Integer, String> found() {
        return files("found");
    }

    private Map<Integer, String> files(final String what) {
        final Map<Integer, String> files = new TreeMap<>();
        qemu.out()
                .lines()
                .map(FILE::matcher)
                .filter(Matcher::matches)
                .filter(line -> line.group(1).equals(what))
                .forEach(line -> files.put(Integer.valueOf(line.group(2)), line.group(3)));
        return files;
    }

    /**
     * Speaks to it, and waits until it has heard that: files of which it tells behind that have
     * been begun after the call.
     *
     * @return the number of the first such file
     */
    int firstFileAfterNow() {
        qemu.say("now");
        await("heard now");
        final String before = qemu.out().split("guest: heard now", 2)[0];
        return (int) before.lines().filter(line -> line.startsWith("guest: begin ")).count();
    }

    /** Has it overwrite its first ten files, and waits until its disk has that. */
    void changeFiles() {
        qemu.say("change");
        await("changed");
    }

    /** Waits until it stands still, as its disk is gone. */
    void awaitDiskGone() {
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        try (Control control = Control.connect(monitor)) {
            while (!control.execute("query-status").toString().contains("\"io-error\"")) {
                assertTrue(System.nanoTime() < deadline, qemu::transcript);
                Rig.pause();
            }
        }
    }

    /** kill -9. */
    void kill() {
        qemu.kill();
        qemu.awaitExit();
    }

    /** Waits until its scenario has come to its end, and the machine is off. */
    void awaitDone() {
        await("done");
        qemu.awaitExit();
    }

    @Override
    public String toString() {
        return qemu.transcript();
    }
}

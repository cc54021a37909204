package io.lockstep.interop;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A {@code qemu-system-x86_64} that has drives, three QMP monitors, and no machine. It ends with
 * the test.
 */
final class QemuProcess implements ReplicationPeer.Engine {
    private final Program program;
    private final Path secondMonitor;
    private final Control control;

    private QemuProcess(
            final Rig rig, final Program program, final Path monitor, final Path secondMonitor) {
        this.program = program;
        this.secondMonitor = secondMonitor;
        Rig.awaitFile(secondMonitor, program::isRunning);
        control = rig.keep(Control.connect(monitor));
    }

    /**
     * Starts one.
     *
     * @param name of it among those of the rig
     * @param more arguments, such as {@code -drive}
     */
    static QemuProcess start(final Rig rig, final String name, final List<String> more) {
        final Path monitor = rig.path(name + ".qmp");
        final Path secondMonitor = rig.path(name + "2.qmp");
        final List<String> arguments =
                new ArrayList<>(List.of("-machine", "none", "-nodefaults", "-display", "none"));
        for (final Path socket : List.of(monitor, secondMonitor)) {
            arguments.addAll(List.of("-qmp", "unix:" + socket + ",server=on,wait=off"));
        }
        arguments.addAll(List.of("-qmp", "tcp:127.0.0.1:0,server=on,wait=off"));
        arguments.addAll(more);
        final Program program = rig.start(Tool.QEMU_SYSTEM, arguments.toArray(String[]::new));
        return new QemuProcess(rig, program, monitor, secondMonitor);
    }

    @Override
    public Control control() {
        return control;
    }

    @Override
    public Path secondMonitor() {
        return secondMonitor;
    }

    /** Its third monitor, such as {@code tcp:127.0.0.1:4711}. */
    String tcpMonitor() {
        final String devices = control.execute("query-chardev").toString();
        final Matcher matcher = Pattern.compile("tcp:127\\.0\\.0\\.1:\\d+").matcher(devices);
        if (!matcher.find()) {
            throw new AssertionError(devices);
        }
        return matcher.group();
    }

    @Override
    public void kill() {
        program.kill();
        program.awaitExit();
    }

    @Override
    public String toString() {
        return program.transcript();
    }
}

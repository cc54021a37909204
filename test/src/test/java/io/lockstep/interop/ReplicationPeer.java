package io.lockstep.interop;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Who replicates: QEMU, or {@code lockstep engine}. Both are set up by {@code -drive} arguments and
 * managed over QMP, in the same words.
 */
enum ReplicationPeer {
    QEMU {
        @Override
        Engine start(final Rig rig, final String name, final List<String> arguments) {
            return QemuProcess.start(rig, name, arguments);
        }

        @Override
        String bufferDriver() {
            return "qcow2";
        }

        @Override
        Path buffer(final Rig rig, final String name, final long length) {
            final Path file = rig.path(name);
            final String size = Long.toString(length);
            rig.run(Tool.QEMU_IMG, "create", "-q", "-f", "qcow2", file.toString(), size);
            return file;
        }
    },
    LOCKSTEP {
        @Override
        Engine start(final Rig rig, final String name, final List<String> arguments) {
            final Path monitor = rig.path(name + ".qmp");
            final List<String> all = new ArrayList<>(List.of("engine"));
            all.addAll(List.of("-qmp", "unix:" + monitor + ",server=on,wait=off"));
            all.addAll(arguments);
            final LockstepProcess process = rig.server(all);
            final Control control = rig.keep(Control.connect(monitor));
            return new Engine() {
                @Override
                public Control control() {
                    return control;
                }

                @Override
                public Path secondMonitor() {
                    return monitor; // which takes any number of clients
                }

                @Override
                public void kill() {
                    process.kill();
                }
            };
        }

        @Override
        String bufferDriver() {
            return "extents";
        }

        @Override
        Path buffer(final Rig rig, final String name, final long length) {
            return rig.path(name);
        }
    };

    /** A running process. It ends with the test. */
    interface Engine {
        /** A manager at its QMP monitor. */
        Control control();

        /** A monitor for somebody else. */
        Path secondMonitor();

        /** kill -9. */
        void kill();
    }

    /**
     * Starts it.
     *
     * @param name of it among those of the rig
     * @param arguments such as {@code -drive}, which both take
     */
    abstract Engine start(Rig rig, String name, List<String> arguments);

    /** What an active or hidden disk is. */
    abstract String bufferDriver();

    /** A file that an active or hidden disk may use, made where it must be there before. */
    abstract Path buffer(Rig rig, String name, long length);
}

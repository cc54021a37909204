package io.lockstep.bench.peer;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Programs that make one disk a copy of another one, which is not written meanwhile. */
public final class DiskCopy {
    private static final long MIRROR_SECONDS_MAX = 300;
    private static final long LOOK_MS = 10;

    private DiskCopy() {}

    /**
     * {@code nbdcopy} from one {@code lockstep serve} to another.
     *
     * @return seconds
     */
    public static double nbdcopy(final Path folder, final Path from, final Path to)
            throws IOException, InterruptedException {
        try (ChildProcess source = serve(folder, "source", from);
                ChildProcess target = serve(folder, "target", to)) {
            awaitExport(folder, "source", source);
            awaitExport(folder, "target", target);
            final long start = System.nanoTime();
            ChildProcess.run(List.of("nbdcopy", uri(folder, "source"), uri(folder, "target")));
            return (System.nanoTime() - start) / 1e9;
        }
    }

    private static ChildProcess serve(final Path folder, final String name, final Path disk)
            throws IOException {
        return ChildProcess.start(
                name,
                folder,
                ChildProcess.lockstep(
                        List.of(
                                "serve",
                                "--disk",
                                "d=" + disk,
                                "--listen",
                                "nbd+unix:///?socket=" + folder.resolve(name + ".nbd"))));
    }

    private static String uri(final Path folder, final String name) {
        return "nbd+unix:///d?socket=" + folder.resolve(name + ".nbd");
    }

    private static void awaitExport(final Path folder, final String name, final ChildProcess server)
            throws IOException, InterruptedException {
        final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(MIRROR_SECONDS_MAX);
        while (!isAnswered(uri(folder, name))) {
            if (System.nanoTime() > deadline || !server.isRunning()) {
                throw server.failure("did not start");
            }
            Thread.sleep(20);
        }
    }

    private static boolean isAnswered(final String uri) throws IOException, InterruptedException {
        return new ProcessBuilder("nbdinfo", "--size", uri)
                        .redirectErrorStream(true)
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .start()
                        .waitFor()
                == 0;
    }

    /**
     * QEMU's {@code blockdev-mirror} of all, as its document on COLO makes a new secondary equal,
     * from one {@code qemu-system-x86_64 -machine none} to the NBD server of another.
     *
     * @return seconds until the job is ready
     */
    public static double mirror(final Path folder, final Path from, final Path to)
            throws IOException, InterruptedException {
        try (ChildProcess source = qemu(folder, "mirror-source", from);
                ChildProcess target = qemu(folder, "mirror-target", to);
                ControlSocket sourceQmp = connect(folder, "mirror-source", source);
                ControlSocket targetQmp = connect(folder, "mirror-target", target)) {
            final String address =
                    "{'type': 'unix', 'data': {'path': '" + folder.resolve("mirror.nbd") + "'}}";
            targetQmp.execute("nbd-server-start", "{'addr': " + address + "}");
            targetQmp.execute("nbd-server-add", "{'device': 'd', 'writable': true}");
            sourceQmp.execute(
                    "blockdev-add",
                    "{'driver': 'nbd', 'node-name': 't', 'export': 'd', 'server':"
                            + " {'type': 'unix', 'path': '"
                            + folder.resolve("mirror.nbd")
                            + "'}}");
            final long start = System.nanoTime();
            sourceQmp.execute(
                    "blockdev-mirror",
                    "{'job-id': 'm', 'device': 'd', 'target': 't', 'sync': 'full'}");
            awaitReady(sourceQmp, start);
            final double seconds = (System.nanoTime() - start) / 1e9;
            sourceQmp.execute("block-job-cancel", "{'device': 'm'}");
            return seconds;
        }
    }

    private static void awaitReady(final ControlSocket qmp, final long start)
            throws IOException, InterruptedException {
        while (!qmp.execute("query-block-jobs")
                .getAsJsonArray()
                .get(0)
                .getAsJsonObject()
                .get("ready")
                .getAsBoolean()) {
            if (System.nanoTime() - start > TimeUnit.SECONDS.toNanos(MIRROR_SECONDS_MAX)) {
                throw new IOException("QEMU's mirror does not become ready");
            }
            Thread.sleep(LOOK_MS);
        }
    }

    private static ChildProcess qemu(final Path folder, final String name, final Path disk)
            throws IOException {
        return ChildProcess.start(
                name,
                folder,
                List.of(
                        "qemu-system-x86_64",
                        "-machine",
                        "none",
                        "-nodefaults",
                        "-display",
                        "none",
                        "-qmp",
                        "unix:" + folder.resolve(name + ".qmp") + ",server=on,wait=off",
                        "-blockdev",
                        "driver=raw,node-name=d,file.driver=file,file.filename=" + disk));
    }

    private static ControlSocket connect(
            final Path folder, final String name, final ChildProcess process)
            throws IOException, InterruptedException {
        return ControlSocket.connect(folder.resolve(name + ".qmp"), process);
    }
}

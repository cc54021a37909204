package io.lockstep.bench.peer;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * QEMU's block replication: two {@code qemu-system-x86_64 -machine none}, which have no guest and
 * are managed over QMP. Source: QEMU's {@code docs/block-replication.txt}.
 */
final class QemuPair implements ReplicationPair {
    private static final String ACTIVE_FILE = "active.qcow2";

    private final ChildProcess secondary;
    private final ChildProcess primary;
    private final ControlSocket secondaryQmp;
    private final ControlSocket primaryQmp;
    private final String guestUri;
    private final String secondaryGuestUri;

    private QemuPair(
            final ChildProcess secondary,
            final ChildProcess primary,
            final ControlSocket secondaryQmp,
            final ControlSocket primaryQmp,
            final String guestUri,
            final String secondaryGuestUri) {
        this.secondary = secondary;
        this.primary = primary;
        this.secondaryQmp = secondaryQmp;
        this.primaryQmp = primaryQmp;
        this.guestUri = guestUri;
        this.secondaryGuestUri = secondaryGuestUri;
    }

    /** Sets it up in folders; its guest comes over a Unix socket unless that is to be TCP. */
    static QemuPair start(
            final PairFolders folders,
            final boolean unix,
            final boolean guestUnix,
            final long diskLength,
            final boolean isSparse)
            throws IOException, InterruptedException {
        return start(
                folders.disks(),
                folders.secondaryDisks(),
                unix,
                guestUnix,
                diskLength,
                isSparse,
                folders.isDirect());
    }

    /** The same, where one has the secondary's disks. */
    static QemuPair start(
            final Path folder,
            final Path secondaryFolder,
            final boolean unix,
            final boolean guestUnix,
            final long diskLength,
            final boolean isSparse,
            final boolean isDirect)
            throws IOException, InterruptedException {
        final Path linkSocket = folder.resolve("link");
        final int port = unix ? 0 : BenchServer.freePort();
        final Path guestSocket = folder.resolve("guest");
        final int guestPort = guestUnix ? 0 : BenchServer.freePort();
        final List<AutoCloseable> made = new ArrayList<>();
        boolean started = false;
        try {
            final ChildProcess secondary =
                    startSecondary(folder, secondaryFolder, diskLength, isSparse, isDirect);
            made.add(secondary);
            final ChildProcess primary = startPrimary(folder, diskLength, isSparse, isDirect);
            made.add(primary);
            final ControlSocket secondaryQmp =
                    ControlSocket.connect(folder.resolve("secondary.qmp"), secondary);
            made.add(secondaryQmp);
            final ControlSocket primaryQmp =
                    ControlSocket.connect(folder.resolve("primary.qmp"), primary);
            made.add(primaryQmp);
            listen(secondaryQmp, linkSocket, port);
            export(secondaryQmp, "parent0");
            attach(primaryQmp, linkSocket, port);
            secondaryQmp.execute("xen-set-replication", "{'enable': true, 'primary': false}");
            primaryQmp.execute("xen-set-replication", "{'enable': true, 'primary': true}");
            export(secondaryQmp, "top0");
            listen(primaryQmp, guestSocket, guestPort);
            export(primaryQmp, "colo0");
            started = true;
            return new QemuPair(
                    secondary,
                    primary,
                    secondaryQmp,
                    primaryQmp,
                    uri("colo0", guestSocket, guestPort),
                    uri("top0", linkSocket, port));
        } finally {
            if (!started) {
                for (final AutoCloseable part : made.reversed()) {
                    closeQuietly(part);
                }
            }
        }
    }

    private static String uri(final String device, final Path socket, final int port) {
        return port == 0
                ? "nbd+unix:///" + device + "?socket=" + socket
                : "nbd://127.0.0.1:" + port + "/" + device;
    }

    private static ChildProcess startSecondary(
            final Path folder,
            final Path secondaryFolder,
            final long length,
            final boolean isSparse,
            final boolean isDirect)
            throws IOException, InterruptedException {
        final Path disk =
                NewDisk.make(secondaryFolder.resolve("secondary.img"), length, isSparse, isDirect);
        final Path active = makeBuffer(secondaryFolder.resolve(ACTIVE_FILE), length);
        final Path hidden = makeBuffer(secondaryFolder.resolve("hidden.qcow2"), length);
        return startQemu(
                "secondary",
                folder,
                isDirect,
                "if=none,id=parent0,driver=raw,file.filename=" + disk,
                "if=none,id=childs0,driver=replication,mode=secondary,top-id=top0,"
                        + "file.driver=qcow2,file.file.filename="
                        + active
                        + ",file.backing.driver=qcow2,file.backing.file.filename="
                        + hidden
                        + ",file.backing.backing=parent0",
                "if=none,id=top0,driver=quorum,read-pattern=fifo,vote-threshold=1,"
                        + "children.0=childs0");
    }

    private static ChildProcess startPrimary(
            final Path folder, final long length, final boolean isSparse, final boolean isDirect)
            throws IOException {
        final Path disk = NewDisk.make(folder.resolve("primary.img"), length, isSparse, isDirect);
        return startQemu(
                "primary",
                folder,
                isDirect,
                "if=none,id=colo0,driver=quorum,read-pattern=fifo,vote-threshold=1,"
                        + "children.0.file.filename="
                        + disk
                        + ",children.0.driver=raw");
    }

    private static ChildProcess startQemu(
            final String name, final Path folder, final boolean isDirect, final String... drives)
            throws IOException {
        final List<String> command =
                new ArrayList<>(
                        List.of(
                                "qemu-system-x86_64",
                                "-machine",
                                "none",
                                "-nodefaults",
                                "-display",
                                "none",
                                "-qmp",
                                "unix:" + folder.resolve(name + ".qmp") + ",server=on,wait=off"));
        for (final String drive : drives) {
            command.add("-drive");
            // What lies below in the graph has it from above, backing files and all.
            command.add(drive + (isDirect ? ",cache=none" : ""));
        }
        return ChildProcess.start(name, folder, command);
    }

    private static Path makeBuffer(final Path file, final long length)
            throws IOException, InterruptedException {
        ChildProcess.run(
                List.of("qemu-img", "create", "-q", "-f", "qcow2", "" + file, "" + length));
        return file;
    }

    /** Listens on a Unix socket; on a TCP port if that isn't 0. */
    private static void listen(final ControlSocket qmp, final Path socket, final int port)
            throws IOException {
        final String address =
                port == 0
                        ? "{'type': 'unix', 'data': {'path': '" + socket + "'}}"
                        : "{'type': 'inet', 'data': {'host': '127.0.0.1', 'port': '" + port + "'}}";
        qmp.execute("nbd-server-start", "{'addr': " + address + "}");
    }

    private static void export(final ControlSocket qmp, final String device) throws IOException {
        qmp.execute("nbd-server-add", "{'device': '" + device + "', 'writable': true}");
    }

    private static void attach(final ControlSocket qmp, final Path socket, final int port)
            throws IOException {
        final String server =
                port == 0 ? "file.path=" + socket : "file.host=127.0.0.1,file.port=" + port;
        qmp.execute(
                "human-monitor-command",
                "{'command-line': 'drive_add -n buddy driver=replication,mode=primary,"
                        + "file.driver=nbd,"
                        + server
                        + ",file.export=parent0,node-name=replication0'}");
        qmp.execute("x-blockdev-change", "{'parent': 'colo0', 'node': 'replication0'}");
    }

    @Override
    public String guestUri() {
        return guestUri;
    }

    @Override
    public String secondaryGuestUri() {
        return secondaryGuestUri;
    }

    /** Its guest is answered when the secondary has answered: there is nothing to wait for. */
    @Override
    public void drain() {}

    /** Of the secondary only: on the primary the command does nothing. */
    @Override
    public void checkpoint() throws IOException {
        secondaryQmp.execute("xen-colo-do-checkpoint");
    }

    /**
     * QEMU stops its virtual machine for a checkpoint. It must: writes that arrive meanwhile damage
     * the hidden disk ("Preventing invalid write on metadata"), and with that the process.
     */
    @Override
    public boolean pausesItsGuest() {
        return true;
    }

    @Override
    public double commitMicros() {
        return Double.NaN;
    }

    @Override
    public double cpuMicros() throws IOException {
        return primary.cpuMicros() + secondary.cpuMicros();
    }

    @Override
    public void killPrimary() throws InterruptedException {
        primary.kill();
    }

    @Override
    public void failOver() throws IOException {
        secondaryQmp.execute(
                "xen-set-replication", "{'enable': false, 'primary': false, 'failover': true}");
    }

    /** The merge is a job that no query shows; at its end QEMU lets go of the active disk. */
    @Override
    public boolean isMerged() throws IOException {
        return !secondaryQmp
                .execute("query-named-block-nodes", "{'flat': true}")
                .toString()
                .contains(ACTIVE_FILE);
    }

    @Override
    public void close() {
        primaryQmp.close();
        secondaryQmp.close();
        primary.close();
        secondary.close();
    }

    private static void closeQuietly(final AutoCloseable part) {
        try {
            part.close();
        } catch (final Exception e) {
            // Why it could not be set up is what counts.
        }
    }
}

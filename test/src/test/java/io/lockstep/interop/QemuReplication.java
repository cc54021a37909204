package io.lockstep.interop;

import java.nio.file.Path;

/**
 * Either side of QEMU's block replication, of one disk, as QEMU's document sets it up, over Unix
 * sockets. Source: QEMU's {@code docs/block-replication.txt}.
 */
final class QemuReplication {
    /** The disk's name, on both sides, and that of its replication export. */
    static final String DISK = "a";

    private static final String GUEST = "top";
    private static final String QUORUM =
            ",driver=quorum,read-pattern=fifo,vote-threshold=1,children.0";

    private QemuReplication() {}

    /** The address of an NBD server, as its QMP commands want it. */
    static String address(final Path socket) {
        return "{'addr': {'type': 'unix', 'data': {'path': '" + socket + "'}}}";
    }

    static String export(final String device) {
        return "{'device': '" + device + "', 'writable': true}";
    }

    /** Makes an empty buffer for a disk. */
    static Path buffer(final Rig rig, final String name, final long length) {
        final Path file = rig.path(name);
        rig.run(
                Tool.QEMU_IMG,
                "create",
                "-q",
                "-f",
                "qcow2",
                file.toString(),
                Long.toString(length));
        return file;
    }

    /**
     * Starts a secondary; its replication is on.
     *
     * @param link where it listens, for its primary and for its guest
     */
    static QemuProcess secondary(
            final Rig rig, final Path disk, final long length, final Path link) {
        final QemuProcess qemu = secondaryToBeStarted(rig, disk, length, link);
        qemu.control().execute("xen-set-replication", "{'enable': true, 'primary': false}");
        return qemu;
    }

    /** The same, with replication not on. */
    static QemuProcess secondaryToBeStarted(
            final Rig rig, final Path disk, final long length, final Path link) {
        final QemuProcess qemu =
                QemuProcess.start(
                        rig,
                        "secondary",
                        "if=none,driver=raw,id=" + DISK + ",file.filename=" + disk,
                        "if=none,id=child,driver=replication,mode=secondary,top-id=top,"
                                + "file.driver=qcow2,file.file.filename="
                                + buffer(rig, "active", length)
                                + ",file.backing.driver=qcow2,file.backing.file.filename="
                                + buffer(rig, "hidden", length)
                                + ",file.backing.backing="
                                + DISK,
                        "if=none,id=" + GUEST + QUORUM + "=child");
        final Control control = qemu.control();
        control.execute("nbd-server-start", address(link));
        control.execute("nbd-server-add", export(DISK));
        control.execute("nbd-server-add", export(GUEST));
        return qemu;
    }

    /** What the guest of a secondary uses. */
    static String secondaryGuest(final Path link) {
        return "nbd+unix:///" + GUEST + "?socket=" + link;
    }

    /**
     * Starts a primary of somebody's secondary; its replication is on.
     *
     * @param link where the secondary listens
     * @param guest where it is to listen, for its guest
     */
    static QemuProcess primary(final Rig rig, final Path disk, final Path link, final Path guest) {
        final QemuProcess qemu =
                QemuProcess.start(
                        rig,
                        "primary",
                        "if=none,id="
                                + DISK
                                + QUORUM
                                + ".driver=raw,children.0.file.filename="
                                + disk);
        final Control control = qemu.control();
        control.execute(
                "human-monitor-command",
                "{'command-line': 'drive_add -n buddy driver=replication,mode=primary,"
                        + "file.driver=nbd,file.path="
                        + link
                        + ",file.export="
                        + DISK
                        + ",node-name=client'}");
        control.execute("x-blockdev-change", "{'parent': '" + DISK + "', 'node': 'client'}");
        control.execute("xen-set-replication", "{'enable': true, 'primary': true}");
        control.execute("nbd-server-start", address(guest));
        control.execute("nbd-server-add", export(DISK));
        return qemu;
    }

    /** Fails a secondary over, and waits until its disk holds what its guest sees. */
    static void failOver(final QemuProcess secondary) {
        final Control control = secondary.control();
        control.execute(
                "xen-set-replication", "{'enable': false, 'primary': false, 'failover': true}");
        // The merge is a job that no query shows; at its end the active disk is let go.
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        while (control.execute("query-named-block-nodes", "{'flat': true}")
                .toString()
                .contains("active")) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("not merged in time\n" + secondary);
            }
            Rig.pause();
        }
    }
}

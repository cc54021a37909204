package io.lockstep.interop;

import com.google.gson.JsonObject;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * One side of the replication of one disk as QEMU's document sets it up, over Unix sockets: in the
 * second of its two forms, with a quorum on both sides, where nothing else is said. Its NBD server
 * has the guest's export, and a secondary's has the replication export besides. Source: QEMU's
 * {@code docs/block-replication.txt}.
 */
final class ReplicationSide {
    /** The disk's name on both sides, and that of its replication export. */
    static final String DISK = "a";

    private static final String QUORUM =
            "if=none,driver=quorum,read-pattern=fifo,vote-threshold=1,id=";

    private final ReplicationPeer.Engine engine;
    private final Path socket;
    private final boolean isPrimary;
    private final String guest;

    private ReplicationSide(
            final ReplicationPeer.Engine engine,
            final Path socket,
            final boolean isPrimary,
            final String guest) {
        this.engine = engine;
        this.socket = socket;
        this.isPrimary = isPrimary;
        this.guest = guest;
        control()
                .execute(
                        "nbd-server-start",
                        "{'addr': {'type': 'unix', 'data': {'path': '" + socket + "'}}}");
    }

    /**
     * A secondary that is not started, with both exports.
     *
     * @param name of it among those of the rig, short
     */
    static ReplicationSide secondary(
            final ReplicationPeer peer, final Rig rig, final String name, final Path disk) {
        return secondary(peer, rig, name, disk, "");
    }

    /**
     * The same with a replication node of which more is said.
     *
     * @param options of the node, each with a comma behind it
     * @param more arguments of the process
     */
    static ReplicationSide secondary(
            final ReplicationPeer peer,
            final Rig rig,
            final String name,
            final Path disk,
            final String options,
            final String... more) {
        final List<String> arguments = new ArrayList<>(List.of(more));
        arguments.addAll(
                List.of(
                        "-drive",
                        replicationDrive(peer, rig, name, disk, "top-id=top," + options)));
        arguments.addAll(List.of("-drive", QUORUM + "top,children.0=child"));
        return secondary(peer, rig, name, disk, "top", arguments);
    }

    /**
     * The same in the document's first form, in which the replication node is the guest's disk.
     *
     * @param topId names it, as QEMU has it; or empty
     */
    static ReplicationSide secondaryWithoutQuorum(
            final ReplicationPeer peer,
            final Rig rig,
            final String name,
            final Path disk,
            final String topId) {
        return secondary(
                peer,
                rig,
                name,
                disk,
                "child",
                List.of("-drive", replicationDrive(peer, rig, name, disk, topId)));
    }

    private static ReplicationSide secondary(
            final ReplicationPeer peer,
            final Rig rig,
            final String name,
            final Path disk,
            final String guest,
            final List<String> more) {
        final List<String> arguments =
                new ArrayList<>(List.of("-drive", "if=none,driver=raw,id=a,file.filename=" + disk));
        arguments.addAll(more);
        final ReplicationSide side =
                new ReplicationSide(
                        peer.start(rig, name, arguments), rig.path(name + ".nbd"), false, guest);
        side.export(DISK);
        side.export(guest);
        return side;
    }

    private static String replicationDrive(
            final ReplicationPeer peer,
            final Rig rig,
            final String name,
            final Path disk,
            final String options) {
        final long length = disk.toFile().length();
        final String buffer = "driver=" + peer.bufferDriver();
        return "if=none,id=child,driver=replication,mode=secondary,"
                + options
                + "file."
                + buffer
                + ",file.file.filename="
                + peer.buffer(rig, name + "active", length)
                + ",file.backing."
                + buffer
                + ",file.backing.file.filename="
                + peer.buffer(rig, name + "hidden", length)
                + ",file.backing.backing="
                + DISK;
    }

    /**
     * A primary that has no secondary yet, with its guest's export.
     *
     * @param more arguments of the process
     */
    static ReplicationSide primary(
            final ReplicationPeer peer,
            final Rig rig,
            final String name,
            final Path disk,
            final String... more) {
        final List<String> arguments = new ArrayList<>(List.of(more));
        arguments.addAll(
                List.of(
                        "-drive",
                        QUORUM + DISK + ",children.0.driver=raw,children.0.file.filename=" + disk));
        final ReplicationSide side =
                new ReplicationSide(
                        peer.start(rig, name, arguments), rig.path(name + ".nbd"), true, DISK);
        side.export(DISK);
        return side;
    }

    private void export(final String device) {
        control().execute("nbd-server-add", "{'device': '" + device + "', 'writable': true}");
    }

    /** Gives its quorum a replication child, named {@code client}. */
    void attach(final Path secondarySocket) {
        attach(secondarySocket, "");
    }

    /**
     * The same with one of which more is said.
     *
     * @param options of the node, each with a comma behind it
     */
    void attach(final Path secondarySocket, final String options) {
        makeClient(secondarySocket, options);
        control().execute("x-blockdev-change", "{'parent': '" + guest + "', 'node': 'client'}");
    }

    /** Makes the node that is to be the child. */
    void makeClient(final Path secondarySocket) {
        makeClient(secondarySocket, "");
    }

    private void makeClient(final Path secondarySocket, final String options) {
        control()
                .execute(
                        "human-monitor-command",
                        "{'command-line': 'drive_add -n buddy driver=replication,mode=primary,"
                                + options
                                + "file.driver=nbd,file.path="
                                + secondarySocket
                                + ",file.export="
                                + DISK
                                + ",node-name=client'}");
    }

    /** Takes the replication child from the quorum, and removes it. */
    void detach() {
        control()
                .execute("x-blockdev-change", "{'parent': '" + guest + "', 'child': 'children.1'}");
        control().execute("human-monitor-command", "{'command-line': 'drive_del client'}");
    }

    ReplicationPeer.Engine engine() {
        return engine;
    }

    Control control() {
        return engine.control();
    }

    /** Where its NBD server listens. */
    Path socket() {
        return socket;
    }

    /** What its guest uses. */
    String guest() {
        return uri(guest);
    }

    /** What a secondary's primary writes to. */
    String stream() {
        return uri(DISK);
    }

    private String uri(final String export) {
        return "nbd+unix:///" + export + "?socket=" + socket;
    }

    // ---- The four operations.

    /** Answers itself. */
    ReplicationSide start() {
        control().execute("xen-set-replication", startArguments(isPrimary));
        return this;
    }

    static String startArguments(final boolean primary) {
        return "{'enable': true, 'primary': " + primary + "}";
    }

    void checkpoint() {
        control().execute("xen-colo-do-checkpoint");
    }

    /** What its status says of an error; empty where there is none. */
    String error() {
        final JsonObject status =
                control().execute("query-xen-replication-status").getAsJsonObject();
        return status.get("error").getAsBoolean() ? status.get("desc").getAsString() : "";
    }

    void stop(final boolean failover) {
        control().execute("xen-set-replication", stopArguments(isPrimary, failover));
    }

    static String stopArguments(final boolean primary, final boolean failover) {
        return "{'enable': false, 'primary': " + primary + ", 'failover': " + failover + "}";
    }
}

package io.lockstep.cli.graph;

import io.lockstep.engine.disk.DiskException;
import io.lockstep.engine.primary.Peer;
import io.lockstep.engine.secondary.BufferFiles;
import io.lockstep.engine.service.Engine;
import io.lockstep.engine.service.EngineDisk;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/**
 * What nodes are for, in the engine: files are opened, disks become a secondary's, a quorum's
 * second child has the first forwarded. Takes what replication needs, and says of all else what
 * would work: a quorum stands on one disk and at most one replication node with mode=primary; a
 * replication node with mode=secondary on an active over a hidden over a raw node.
 *
 * <p>Used by the graph's thread, which waits for the engine. Source: QEMU's {@code
 * docs/block-replication.txt}.
 */
final class NodeDuties {
    /** Of a quorum: the disk. */
    static final String LOCAL_CHILD = "children.0";

    /** Of a quorum: where it forwards to. */
    static final String REMOTE_CHILD = "children.1";

    private final Engine engine;
    private final QuorumCopies copies;
    private final NodeThrottles throttles;

    NodeDuties(final Engine engine, final QuorumCopies copies, final NodeThrottles throttles) {
        this.engine = engine;
        this.copies = copies;
        this.throttles = throttles;
    }

    /**
     * Has the engine do what a node is for.
     *
     * @param node with its children
     * @param rootName of what was asked for, of which it is a part
     * @param lengths of the exports that were asked
     * @param others the nodes that are there already
     * @throws GraphException where it can't be for that
     */
    void begin(
            final PlacedNode node,
            final String rootName,
            final Map<Peer, Long> lengths,
            final List<PlacedNode> others)
            throws IOException {
        switch (node.node()) {
            case BlockNode.FileNode(Path path) ->
                    node.disk(open(rootName, path, node.isReadOnly()));
            case BlockNode.BufferFile file -> {}
            case BlockNode.Extents extents -> requireBuffer(node);
            case BlockNode.Raw raw -> beginRaw(node, raw);
            case BlockNode.Throttle throttle -> throttles.begin(node, throttle);
            case BlockNode.NbdClient client -> node.peer(client.peer(), lengths.get(client.peer()));
            case BlockNode.PrimaryReplication primary -> {
                requireShared(node, primary.shared());
                if (!(node.child("file").node() instanceof BlockNode.NbdClient)) {
                    throw unsupported(
                            node,
                            "with mode=primary it stands on driver=nbd, which names the"
                                    + " secondary's export, without a throttle between; one can"
                                    + " stand over the quorum, or over its disk");
                }
            }
            case BlockNode.SecondaryReplication secondary -> {
                requireShared(node, secondary.shared());
                beginSecondary(node, secondary.shared(), others);
            }
            case BlockNode.Quorum quorum -> beginQuorum(node);
        }
    }

    /** In QEMU's words, but for the reason. */
    private EngineDisk open(final String name, final Path path, final boolean isReadOnly)
            throws IOException {
        try {
            return engine.open(name, path, isReadOnly);
        } catch (final DiskException e) {
            throw new GraphException("Could not open '" + path + "': " + e.reason());
        }
    }

    private void beginRaw(final PlacedNode node, final BlockNode.Raw raw) throws IOException {
        final PlacedNode file = node.child("file");
        if (raw.isWhole() && file.ground() == PlacedNode.Ground.GUEST) {
            requireWritable(node, file);
            return; // another name for it
        }
        if (file.ground() != PlacedNode.Ground.FILE || file.node() instanceof BlockNode.Raw) {
            throw unsupported(
                    node,
                    "its file must be a file or block device (driver=file), or a throttle over"
                            + " one; or, without offset and size, what a guest uses");
        }
        if (file.isExported()) {
            throw unsupported(
                    node, "'" + file.name() + "' is exported already; remove its export first");
        }
        requireWritable(node, file);
        if (!raw.isWhole()) {
            narrow(node, raw, file.length());
        }
    }

    private void narrow(final PlacedNode node, final BlockNode.Raw raw, final long fileLength)
            throws IOException {
        if (raw.offset() > fileLength) {
            throw new GraphException(
                    "Offset ("
                            + raw.offset()
                            + ") cannot be greater than size of the containing file ("
                            + fileLength
                            + ")");
        }
        final long rest = fileLength - raw.offset();
        if (raw.size() > rest) {
            throw new GraphException(
                    "The sum of offset ("
                            + raw.offset()
                            + ") and size ("
                            + raw.size()
                            + ") has to be smaller or equal to the  actual size of the containing"
                            + " file ("
                            + fileLength
                            + ")");
        }
        final long size = raw.size() == BlockNode.Raw.TO_THE_END ? rest : raw.size();
        engine.narrow(node.disk(), raw.offset(), size);
        node.disk(node.disk()); // which has another length now
    }

    /** What may be changed can't stand on what may not. */
    static void requireWritable(final PlacedNode node, final PlacedNode below) {
        if (below.isReadOnly() && !node.isDeclaredReadOnly()) {
            throw new GraphException(
                    "Block node is read-only: '"
                            + below.name()
                            + "'; say read-only=on of '"
                            + node.name()
                            + "', too");
        }
    }

    /** Where the buffer lies that such a node is. */
    private static Path bufferPath(final PlacedNode extents) {
        return ((BlockNode.BufferFile) extents.child("file").node()).path();
    }

    private static void requireBuffer(final PlacedNode node) {
        final PlacedNode backing = node.child("backing");
        if (backing == null
                || !(backing.node() instanceof BlockNode.Extents || backing.isLocalDisk())) {
            throw unsupported(
                    node,
                    "the active disk is backed by the hidden disk, and the hidden disk by the"
                            + " secondary disk (driver=raw)");
        }
    }

    /** All disks of a process are shared, or none: it opens them so. */
    private void requireShared(final PlacedNode node, final BlockNode.SharedDisk shared) {
        if (shared.isOn() != engine.options().primary().isShared()) {
            throw unsupported(
                    node,
                    shared.isOn()
                            ? "shared-disk=on is for an engine that opens its disks so: start it"
                                    + " with --shared"
                            : "this engine shares its disks (--shared): say shared-disk=on");
        }
        if (!shared.isOn() && !shared.id().isEmpty()) {
            throw unsupported(node, "shared-disk-id goes with shared-disk=on");
        }
    }

    private static void requireId(
            final PlacedNode node, final BlockNode.SharedDisk shared, final PlacedNode... disks) {
        for (final PlacedNode disk : disks) {
            if (shared.id().isEmpty()
                    || shared.id().equals(disk.id())
                    || shared.id().equals(disk.nodeName())) {
                return;
            }
        }
        throw unsupported(
                node,
                "shared-disk-id is '"
                        + shared.id()
                        + "', and the disk is '"
                        + disks[0].name()
                        + "'");
    }

    private void beginSecondary(
            final PlacedNode node, final BlockNode.SharedDisk shared, final List<PlacedNode> others)
            throws IOException {
        final PlacedNode active = node.child("file");
        final PlacedNode hidden =
                active.node() instanceof BlockNode.Extents ? active.child("backing") : null;
        final PlacedNode raw =
                hidden != null && hidden.node() instanceof BlockNode.Extents
                        ? hidden.child("backing")
                        : null;
        if (raw == null || !raw.isLocalDisk()) {
            throw unsupported(
                    node,
                    "with mode=secondary it stands on the active disk (driver=extents), that on"
                            + " the hidden disk (driver=extents), and that on the secondary disk"
                            + " (driver=raw)");
        }
        if (raw.isExported()) {
            throw unsupported(
                    node, "'" + raw.name() + "' is exported already; remove its export first");
        }
        if (raw.isUsed()) {
            throw unsupported(node, "'" + raw.name() + "' is being mirrored; end that job first");
        }
        if (raw.isReadOnly()) {
            throw new GraphException(
                    "Block node is read-only: '"
                            + raw.name()
                            + "'; a secondary disk is written to by its primary");
        }
        if (raw.writePolicy(false).keepsAllocated()) {
            throw unsupported(
                    node,
                    "what is trimmed of a secondary disk is what its primary forwards; say"
                            + " discard=ignore there, not of '"
                            + raw.name()
                            + "'");
        }
        requireUnused(active, hidden, others);
        requireId(node, shared, raw);
        engine.makeSecondary(raw.disk(), new BufferFiles(bufferPath(active), bufferPath(hidden)));
    }

    /** Two buffers in one place would overwrite each other. */
    private static void requireUnused(
            final PlacedNode active, final PlacedNode hidden, final List<PlacedNode> others) {
        for (final PlacedNode own : List.of(active, hidden)) {
            for (final PlacedNode other : others) {
                if (other != own
                        && other.node() instanceof BlockNode.Extents
                        && bufferPath(other)
                                .toAbsolutePath()
                                .normalize()
                                .equals(bufferPath(own).toAbsolutePath().normalize())) {
                    throw new GraphException(
                            "the buffer '"
                                    + bufferPath(own)
                                    + "' is named twice; each active and each hidden disk has a"
                                    + " filename of its own");
                }
            }
        }
    }

    private void beginQuorum(final PlacedNode node) throws IOException {
        final PlacedNode local = node.child(LOCAL_CHILD);
        if (!(local.isLocalDisk() || local.node() instanceof BlockNode.SecondaryReplication)) {
            throw unsupported(
                    node,
                    "its first child must be the disk: driver=raw, or a throttle over that, or"
                            + " driver=replication with mode=secondary");
        }
        requireWritable(node, local);
        if (node.children().size() > 2) {
            throw tooManyChildren(node);
        }
        final PlacedNode remote = node.child(REMOTE_CHILD);
        if (remote != null) {
            forward(node, remote);
        }
    }

    /** Has a quorum's disk forwarded; fails where that node is not for it. */
    void forward(final PlacedNode quorum, final PlacedNode remote) throws IOException {
        if (quorum.isReadOnly()) {
            throw new GraphException(
                    "Block node is read-only: '" + quorum.name() + "'; it has nothing to forward");
        }
        final Peer peer = peerOf(quorum, remote);
        if (remote.node() instanceof final BlockNode.PrimaryReplication primary) {
            requireId(remote, primary.shared(), quorum, quorum.child(LOCAL_CHILD));
        }
        if (remote.ground() == PlacedNode.Ground.PEER) {
            copies.begin(quorum, remote);
        } else {
            engine.attach(quorum.disk(), peer);
        }
    }

    /**
     * Has it forwarded no more.
     *
     * @return done when its guest is served without
     */
    CompletableFuture<Void> forwardNoMore(final PlacedNode quorum) throws IOException {
        return copies.isCopied(quorum) ? copies.end(quorum) : engine.detach(quorum.disk());
    }

    private static Peer peerOf(final PlacedNode quorum, final PlacedNode remote) {
        if (!(remote.node() instanceof BlockNode.PrimaryReplication
                || remote.ground() == PlacedNode.Ground.PEER)) {
            throw unsupported(
                    quorum,
                    "beside its disk it takes a node of driver=replication, mode=primary, or of"
                            + " driver=nbd, or a throttle over that");
        }
        if (remote.length() != quorum.disk().length()) {
            throw new GraphException(
                    "Node '"
                            + remote.name()
                            + "' has "
                            + remote.length()
                            + " bytes and '"
                            + quorum.name()
                            + "' "
                            + quorum.disk().length()
                            + "; they must be of one length");
        }
        return remote.peer();
    }

    static GraphException tooManyChildren(final PlacedNode quorum) {
        return unsupported(
                quorum,
                "it forwards to one secondary already; remove "
                        + REMOTE_CHILD
                        + " with x-blockdev-change first");
    }

    static GraphException unsupported(final PlacedNode node, final String sentence) {
        return new GraphException("node '" + node.name() + "': " + sentence);
    }

    /** Ends that, when nothing needs the node any more. */
    void end(final PlacedNode node) throws IOException {
        switch (node.node()) {
            case BlockNode.FileNode file -> engine.close(node.disk());
            case BlockNode.Raw raw -> {
                if (!raw.isWhole()) {
                    engine.uncover(node.disk());
                }
            }
            case BlockNode.Throttle throttle -> throttles.end(node, throttle);
            case BlockNode.SecondaryReplication secondary -> engine.unmakeSecondary(node.disk());
            case BlockNode.Quorum quorum -> {
                if (node.child(REMOTE_CHILD) != null) {
                    engine.loop().after(forwardNoMore(node), () -> {});
                }
            }
            default -> {}
        }
    }
}

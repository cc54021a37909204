package io.lockstep.cli.graph;

import io.lockstep.engine.primary.Peer;
import io.lockstep.engine.server.ExportCounters;
import io.lockstep.engine.server.WritePolicy;
import io.lockstep.engine.service.EngineDisk;
import io.lockstep.engine.service.GuestView;
import io.lockstep.engine.throttle.ThrottleGroup;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Predicate;

/** A node in its place in a {@link BlockGraph}: who stands on it, and what it came to. */
final class PlacedNode {
    private final BlockNode.Definition definition;
    private final String nodeName;

    /** Whether it was asked for by itself, not as a part of another node. */
    private final boolean isOwned;

    private final Map<String, PlacedNode> children = new LinkedHashMap<>();
    private PlacedNode parent;
    private int exports;
    private final AtomicInteger jobs = new AtomicInteger();
    private final ExportCounters counters = new ExportCounters();

    /** The disk that it shows; null for what shows none of ours. */
    private EngineDisk disk;

    /** That within the limits of throttles; null where there are none over a guest's disk. */
    private GuestView view;

    /** What limits it itself; null for nothing. */
    private ThrottleGroup limits;

    /** What it reaches over NBD; null for nothing. */
    private Peer peer;

    private long length;

    PlacedNode(
            final BlockNode.Definition definition, final String nodeName, final boolean isOwned) {
        this.definition = definition;
        this.nodeName = nodeName;
        this.isOwned = isOwned;
    }

    BlockNode node() {
        return definition.node();
    }

    /** Whether nothing may be changed by way of it, for its own sake or that of what it is over. */
    boolean isReadOnly() {
        return isDeclaredReadOnly() || isLocal(PlacedNode::isReadOnly);
    }

    /** Whether that was said of itself. */
    boolean isDeclaredReadOnly() {
        return definition.access().isReadOnly();
    }

    /** Whether what is trimmed by way of it stays allocated. */
    private boolean ignoresDiscards() {
        return definition.access().ignoresDiscards() || isLocal(PlacedNode::ignoresDiscards);
    }

    /** Whether something is so of the disk that a raw node, a throttle or a quorum shows. */
    private boolean isLocal(final Predicate<PlacedNode> question) {
        return switch (node()) {
            case BlockNode.Raw raw -> question.test(child("file"));
            case BlockNode.Throttle throttle -> question.test(child("file"));
            case BlockNode.Quorum quorum -> question.test(child(NodeDuties.LOCAL_CHILD));
            default -> false;
        };
    }

    /** How changes by way of an export of it are done. */
    WritePolicy writePolicy(final boolean isWrittenThrough) {
        return new WritePolicy(
                isWrittenThrough || definition.access().isWrittenThrough(), ignoresDiscards());
    }

    /** As a device; empty for none. */
    String id() {
        return definition.id();
    }

    String nodeName() {
        return nodeName;
    }

    /** By what people know it. */
    String name() {
        return id().isEmpty() ? nodeName : id();
    }

    boolean isOwned() {
        return isOwned;
    }

    Map<String, PlacedNode> children() {
        return children;
    }

    PlacedNode child(final String name) {
        return children.get(name);
    }

    void adopt(final String name, final PlacedNode child) {
        children.put(name, child);
        child.parent = this;
        if (disk == null) {
            disk = child.disk;
        }
        if (peer == null) {
            peer = child.peer;
        }
        if (view == null) {
            view = child.view;
        }
        if (length == 0) {
            length = child.length;
        }
    }

    void abandon(final String name) {
        children.remove(name).parent = null;
    }

    PlacedNode parent() {
        return parent;
    }

    EngineDisk disk() {
        return disk;
    }

    void disk(final EngineDisk opened) {
        disk = opened;
        length = opened.length();
    }

    /** The disk as its guest sees it by way of this node. */
    GuestView view() {
        return view == null ? GuestView.of(disk) : view;
    }

    void view(final GuestView limited) {
        view = limited;
    }

    /** It is a throttle of that group. */
    void limits(final ThrottleGroup group) {
        limits = group;
    }

    /** All that limits it, from the bottom up to itself. */
    List<ThrottleGroup> throttles() {
        final PlacedNode below = child("file");
        final List<ThrottleGroup> all =
                below == null ? new ArrayList<>() : new ArrayList<>(below.throttles());
        if (limits != null) {
            all.add(limits);
        }
        return all;
    }

    /** What a node comes down to. */
    enum Ground {
        /** A file of this host's. */
        FILE,
        /** A disk as a guest sees it, whoever does its operations. */
        GUEST,
        /** An export of another host's. */
        PEER,
        /** None of these by itself. */
        PART
    }

    Ground ground() {
        return switch (node()) {
            case BlockNode.FileNode file -> Ground.FILE;
            case BlockNode.NbdClient client -> Ground.PEER;
            case BlockNode.Quorum quorum -> Ground.GUEST;
            case BlockNode.SecondaryReplication secondary -> Ground.GUEST;
            case BlockNode.Raw raw -> child("file").ground();
            case BlockNode.Throttle throttle -> child("file").ground();
            default -> Ground.PART;
        };
    }

    /** Whether it is a disk that lies in a file of this host's. */
    boolean isLocalDisk() {
        return !(node() instanceof BlockNode.FileNode) && ground() == Ground.FILE;
    }

    Peer peer() {
        return peer;
    }

    void peer(final Peer reached, final long remoteLength) {
        peer = reached;
        length = remoteLength;
    }

    /** In bytes; of a file all of it, also where a raw node over it shows a part. */
    long length() {
        if (disk == null) {
            return length;
        }
        return node() instanceof BlockNode.FileNode
                ? Math.max(length, disk.length())
                : disk.length();
    }

    /** Of what is done for the clients of its exports; read on the engine's loop. */
    ExportCounters counters() {
        return counters;
    }

    void exported(final int change) {
        exports += change;
    }

    /** A job begins to use it, or has ended; from any thread. */
    void used(final int change) {
        jobs.addAndGet(change);
    }

    /** Whether a job uses it. */
    boolean isUsed() {
        return jobs.get() > 0;
    }

    boolean isExported() {
        return exports > 0;
    }

    /** Whether a guest uses it: nothing stands on it, and it is complete. */
    boolean isTop() {
        return parent == null && ground() == Ground.GUEST;
    }
}

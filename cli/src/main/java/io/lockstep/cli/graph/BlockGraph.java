package io.lockstep.cli.graph;

import com.google.gson.JsonArray;
import com.google.gson.JsonObject;

import io.lockstep.cli.graph.BlockNode.Child;
import io.lockstep.cli.graph.BlockNode.Definition;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.primary.Peer;
import io.lockstep.engine.secondary.BufferFiles;
import io.lockstep.engine.server.ExportCounters;
import io.lockstep.engine.service.Engine;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Collections;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/**
 * The block nodes of a process by their names, and who stands on whom. What a node is for, {@link
 * NodeDuties} has the engine do; what is on top, {@link GuestExports} shows to guests.
 *
 * <p>Used by one thread at a time, which waits for the engine. Source: QEMU's {@code
 * docs/block-replication.txt}.
 */
public final class BlockGraph {
    private final Engine engine;
    private final BadChildren badChildren = new BadChildren();
    private final GraphObjects objects = new GraphObjects();
    private final NodeDuties duties;
    private final GuestExports guests;
    private final PeerLengths peerLengths;
    private final NodeNames names = new NodeNames();

    /** Nodes that are clients, and whose: as they are now, for other threads. */
    private volatile Map<String, Peer> clients = Map.of();

    private volatile boolean areGuestsStopped;

    /** Without a node. */
    public BlockGraph(final Engine engine) {
        this.engine = engine;
        duties =
                new NodeDuties(
                        engine,
                        new QuorumCopies(engine, badChildren),
                        new NodeThrottles(engine, objects));
        guests = new GuestExports(engine);
        peerLengths = new PeerLengths(engine);
    }

    Engine engine() {
        return engine;
    }

    /** What nodes name that is no node. */
    public GraphObjects objects() {
        return objects;
    }

    PeerLengths peerLengths() {
        return peerLengths;
    }

    // ---- Adding.

    /** Adds what a {@code -drive} asks for; waits for NBD servers that it names. */
    public void addDrive(final String text) {
        add(NodeReader.drive(text));
    }

    /** Adds what a {@code --blockdev} asks for, in dotted keys or JSON. */
    public void addBlockdev(final String text) {
        add(
                text.stripLeading().startsWith("{")
                        ? NodeReader.blockdev(JsonText.object(text))
                        : NodeReader.blockdev(text));
    }

    /**
     * Adds what {@code blockdev-add} asks for, when the NBD servers that it names have answered.
     *
     * @param thread the one that uses the graph, which does not wait for them
     */
    public CompletableFuture<Void> addBlockdev(final JsonObject options, final Executor thread) {
        return addLater(NodeReader.blockdev(options), thread);
    }

    /**
     * The same for what {@code drive_add} asks for.
     *
     * @param isNode whether it is to be a node alone, without a device
     */
    public CompletableFuture<Void> addDrive(
            final String text, final boolean isNode, final Executor thread) {
        return addLater(isNode ? NodeReader.drivenNode(text) : NodeReader.drive(text), thread);
    }

    private CompletableFuture<Void> addLater(final Definition definition, final Executor thread) {
        names.requireFree(definition);
        return peerLengths
                .ask(definition)
                .thenAcceptAsync(lengths -> add(definition, lengths), thread);
    }

    private void add(final Definition definition) {
        add(definition, peerLengths.await(definition));
    }

    /**
     * Adds a node whose NBD servers were asked.
     *
     * @param lengths of the exports
     */
    PlacedNode add(final Definition definition, final Map<Peer, Long> lengths) {
        final Deque<PlacedNode> placed = new ArrayDeque<>();
        boolean complete = false;
        try {
            final PlacedNode node = place(definition, true, definition.name(), lengths, placed);
            guests.refresh(names.nodes());
            complete = true;
            return node;
        } catch (final IOException e) {
            throw new GraphException(GraphException.sentenceOf(e));
        } finally {
            if (!complete) {
                placed.forEach(this::withdraw);
                refreshQuietly();
            }
        }
    }

    private PlacedNode place(
            final Definition definition,
            final boolean isOwned,
            final String rootName,
            final Map<Peer, Long> lengths,
            final Deque<PlacedNode> placed)
            throws IOException {
        names.requireFree(definition);
        final PlacedNode node = new PlacedNode(definition, names.nameFor(definition), isOwned);
        boolean settled = false;
        try {
            adoptChildren(node, rootName, lengths, placed);
            duties.begin(node, rootName, lengths, names.nodes());
            settled = true;
        } finally {
            if (!settled) {
                List.copyOf(node.children().keySet()).forEach(node::abandon);
            }
        }
        names.add(node);
        badChildren.watch(node);
        publish();
        placed.push(node);
        return node;
    }

    private void adoptChildren(
            final PlacedNode node,
            final String rootName,
            final Map<Peer, Long> lengths,
            final Deque<PlacedNode> placed)
            throws IOException {
        for (final Map.Entry<String, Child> child : node.node().standsOn().entrySet()) {
            node.adopt(
                    child.getKey(),
                    switch (child.getValue()) {
                        case Child.Named(String name) -> requireFree(find(name), node);
                        case Child.Inline(Definition inline) ->
                                place(inline, false, rootName, lengths, placed);
                    });
        }
    }

    private static PlacedNode requireFree(final PlacedNode child, final PlacedNode parent) {
        if (child.parent() != null) {
            throw new GraphException(
                    "node '"
                            + parent.name()
                            + "' can't stand on '"
                            + child.name()
                            + "', which node '"
                            + child.parent().name()
                            + "' uses");
        }
        return child;
    }

    // ---- The nodes of the commands that name disks, not nodes.

    /** A primary's disk: a quorum over a raw node, and its replication child. */
    public void addPrimary(final String name, final Path file, final Endpoint server) {
        final PlacedNode quorum =
                add(
                        new Definition(name, "", new BlockNode.Quorum(List.of(inline(raw(file))))),
                        Map.of());
        final Peer peer = new Peer(server, name);
        final PlacedNode replication =
                add(
                        new Definition(
                                "",
                                "",
                                new BlockNode.PrimaryReplication(
                                        shared(), inline(new BlockNode.NbdClient(server, name)))),
                        Map.of(peer, quorum.length()));
        try {
            addChild(name, replication.nodeName());
        } catch (final IOException e) {
            throw new GraphException(GraphException.sentenceOf(e));
        }
    }

    /** A secondary's disk: a raw node, and a replication node over its buffers over it. */
    public void addSecondary(final String name, final Path file, final BufferFiles buffers) {
        add(new Definition(name, "", raw(file)), Map.of());
        final BlockNode hidden =
                new BlockNode.Extents(
                        inline(new BlockNode.BufferFile(buffers.hidden())), new Child.Named(name));
        final BlockNode active =
                new BlockNode.Extents(
                        inline(new BlockNode.BufferFile(buffers.active())), inline(hidden));
        add(
                new Definition(
                        "", "", new BlockNode.SecondaryReplication("", shared(), inline(active))),
                Map.of());
    }

    private BlockNode.SharedDisk shared() {
        return new BlockNode.SharedDisk(engine.options().primary().isShared(), "");
    }

    private static BlockNode raw(final Path file) {
        return new BlockNode.Raw(inline(new BlockNode.FileNode(file)));
    }

    private static Child inline(final BlockNode node) {
        return new Child.Inline(new Definition("", "", node));
    }

    // ---- Changing.

    /**
     * Adds a child to a quorum.
     *
     * @throws GraphException where it can't be
     */
    public void addChild(final String parentName, final String nodeName) throws IOException {
        final PlacedNode parent = find(parentName);
        final PlacedNode child = names.get(nodeName);
        if (child == null) {
            throw new GraphException("Node '" + nodeName + "' not found");
        }
        if (!(parent.node() instanceof BlockNode.Quorum)) {
            throw new GraphException(
                    "The node "
                            + parent.name()
                            + " does not support adding a child; a quorum does");
        }
        if (child.parent() != null) {
            throw new GraphException("The node " + nodeName + " already has a parent");
        }
        if (parent.child(NodeDuties.REMOTE_CHILD) != null) {
            throw NodeDuties.tooManyChildren(parent);
        }
        duties.forward(parent, child);
        parent.adopt(NodeDuties.REMOTE_CHILD, child);
        publish();
    }

    /**
     * Takes a child from a quorum; replication over it ends.
     *
     * @return done when the guest is served without
     */
    public CompletableFuture<Void> removeChild(final String parentName, final String childName)
            throws IOException {
        final PlacedNode parent = find(parentName);
        if (parent.child(childName) == null) {
            throw new GraphException(
                    "Node '" + parentName + "' does not have child '" + childName + "'");
        }
        if (!(parent.node() instanceof BlockNode.Quorum)) {
            throw new GraphException(
                    "The node " + parent.name() + " does not support removing a child");
        }
        if (!childName.equals(NodeDuties.REMOTE_CHILD)) {
            throw new GraphException(
                    "The number of children cannot be lower than the vote threshold 1");
        }
        parent.abandon(NodeDuties.REMOTE_CHILD);
        publish();
        return duties.forwardNoMore(parent);
    }

    /** Removes a node that was asked for by itself, with those that were made for it. */
    public void removeNode(final String name) {
        final PlacedNode node = names.get(name);
        if (node == null || !node.nodeName().equals(name)) {
            throw new GraphException("Failed to find node with node-name='" + name + "'");
        }
        if (!node.isOwned() || !node.id().isEmpty()) {
            throw new GraphException("Node " + name + " is not owned by the monitor");
        }
        remove(node, name);
    }

    /** The same by the name of a drive, or of a node. */
    public void removeDrive(final String name) {
        final PlacedNode node = names.get(name);
        if (node == null || !node.isOwned()) {
            throw new GraphException("Device '" + name + "' not found");
        }
        remove(node, name);
    }

    private void remove(final PlacedNode node, final String name) {
        if (node.parent() != null || isInUse(node)) {
            throw new GraphException(
                    "Node "
                            + name
                            + " is in use"
                            + (node.parent() == null ? "" : " by '" + node.parent().name() + "'"));
        }
        if (forwards(node)) {
            throw new GraphException(
                    "Node "
                            + name
                            + " is in use: it forwards; remove "
                            + NodeDuties.REMOTE_CHILD
                            + " first");
        }
        if (reachesSecondary(node) && isSecondaryOpen()) {
            throw new GraphException(
                    "Node "
                            + name
                            + " is in use: the secondary's buffers are open, which are of all disks"
                            + " together");
        }
        withdraw(node);
        refreshQuietly();
    }

    private static boolean forwards(final PlacedNode node) {
        return node.node() instanceof BlockNode.Quorum
                        && node.child(NodeDuties.REMOTE_CHILD) != null
                || node.children().values().stream()
                        .anyMatch(child -> !child.isOwned() && forwards(child));
    }

    private boolean isInUse(final PlacedNode node) {
        return node.isExported()
                || node.isUsed()
                || node.children().values().stream()
                        .anyMatch(child -> !child.isOwned() && isInUse(child));
    }

    private boolean isSecondaryOpen() {
        try {
            return engine.isSecondaryOpen();
        } catch (final IOException e) {
            throw new GraphException(GraphException.sentenceOf(e));
        }
    }

    private static boolean reachesSecondary(final PlacedNode node) {
        return node.node() instanceof BlockNode.SecondaryReplication
                || node.children().values().stream()
                        .anyMatch(child -> !child.isOwned() && reachesSecondary(child));
    }

    /** Takes a node and those that were made for it away; harmless where it is gone already. */
    void withdraw(final PlacedNode node) {
        if (!names.remove(node)) {
            return;
        }
        publish();
        try {
            guests.remove(node);
            duties.end(node);
        } catch (final IOException e) {
            throw new GraphException(GraphException.sentenceOf(e));
        }
        for (final Map.Entry<String, PlacedNode> child : List.copyOf(node.children().entrySet())) {
            node.abandon(child.getKey());
            if (!child.getValue().isOwned()) {
                withdraw(child.getValue());
            }
        }
    }

    private void refreshQuietly() {
        try {
            guests.refresh(names.nodes());
        } catch (final IOException e) {
            throw new GraphException(GraphException.sentenceOf(e));
        }
    }

    /** Replication has ended with an error: its children are given up. On the engine's loop. */
    public void onReplicationGivenUp(final String reason) {
        badChildren.onReplicationGivenUp(reason);
    }

    /** Who hears of children of quorums that fail; from any thread. */
    public void badChildListener(final BadChildListener listener) {
        badChildren.listener(listener);
    }

    // ---- Guests.

    /**
     * Stops all guests: what they ask for waits.
     *
     * @return done when what was under way has ended
     */
    public CompletableFuture<Void> stopGuests() throws IOException {
        areGuestsStopped = true;
        // As in QEMU nobody waits for limits then: what has come goes to where it waits for 'cont'.
        objects.lift();
        return engine.pauseGuests().whenComplete((stopped, thrown) -> objects.impose());
    }

    /** Has them go on. */
    public void continueGuests() throws IOException {
        areGuestsStopped = false;
        engine.resumeGuests();
    }

    /** Whether they are stopped; from any thread. */
    public boolean areGuestsStopped() {
        return areGuestsStopped;
    }

    /** The process ends: no limit holds up what has still to be done. From any thread. */
    public void liftLimits() {
        objects.lift();
    }

    // ---- Connections to other hosts.

    /** The names of the nodes that are clients of another host's NBD server. From any thread. */
    public Set<String> clientNames() {
        return clients.keySet();
    }

    /**
     * Cuts the connection of one of them; replication over it is tried again. From any thread.
     *
     * @return done when that was ordered; nobody is waited for
     */
    public CompletableFuture<Void> severClient(final String nodeName) {
        final Peer peer = clients.get(nodeName);
        return peer == null ? CompletableFuture.completedFuture(null) : engine.sever(peer);
    }

    private void publish() {
        badChildren.refresh(names.nodes());
        final Map<String, Peer> found = new LinkedHashMap<>();
        for (final PlacedNode node : names.nodes()) {
            if (node.node() instanceof BlockNode.NbdClient) {
                found.put(node.nodeName(), node.peer());
            }
        }
        clients = Collections.unmodifiableMap(found);
    }

    // ---- Looking.

    /** The names of the guests' exports. */
    public List<String> guestNames() {
        return guests.names();
    }

    /** There must be a node of that name. */
    public void require(final String name) {
        find(name);
    }

    /** Whether the node of that name can't be written to. */
    public boolean isReadOnly(final String name) {
        return find(name).isReadOnly();
    }

    /** The name of the disk that a node shows; fails where it shows none of this host's. */
    public String diskOf(final String name) {
        final PlacedNode node = find(name);
        if (node.disk() == null) {
            throw new GraphException("node '" + name + "' is no disk of this host's");
        }
        return node.disk().name();
    }

    /** The node of that name. */
    PlacedNode find(final String name) {
        return names.find(name);
    }

    /** What {@code query-block} answers. */
    public JsonArray reportDevices() {
        final JsonArray report = new JsonArray();
        names.nodes().stream()
                .filter(node -> !node.id().isEmpty())
                .forEach(node -> report.add(NodeReport.device(node)));
        return report;
    }

    /**
     * What {@code query-blockstats} answers.
     *
     * @param areNodes of nodes, the latest first; otherwise of devices
     */
    public JsonArray reportStats(final boolean areNodes) throws IOException {
        final List<PlacedNode> asked =
                areNodes
                        ? names.nodes().reversed()
                        : names.nodes().stream().filter(node -> !node.id().isEmpty()).toList();
        final List<ExportCounters.Figures> figures =
                engine.figures(asked.stream().map(PlacedNode::counters).toList());
        final JsonArray report = new JsonArray();
        for (int i = 0; i < asked.size(); i++) {
            report.add(NodeReport.stats(asked.get(i), figures.get(i)));
        }
        return report;
    }

    /** What {@code query-named-block-nodes} answers, the latest first. */
    public JsonArray reportNodes(final boolean isFlat) {
        final JsonArray report = new JsonArray();
        names.nodes().reversed().forEach(node -> report.add(NodeReport.node(node, isFlat)));
        return report;
    }
}

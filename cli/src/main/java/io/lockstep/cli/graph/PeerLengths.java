package io.lockstep.cli.graph;

import io.lockstep.cli.graph.BlockNode.Child;
import io.lockstep.cli.graph.BlockNode.Definition;
import io.lockstep.engine.primary.Peer;
import io.lockstep.engine.service.Engine;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/**
 * Asks the NBD servers that a node names for the lengths of their exports: they must be there
 * before it is added. Stateless; fails with a sentence in QEMU's words.
 */
final class PeerLengths {
    private static final Executor LATER =
            CompletableFuture.delayedExecutor(100, TimeUnit.MILLISECONDS);

    private final Engine engine;

    PeerLengths(final Engine engine) {
        this.engine = engine;
    }

    /** The lengths, when all have answered; on a loop of the engine. */
    CompletableFuture<Map<Peer, Long>> ask(final Definition definition) {
        final Map<Peer, CompletableFuture<Long>> probes = new LinkedHashMap<>();
        clientsOf(definition).forEach(client -> probes.put(client.peer(), ask(client)));
        return CompletableFuture.allOf(probes.values().toArray(CompletableFuture[]::new))
                .thenApply(
                        answered -> {
                            final Map<Peer, Long> lengths = new LinkedHashMap<>();
                            probes.forEach((peer, length) -> lengths.put(peer, length.join()));
                            return lengths;
                        });
    }

    /** The same, and waits for them. */
    Map<Peer, Long> await(final Definition definition) {
        try {
            return ask(definition).join();
        } catch (final CompletionException e) {
            throw new GraphException(GraphException.sentenceOf(e));
        }
    }

    private static List<BlockNode.NbdClient> clientsOf(final Definition definition) {
        final List<BlockNode.NbdClient> clients = new ArrayList<>();
        if (definition.node() instanceof final BlockNode.NbdClient client) {
            clients.add(client);
        }
        for (final Child child : definition.node().standsOn().values()) {
            if (child instanceof Child.Inline(Definition inline)) {
                clients.addAll(clientsOf(inline));
            }
        }
        return clients;
    }

    private CompletableFuture<Long> ask(final BlockNode.NbdClient client) {
        final Peer peer = client.peer();
        return ask(peer, System.nanoTime(), TimeUnit.SECONDS.toNanos(client.openSeconds()))
                .exceptionally(
                        thrown -> {
                            throw new GraphException(
                                    "Failed to connect to '"
                                            + peer.server()
                                            + "', export '"
                                            + peer.export()
                                            + "': "
                                            + GraphException.sentenceOf(thrown)
                                            + "; the secondary must be there first");
                        });
    }

    /** Asks again while there is time. */
    private CompletableFuture<Long> ask(
            final Peer peer, final long startNanos, final long waitNanos) {
        return engine.probe(peer)
                .thenApply(negotiated -> negotiated.export().size())
                .exceptionallyCompose(
                        thrown ->
                                System.nanoTime() - startNanos < waitNanos
                                        ? CompletableFuture.supplyAsync(() -> peer, LATER)
                                                .thenCompose(
                                                        again -> ask(again, startNanos, waitNanos))
                                        : CompletableFuture.failedFuture(thrown));
    }
}

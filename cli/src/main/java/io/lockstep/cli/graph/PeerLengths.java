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

/**
 * Asks the NBD servers that a node names for the lengths of their exports: they must be there
 * before it is added. Stateless; fails with a sentence in QEMU's words.
 */
final class PeerLengths {
    private final Engine engine;

    PeerLengths(final Engine engine) {
        this.engine = engine;
    }

    /** The lengths, when all have answered; on a loop of the engine. */
    CompletableFuture<Map<Peer, Long>> ask(final Definition definition) {
        final Map<Peer, CompletableFuture<Long>> probes = new LinkedHashMap<>();
        peersOf(definition).forEach(peer -> probes.put(peer, probe(peer)));
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

    private static List<Peer> peersOf(final Definition definition) {
        final List<Peer> peers = new ArrayList<>();
        if (definition.node() instanceof final BlockNode.NbdClient client) {
            peers.add(new Peer(client.server(), client.export()));
        }
        for (final Child child : definition.node().standsOn().values()) {
            if (child instanceof Child.Inline(Definition inline)) {
                peers.addAll(peersOf(inline));
            }
        }
        return peers;
    }

    private CompletableFuture<Long> probe(final Peer peer) {
        return engine.probe(peer)
                .handle(
                        (negotiated, thrown) -> {
                            if (thrown == null) {
                                return negotiated.export().size();
                            }
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
}

package io.lockstep.cli.graph;

import io.lockstep.engine.primary.MirrorLimits;
import io.lockstep.engine.service.Engine;
import io.lockstep.engine.service.EngineMirror;
import io.lockstep.engine.throttle.Throttle;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/**
 * Quorums whose second child is an NBD client without a replication node: what their guests change
 * goes there, too. On the graph's thread.
 */
final class QuorumCopies {
    private final Engine engine;
    private final Map<PlacedNode, EngineMirror> copies = new HashMap<>();
    private final BadChildren badChildren;

    QuorumCopies(final Engine engine, final BadChildren badChildren) {
        this.engine = engine;
        this.badChildren = badChildren;
    }

    /** Begins one. */
    void begin(final PlacedNode quorum, final PlacedNode remote) throws IOException {
        copies.put(
                quorum,
                engine.copy(
                        quorum.disk(),
                        remote.peer(),
                        new MirrorLimits(Throttle.NONE, new Throttle(remote.throttles())),
                        new Copy(quorum, remote)));
    }

    boolean isCopied(final PlacedNode quorum) {
        return copies.containsKey(quorum);
    }

    /** Ends it when the child has what was changed; done at once where it has failed. */
    CompletableFuture<Void> end(final PlacedNode quorum) {
        final EngineMirror copy = copies.remove(quorum);
        return CompletableFuture.runAsync(copy::complete, engine.loop()::execute)
                .thenCompose(ordered -> copy.ended());
    }

    /** What becomes of one. */
    private final class Copy implements EngineMirror.Owner {
        private final PlacedNode quorum;
        private final PlacedNode remote;

        Copy(final PlacedNode quorum, final PlacedNode remote) {
            this.quorum = quorum;
            this.remote = remote;
        }

        @Override
        public void onBegun(final EngineMirror mirror) {}

        @Override
        public void onReady() {}

        @Override
        public void onCompleted() {}

        @Override
        public void onFailed(final boolean isOfSource, final String reason) {
            badChildren.onGivenUp(
                    isOfSource
                            ? quorum.child(NodeDuties.LOCAL_CHILD).nodeName()
                            : remote.nodeName(),
                    quorum.length(),
                    reason);
        }
    }
}

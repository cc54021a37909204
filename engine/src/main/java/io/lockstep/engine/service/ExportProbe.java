package io.lockstep.engine.service;

import io.lockstep.engine.client.NbdProbe;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.primary.Peer;
import io.lockstep.nbd.ClientNegotiated;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.WireString;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;

/** Asks another server about an export. Stateless; from any thread. */
final class ExportProbe {
    private ExportProbe() {}

    /** Asks on that loop, where it completes. Fails with a sentence. */
    static CompletableFuture<ClientNegotiated> ask(final IoLoop loop, final Peer peer) {
        final String refusal = WireString.refusal("export name", peer.export());
        if (refusal != null) {
            return CompletableFuture.failedFuture(new IOException(refusal));
        }
        final CompletableFuture<ClientNegotiated> answer = new CompletableFuture<>();
        loop.execute(
                () -> {
                    try {
                        ask(loop, peer, answer);
                    } catch (final RuntimeException e) { // whoever asks must be answered
                        answer.completeExceptionally(e);
                    }
                });
        return answer;
    }

    private static void ask(
            final IoLoop loop, final Peer peer, final CompletableFuture<ClientNegotiated> answer) {
        NbdProbe.info(
                loop,
                peer.server(),
                ClientOptions.info(peer.export()),
                new NbdProbe.InfoListener() {
                    @Override
                    public void onInfo(final ClientNegotiated negotiated) {
                        answer.complete(negotiated);
                    }

                    @Override
                    public void onFailed(final String reason) {
                        answer.completeExceptionally(new IOException(reason));
                    }
                });
    }
}

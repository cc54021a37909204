package io.lockstep.cli.run;

import io.lockstep.engine.client.NbdProbe;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.nbd.ClientNegotiated;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.ListedExport;

import org.agrona.ErrorHandler;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Asks a secondary that could not be attached to what is in the way. Stateless. */
public final class PeerCheck {
    private static final long SECONDS_MAX = 15;

    private PeerCheck() {}

    /**
     * What was found.
     *
     * @param isRefusal whether waiting is no use
     */
    public record Finding(boolean isRefusal, String sentence) {}

    /** Asks; waits some seconds for the answer. */
    public static Finding ask(
            final Endpoint peer, final List<String> names, final ErrorHandler errorHandler)
            throws IOException, InterruptedException {
        try (NioLoop loop = new NioLoop("lockstep-check", 0, errorHandler)) {
            loop.start();
            final CompletableFuture<Finding> finding = new CompletableFuture<>();
            loop.execute(() -> list(loop, peer, names, finding));
            return finding.get(SECONDS_MAX, TimeUnit.SECONDS);
        } catch (final ExecutionException | TimeoutException e) {
            return new Finding(false, peer + " does not answer");
        }
    }

    private static void list(
            final NioLoop loop,
            final Endpoint peer,
            final List<String> names,
            final CompletableFuture<Finding> finding) {
        NbdProbe.list(
                loop,
                peer,
                new NbdProbe.ListListener() {
                    @Override
                    public void onList(final List<ListedExport> exports) {
                        final List<String> theirs =
                                exports.stream().map(ListedExport::name).toList();
                        for (final String name : names) {
                            if (!theirs.contains(name)) {
                                finding.complete(
                                        new Finding(
                                                true,
                                                "the secondary at "
                                                        + peer
                                                        + " has no disk "
                                                        + name
                                                        + ", only "
                                                        + theirs));
                                return;
                            }
                        }
                        info(loop, peer, names.getFirst(), finding);
                    }

                    @Override
                    public void onFailed(final String reason) {
                        finding.complete(new Finding(false, reason));
                    }
                });
    }

    private static void info(
            final NioLoop loop,
            final Endpoint peer,
            final String name,
            final CompletableFuture<Finding> finding) {
        NbdProbe.info(
                loop,
                peer,
                ClientOptions.info(name),
                new NbdProbe.InfoListener() {
                    @Override
                    public void onInfo(final ClientNegotiated negotiated) {
                        finding.complete(new Finding(false, peer + " is slow to answer"));
                    }

                    @Override
                    public void onFailed(final String reason) {
                        finding.complete(new Finding(false, reason));
                    }
                });
    }
}

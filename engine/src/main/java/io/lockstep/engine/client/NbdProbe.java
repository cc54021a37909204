package io.lockstep.engine.client;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.nbd.ClientHandshake;
import io.lockstep.nbd.ClientNegotiated;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.ListedExport;

import java.util.List;

/**
 * Asks an NBD server what it has, and leaves again. Called from the loop's thread, as are the
 * listeners.
 */
public final class NbdProbe {
    /** Hears the answer about one export. */
    public interface InfoListener {
        /** What using the export would come to. */
        void onInfo(ClientNegotiated negotiated);

        /** There is no answer; a sentence says why. */
        void onFailed(String reason);
    }

    /** Hears which exports there are. */
    public interface ListListener {
        /** The exports, in the server's order. */
        void onList(List<ListedExport> exports);

        /** There is no answer; a sentence says why. */
        void onFailed(String reason);
    }

    private NbdProbe() {}

    /** Asks about one export. */
    public static void info(
            final IoLoop loop,
            final Endpoint endpoint,
            final ClientOptions options,
            final InfoListener listener) {
        require(options.goal() == ClientOptions.Goal.INFO);
        ask(
                loop,
                endpoint,
                options,
                new Negotiation.Outcome() {
                    @Override
                    public ConnectionHandler onSettled(
                            final Connection connection, final ClientHandshake handshake) {
                        connection.close();
                        listener.onInfo(handshake.negotiated());
                        return null;
                    }

                    @Override
                    public void onFailed(final String reason) {
                        listener.onFailed(reason);
                    }
                });
    }

    /** Asks which exports there are. */
    public static void list(
            final IoLoop loop, final Endpoint endpoint, final ListListener listener) {
        ask(
                loop,
                endpoint,
                ClientOptions.list(),
                new Negotiation.Outcome() {
                    @Override
                    public ConnectionHandler onSettled(
                            final Connection connection, final ClientHandshake handshake) {
                        connection.close();
                        listener.onList(handshake.exports());
                        return null;
                    }

                    @Override
                    public void onFailed(final String reason) {
                        listener.onFailed(reason);
                    }
                });
    }

    private static void ask(
            final IoLoop loop,
            final Endpoint endpoint,
            final ClientOptions options,
            final Negotiation.Outcome outcome) {
        Negotiation.start(loop, endpoint, options, ClientLimits.DEFAULT.handshakeNanos(), outcome);
    }

    private static void require(final boolean isInfo) {
        if (!isInfo) {
            throw new IllegalArgumentException("options of ClientOptions.info are needed");
        }
    }
}

package io.lockstep.engine.client;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.nbd.ClientHandshake;
import io.lockstep.nbd.ClientNegotiated;
import io.lockstep.nbd.ClientOptions;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.PendingRequest;

import java.io.IOException;

/**
 * The life of a client's connection: the handshake, the time in which requests are taken, the
 * goodbye, and the end, whichever side or fault brings that about. All requests in flight have
 * completed when the listener hears of the end.
 *
 * <p>All on its loop. Source: {@code doc/proto.md}, "Terminating the transmission phase".
 */
final class ClientSession
        implements Negotiation.Outcome, ConnectionHandler, ReplyReceiver.Listener {
    /** Receives in a row before other connections of the loop have their turn. */
    private static final int RECEIVES_PER_EVENT = 16;

    private enum Phase {
        CONNECTING,
        READY,
        /** Takes no more requests; leaves when those in flight have completed. */
        LEAVING,
        /** All that is left to do is to send the goodbye. */
        PARTING,
        CLOSED
    }

    private final IoLoop loop;
    private final ClientLimits limits;
    private final RequestsInFlight requests;
    private final NbdClient client;
    private final NbdClient.Listener listener;

    private Phase phase = Phase.CONNECTING;
    private Negotiation negotiation;
    private String leaveReason = "";

    // Once the handshake is done.
    private Connection connection;
    private ClientNegotiated negotiated;
    private RequestSender sender;
    private ReplyReceiver receiver;
    private boolean receiving;

    /**
     * A session that {@link #connect} begins.
     *
     * @param client for the listener
     */
    ClientSession(
            final IoLoop loop,
            final ClientLimits limits,
            final RequestsInFlight requests,
            final NbdClient client,
            final NbdClient.Listener listener) {
        this.loop = loop;
        this.limits = limits;
        this.requests = requests;
        this.client = client;
        this.listener = listener;
    }

    /** Whether requests are taken. */
    boolean isReady() {
        return phase == Phase.READY;
    }

    /** Whether a server was there, whatever became of it. */
    boolean isConnected() {
        return negotiation != null && negotiation.isConnected();
    }

    /** Whether nobody listens there. */
    boolean isRefused() {
        return negotiation != null && negotiation.isRefused();
    }

    /** What was agreed on; null before it was. */
    ClientNegotiated negotiated() {
        return negotiated;
    }

    /** What takes the requests; null before the handshake is done. */
    RequestSender sender() {
        return sender;
    }

    // ---- The beginning.

    void connect(final Endpoint endpoint, final ClientOptions options) {
        negotiation = Negotiation.start(loop, endpoint, options, limits.handshakeNanos(), this);
    }

    @Override
    public ConnectionHandler onSettled(final Connection settled, final ClientHandshake handshake) {
        connection = settled;
        negotiated = handshake.negotiated();
        sender = new RequestSender(connection, negotiated.replyStyle(), limits);
        receiver = new ReplyReceiver(connection, negotiated, requests, this);
        phase = Phase.READY;
        connection.interest(true, false);
        listener.onReady(client);
        send();
        return this;
    }

    @Override
    public void onFailed(final String reason) {
        close(reason);
    }

    // ---- Requests and replies.

    /** Sends what waits, as far as the socket takes it; the rest follows. */
    void send() {
        if (phase == Phase.CONNECTING || phase == Phase.CLOSED) {
            return;
        }
        try {
            partWhenSent(sender.send());
        } catch (final IOException e) {
            // The caller is making requests: no time to complete others under its hands.
            loop.execute(() -> close(brokenBy(e)));
        }
    }

    @Override
    public void onWritable() {
        if (phase == Phase.CLOSED) {
            return;
        }
        try {
            partWhenSent(sender.resume());
            leaveIfQuiet();
        } catch (final IOException e) {
            close(brokenBy(e));
        }
    }

    @Override
    public void onReadable() {
        if (phase == Phase.CLOSED) {
            return;
        }
        receiving = true;
        try {
            receiveReplies();
        } catch (final IOException e) {
            close(brokenBy(e));
        } finally {
            receiving = false;
            if (phase == Phase.CLOSED) {
                release();
            }
        }
    }

    /** Works off what has come, and sends the requests that this led to. */
    private void receiveReplies() throws IOException {
        boolean more = true;
        for (int i = 0; more && i < RECEIVES_PER_EVENT; i++) {
            more = receiver.receive();
            if (receiver.hasEnded()) {
                close(
                        phase == Phase.PARTING
                                ? leaveReason
                                : ofServer("server closed the connection"));
            } else if (!receiver.violation().isEmpty()) {
                close(ofServer(receiver.violation()));
            }
            more &= phase != Phase.CLOSED;
        }
        leaveIfQuiet();
        send();
    }

    @Override
    public void onReplyEnd(final PendingRequest request, final int error) {
        if (error == Nbd.ESHUTDOWN && phase == Phase.READY) {
            // Section "Terminating the transmission phase": this demands a soft disconnect.
            phase = Phase.LEAVING;
            leaveReason = ofServer("server is shutting down");
        }
        if (sender.hasSent(requests.target(request).payloadEnd())) {
            requests.complete(request, error); // NBD's error values are Linux's numbers
        } else {
            // The memory is the caller's again with the completion: none of it may be sent any
            // more, and without it the server can't go on.
            phase = Phase.LEAVING;
            connection.close();
            requests.complete(request, error);
            close(ofServer("server answered a write before it had all of it"));
        }
    }

    @Override
    public void onFailure(final Throwable cause) {
        close("internal error: " + cause);
    }

    // ---- The end.

    /** Takes no more requests, and leaves when those in flight have completed. */
    void disconnect() {
        switch (phase) {
            case CONNECTING -> {
                negotiation.cancel();
                close("");
            }
            case READY -> {
                phase = Phase.LEAVING;
                leaveIfQuiet();
            }
            case LEAVING, PARTING, CLOSED -> {}
        }
    }

    /** Ends at once. */
    void abort(final String reason) {
        negotiation.cancel();
        close(reason);
    }

    private void leaveIfQuiet() {
        if (phase == Phase.LEAVING && requests.isEmpty() && sender.hasRoom(0)) {
            phase = Phase.PARTING;
            sender.stageGoodbye();
            send();
        }
    }

    private void partWhenSent(final boolean allSent) {
        if (allSent && phase == Phase.PARTING) {
            close(leaveReason);
        }
    }

    private void close(final String reason) {
        if (phase == Phase.CLOSED) {
            return;
        }
        phase = Phase.CLOSED;
        RuntimeException thrown = null;
        if (connection != null) {
            connection.close();
            receiver.stop();
            thrown = requests.failAll(reason);
            if (!receiving) {
                release();
            }
        }
        listener.onClosed(client, reason);
        if (thrown != null) {
            throw thrown;
        }
    }

    private void release() {
        sender.close();
        receiver.close();
    }

    private String brokenBy(final IOException cause) {
        return ofServer(cause.getMessage());
    }

    /** A sentence about the server, which says which one. */
    private String ofServer(final String sentence) {
        return connection.peer() + ": " + sentence;
    }
}

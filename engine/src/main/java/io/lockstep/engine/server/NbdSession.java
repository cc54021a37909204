package io.lockstep.engine.server;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.nbd.Export;
import io.lockstep.nbd.ExportCatalog;
import io.lockstep.nbd.Nbd;
import io.lockstep.nbd.Negotiated;
import io.lockstep.nbd.ServerHandshake;
import io.lockstep.nbd.ServerTransmission;

import java.io.IOException;
import java.util.List;

/**
 * One client of an NBD server, from its greeting to its end: moves bytes between the connection and
 * the protocol's state machines. What becomes of a request is {@link RequestRunner}'s.
 *
 * <p>The socket is read once for as many requests as it has, and all replies that are ready go out
 * in one send. Requests in flight and bytes of replies are bounded: at a bound the session takes no
 * more requests, the socket fills, and the client waits.
 *
 * <p>All on the loop of its connection; in steady state nothing is allocated.
 */
final class NbdSession implements ConnectionHandler, RequestRunner.Owner, ExportCatalog {
    /**
     * Replies wait no longer for others once there are so many, or so many bytes of them: the
     * client then works on these while we work on the next ones.
     */
    private static final int TRANSMIT_REPLIES = 8;

    private static final int TRANSMIT_BYTES = 32 << 10;

    /** Room of the reply ring beyond one longest reply, in bytes. */
    private static final int RING_ROOM = 1 << 20;

    /** Of each buffer a session keeps so much while it is idle, in bytes. */
    private static final int IDLE_KEEP = 512 << 10;

    /**
     * Times that the socket is read in a row before other connections of the loop have their turn.
     */
    private static final int RECEIVES_PER_EVENT = 8;

    /** Seconds without progress after which a session is cut that only has replies left to send. */
    private static final int ENDING_TICKS_MAX = 30;

    private enum Phase {
        HANDSHAKE,
        TRANSMISSION,
        /** Takes no more requests; answers those in flight. */
        ENDING,
        /** All was sent; waits for the client to close, so that no reply is lost to a reset. */
        LINGERING,
        CLOSED
    }

    /** For a place among the clients, when all are taken. */
    private enum Search {
        NONE,
        UNDER_WAY,
        DONE
    }

    // Another one's once it has gone to where its export is served.
    private NbdServer server;
    private Connection connection;

    /** Who serves its export; null while that is this server, or is not known. */
    private NbdServer home;

    private final ServerHandshake handshake;
    private final ReceiveBuffer received;
    private final ReplyRing replies;

    private Phase phase = Phase.HANDSHAKE;
    private boolean entered;
    private Search search = Search.NONE;
    private boolean busy;

    /** Something has ended whose answer goes out in this turn of the loop. */
    private boolean isDue;

    private final Runnable onDue = this::onDue;
    private boolean sendBlocked;
    private int idleTicks;

    // Of the transmission phase.
    private ServedExport served;
    private ServerTransmission transmission;
    private RequestRunner runner;

    NbdSession(final NbdServer server, final Connection connection) {
        this.server = server;
        this.connection = connection;
        handshake = new ServerHandshake(this);
        received =
                new ReceiveBuffer(
                        ServerHandshake.MESSAGE_LENGTH_MAX + Nbd.PAYLOAD_LENGTH_DEFAULT_MAX);
        replies =
                new ReplyRing(
                        Nbd.PAYLOAD_LENGTH_DEFAULT_MAX + RING_ROOM,
                        2 * RequestRunner.IN_FLIGHT_MAX);
    }

    /** Sends the greeting. */
    void start() {
        advance();
    }

    // ---- Events of the connection.

    @Override
    public void onReadable() {
        idleTicks = 0;
        advance();
    }

    @Override
    public void onWritable() {
        idleTicks = 0;
        sendBlocked = false;
        advance();
    }

    @Override
    public void onFailure(final Throwable cause) {
        close();
    }

    /** Looks at the socket before it says that there is something, such as the client's end. */
    void look() {
        sendBlocked = false;
        advance();
    }

    /**
     * Does what can be done now. Called with {@link #busy} set, so that completions don't call it
     * again.
     */
    private void advance() {
        busy = true;
        try {
            switch (phase) {
                case HANDSHAKE -> negotiate();
                case TRANSMISSION -> serve();
                case ENDING -> end();
                case LINGERING -> linger();
                case CLOSED -> {}
            }
        } catch (final IOException e) {
            server.events().onClientProblem(connection.peer(), String.valueOf(e.getMessage()));
            close();
        } finally {
            busy = false;
        }
        if (home == null) {
            updateInterest();
        } else {
            goHome();
        }
    }

    private void updateInterest() {
        final boolean readable =
                switch (phase) {
                    case HANDSHAKE -> !sendBlocked && !handshake.isWaiting();
                    case TRANSMISSION ->
                            !transmission.isStalled() && !received.isFull(transmission.wanted());
                    case LINGERING -> true;
                    case ENDING, CLOSED -> false;
                };
        if (phase != Phase.CLOSED) {
            connection.interest(readable, sendBlocked);
        }
    }

    // ---- Handshake.

    private void negotiate() throws IOException {
        int receives = 0;
        boolean more = sendHandshake();
        while (more && handshake.state() == ServerHandshake.State.NEGOTIATING) {
            final long position =
                    handshake.receive(received.memory(), received.head(), received.tail());
            if (position != received.head()) {
                received.workedOff(position);
                more = sendHandshake();
            } else if (receives++ == RECEIVES_PER_EVENT || handshake.isWaiting()) {
                return;
            } else {
                final int count =
                        received.receive(connection, ServerHandshake.MESSAGE_LENGTH_MAX, 1);
                if (count < 0) {
                    close();
                    return;
                }
                more = count > 0;
            }
        }
        if (!more) {
            return;
        }
        switch (handshake.state()) {
            case NEGOTIATING -> {}
            case TRANSMISSION -> {
                if (enterTransmission(handshake.negotiated())) {
                    serve();
                }
            }
            case CLOSING -> {
                if (!handshake.closeReason().isEmpty()) {
                    server.events().onClientProblem(connection.peer(), handshake.closeReason());
                }
                startLingering();
            }
        }
    }

    /** Answers whether all output is sent. */
    private boolean sendHandshake() throws IOException {
        while (!handshake.output().isEmpty() || !replies.isEmpty()) {
            if (replies.isEmpty()) {
                final int length = Math.min(handshake.output().length(), RING_ROOM);
                final int slot = replies.reserve(length);
                handshake.output().take(replies.memory(), replies.position(slot), length);
                replies.commit(slot, length);
            }
            if (!transmit()) {
                return false;
            }
        }
        return true;
    }

    @Override
    public List<Export> list() {
        return server.list();
    }

    @Override
    public Choice find(final String name) {
        return server.find(name);
    }

    @Override
    public Choice enter(final String name) {
        final Choice choice = server.find(name);
        if (choice instanceof Choice.Accepted && !entered) {
            if (!server.limit().admit()) {
                return whenFull();
            }
            entered = true;
        }
        return choice;
    }

    /** Others may have ended, and their loops not have noticed: they are to look first. */
    private Choice whenFull() {
        if (search == Search.DONE) {
            search = Search.NONE;
            return new Choice.Refused(
                    Nbd.REP_ERR_POLICY,
                    "too many connections; the limit is " + server.limit().max());
        }
        if (search == Search.NONE) {
            search = Search.UNDER_WAY;
            server.limit().lookForEnds(server.loop(), this::onLooked);
        }
        return new Choice.Later();
    }

    private void onLooked() {
        search = Search.DONE;
        look();
    }

    /** The client's place is another's now. */
    private void giveBackPlace() {
        if (entered) {
            entered = false;
            server.limit().release();
        }
    }

    /**
     * Answers false where the export was removed while the handshake's last bytes went out, and
     * where it is served on another loop.
     */
    private boolean enterTransmission(final Negotiated negotiated) {
        served = server.served(negotiated.export().name());
        if (served == null) {
            close();
            return false;
        }
        final NbdServer itsServer = server.homeOf(served);
        if (itsServer != server) {
            home = itsServer;
            return false;
        }
        runner =
                new RequestRunner(
                        served, negotiated.replyStyle(), received, replies, server.events(), this);
        transmission = new ServerTransmission(negotiated, runner);
        phase = Phase.TRANSMISSION;
        server.onTransmission(this);
        return true;
    }

    /** The last thing that is done here; what was received and not taken yet goes with it. */
    private void goHome() {
        server.onLeft(this);
        server = home;
        connection.moveTo(home.loop(), this::arrive, this::close);
    }

    private ConnectionHandler arrive(final Connection moved) {
        connection = moved;
        home = null;
        if (server.isShuttingDown()) {
            close();
        } else {
            server.onArrived(this);
            advance();
        }
        return this;
    }

    // ---- Transmission.

    private void serve() throws IOException {
        boolean drained = false;
        int receives = 0;
        while (true) {
            takeRequests();
            transmit();
            if (transmission.state() != ServerTransmission.State.OPEN) {
                if (transmission.state() == ServerTransmission.State.VIOLATED) {
                    server.events().onClientProblem(connection.peer(), transmission.violation());
                }
                startEnding();
                return;
            }
            if (transmission.isStalled()) {
                if (sendBlocked || !runner.isQuiet()) {
                    return; // the socket or a completion calls again
                }
                continue; // sending has made room
            }
            if (drained) {
                hastenTheRest();
                return;
            }
            if (receives++ == RECEIVES_PER_EVENT) {
                return;
            }
            final int count = receive();
            if (count < 0) {
                startEnding();
                return;
            }
            if (count == 0) {
                hastenTheRest();
                return;
            }
            drained = transmission.payloadRemaining() == 0 && received.hasDrained(count);
        }
    }

    /**
     * TCP acknowledges the first part of a long request together with its reply or with the rest;
     * and a client whose pace is set by what is acknowledged, as with bbr, takes that wait for the
     * speed of the path, and sends the rest, and all that follows, as slowly.
     */
    private void hastenTheRest() throws IOException {
        if (transmission.payloadRemaining() > 0 || received.head() < received.tail()) {
            connection.acknowledge();
        }
    }

    private int receive() throws IOException {
        final long remaining = transmission.payloadRemaining();
        if (remaining == 0) {
            return received.receive(connection, transmission.wanted(), runner.lastMessageLength());
        }
        final int count = runner.receivePayload(connection, remaining);
        if (count > 0) {
            transmission.payloadReceived(count);
        }
        return count;
    }

    private void takeRequests() {
        final int head = received.head();
        received.workedOff(transmission.receive(received.memory(), head, received.tail()));
        runner.poll();
        received.workedOff(received.head()); // again, as the writes it held may be done
    }

    /** Answers whether the socket took all that was ready. */
    private boolean transmit() throws IOException {
        if (!sendBlocked) {
            sendBlocked = !replies.transmit(connection);
        }
        return !sendBlocked;
    }

    @Override
    public boolean takesPages() {
        return connection.takesPages();
    }

    /**
     * Whatever else ends in this turn of the loop is answered together with it, as what ends while
     * requests are taken is answered when all are: a call of the socket each would cost more than
     * the requests.
     */
    @Override
    public void onProgress() {
        if (phase == Phase.CLOSED) {
            releaseWhenQuiet();
            return;
        }
        if (!busy && !isDue) {
            isDue = true;
            server.loop().execute(onDue);
        }
        if (replies.readyCount() >= TRANSMIT_REPLIES || replies.readyBytes() >= TRANSMIT_BYTES) {
            try {
                transmit();
            } catch (final IOException e) {
                // The parser is at work, or a disk, no place to end a session: the socket's next
                // event meets the error again.
                sendBlocked = true;
            }
        }
    }

    private void onDue() {
        isDue = false;
        final boolean isAnswering =
                phase == Phase.TRANSMISSION
                        && transmission.state() == ServerTransmission.State.OPEN
                        && !transmission.isStalled();
        if (!isAnswering) {
            advance();
            return;
        }
        received.workedOff(received.head()); // again, as the writes it held may be done
        try {
            transmit();
        } catch (final IOException e) {
            server.events().onClientProblem(connection.peer(), String.valueOf(e.getMessage()));
            close();
        }
        updateInterest();
    }

    /** Whether its client uses that export. */
    @SuppressWarnings("ReferenceEquality") // another one may come to bear the same name
    boolean uses(final ServedExport export) {
        return served != null && served == export && phase != Phase.LINGERING;
    }

    // ---- The end.

    /** Answers what is in flight, refuses the rest, and closes. */
    void shutDown() {
        handshake.shutDown();
        if (runner != null) {
            runner.refuse();
        }
        onReadable(); // what the client has sent by now is still answered
        if (phase == Phase.HANDSHAKE || phase == Phase.TRANSMISSION) {
            phase = Phase.ENDING;
            if (runner != null) {
                runner.dropIncoming();
            }
            advance();
        }
    }

    private void startEnding() throws IOException {
        phase = Phase.ENDING;
        runner.onEnding();
        end();
    }

    private void end() throws IOException {
        transmit();
        if (isQuiet() && replies.isEmpty()) {
            startLingering();
        }
    }

    private void startLingering() throws IOException {
        connection.shutdownOutput();
        phase = Phase.LINGERING;
        giveBackPlace(); // nothing is left to do for it
        server.onLingering(this);
        linger();
    }

    private void linger() throws IOException {
        for (int receives = 0; receives < RECEIVES_PER_EVENT; receives++) {
            received.workedOff(received.tail());
            final int count = received.receive(connection, 0, 1);
            if (count < 0) {
                close();
            }
            if (count <= 0) {
                return;
            }
        }
    }

    /**
     * Closes at once. What is in flight ends unanswered; the buffers go when the disk is done with
     * them.
     */
    @Override
    public void close() {
        if (phase == Phase.CLOSED) {
            return;
        }
        phase = Phase.CLOSED;
        connection.close();
        if (runner != null) {
            runner.abandon();
        }
        giveBackPlace();
        server.onClosed(this);
        releaseWhenQuiet();
    }

    private void releaseWhenQuiet() {
        if (isQuiet()) {
            received.close();
            replies.close();
        }
    }

    /** Whether the disk has nothing of this session's in its hands. */
    private boolean isQuiet() {
        return runner == null || runner.isQuiet();
    }

    /**
     * Called once a second: a session that does nothing gives memory back, and one that can't end
     * is cut.
     */
    void onTick() {
        idleTicks++;
        if (idleTicks > ENDING_TICKS_MAX && phase == Phase.ENDING) {
            server.events().onClientProblem(connection.peer(), "does not take its last replies");
            close();
        } else if (idleTicks > 1) {
            received.trim(IDLE_KEEP);
            replies.trim(IDLE_KEEP);
        }
    }
}

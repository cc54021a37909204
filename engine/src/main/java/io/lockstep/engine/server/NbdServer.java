package io.lockstep.engine.server;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.nbd.Export;
import io.lockstep.nbd.ExportCatalog;
import io.lockstep.nbd.Nbd;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/**
 * The NBD server of one loop: its exports and the sessions of its clients. Several servers, one a
 * loop, serve the same disks; they share only the count of connections. A client whose export has a
 * loop of its own goes there when it has chosen it ({@link ServedExport#loop}).
 *
 * <p>Limits (I7): clients in the transmission phase, counted over all loops: one too many is told
 * so when it chooses its export. Handshakes under way: one too many ends the oldest. A handshake's
 * time.
 *
 * <p>All on its loop.
 */
public final class NbdServer implements ExportCatalog {
    /** Handshakes of one loop that are under way at most. */
    static final int HANDSHAKES_MAX = 512;

    private static final long HANDSHAKE_NANOS = TimeUnit.SECONDS.toNanos(10);
    private static final long LINGER_NANOS = TimeUnit.SECONDS.toNanos(1);
    private static final long TICK_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final IoLoop loop;
    private final ServerEvents events;
    private final ConnectionLimit limit;
    private final Map<String, ServedExport> exports = new LinkedHashMap<>();
    private final LinkedHashMap<NbdSession, Long> handshakes = new LinkedHashMap<>();
    private final LinkedHashSet<NbdSession> sessions = new LinkedHashSet<>();
    private boolean ticking;
    private boolean shuttingDown;
    private boolean quiet;
    private Runnable onQuiet = () -> {};

    /**
     * A server with no client yet.
     *
     * @param loop its loop
     * @param exports in the order in which they are listed
     * @param limit of clients, shared by the servers of all loops
     * @param events hears of problems
     * @throws IllegalArgumentException where two exports have one name
     */
    public NbdServer(
            final IoLoop loop,
            final List<ServedExport> exports,
            final ConnectionLimit limit,
            final ServerEvents events) {
        this.loop = loop;
        this.limit = limit;
        this.events = events;
        exports.forEach(this::add);
        limit.join(this);
    }

    /**
     * Offers one export more.
     *
     * @throws IllegalArgumentException where there is one of that name
     */
    public void add(final ServedExport served) {
        final ServedExport limited = served.within(limit.max());
        if (exports.putIfAbsent(served.export().name(), limited) != null) {
            throw new IllegalArgumentException("export name twice: " + served.export().name());
        }
    }

    /**
     * Offers an export no more, and closes the connections of those who use it. Their operations
     * under way end unanswered.
     */
    public void remove(final String name) {
        final ServedExport removed = exports.remove(name);
        for (final NbdSession session : List.copyOf(sessions)) {
            if (session.uses(removed)) {
                session.close();
            }
        }
    }

    /** How many clients use an export, and have not ended by now. */
    public long clientsOf(final String name) {
        lookForEnds();
        final ServedExport served = exports.get(name);
        return sessions.stream().filter(session -> session.uses(served)).count();
    }

    /** Whether anybody uses an export, and has not ended by now. */
    public boolean hasClients() {
        lookForEnds();
        return exports.values().stream()
                .anyMatch(served -> sessions.stream().anyMatch(session -> session.uses(served)));
    }

    /** Takes the ends of clients that lie in their sockets and were not come to yet. */
    void lookForEnds() {
        List.copyOf(sessions).forEach(NbdSession::look); // one that has ended goes
    }

    /** Makes a session of a connection that was accepted for this server's loop. */
    public ConnectionHandler connect(final Connection connection) {
        keepTicking();
        if (handshakes.size() >= HANDSHAKES_MAX) {
            final NbdSession oldest = handshakes.firstEntry().getKey();
            events.onClientProblem(
                    "a client", "too many handshakes under way: the oldest is ended");
            oldest.close();
        }
        final NbdSession session = new NbdSession(this, connection);
        handshakes.put(session, loop.nanoTime() + HANDSHAKE_NANOS);
        if (shuttingDown) {
            session.close();
        } else {
            session.start();
        }
        return session;
    }

    /** Who serves the clients of an export once they have chosen it. */
    NbdServer homeOf(final ServedExport served) {
        final IoLoop home = served.loop();
        return home == null || isOn(home) ? this : limit.serverOn(home).orElse(this);
    }

    /** A client has chosen an export that another server serves. */
    void onLeft(final NbdSession session) {
        handshakes.remove(session);
    }

    /** One has come that has chosen an export of this server's. */
    void onArrived(final NbdSession session) {
        keepTicking();
        sessions.add(session);
    }

    private void keepTicking() {
        if (!ticking) {
            ticking = true;
            loop.schedule(TICK_NANOS, this::tick);
        }
    }

    private void tick() {
        final long now = loop.nanoTime();
        while (!handshakes.isEmpty() && handshakes.firstEntry().getValue() - now <= 0) {
            events.onClientProblem("a client", "its handshake took too long");
            handshakes.firstEntry().getKey().close();
        }
        List.copyOf(sessions).forEach(NbdSession::onTick); // a tick may end a session
        ticking = !handshakes.isEmpty() || !sessions.isEmpty();
        if (ticking) {
            loop.schedule(TICK_NANOS, this::tick);
        }
    }

    /**
     * Answers what is in flight, refuses what comes, and closes every connection.
     *
     * @param whenQuiet runs when the last is closed
     */
    public void shutDown(final Runnable whenQuiet) {
        shuttingDown = true;
        onQuiet = whenQuiet;
        for (final NbdSession session : allSessions()) {
            session.shutDown();
        }
        runIfQuiet();
    }

    /** Closes every connection at once. */
    public void abort() {
        allSessions().forEach(NbdSession::close);
    }

    private List<NbdSession> allSessions() {
        final List<NbdSession> all = new ArrayList<>(handshakes.keySet());
        all.addAll(sessions);
        return all;
    }

    private void runIfQuiet() {
        if (shuttingDown && !quiet && handshakes.isEmpty() && sessions.isEmpty()) {
            quiet = true; // once: others count how many servers are
            onQuiet.run();
        }
    }

    // ---- What sessions ask and tell.

    @Override
    public List<Export> list() {
        return exports.values().stream().map(ServedExport::present).toList();
    }

    @Override
    public Choice find(final String name) {
        final ServedExport served =
                name.isEmpty() && exports.size() == 1
                        ? exports.values().iterator().next()
                        : exports.get(name);
        if (served != null) {
            return new Choice.Accepted(served.present());
        }
        return new Choice.Refused(Nbd.REP_ERR_UNKNOWN, refusal(name));
    }

    private String refusal(final String name) {
        if (exports.isEmpty()) {
            return "there is no export yet";
        }
        return name.isEmpty()
                ? "there are several exports; name one of " + exports.keySet()
                : "there is no export of that name; there is " + exports.keySet();
    }

    ConnectionLimit limit() {
        return limit;
    }

    IoLoop loop() {
        return loop;
    }

    /** Whether its clients are served on a loop. */
    @SuppressWarnings("ReferenceEquality") // a loop equals itself alone
    public boolean isOn(final IoLoop other) {
        return loop == other;
    }

    ServedExport served(final String exportName) {
        return exports.get(exportName);
    }

    boolean isShuttingDown() {
        return shuttingDown;
    }

    ServerEvents events() {
        return events;
    }

    void onTransmission(final NbdSession session) {
        handshakes.remove(session);
        sessions.add(session);
    }

    void onLingering(final NbdSession session) {
        loop.schedule(LINGER_NANOS, session::close);
    }

    void onClosed(final NbdSession session) {
        handshakes.remove(session);
        sessions.remove(session);
        runIfQuiet();
    }
}

package io.lockstep.cli.control;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.engine.memory.PrivateFiles;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;

/**
 * A server of QEMU's machine protocol on a Unix socket: its clients and its commands.
 *
 * <p>Limits (I7): {@link #CLIENTS_MAX} clients; one too many is told so and closed. What a client
 * may send and leave unread is limited in {@link QmpSession}. Everything on its loop. Source:
 * QEMU's {@code docs/interop/qmp-spec.txt}.
 */
final class QmpServer {
    /** Clients at a time. */
    static final int CLIENTS_MAX = 16;

    /** One socket call moves so many bytes at most. */
    static final int TRANSFER_LENGTH = 64 << 10;

    private final IoLoop loop;
    private final SortedMap<String, QmpCommand> commands = new TreeMap<>();
    private final Set<QmpSession> sessions = new LinkedHashSet<>();
    private volatile boolean hasClients;

    /** One for all clients: nothing stays there between two events. */
    private final IoBuffer received = IoBuffer.reserve(TRANSFER_LENGTH);

    private final IoBuffer toSend = IoBuffer.reserve(TRANSFER_LENGTH);
    private IoLoop.Listener listener;

    /** A server that doesn't listen yet, with the commands that every server has. */
    QmpServer(final IoLoop loop) {
        this.loop = loop;
        add("query-version", withoutArguments(QmpServer::version));
        add("query-commands", withoutArguments(this::commandNames));
    }

    /** Adds a command. */
    void add(final String name, final QmpCommand command) {
        commands.put(name, command);
    }

    private interface Answer {
        JsonElement get();
    }

    private static QmpCommand withoutArguments(final Answer answer) {
        return arguments -> {
            arguments.end();
            return CompletableFuture.completedFuture(answer.get());
        };
    }

    /**
     * Listens from now on. Who connects can have the secondary take over: users who are neither the
     * owner nor in the group can't connect, and whether the group can is up to the umask.
     *
     * @throws IOException where somebody else listens there, or it can't be had
     */
    void listen(final Path socket) throws IOException {
        PrivateFiles.withoutOthers(
                () -> listener = loop.listen(new Endpoint.Unix(socket), this::accept));
    }

    private void accept(final IoLoop.Accepted accepted) {
        accepted.open(
                loop,
                connection -> {
                    final QmpSession session = new QmpSession(this, connection);
                    if (sessions.size() < CLIENTS_MAX) {
                        sessions.add(session);
                        hasClients = true;
                        session.start(greeting());
                    } else {
                        session.turnAway("too many clients: " + CLIENTS_MAX + " are served");
                    }
                    return session;
                });
    }

    /** Stops listening, and ends all clients. */
    void close() {
        if (listener != null) {
            listener.close();
        }
        List.copyOf(sessions).forEach(QmpSession::close);
        received.close();
        toSend.close();
    }

    /** Whether there is anybody to tell of events; from any thread. */
    boolean hasClients() {
        return hasClients;
    }

    /** Tells all clients that have negotiated. */
    void sendEvent(final String name, final JsonObject data) {
        final Instant now = Instant.now();
        final JsonObject timestamp = new JsonObject();
        timestamp.addProperty("seconds", now.getEpochSecond());
        timestamp.addProperty("microseconds", now.getNano() / 1000);
        final JsonObject event = new JsonObject();
        event.add("timestamp", timestamp);
        event.addProperty("event", name);
        if (!data.isEmpty()) {
            event.add("data", data);
        }
        final byte[] bytes = encode(event);
        for (final QmpSession session : new ArrayList<>(sessions)) {
            session.sendEvent(bytes);
        }
    }

    static byte[] encode(final JsonObject message) {
        return (message + "\r\n").getBytes(StandardCharsets.UTF_8);
    }

    // ---- What sessions ask and tell.

    IoLoop loop() {
        return loop;
    }

    IoBuffer received() {
        return received;
    }

    IoBuffer toSend() {
        return toSend;
    }

    /**
     * The command of that name.
     *
     * @throws QmpException where there is none
     */
    QmpCommand command(final String name) {
        final QmpCommand command = commands.get(name);
        if (command == null) {
            throw new QmpException(
                    QmpException.COMMAND_NOT_FOUND, "The command " + name + " has not been found");
        }
        return command;
    }

    void onClosed(final QmpSession session) {
        sessions.remove(session);
        hasClients = !sessions.isEmpty();
    }

    // ---- What every server answers.

    private static JsonObject greeting() {
        final JsonObject about = new JsonObject();
        about.add("version", version());
        about.add("capabilities", new JsonArray());
        final JsonObject greeting = new JsonObject();
        greeting.add("QMP", about);
        return greeting;
    }

    /** The version of QEMU whose commands these are, and ours. */
    private static JsonObject version() {
        final JsonObject qemu = new JsonObject();
        qemu.addProperty("micro", 0);
        qemu.addProperty("minor", 2);
        qemu.addProperty("major", 7);
        final JsonObject version = new JsonObject();
        version.add("qemu", qemu);
        final String own = QmpServer.class.getPackage().getImplementationVersion();
        version.addProperty("package", "lockstep " + (own == null ? "(not packaged)" : own));
        return version;
    }

    private JsonArray commandNames() {
        final JsonArray names = new JsonArray();
        names.add(named("qmp_capabilities"));
        commands.keySet().forEach(name -> names.add(named(name)));
        return names;
    }

    private static JsonObject named(final String name) {
        final JsonObject object = new JsonObject();
        object.addProperty("name", name);
        return object;
    }
}

package io.lockstep.cli.control;

import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.engine.loop.Connection;
import io.lockstep.engine.loop.ConnectionHandler;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.IoBuffer;
import io.lockstep.engine.memory.PrivateFiles;

import org.agrona.ErrorHandler;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * A server of QEMU's machine protocol on any number of sockets: its clients and its commands.
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
    private final ErrorHandler errorHandler;
    private final QmpSchema schema = QmpDeclarations.schema();
    private final SortedMap<String, QmpCommand> commands = new TreeMap<>();

    /** Of all commands; that of the negotiation, too, which a session sees to. */
    private final Set<String> names = new TreeSet<>();

    private final Set<QmpSession> sessions = new LinkedHashSet<>();
    private volatile boolean hasClients;
    private boolean isClosed;

    /** One for all clients: nothing stays there between two events. */
    private final IoBuffer received = IoBuffer.reserve(TRANSFER_LENGTH);

    private final IoBuffer toSend = IoBuffer.reserve(TRANSFER_LENGTH);
    private final List<IoLoop.Listener> listeners = new ArrayList<>();

    /** A server that doesn't listen yet, with the commands that every server has. */
    QmpServer(final IoLoop loop, final ErrorHandler errorHandler) {
        this.loop = loop;
        this.errorHandler = errorHandler;
        names.add(QmpSession.NEGOTIATE);
        add("query-version", withoutArguments(QmpServer::version));
        add("query-commands", withoutArguments(() -> report(names)));
        add("query-events", withoutArguments(() -> report(schema.eventNames())));
        add("query-qmp-schema", withoutArguments(() -> schema.introspect(names::contains)));
    }

    /** Adds a command, which must be one of the schema. */
    void add(final String name, final QmpCommand command) {
        schema.command(name);
        commands.put(name, command);
        names.add(name);
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
     * Listens at one more place from now on. Who connects can have the secondary take over: users
     * who are neither the owner of a Unix socket nor in its group can't connect, and whether the
     * group can is up to the umask.
     *
     * @return where, with the port that was chosen
     * @throws IOException where somebody else listens there, or it can't be had
     */
    Endpoint listen(final Endpoint endpoint) throws IOException {
        PrivateFiles.withoutOthers(
                () ->
                        listeners.add(
                                loop.listen(
                                        endpoint, accepted -> accepted.open(loop, this::serve))));
        return listeners.getLast().endpoint();
    }

    /** Serves a client from now on. */
    ConnectionHandler serve(final Connection connection) {
        final QmpSession session = new QmpSession(this, connection);
        if (isClosed) {
            session.close(); // it came when nobody listened any more, and was on its way here
        } else if (sessions.size() < CLIENTS_MAX) {
            sessions.add(session);
            hasClients = true;
            session.start(greeting());
        } else {
            session.turnAway("too many clients: " + CLIENTS_MAX + " are served");
        }
        return session;
    }

    /** Stops listening, and ends all clients. */
    void close() {
        isClosed = true;
        listeners.forEach(IoLoop.Listener::close);
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
        assert schema.isEvent(name, data) : name + " must not say " + data;
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
     * Checks whether a request can be run.
     *
     * @throws QmpException where there is no such command, or its arguments are wrong
     */
    void check(final QmpRequest request) {
        final String name = request.command();
        if (!names.contains(name)) {
            throw new QmpException(
                    QmpException.COMMAND_NOT_FOUND, "The command " + name + " has not been found");
        }
        if (request.isOob() && !schema.command(name).isOob()) {
            throw QmpException.generic("The command " + name + " does not support OOB");
        }
        schema.checkArguments(name, request.arguments());
    }

    /**
     * Runs a command. Whatever becomes of it, there will be an answer.
     *
     * @param onAnswer takes the reply, on the loop, and never before this method returns
     */
    void run(final QmpRequest request, final Consumer<JsonObject> onAnswer) {
        loop.after(
                execute(request),
                (value, thrown) ->
                        loop.execute(() -> onAnswer.accept(answer(request, value, thrown))));
    }

    private CompletableFuture<JsonElement> execute(final QmpRequest request) {
        try {
            check(request);
            return commands.get(request.command())
                    .run(new QmpArguments(request.arguments()))
                    .thenApply(value -> declared(request.command(), value));
        } catch (final RuntimeException | Error e) {
            return CompletableFuture.failedFuture(e);
        }
    }

    private JsonElement declared(final String command, final JsonElement value) {
        assert schema.isAnswer(command, value) : command + " must not answer " + value;
        return value;
    }

    private JsonObject answer(
            final QmpRequest request, final JsonElement value, final Throwable thrown) {
        if (thrown == null) {
            return reply(value, request.id());
        }
        final QmpFailure failure = QmpFailure.of(thrown);
        if (!failure.isExpected()) {
            errorHandler.onError(thrown);
        }
        return error(failure.errorClass(), failure.sentence(), request.id());
    }

    static JsonObject reply(final JsonElement value, final JsonElement id) {
        final JsonObject reply = new JsonObject();
        reply.add("return", value);
        return withId(reply, id);
    }

    static JsonObject error(final String errorClass, final String sentence, final JsonElement id) {
        final JsonObject error = new JsonObject();
        error.addProperty("class", errorClass);
        error.addProperty("desc", sentence);
        final JsonObject reply = new JsonObject();
        reply.add("error", error);
        return withId(reply, id);
    }

    private static JsonObject withId(final JsonObject reply, final JsonElement id) {
        if (id != null) {
            reply.add("id", id);
        }
        return reply;
    }

    void onClosed(final QmpSession session) {
        sessions.remove(session);
        hasClients = !sessions.isEmpty();
    }

    // ---- What every server answers.

    private static JsonObject greeting() {
        final JsonObject about = new JsonObject();
        about.add("version", version());
        final JsonArray capabilities = new JsonArray();
        capabilities.add("oob");
        about.add("capabilities", capabilities);
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

    private static JsonArray report(final Set<String> names) {
        final JsonArray array = new JsonArray();
        for (final String name : names) {
            final JsonObject object = new JsonObject();
            object.addProperty("name", name);
            array.add(object);
        }
        return array;
    }
}

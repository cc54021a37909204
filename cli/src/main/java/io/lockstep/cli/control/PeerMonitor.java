package io.lockstep.cli.control;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.loop.AddressFamilies;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;

import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.UnixDomainSocketAddress;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * The QMP monitor of a secondary that knows no epochs, QEMU's: there a checkpoint is a command.
 *
 * <p>It is spoken to on a thread of its own. Whatever is asked is answered within half a minute, or
 * has failed; futures are completed on the group's loop, or fail there with a {@link
 * GroupException}. The connection stays open, and is made anew where it has broken. Source: QEMU's
 * {@code qapi/migration.json}.
 */
public final class PeerMonitor implements AutoCloseable {
    private static final Duration ANSWER_MAX = Duration.ofSeconds(30);
    private static final String CHECKPOINT = "xen-colo-do-checkpoint";
    private static final String STATUS = "query-xen-replication-status";

    private final Address address;
    private final IoLoop loop;
    private final ExecutorService thread =
            Executors.newSingleThreadExecutor(
                    Thread.ofPlatform().daemon().name("lockstep-peer-qmp").factory());

    /** When what is asked now has failed. Of the thread. */
    private long deadlineNanos;

    /** Null where there is none. Of the thread. */
    private QmpClient client;

    /**
     * Where a monitor is: an immutable value.
     *
     * @param text as the user wrote it
     */
    public record Address(String text, SocketAddress socket) {
        private static final String TCP = "tcp:";
        private static final String UNIX = "unix:";

        /**
         * Reads {@code PATH}, {@code unix:PATH} or {@code tcp:HOST:PORT}.
         *
         * @throws IllegalArgumentException where it is none of these
         */
        public static Address parse(final String text) {
            if (!text.startsWith(TCP)) {
                final String path = text.startsWith(UNIX) ? text.substring(UNIX.length()) : text;
                return new Address(text, UnixDomainSocketAddress.of(Path.of(path)));
            }
            final int colon = text.lastIndexOf(':');
            try {
                final String host = withoutBrackets(text.substring(TCP.length(), colon));
                final int port = Integer.parseInt(text.substring(colon + 1));
                return new Address(text, InetSocketAddress.createUnresolved(host, port));
            } catch (final IllegalArgumentException | IndexOutOfBoundsException e) {
                throw new IllegalArgumentException(
                        "'" + text + "' is no QMP monitor: write a path, or tcp:HOST:PORT", e);
            }
        }

        private static String withoutBrackets(final String host) {
            return host.startsWith("[") && host.endsWith("]")
                    ? host.substring(1, host.length() - 1)
                    : host;
        }

        /**
         * Sees to it that this host has the address's family, where it says so by itself.
         *
         * @throws IOException with a sentence that names the address
         */
        public void requireUsable() throws IOException {
            if (socket instanceof final InetSocketAddress host) {
                AddressFamilies.requireFor(new Endpoint.Tcp(host.getHostString(), host.getPort()));
            }
        }

        /** Looks a host up each time: the peer may have moved. */
        private SocketAddress resolve() throws IOException {
            if (!(socket instanceof final InetSocketAddress host)) {
                return socket;
            }
            final InetAddress found = InetAddress.getByName(host.getHostString());
            return new InetSocketAddress(found, host.getPort());
        }
    }

    /** Connects to nobody yet. */
    public PeerMonitor(final Address address, final IoLoop loop) {
        this.address = address;
        this.loop = loop;
    }

    /** What is done on the thread. */
    private interface Talk {
        void run() throws IOException;
    }

    /** Sees whether it is there, and whether its replication is well. */
    public CompletableFuture<Void> check() {
        return onThread(this::requireNoError);
    }

    /**
     * Checkpoints the peer. Nothing may be on the way to it meanwhile. Doing it once more in the
     * same state does no harm: so an answer that got lost is asked for again.
     */
    CompletableFuture<Void> checkpoint() {
        return onThread(
                () -> {
                    execute(CHECKPOINT);
                    requireNoError();
                });
    }

    private CompletableFuture<Void> onThread(final Talk talk) {
        final CompletableFuture<Void> answer = new CompletableFuture<>();
        thread.execute(
                () -> {
                    try {
                        deadlineNanos = System.nanoTime() + ANSWER_MAX.toNanos();
                        talk.run();
                        loop.execute(() -> answer.complete(null));
                    } catch (final IOException | RuntimeException e) {
                        disconnect();
                        final String sentence = sentence(e);
                        loop.execute(
                                () -> answer.completeExceptionally(new GroupException(sentence)));
                    }
                });
        return answer;
    }

    /** After a checkpoint that met an error QEMU's command succeeds, and only the status tells. */
    private void requireNoError() throws IOException {
        final JsonObject status = execute(STATUS);
        if (status.get("error").getAsBoolean()) {
            throw new QmpClient.RefusedException(
                    QmpException.GENERIC,
                    status.has("desc") ? status.get("desc").getAsString() : "replication error");
        }
    }

    /** A connection from before may have been closed by the peer: then it is tried on a new one. */
    private JsonObject execute(final String command) throws IOException {
        if (client != null) {
            try {
                return client.execute(command, left());
            } catch (final QmpClient.RefusedException e) {
                throw e;
            } catch (final IOException e) {
                disconnect();
                if (left().isZero()) {
                    throw e;
                }
            }
        }
        client = QmpClient.connectToMonitor(address.resolve(), left());
        requireReplication();
        return client.execute(command, left());
    }

    private Duration left() {
        return Duration.ofNanos(Math.max(0, deadlineNanos - System.nanoTime()));
    }

    /** Where nothing is replicated QEMU would take every checkpoint, and do nothing. */
    private void requireReplication() throws IOException {
        final JsonObject flat = new JsonObject();
        flat.addProperty("flat", true);
        for (final JsonElement node :
                client.execute("query-named-block-nodes", flat, left()).getAsJsonArray()) {
            if (node.getAsJsonObject().get("drv").getAsString().equals("replication")) {
                return;
            }
        }
        throw new QmpClient.RefusedException(
                QmpException.GENERIC, "it has no node with the driver replication");
    }

    private String sentence(final Exception cause) {
        final String where = "the secondary's QMP monitor at " + address.text();
        return cause instanceof QmpClient.RefusedException
                ? where + " refuses: " + cause.getMessage() + "; see to the secondary"
                : where
                        + " does not answer: "
                        + cause.getMessage()
                        + "; see that the secondary runs, that --peer-qmp names a monitor of it,"
                        + " and that nobody else is connected there (QEMU serves one client a"
                        + " monitor)";
    }

    private void disconnect() {
        if (client != null) {
            try {
                client.close();
            } catch (final IOException e) {
                // It has served: there is nobody to whom this matters.
            }
            client = null;
        }
    }

    /** Waits for nobody; what is under way is dropped with the process. */
    @Override
    public void close() {
        thread.execute(this::disconnect);
        thread.shutdown();
    }
}

package io.lockstep.bench.peer;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;

import io.lockstep.cli.control.QmpClient;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/** A manager's end of a child process's QMP socket. Used by one thread at a time. */
public final class ControlSocket implements AutoCloseable {
    private static final long START_SECONDS = 60;
    private static final int RETRY_MILLIS = 20;
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private final QmpClient client;

    private ControlSocket(final QmpClient client) {
        this.client = client;
    }

    /** Waits until a process listens on its socket, and connects. */
    static ControlSocket connect(final Path socket, final ChildProcess process)
            throws IOException, InterruptedException {
        final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
        while (true) {
            try {
                return new ControlSocket(QmpClient.connect(socket, PATIENCE));
            } catch (final QmpClient.NoAnswerException e) {
                if (System.nanoTime() > deadline || !process.isRunning()) {
                    throw process.failure("did not start");
                }
                Thread.sleep(RETRY_MILLIS);
            }
        }
    }

    /** Executes a command without arguments. */
    public JsonElement execute(final String command) throws IOException {
        return execute(command, "{}");
    }

    /**
     * Executes a command.
     *
     * @param argumentsText its arguments, as lenient JSON: single quotes do
     * @return what it returned
     * @throws IOException where it failed, with its description
     */
    public JsonElement execute(final String command, final String argumentsText)
            throws IOException {
        final JsonObject arguments = JsonParser.parseString(argumentsText).getAsJsonObject();
        return client.execute(command, arguments, PATIENCE);
    }

    @Override
    public void close() {
        try {
            client.close();
        } catch (final IOException e) {
            // Nothing is lost with it.
        }
    }
}

package io.lockstep.interop;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.Channels;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;

/**
 * A manager at a control socket: speaks QMP, one command at a time, with a deadline. Used by one
 * thread.
 */
final class Control implements AutoCloseable {
    private final SocketChannel channel;
    private final BufferedReader reader;

    private Control(final SocketChannel channel) {
        this.channel = channel;
        reader =
                new BufferedReader(
                        new InputStreamReader(
                                Channels.newInputStream(channel), StandardCharsets.UTF_8));
    }

    /** Connects, and leaves the negotiation behind. */
    static Control connect(final Path socket) {
        try {
            final SocketChannel channel = SocketChannel.open(StandardProtocolFamily.UNIX);
            channel.connect(UnixDomainSocketAddress.of(socket));
            final Control control = new Control(channel);
            control.within(control::receive); // the greeting
            control.execute("qmp_capabilities");
            return control;
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Executes a command; its failure is the test's. */
    JsonElement execute(final String command, final String... argumentsText) {
        final JsonObject answer = send(command, argumentsText);
        if (!answer.has("return")) {
            throw new AssertionError(command + " failed: " + answer);
        }
        return answer.get("return");
    }

    /** Executes a command that is to fail; answers its description. */
    String executeInVain(final String command, final String... argumentsText) {
        final JsonObject answer = send(command, argumentsText);
        if (!answer.has("error")) {
            throw new AssertionError(command + " should have failed: " + answer);
        }
        return answer.getAsJsonObject("error").get("desc").getAsString();
    }

    private JsonObject send(final String command, final String... argumentsText) {
        final JsonObject message = new JsonObject();
        message.addProperty("execute", command);
        if (argumentsText.length > 0) {
            message.add("arguments", JsonParser.parseString(argumentsText[0]));
        }
        return within(
                () -> {
                    final ByteBuffer bytes =
                            ByteBuffer.wrap((message + "\n").getBytes(StandardCharsets.UTF_8));
                    while (bytes.hasRemaining()) {
                        channel.write(bytes);
                    }
                    JsonObject answer = receive();
                    while (answer.has("event")) {
                        answer = receive();
                    }
                    return answer;
                });
    }

    private JsonObject receive() throws IOException {
        final String line = reader.readLine();
        if (line == null) {
            throw new IOException("the control socket was closed");
        }
        return JsonParser.parseString(line).getAsJsonObject();
    }

    private interface Exchange {
        JsonObject run() throws IOException;
    }

    /** Java can't wait for a channel only so long: a thread of its own does, and is cut off. */
    private JsonObject within(final Exchange exchange) {
        final CompletableFuture<JsonObject> answer = new CompletableFuture<>();
        Thread.ofPlatform()
                .daemon()
                .start(
                        () -> {
                            try {
                                answer.complete(exchange.run());
                            } catch (final IOException | RuntimeException e) {
                                answer.completeExceptionally(e);
                            }
                        });
        try {
            return answer.get(Program.DEADLINE.toNanos(), TimeUnit.NANOSECONDS);
        } catch (final TimeoutException e) {
            close();
            throw new AssertionError("the control socket did not answer in time", e);
        } catch (final ExecutionException e) {
            throw new AssertionError("the control socket: " + e.getCause(), e);
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError(e);
        }
    }

    /** Seals and commits; answers the epoch. */
    long checkpoint() {
        return execute("x-lockstep-checkpoint").getAsJsonObject().get("epoch").getAsLong();
    }

    JsonObject status() {
        return execute("x-lockstep-status").getAsJsonObject();
    }

    /** Where the group stands. */
    String state() {
        return status().get("state").getAsString();
    }

    /** Waits until the status is as wanted; answers it. */
    JsonObject await(final String what, final Predicate<JsonObject> wanted) {
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        JsonObject status = status();
        while (!wanted.test(status)) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("not " + what + " in time: " + status);
            }
            Rig.pause();
            status = status();
        }
        return status;
    }

    /** Waits until the primary is linked with its secondary. */
    void awaitLink() {
        await("linked", status -> status.get("linked").getAsBoolean());
    }

    /** Waits until the secondary has all that the primary's guest was told is written. */
    void awaitDrained() {
        await(
                "drained",
                status ->
                        status.get("linked").getAsBoolean()
                                && status.get("lag-bytes").getAsLong() == 0);
    }

    /** Waits until a failed over secondary has plain disks again. */
    void awaitMerged() {
        await("merged", status -> status.get("state").getAsString().equals("alone"));
    }

    @Override
    public void close() {
        try {
            channel.close();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

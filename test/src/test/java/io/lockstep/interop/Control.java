package io.lockstep.interop;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;

import io.lockstep.cli.control.QmpClient;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.function.Predicate;

/** A manager at a control socket. Every wait has a deadline. Used by one thread. */
final class Control implements Rig.Ending {
    private final QmpClient client;

    private Control(final QmpClient client) {
        this.client = client;
    }

    /** Connects to a process that is ready. */
    static Control connect(final Path socket) {
        try {
            return new Control(QmpClient.connect(socket, Program.DEADLINE));
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Executes a command; its failure is the test's. */
    JsonElement execute(final String command) {
        return execute(command, "{}");
    }

    /**
     * The same with arguments.
     *
     * @param arguments JSON, in which single quotes will do
     */
    JsonElement execute(final String command, final String arguments) {
        try {
            return client.execute(command, parse(arguments), Program.DEADLINE);
        } catch (final IOException e) {
            throw new AssertionError(command + " " + arguments + " failed: " + e.getMessage(), e);
        }
    }

    private static JsonObject parse(final String arguments) {
        return JsonParser.parseString(arguments).getAsJsonObject();
    }

    /** Executes a command that is to be refused; answers class and sentence of the error. */
    Refusal refuse(final String command, final String arguments) {
        try {
            final JsonElement answer = client.execute(command, parse(arguments), Program.DEADLINE);
            throw new AssertionError(command + " " + arguments + " is not refused: " + answer);
        } catch (final QmpClient.RefusedException e) {
            return new Refusal(e.errorClass(), e.getMessage());
        } catch (final IOException e) {
            throw new AssertionError(command + " failed: " + e.getMessage(), e);
        }
    }

    /** An error's class, such as {@code GenericError}, and its sentence. */
    record Refusal(String errorClass, String sentence) {}

    /** Executes a command with a number for argument, which must be refused; answers why. */
    String refused(final String command, final String argument, final long value) {
        final JsonObject arguments = new JsonObject();
        arguments.addProperty(argument, value);
        try {
            throw new AssertionError(
                    command + ": " + client.execute(command, arguments, Program.DEADLINE));
        } catch (final IOException e) {
            return e.getMessage();
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

    /** Waits until the primary's secondary is linked and equal. */
    void awaitHealed() {
        await(
                "healed",
                status ->
                        status.get("linked").getAsBoolean()
                                && !status.has("synchronisation")
                                && status.get("standing").getAsString().equals("reigning"));
    }

    /** Waits until a failed over secondary has plain disks again. */
    void awaitMerged() {
        await("merged", status -> status.get("state").getAsString().equals("alone"));
    }

    @Override
    public void close() {
        try {
            client.close();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

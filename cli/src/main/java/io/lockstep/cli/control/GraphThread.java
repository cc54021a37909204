package io.lockstep.cli.control;

import com.google.gson.JsonElement;

import java.io.IOException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;

/**
 * The thread that has the block nodes: commands on them are run there, one after the other, and
 * what must wait for another host is answered later.
 *
 * @param executor runs what it is given in order
 */
record GraphThread(Executor executor) {
    /** A command that may meet the disks' errors and the graph's. */
    interface Command {
        /** Runs it, on the thread. */
        CompletableFuture<JsonElement> run(QmpArguments arguments) throws IOException;
    }

    /** Adds a command to a server. */
    void add(final QmpServer server, final String name, final Command command) {
        server.add(
                name,
                arguments -> {
                    final CompletableFuture<JsonElement> answer = new CompletableFuture<>();
                    executor.execute(() -> run(command, arguments, answer));
                    return answer;
                });
    }

    @SuppressWarnings("FutureReturnValueIgnored") // an answer is completed, which does not fail
    private static void run(
            final Command command,
            final QmpArguments arguments,
            final CompletableFuture<JsonElement> answer) {
        try {
            command.run(arguments)
                    .whenComplete(
                            (value, thrown) -> {
                                if (thrown == null) {
                                    answer.complete(value);
                                } else {
                                    answer.completeExceptionally(thrown);
                                }
                            });
        } catch (final IOException | RuntimeException | Error e) {
            answer.completeExceptionally(e);
        }
    }
}

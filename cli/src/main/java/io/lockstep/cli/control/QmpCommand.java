package io.lockstep.cli.control;

import com.google.gson.JsonElement;

import java.util.concurrent.CompletableFuture;

/** What a name of a command stands for. Run on the server's loop; must not block. */
@FunctionalInterface
interface QmpCommand {
    /**
     * Runs it.
     *
     * @param arguments all must be taken
     * @return what to reply; may complete on any thread, and fails with a {@link QmpException} or
     *     what has a message for the manager
     * @throws QmpException where the arguments are wrong
     */
    CompletableFuture<JsonElement> run(QmpArguments arguments);
}

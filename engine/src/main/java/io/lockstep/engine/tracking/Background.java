package io.lockstep.engine.tracking;

import java.io.IOException;
import java.util.Optional;
import java.util.function.Consumer;

/** Has others wait for storage, so that a loop need not. */
public interface Background {
    /** Something that waits for storage. */
    interface Action {
        /**
         * Does it.
         *
         * @throws IOException with a sentence, where it failed
         */
        void run() throws IOException;
    }

    /**
     * Has an action run elsewhere.
     *
     * @param whenDone hears on the loop what failed; empty where nothing did
     */
    void run(Action action, Consumer<Optional<String>> whenDone);
}

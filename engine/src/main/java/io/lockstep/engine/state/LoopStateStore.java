package io.lockstep.engine.state;

import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.RecordStore;

import java.util.Optional;

/**
 * A {@link StateFile} for a node on a loop: helper threads wait for its storage, one record at a
 * time, and the loop hears of it. The file is nobody else's meanwhile.
 */
public final class LoopStateStore implements RecordStore {
    private final StateFile file;
    private final HelperThreads helpers;
    private final IoLoop loop;

    /** Stores in a file, which was loaded and remains its opener's to close. */
    public LoopStateStore(final StateFile file, final HelperThreads helpers, final IoLoop loop) {
        this.file = file;
        this.helpers = helpers;
        this.loop = loop;
    }

    @Override
    public void store(final NodeRecord record, final Stored whenStored) {
        helpers.execute(
                () -> {
                    try {
                        final Optional<String> failure = file.tryWrite(record);
                        loop.execute(() -> whenStored.onStored(failure));
                    } catch (final RuntimeException | Error e) {
                        loop.execute(() -> rethrow(e)); // what waits for it would wait for ever
                    }
                });
    }

    private static void rethrow(final Throwable thrown) {
        throw new IllegalStateException("a node's state could not be written", thrown);
    }
}

package io.lockstep.engine.node;

import java.util.Optional;

/** Where a node's record is kept. The seam to storage: a file, or the simulator's. */
public interface RecordStore {
    /** Hears how it went, on the loop of who asked. */
    interface Stored {
        /**
         * It is on stable storage, or it could not be brought there.
         *
         * @param failure what failed, in a sentence; empty where nothing did. After a failure the
         *     one before it is stored, as far as that can be seen to
         */
        void onStored(Optional<String> failure);
    }

    /** Stores a record instead of the one before; one at a time. */
    void store(NodeRecord record, Stored whenStored);
}

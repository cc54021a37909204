package io.lockstep.engine.state;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;

/**
 * Where the copies of a record lie: the seam between {@link StateFile}, which knows what counts,
 * and storage. Behind it stand files, and the simulator's, which dies in the midst of a write.
 * Blocking; one thread's.
 */
public interface CopyStorage {
    /** Copies of a record. */
    int COUNT = 2;

    /** Where one lies. */
    Path path(int index);

    /**
     * What one holds; empty where it isn't there.
     *
     * @throws IOException where it is there and can't be read
     */
    Optional<byte[]> read(int index) throws IOException;

    /**
     * Writes one, and brings it to stable storage.
     *
     * @throws IOException where that failed; then the copy holds nothing, as far as it can still be
     *     seen to
     */
    void write(int index, byte[] record) throws IOException;

    /** Empties one, if it is there. */
    void clear(int index) throws IOException;

    /** Brings what was read to stable storage: a process may have been killed before it did so. */
    void settle(int index) throws IOException;
}

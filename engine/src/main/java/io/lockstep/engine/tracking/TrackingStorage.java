package io.lockstep.engine.tracking;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.Optional;

/**
 * Where a tracking lies that outlives the loss of power: the seam between what counts and storage.
 * Behind it stand files, and the simulator's, which lose any part of what was not made durable.
 * Blocking; one thread's at a time, but for the memory, which is the loop's meanwhile.
 */
public interface TrackingStorage extends AutoCloseable {
    /** Copies of the activity log. */
    int COPIES = 2;

    /** Of one page, mapped. */
    MemorySegment page();

    /** Of a disk's map, mapped. */
    ChangeMap.Space map(int disk);

    /**
     * Has room for the map of a disk that is longer; what is noted stays so.
     *
     * @param diskLength in bytes
     * @throws IOException where that can't be had: then nothing has changed
     */
    void lengthen(int disk, long diskLength) throws IOException;

    /**
     * Empties the maps: they are as if never touched.
     *
     * @throws IOException where that can't be had
     */
    void clearMaps() throws IOException;

    /**
     * A copy of the activity log; empty where there is none.
     *
     * @throws IOException where it is there and can't be read
     */
    Optional<byte[]> read(int copy) throws IOException;

    /**
     * Writes one, and brings it to stable storage.
     *
     * @throws IOException where that failed: it may be there, or not, or in part
     */
    void write(int copy, byte[] record) throws IOException;

    /**
     * Brings the maps to stable storage, as they were when that was asked for, or later.
     *
     * @throws IOException where that failed
     */
    void syncMaps() throws IOException;

    @Override
    void close();
}

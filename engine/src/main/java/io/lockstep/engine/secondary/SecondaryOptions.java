package io.lockstep.engine.secondary;

import io.lockstep.engine.group.PeerTimeout;
import io.lockstep.engine.memory.Storage;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * What a group is made of.
 *
 * @param page the file of the group's page, in a directory that is made if there is none
 * @param buffers of each disk, in the group's order; best on tmpfs
 * @param ownDirectory whether the page's directory is the group's own, and goes with it
 * @param bufferLimit bytes that each buffer of a disk may take, three a disk; beyond it a write
 *     fails with ENOSPC, unless it is a pre-image and there is a spill
 * @param peerTimeout how long the primary may say nothing
 * @param ofFormerPrimary whether it may be one whose record says that it is a primary: its peer has
 *     taken over, and will make it equal
 * @param shared the disks, where its primary writes the same ones; empty where it has its own
 */
public record SecondaryOptions(
        Path page,
        List<BufferFiles> buffers,
        boolean ownDirectory,
        long bufferLimit,
        PeerTimeout peerTimeout,
        boolean ofFormerPrimary,
        Optional<SharedStorage> shared) {
    /** With disks of its own. */
    public SecondaryOptions(
            final Path page,
            final List<BufferFiles> buffers,
            final boolean ownDirectory,
            final long bufferLimit,
            final PeerTimeout peerTimeout,
            final boolean ofFormerPrimary) {
        this(
                page,
                buffers,
                ownDirectory,
                bufferLimit,
                peerTimeout,
                ofFormerPrimary,
                Optional.empty());
    }

    /** Copies the list. */
    public SecondaryOptions {
        buffers = List.copyOf(buffers);
    }

    /** The same, of a node that was a primary until its peer took over. */
    public SecondaryOptions formerPrimary() {
        return new SecondaryOptions(
                page, buffers, ownDirectory, bufferLimit, peerTimeout, true, shared);
    }

    /**
     * Whether a reboot leaves all of the buffers, which are there, where they lie.
     *
     * @throws IOException where that can't be told
     */
    boolean outlivesBoot() throws IOException {
        boolean outlives = !Storage.isMemory(page);
        for (final BufferFiles files : buffers) {
            outlives &= !Storage.isMemory(files.active().toAbsolutePath().getParent());
            outlives &= !Storage.isMemory(files.hidden().toAbsolutePath().getParent());
        }
        final Optional<Path> spill = spillDirectory();
        return outlives && (spill.isEmpty() || !Storage.isMemory(spill.get()));
    }

    /** Where pre-images go that the buffers have no room for; one for all disks, or none. */
    Optional<Path> spillDirectory() {
        return buffers.getFirst().spill().map(path -> path.toAbsolutePath().getParent());
    }

    /** The same with a spill in a directory of the group's own. */
    public SecondaryOptions spillingTo(final Path directory) {
        return new SecondaryOptions(
                page,
                IntStream.range(0, buffers.size())
                        .mapToObj(number -> buffers.get(number).spillingTo(directory, number))
                        .toList(),
                ownDirectory,
                bufferLimit,
                peerTimeout,
                ofFormerPrimary,
                shared);
    }

    /** The same of disks that the primary writes. */
    public SecondaryOptions sharing(final SharedStorage storage) {
        return new SecondaryOptions(
                page,
                buffers,
                ownDirectory,
                bufferLimit,
                peerTimeout,
                ofFormerPrimary,
                Optional.of(storage));
    }

    /** Of a group that has all of it in a directory of its own. */
    public static SecondaryOptions in(
            final Path directory, final int diskCount, final long bufferLimit) {
        return new SecondaryOptions(
                directory.resolve("group"),
                IntStream.range(0, diskCount)
                        .mapToObj(number -> BufferFiles.in(directory, number))
                        .toList(),
                true,
                bufferLimit,
                PeerTimeout.DEFAULT,
                false);
    }
}

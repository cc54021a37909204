package io.lockstep.engine.secondary;

import io.lockstep.engine.epoch.GroupPage;
import io.lockstep.engine.memory.MappedFile;
import io.lockstep.engine.memory.PrivateFiles;
import io.lockstep.engine.memory.Storage;
import io.lockstep.engine.node.Id;

import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;

/**
 * The directory of a group's {@link Spill}s, which outlives the boot where the other buffers do
 * not: a file in it says of which node it is, and of which buffers. What is there of buffers that
 * are gone is removed unopened; what is another node's is refused, and left as it is. On the
 * group's loop.
 */
final class SpillFolder implements AutoCloseable {
    private static final String MARK = "spill";
    private static final int LENGTH = 4096;
    private static final long MAGIC = 0x4c4f_434b_5350_4c31L; // "LOCKSPL1"
    private static final long AT_NODE = 8;
    private static final long AT_NAME = 24;
    private static final ValueLayout.OfLong LONG = ValueLayout.JAVA_LONG;

    /** Null where there is none. */
    private final MappedFile mark;

    private SpillFolder(final MappedFile mark) {
        this.mark = mark;
    }

    /**
     * Opens the one that the options name, before the spills in it are opened.
     *
     * @param page of the buffers that it belongs to
     * @param node whose they are
     * @param fresh a name for it where it begins anew
     * @throws IOException where it is another node's, or what is needed of it lies elsewhere
     */
    static SpillFolder open(
            final SecondaryOptions options, final GroupPage page, final Id node, final Id fresh)
            throws IOException {
        final boolean isNeeded =
                page.spilledEpoch() > page.committedEpoch() && page.state() != GroupPage.ALONE;
        final Optional<Path> directory = options.spillDirectory();
        if (directory.isEmpty()) {
            if (isNeeded) {
                throw new IOException(
                        "pre-images without which there is no way back to epoch "
                                + page.committedEpoch()
                                + " lie in the directory that --spill named before: start it with"
                                + " the same --spill");
            }
            page.spill(Id.NONE);
            return new SpillFolder(null);
        }
        PrivateFiles.requireDirectory(directory.get());
        final MappedFile mark = MappedFile.allocate(directory.get().resolve(MARK), LENGTH);
        boolean opened = false;
        try {
            final SpillFolder folder = new SpillFolder(mark);
            folder.require(options, directory.get(), node);
            if (page.spill().isNone() || !folder.get(AT_NAME).equals(page.spill())) {
                if (isNeeded) {
                    throw new IOException(
                            "pre-images without which there is no way back to epoch "
                                    + page.committedEpoch()
                                    + " are not in "
                                    + directory.get()
                                    + ", but in the directory that --spill named before: start it"
                                    + " with that one");
                }
                folder.begin(options, node, fresh);
                page.spill(fresh);
            }
            opened = true;
            return folder;
        } finally {
            if (!opened) {
                mark.close();
            }
        }
    }

    private void require(final SecondaryOptions options, final Path directory, final Id node)
            throws IOException {
        final long magic = mark.segment().get(LONG, 0);
        if (magic == 0) {
            for (final BufferFiles files : options.buffers()) {
                requireNone(files.spill().orElseThrow());
            }
        } else if (magic != MAGIC) {
            throw new IOException(
                    mark.path()
                            + " is no file of this version of lockstep; choose another directory"
                            + " for --spill");
        } else if (!get(AT_NODE).equals(node)) {
            throw new IOException(
                    "the spill in "
                            + directory
                            + " is that of another node ("
                            + get(AT_NODE).brief()
                            + ", and the state is that of "
                            + node.brief()
                            + "); choose another directory, or remove this one if nothing of it is"
                            + " needed");
        }
    }

    private void requireNone(final Path spill) throws IOException {
        final String name = spill.getFileName().toString();
        try (var there = Files.newDirectoryStream(spill.getParent(), name + "-*")) {
            if (there.iterator().hasNext()) {
                throw new IOException(
                        mark.path()
                                + " is missing or blank, and without it nobody knows whose spill"
                                + " lies beside it; choose another directory for --spill, or remove"
                                + " this one if nothing of it is needed");
            }
        }
    }

    /** What is here is of buffers that are gone, or whose epochs are all committed. */
    private void begin(final SecondaryOptions options, final Id node, final Id name)
            throws IOException {
        for (final BufferFiles files : options.buffers()) {
            Spill.remove(files.spill().orElseThrow());
        }
        put(AT_NAME, name);
        put(AT_NODE, node);
        mark.segment().set(LONG, 0, MAGIC);
        Storage.sync(mark.path()); // it is there whenever anything else is
        Storage.sync(mark.path().toAbsolutePath().getParent());
    }

    /** The node is another one from now on. */
    void node(final Id node) {
        if (mark != null) {
            put(AT_NODE, node);
        }
    }

    private void put(final long at, final Id id) {
        mark.segment().set(LONG, at, id.high());
        mark.segment().set(LONG, at + Long.BYTES, id.low());
    }

    private Id get(final long at) {
        return new Id(mark.segment().get(LONG, at), mark.segment().get(LONG, at + Long.BYTES));
    }

    /** Brings it to stable storage. */
    void sync() throws IOException {
        if (mark != null) {
            Storage.sync(mark.path());
        }
    }

    @Override
    public void close() {
        if (mark != null) {
            mark.close();
        }
    }

    /** Removes it; the directory is the user's. */
    void delete() throws IOException {
        if (mark != null) {
            mark.close();
            Files.deleteIfExists(mark.path());
        }
    }
}

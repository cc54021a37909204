package io.lockstep.cli.control;

import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.MappedFile;
import io.lockstep.engine.memory.Posix;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A mapped file beside the control socket with the group's epochs, which another process reads, or
 * sleeps at until one is committed or durable, without asking anybody. An epoch costs its loop two
 * stores, and a wake-up only where somebody sleeps, who has said so in the file.
 *
 * <p>Written on the group's loop; made and ended by another thread. A lock on its first byte is
 * held for as long as there is the process: a killed one leaves the file, without the lock. Source
 * of the layout for others: docs/operations.md; of the sleep: {@code futex(2)}.
 *
 * <pre>
 *  0  8  magic
 *  8  4  version of this layout
 * 12  4  state: 0 not known yet, 1 primary, 2 secondary, 3 replication has ended
 * 16  8  process id
 * 24  8  the last durable epoch
 * 32  8  the last committed epoch
 * 40  8  of a primary: the open epoch
 * 48  4  changes of any of these but the last: the word to sleep at
 * 52  4  set by whoever will sleep; reset before they are woken
 * 56  4  1 when the process, or its role, has ended in good order
 * </pre>
 */
final class EpochFile {
    static final long MAGIC = 0x4c4f_434b_4550_4f31L; // "LOCKEPO1"
    static final int VERSION = 1;
    static final int LENGTH = 4096;

    static final long AT_VERSION = 8;
    static final long AT_STATE = 12;
    static final long AT_PROCESS = 16;
    static final long AT_DURABLE = 24;
    static final long AT_COMMITTED = 32;
    static final long AT_OPEN = 40;
    static final long AT_CHANGES = 48;
    static final long AT_WAITING = 52;
    static final long AT_ENDED = 56;

    static final int UNKNOWN = 0;
    static final int PRIMARY = 1;
    static final int SECONDARY = 2;
    static final int OVER = 3;

    static final VarHandle LONG =
            ValueLayout.JAVA_LONG.withOrder(ByteOrder.nativeOrder()).varHandle();
    static final VarHandle INT =
            ValueLayout.JAVA_INT.withOrder(ByteOrder.nativeOrder()).varHandle();

    private final MappedFile file;
    private final MemorySegment segment;
    private final int lock;

    /** Of the group's loop. */
    private boolean isUnmapped;

    /**
     * The first epoch that was open here, where numbers go on behind those of another count: what
     * was open before belongs to it, and is not committed with a number below.
     */
    private long first;

    private EpochFile(final MappedFile file, final int lock) {
        this.file = file;
        this.lock = lock;
        segment = file.segment();
    }

    /** Where the epochs of a control socket are. */
    static Path pathFor(final Path socket) {
        return socket.resolveSibling(socket.getFileName() + ".epochs");
    }

    /**
     * Makes the file, which is private, in place of one that a killed process left.
     *
     * @throws IOException where there is no room, or somebody else's file is in the way
     */
    static EpochFile create(final Path socket) throws IOException {
        final Path path = pathFor(socket);
        Files.deleteIfExists(path);
        final MappedFile file = MappedFile.allocate(path, LENGTH);
        final EpochFile epochs = new EpochFile(file, lock(file));
        INT.set(epochs.segment, AT_VERSION, VERSION);
        LONG.set(epochs.segment, AT_PROCESS, ProcessHandle.current().pid());
        LONG.setRelease(epochs.segment, 0L, MAGIC);
        return epochs;
    }

    private static int lock(final MappedFile file) throws IOException {
        final int fd = Posix.open(file.path().toString(), Posix.O_RDWR | Posix.O_CLOEXEC);
        final int result = fd < 0 ? fd : Posix.lockRange(fd, Posix.F_WRLCK, 0, 1);
        if (result < 0) {
            if (fd >= 0) {
                Posix.close(fd);
            }
            remove(file);
            throw new IOException("cannot lock " + file.path() + ": " + Errno.meaning(-result));
        }
        return fd;
    }

    private static void remove(final MappedFile file) {
        file.path().toFile().delete();
        file.close();
    }

    // ---- On the group's loop.

    /**
     * What a primary acknowledges from now on belongs to this epoch at the earliest. Where it was
     * committed under other numbers, which begin anew, none of these is.
     */
    void opened(final long epoch) {
        if (isUnmapped) {
            return;
        }
        final long before = get(AT_OPEN);
        first = before != 0 && epoch > before + 1 ? epoch : Math.min(first, epoch);
        if (epoch <= get(AT_COMMITTED)) {
            LONG.setRelease(segment, AT_DURABLE, 0L);
            LONG.setRelease(segment, AT_COMMITTED, 0L);
            changed();
        }
        LONG.setRelease(segment, AT_OPEN, epoch);
    }

    /** An epoch is committed. */
    void committed(final long epoch) {
        if (!isUnmapped && epoch >= first && epoch != get(AT_COMMITTED)) {
            LONG.setRelease(segment, AT_COMMITTED, epoch);
            changed();
        }
    }

    /** An epoch is durable, and so it is committed. */
    void durable(final long epoch) {
        if (!isUnmapped && epoch >= first && epoch != get(AT_DURABLE)) {
            if (epoch > get(AT_COMMITTED)) {
                LONG.setRelease(segment, AT_COMMITTED, epoch);
            }
            LONG.setRelease(segment, AT_DURABLE, epoch);
            changed();
        }
    }

    /**
     * Where the group stands, also as far as no event tells.
     *
     * @param areEpochsCheckpoints false while a secondary is made equal, and has no checkpoint
     */
    void refresh(final GroupStatus status, final boolean areEpochsCheckpoints) {
        if (isUnmapped) {
            return;
        }
        final int state = stateOf(status);
        final boolean areKnown = areEpochsCheckpoints && status.committedEpoch() >= first;
        final long committed = areKnown ? status.committedEpoch() : get(AT_COMMITTED);
        final long durable =
                Math.min(
                        committed,
                        areKnown && status.durableEpoch() >= first
                                ? status.durableEpoch()
                                : get(AT_DURABLE));
        LONG.setRelease(segment, AT_OPEN, state == PRIMARY ? status.openEpoch() : 0L);
        if (state == (int) INT.get(segment, AT_STATE)
                && committed == get(AT_COMMITTED)
                && durable == get(AT_DURABLE)) {
            return;
        }
        // Numbers may have begun anew: at no moment is one durable that is not committed.
        LONG.setRelease(segment, AT_DURABLE, Math.min(durable, get(AT_COMMITTED)));
        LONG.setRelease(segment, AT_COMMITTED, committed);
        LONG.setRelease(segment, AT_DURABLE, durable);
        INT.setRelease(segment, AT_STATE, state);
        changed();
    }

    private static int stateOf(final GroupStatus status) {
        final boolean isPrimary = status.role() == ReplicationGroup.Role.PRIMARY;
        return switch (status.state()) {
            case MERGING, ALONE -> OVER;
            case BROKEN -> isPrimary ? OVER : SECONDARY; // a secondary is made equal again
            case IDLE, RUNNING -> isPrimary ? PRIMARY : SECONDARY;
        };
    }

    private long get(final long offset) {
        return (long) LONG.get(segment, offset);
    }

    /**
     * Whoever has said that it will sleep is woken. It may say so anew before it has been reset
     * here, and be about to sleep at the first change: so that there is a second one.
     */
    private void changed() {
        INT.getAndAdd(segment, AT_CHANGES, 1);
        if ((int) INT.getVolatile(segment, AT_WAITING) != 0) {
            INT.setVolatile(segment, AT_WAITING, 0);
            INT.getAndAdd(segment, AT_CHANGES, 1);
            Posix.futexWake(segment.address() + AT_CHANGES);
        }
    }

    /** The last on the group's loop, behind {@link #end}. */
    void unmap() {
        if (!isUnmapped) {
            isUnmapped = true;
            file.close();
        }
    }

    // ---- The end.

    /** Tells all that nothing more will come, and removes the file; before it is unmapped. */
    void end() {
        INT.setRelease(segment, AT_ENDED, 1);
        changed();
        file.path().toFile().delete();
        Posix.close(lock);
    }
}

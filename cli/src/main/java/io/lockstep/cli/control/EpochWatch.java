package io.lockstep.cli.control;

import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.memory.MappedFile;
import io.lockstep.engine.memory.Posix;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.concurrent.TimeUnit;

/**
 * Another process' look at the epochs beside a control socket ({@link EpochFile}): it waits there
 * until one is committed or durable, and asks the engine nothing. Used by one thread.
 */
public final class EpochWatch implements AutoCloseable {
    /** A process that was killed wakes nobody: so often it is looked whether it is there. */
    private static final long LOOK_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final MappedFile file;
    private final MemorySegment segment;

    private final long lookNanos;

    /** Whose lock is looked for. */
    private final int fd;

    private EpochWatch(final MappedFile file, final int fd, final long lookNanos) {
        this.file = file;
        this.fd = fd;
        this.lookNanos = lookNanos;
        segment = file.segment();
    }

    /**
     * What a wait has come to.
     *
     * @param isReached whether the epoch is
     * @param epoch the last one that is
     * @param reason why it is not, a sentence; empty where it is
     */
    public record Outcome(boolean isReached, long epoch, String reason) {}

    /**
     * Opens the file beside a control socket.
     *
     * @throws IOException where there is none, or none that can be read
     */
    @SuppressWarnings("MustBeClosedChecker") // the caller's
    public static EpochWatch open(final Path socket) throws IOException {
        return open(socket, LOOK_NANOS);
    }

    /** The same, and looks in other intervals whether there still is a process. */
    @SuppressWarnings("MustBeClosedChecker") // the caller's
    static EpochWatch open(final Path socket, final long lookNanos) throws IOException {
        final Path path = EpochFile.pathFor(socket);
        final int fd = Posix.open(path.toString(), Posix.O_RDWR | Posix.O_CLOEXEC);
        if (fd == -Errno.ENOENT) {
            throw new IOException(
                    "there is no " + path + ": no engine has its control socket at " + socket);
        }
        if (fd < 0) {
            throw new IOException("cannot open " + path + ": " + Errno.meaning(-fd));
        }
        try {
            final MappedFile file = MappedFile.ofOther(path, fd, EpochFile.LENGTH);
            final EpochWatch watch = new EpochWatch(file, fd, lookNanos);
            if (watch.isOfThisVersion()) {
                return watch;
            }
            file.close();
            throw new IOException(path + " holds no epochs of this version of lockstep");
        } catch (final IOException e) {
            Posix.close(fd);
            throw e;
        }
    }

    private boolean isOfThisVersion() {
        return number(0) == EpochFile.MAGIC && word(EpochFile.AT_VERSION) == EpochFile.VERSION;
    }

    /**
     * Waits until an epoch is committed.
     *
     * @param epoch which; where it is left open that which a primary's guest writes to now, or the
     *     next one of a secondary
     * @param isDurable whether it is to be durable, too
     * @param nanos how long; {@link Long#MAX_VALUE} for as long as it takes
     */
    public Outcome await(final OptionalLong epoch, final boolean isDurable, final long nanos) {
        final long start = System.nanoTime();
        int role = EpochFile.UNKNOWN;
        OptionalLong wanted = epoch;
        while (true) {
            final int changes = word(EpochFile.AT_CHANGES); // before all that is looked at
            final int state = word(EpochFile.AT_STATE);
            role = role == EpochFile.UNKNOWN ? state : role;
            if (wanted.isEmpty() && role != EpochFile.UNKNOWN) {
                wanted = OptionalLong.of(next(role));
            }
            final long reached = reached(isDurable);
            final boolean isReached = wanted.isPresent() && reached >= wanted.getAsLong();
            if (isReached) {
                return new Outcome(true, reached, "");
            }
            final String end = end(role, state);
            final long left = nanos - (System.nanoTime() - start);
            if (!end.isEmpty() || left <= 0) {
                final String why = end.isEmpty() ? "it did not come in time" : end;
                return new Outcome(false, reached, sentence(wanted, isDurable, reached, why));
            }
            sleep(changes, Math.min(left, lookNanos));
        }
    }

    private long next(final int role) {
        return role == EpochFile.PRIMARY
                ? number(EpochFile.AT_OPEN)
                : number(EpochFile.AT_COMMITTED) + 1;
    }

    private long reached(final boolean isDurable) {
        return number(isDurable ? EpochFile.AT_DURABLE : EpochFile.AT_COMMITTED);
    }

    /** Why nothing more will come; empty where it may. */
    private String end(final int role, final int state) {
        if (word(EpochFile.AT_ENDED) != 0) {
            return "the engine has ended, or its role there";
        }
        if (!isRunning()) {
            return "the engine (process " + number(EpochFile.AT_PROCESS) + ") is gone";
        }
        if (state == EpochFile.OVER) {
            return "replication has ended there (see lockstep status)";
        }
        return state == role
                ? ""
                : "the engine is a "
                        + (role == EpochFile.PRIMARY ? "primary" : "secondary")
                        + " no more";
    }

    /** Whether there is a process that writes the file, which has locked it. */
    private boolean isRunning() {
        return Posix.testLock(fd, Posix.F_WRLCK, 0, 1) != 0;
    }

    private static String sentence(
            final OptionalLong wanted,
            final boolean isDurable,
            final long reached,
            final String why) {
        final String what = isDurable ? "durable" : "committed";
        return (wanted.isPresent() ? "epoch " + wanted.getAsLong() : "no epoch")
                + " is not "
                + what
                + ", and the last one that is is "
                + reached
                + ": "
                + why;
    }

    private void sleep(final int changes, final long nanos) {
        EpochFile.INT.setVolatile(segment, EpochFile.AT_WAITING, 1);
        Posix.futexWait(segment.address() + EpochFile.AT_CHANGES, changes, nanos);
    }

    private int word(final long offset) {
        return (int) EpochFile.INT.getAcquire(segment, offset);
    }

    private long number(final long offset) {
        return (long) EpochFile.LONG.getAcquire(segment, offset);
    }

    @Override
    public void close() {
        file.close();
        Posix.close(fd);
    }
}

package io.lockstep.cli.run;

import io.lockstep.cli.argument.StateOptions;
import io.lockstep.engine.memory.PrivateFiles;
import io.lockstep.engine.memory.TrustedWay;
import io.lockstep.engine.primary.PrimaryOptions;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.BooleanSupplier;

/**
 * What a process plays for itself, on small groups beside its own: a pair's load as soon as it is
 * there ({@link LoadRehearsal}), and failovers while it is a standby ({@link FailoverRehearsal}).
 * Left to the real ones, classes would be initialised, calls linked and methods interpreted while
 * the guest waits, and the JIT would take the cores meanwhile. After a rehearsal the same code has
 * run before, in the same process, and most of it is compiled.
 *
 * <p>The real group is not touched: the small ones have loops, files, sockets and clients of their
 * own, in one directory, and all of it goes with each round. A process that is killed leaves the
 * directory to the next one of the same control socket. Failovers are short, with pauses between
 * them; none begins while there is no checkpoint to take over with, as the standby is being made
 * equal, and has no core to spare; and there are no more of them once the standby is none any more.
 * Where it can't be played (no room, too long a path) nothing is lost but the time.
 *
 * <p>On a thread of its own; started and ended by one other.
 */
public final class Rehearsal {
    /** Of each small group. */
    static final int CLIENTS_MAX = 4;

    private static final Duration TIMEOUT = Duration.ofSeconds(5);

    /** Failovers. Tests start hundreds of processes, and let few of them rehearse anything. */
    private static final int ROUNDS = Integer.getInteger("lockstep.rehearsals", 4);

    private static final long PAUSE_MILLIS = 200;

    /** A busy machine gets no further in its load before it is said to be ready. */
    private static final long LOAD_MILLIS_MAX = 500;

    /**
     * Before the first failover: in its first seconds a pair wants the cores for what it does for
     * the first time itself, and seldom fails over.
     */
    private static final long FIRST_PAUSE_MILLIS = 5000;

    /** It is looked so often whether there is something to take over with. */
    private static final long BUSY_PAUSE_MILLIS = 500;

    /** A process that has been through a load once needs no other, whatever it becomes. */
    private static final AtomicBoolean LOADED = new AtomicBoolean();

    private final Path directory;
    private final BooleanSupplier isStandby;
    private final BooleanSupplier isMadeEqual;
    private final boolean playsLoad;
    private final long firstPauseMillis;
    private final CountDownLatch ending = new CountDownLatch(1);
    private final CountDownLatch loaded = new CountDownLatch(1);
    private final Thread thread;

    private interface Play {
        void in(Path directory) throws IOException, InterruptedException;
    }

    /** One of failovers that is not started, and doesn't wait before its first round. */
    Rehearsal(
            final Path directory,
            final BooleanSupplier isStandby,
            final BooleanSupplier isMadeEqual) {
        this(directory, isStandby, isMadeEqual, false, 0);
    }

    /** One that is not started. */
    Rehearsal(
            final Path directory,
            final BooleanSupplier isStandby,
            final BooleanSupplier isMadeEqual,
            final boolean playsLoad,
            final long firstPauseMillis) {
        this.directory = directory;
        this.isStandby = isStandby;
        this.isMadeEqual = isMadeEqual;
        this.playsLoad = playsLoad;
        this.firstPauseMillis = firstPauseMillis;
        thread = Thread.ofPlatform().daemon().name("lockstep-rehearsal").unstarted(this::run);
    }

    /**
     * Starts it, and does not wait.
     *
     * @param directory of its own; what is there is removed
     * @param isStandby whether there is still a failover to come; asked before each
     * @param isMadeEqual whether there can be none yet, since it is being made equal; asked behind
     */
    static Rehearsal start(
            final Path directory,
            final BooleanSupplier isStandby,
            final BooleanSupplier isMadeEqual) {
        final boolean playsLoad = ROUNDS > 0 && !LOADED.getAndSet(true);
        return new Rehearsal(directory, isStandby, isMadeEqual, playsLoad, FIRST_PAUSE_MILLIS)
                .start();
    }

    Rehearsal start() {
        thread.start();
        return this;
    }

    /**
     * Waits until the load has been played, or half a second is over: whoever is told that the
     * process is ready finds it as fast as it is a moment later. The guest is served meanwhile.
     */
    void awaitLoad() {
        try {
            loaded.await(LOAD_MILLIS_MAX, TimeUnit.MILLISECONDS);
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Whether there is nothing to wait for any more. */
    boolean isLoaded() {
        return loaded.getCount() == 0;
    }

    /** Ends it behind the round that is being played, and waits for that. */
    void end() {
        ending.countDown();
        try {
            thread.join(TIMEOUT);
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** All of it. */
    void run() {
        try {
            TrustedWay.require(directory.toAbsolutePath().getParent());
            removeDirectory();
            if (playsLoad) {
                playLoad();
            }
            loaded.countDown();
            for (int round = 0; round < ROUNDS && mayGoOn(round == 0); round++) {
                play(FailoverRehearsal::play);
            }
        } catch (final IOException | RuntimeException | Error e) {
            // Also where others could exchange what is to be removed, or there is no thread or no
            // memory for it. Then the failover takes some milliseconds more, and is the same
            // otherwise: what is played never ends what is real.
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            loaded.countDown();
        }
    }

    private void playLoad() throws InterruptedException {
        try {
            play(own -> LoadRehearsal.play(own, ending, loaded::countDown));
        } catch (final IOException | RuntimeException e) {
            // The first moments of the real one are slower. There may be time for failovers later.
        }
    }

    private void play(final Play play) throws IOException, InterruptedException {
        PrivateFiles.createDirectory(directory);
        try {
            play.in(directory);
        } finally {
            removeDirectory();
        }
    }

    private boolean mayGoOn(final boolean isBeforeAll) throws InterruptedException {
        long pause = isBeforeAll ? firstPauseMillis : PAUSE_MILLIS;
        while (!ending.await(pause, TimeUnit.MILLISECONDS) && isStandby.getAsBoolean()) {
            if (!isMadeEqual.getAsBoolean()) {
                return true;
            }
            pause = BUSY_PAUSE_MILLIS;
        }
        return false;
    }

    /** An engine for a small group, which tells nobody anything and remembers nothing. */
    static EngineRun startBeside(
            final PrimaryOptions options, final long bufferLimit, final Path buffers)
            throws IOException {
        return EngineRun.start(
                Console.silent(),
                CLIENTS_MAX,
                options,
                0,
                bufferLimit,
                buffers,
                new StateOptions(),
                false);
    }

    private void removeDirectory() throws IOException {
        if (Files.exists(directory, LinkOption.NOFOLLOW_LINKS)) {
            PrivateFiles.requireDirectory(directory); // what others can write isn't walked through
            DirectoryTree.remove(directory);
        }
    }
}

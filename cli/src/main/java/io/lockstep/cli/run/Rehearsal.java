package io.lockstep.cli.run;

import com.google.gson.JsonObject;

import io.lockstep.cli.argument.ForwardOptions;
import io.lockstep.cli.argument.StateOptions;
import io.lockstep.cli.control.QmpClient;
import io.lockstep.cli.graph.GraphException;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.memory.PrivateFiles;
import io.lockstep.engine.memory.TrustedWay;
import io.lockstep.engine.secondary.BufferFiles;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * Failovers that a standby plays for itself, on a small secondary beside its own. A failover is the
 * one thing that a standby does but once, and then in a hurry: classes would be initialised, calls
 * linked and methods interpreted while the guest waits, and the JIT would take the cores meanwhile.
 * After a rehearsal the same code has run before, in the same process, and most of it is compiled.
 *
 * <p>The real group is not touched: the small one has loops, files, sockets and clients of its own,
 * in one directory, and all of it goes with each round. A process that is killed leaves the
 * directory to the next one of the same control socket. Rounds are short, with pauses between them;
 * none begins while there is no checkpoint to take over with, as the standby is being made equal,
 * and has no core to spare; and there are no more of them once the standby is none any more. Where
 * it can't be played (no room, too long a path) nothing is lost but the time.
 *
 * <p>On a thread of its own; started and ended by one other.
 */
public final class Rehearsal {
    private static final String DISK = "rehearsal";
    private static final long DISK_LENGTH = 4L << 20;
    private static final long BUFFER_LIMIT = 8L << 20;
    private static final int CLIENTS_MAX = 4;
    private static final Duration TIMEOUT = Duration.ofSeconds(5);

    /** Tests start hundreds of standbys, and let few of them rehearse. */
    private static final int ROUNDS = Integer.getInteger("lockstep.rehearsals", 4);

    private static final long PAUSE_MILLIS = 200;

    /**
     * Before the first round: in its first seconds a pair wants the cores for what it does for the
     * first time itself, and seldom fails over.
     */
    private static final long FIRST_PAUSE_MILLIS = 5000;

    /** It is looked so often whether there is something to take over with. */
    private static final long BUSY_PAUSE_MILLIS = 500;

    /** What there is to merge, of the primary's and of the guest's. */
    private static final int WRITES_BEFORE = 50;

    /** Of the guest, while the merge goes on and after it. */
    private static final int WRITES_BEHIND = 400;

    /** All but the first are accepted, and change nothing. */
    private static final int ORDERS = 200;

    private final Path directory;
    private final BooleanSupplier isStandby;
    private final BooleanSupplier isMadeEqual;
    private final long firstPauseMillis;
    private final CountDownLatch ending = new CountDownLatch(1);
    private final Thread thread;

    /** One that is not started, and doesn't wait before its first round. */
    Rehearsal(
            final Path directory,
            final BooleanSupplier isStandby,
            final BooleanSupplier isMadeEqual) {
        this(directory, isStandby, isMadeEqual, 0);
    }

    private Rehearsal(
            final Path directory,
            final BooleanSupplier isStandby,
            final BooleanSupplier isMadeEqual,
            final long firstPauseMillis) {
        this.directory = directory;
        this.firstPauseMillis = firstPauseMillis;
        this.isStandby = isStandby;
        this.isMadeEqual = isMadeEqual;
        thread = Thread.ofPlatform().daemon().name("lockstep-rehearsal").unstarted(this::run);
    }

    /**
     * Starts it, and does not wait.
     *
     * @param directory of its own; what is there is removed
     * @param isStandby whether there is still a failover to come; asked before each round
     * @param isMadeEqual whether there can be none yet, since it is being made equal; asked behind
     */
    static Rehearsal start(
            final Path directory,
            final BooleanSupplier isStandby,
            final BooleanSupplier isMadeEqual) {
        final Rehearsal rehearsal =
                new Rehearsal(directory, isStandby, isMadeEqual, FIRST_PAUSE_MILLIS);
        rehearsal.thread.start();
        return rehearsal;
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
            for (int round = 0; round < ROUNDS && mayGoOn(pause(round)); round++) {
                PrivateFiles.createDirectory(directory);
                try {
                    play();
                } finally {
                    removeDirectory();
                }
            }
        } catch (final IOException | GraphException e) {
            // Also where others could exchange what is to be removed. Then the failover takes some
            // milliseconds more, and is the same otherwise.
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private long pause(final int round) {
        return round == 0 ? firstPauseMillis : PAUSE_MILLIS;
    }

    private boolean mayGoOn(final long pauseMillis) throws InterruptedException {
        long pause = pauseMillis;
        while (!ending.await(pause, TimeUnit.MILLISECONDS) && isStandby.getAsBoolean()) {
            if (!isMadeEqual.getAsBoolean()) {
                return true;
            }
            pause = BUSY_PAUSE_MILLIS;
        }
        return false;
    }

    private void removeDirectory() throws IOException {
        if (Files.exists(directory, LinkOption.NOFOLLOW_LINKS)) {
            PrivateFiles.requireDirectory(directory); // what others can write isn't walked through
            DirectoryTree.remove(directory);
        }
    }

    /** From the first write to the end of the merge. */
    private void play() throws IOException, InterruptedException {
        final Path image = directory.resolve("image");
        PrivateFiles.makeHole(image, DISK_LENGTH);
        final Path buffers = directory.resolve("buffers");
        final EngineRun run =
                EngineRun.start(
                        Console.silent(),
                        CLIENTS_MAX,
                        ForwardOptions.none(),
                        0,
                        BUFFER_LIMIT,
                        buffers,
                        new StateOptions(),
                        false);
        try {
            run.graph().addSecondary(DISK, image, BufferFiles.in(buffers, 0));
            run.startSecondary();
            run.serveSecondary(
                    List.of(DISK),
                    CLIENTS_MAX,
                    List.of(new Endpoint.Unix(directory.resolve("stream"))),
                    List.of(new Endpoint.Unix(directory.resolve("guest"))));
            run.control(directory.resolve("control"));
            failOver();
        } finally {
            run.stop();
        }
    }

    private void failOver() throws IOException, InterruptedException {
        try (BlockingGuest guest = BlockingGuest.connect(directory.resolve("guest"), DISK);
                QmpClient control = QmpClient.connect(directory.resolve("control"), TIMEOUT)) {
            try (BlockingGuest primary = BlockingGuest.connect(directory.resolve("stream"), DISK)) {
                write(primary, WRITES_BEFORE);
                control.execute("xen-colo-do-checkpoint", TIMEOUT);
                write(primary, WRITES_BEFORE);
            }
            write(guest, WRITES_BEFORE);
            orderFailover(control);
            write(guest, WRITES_BEHIND);
            for (int i = 0; i < ORDERS; i++) {
                orderFailover(control);
            }
            awaitMerge(control, TIMEOUT);
        }
    }

    private static void write(final BlockingGuest disk, final int count)
            throws IOException, InterruptedException {
        final ByteBuffer block = ByteBuffer.allocate(BlockingGuest.BLOCK_LENGTH);
        for (int i = 0; i < count; i++) {
            disk.write((long) i * BlockingGuest.BLOCK_LENGTH, block);
        }
    }

    /** Waits until the secondary has merged its buffers, or the time is up. */
    public static void awaitMerge(final QmpClient control, final Duration timeout)
            throws IOException, InterruptedException {
        final long deadline = System.nanoTime() + timeout.toNanos();
        while (!isAlone(control) && System.nanoTime() < deadline) {
            TimeUnit.MILLISECONDS.sleep(1);
        }
    }

    private static boolean isAlone(final QmpClient control) throws IOException {
        return control.execute("x-lockstep-status", TIMEOUT)
                .get("state")
                .getAsString()
                .equals("alone");
    }

    /**
     * Orders a failover in each of the ways that there are. The first counts, the others are
     * accepted.
     */
    public static void orderFailover(final QmpClient control) throws IOException {
        final JsonObject stop = new JsonObject();
        stop.addProperty("enable", false);
        stop.addProperty("primary", false);
        stop.addProperty("failover", true);
        control.execute("xen-set-replication", stop, TIMEOUT);
        control.execute("x-colo-lost-heartbeat", TIMEOUT);
        control.execute("x-lockstep-failover", new JsonObject(), TIMEOUT);
    }
}

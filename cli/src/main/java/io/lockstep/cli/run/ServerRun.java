package io.lockstep.cli.run;

import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.function.BooleanSupplier;

/** What the server commands do when they are up: run until SIGTERM or SIGINT. */
public final class ServerRun {
    /** A loop looks for work so long before it sleeps: about what waking it would cost. */
    public static final long SPIN_NANOS = 20_000;

    /** Clients at a time, unless the command line says otherwise. */
    public static final int CONNECTIONS_DEFAULT = 256;

    /** The process goes on as something else. */
    public static final int GOES_ON = -1;

    /** What the process ends with if its end goes well: a hook can't ask Java for it. */
    private static volatile int exitCode;

    private static final Object ROLE = new Object();

    /** Ends what the process is; null while it becomes something else. Guarded by ROLE. */
    private static BooleanSupplier running;

    private static Thread hook;
    private static boolean isEnding;

    private ServerRun() {}

    /**
     * Says that the server is ready, and serves until the process is stopped in good order, by a
     * signal or {@link #exit}: its exit code is then 0, or what the latter said, or 1 where {@code
     * stop} failed.
     *
     * @param ready what it serves and where, for whoever waits for it
     * @param stop ends all of it; answers whether the disks could be flushed
     * @return 1 where nobody can read that it is ready
     */
    public static int serve(final Console console, final String ready, final BooleanSupplier stop)
            throws InterruptedException {
        return serve(console, ready, () -> {}, stop, new CompletableFuture<>());
    }

    /**
     * The same of a process that may go on as something else, when it has ended what it was.
     *
     * @param settle what is waited for before it is ready; a signal ends the process meanwhile
     * @param whenOver done when it ends that; it returns once that is done
     * @return {@link #GOES_ON}, or 1 where the disks could not be flushed, or nobody can read
     */
    public static int serve(
            final Console console,
            final String ready,
            final Runnable settle,
            final BooleanSupplier stop,
            final CompletableFuture<Void> whenOver)
            throws InterruptedException {
        begin(console, stop);
        settle.run();
        if (isEnding()) {
            new CountDownLatch(1).await(); // it is ready for nobody any more
        }
        if (!console.ready(ready)) {
            console.say(CommandRun.UNWRITTEN);
            return 1;
        }
        whenOver.join();
        if (!beginChange()) {
            new CountDownLatch(1).await(); // a signal was quicker
        }
        return stop.getAsBoolean() ? GOES_ON : 1;
    }

    /** Java ends a process by running its hooks; this one ends it when all is done. */
    private static void begin(final Console console, final BooleanSupplier stop) {
        synchronized (ROLE) {
            running = stop;
            ROLE.notifyAll();
            if (hook != null) {
                return;
            }
            hook = new Thread(() -> endWhatRuns(console), "lockstep-stop");
            try {
                Runtime.getRuntime().addShutdownHook(hook);
                return;
            } catch (final IllegalStateException alreadyEnding) {
                // A signal was quicker than the start.
            }
        }
        end(console, stop);
    }

    private static boolean isEnding() {
        synchronized (ROLE) {
            return isEnding;
        }
    }

    /** Answers false where the process is being ended. */
    private static boolean beginChange() {
        synchronized (ROLE) {
            if (!isEnding) {
                running = null;
            }
            return !isEnding;
        }
    }

    /** The command that may go on as something else has done so for the last time. */
    public static void over(final int code) {
        synchronized (ROLE) {
            if (running == null) {
                exitCode = code;
                running = () -> true;
                ROLE.notifyAll();
            }
        }
    }

    /** A signal in the midst of a change ends what the process becomes, in good order. */
    private static void endWhatRuns(final Console console) {
        final BooleanSupplier stop;
        synchronized (ROLE) {
            isEnding = true;
            try {
                while (running == null) {
                    ROLE.wait();
                }
            } catch (final InterruptedException e) {
                Runtime.getRuntime().halt(1); // nobody interrupts it
            }
            stop = running;
        }
        end(console, stop);
    }

    private static void end(final Console console, final BooleanSupplier stop) {
        boolean isStopped = false;
        QuietCompiler.end();
        try {
            isStopped = stop.getAsBoolean();
        } catch (final RuntimeException | Error e) {
            console.say(CommandRun.internalError(e));
        } finally {
            console.tellLeftOut();
            Runtime.getRuntime().halt(isStopped || exitCode != 0 ? exitCode : 1);
        }
    }

    /** Ends the process in good order, with that exit code if that goes well. */
    static void exit(final int code) {
        exitCode = code;
        System.exit(code);
    }

    /** Ends the process in good order, from any thread, without waiting for it. */
    static void quit() {
        quit(0);
    }

    /** The same, with that exit code if that goes well. */
    static void quit(final int code) {
        Thread.ofPlatform().daemon().name("lockstep-quit").start(() -> exit(code));
    }
}

package io.lockstep.cli.run;

import io.lockstep.engine.memory.Posix;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;

/**
 * The JIT's second compiler (C2), which gives way to the loops: what it makes is for years, and
 * what they have to do is for now. In a process's first seconds it has only what they leave, and
 * from then on a tenth of what a loop gets where no core is free. More would be felt: a thread that
 * computes keeps its core for a tick of the kernel's, 4 ms on most, while a loop that was woken
 * waits for it. C1 keeps its priority, since what it has not compiled is interpreted.
 *
 * <p>A compiler holds locks of the JVM's at times, and everybody waits for it at a safepoint. So it
 * is idle only for as long as there is idle time: on a host whose cores others want all of it comes
 * back at once.
 *
 * <p>The kernel lets a thread come back from idle only with the right to (root, or {@code
 * RLIMIT_NICE}); without that C2 would get nothing for as long as the cores are busy, and so it has
 * its tenth from the start.
 *
 * <p>Sources: {@code sched(7)}; {@code setpriority(2)}, which on Linux is for one thread, and
 * inherited by those that it starts; {@code proc_pid_comm(5)}, {@code proc_pid_schedstat(5)}.
 */
public final class QuietCompiler {
    private static final Path THREADS = Path.of("/proc/self/task");

    /** The kernel keeps 15 characters of a name. */
    private static final String NAME = "C2 CompilerThre";

    /** For the kernel's scheduler about a tenth of the weight of 0. */
    private static final int NICE = 10;

    private static final long IDLE_MILLIS = 3000;
    private static final long TRIAL_MILLIS = 1000;

    /** A thread that wants a core from one look to the next and gets none has starved. */
    private static final long LOOK_MILLIS = 200;

    private static final AtomicBoolean BEGUN = new AtomicBoolean();

    /** The process ends. Guarded by this class. */
    private static boolean isOver;

    private QuietCompiler() {}

    /**
     * Sees to it, once in a process, and does not wait; what the kernel doesn't tell, or refuses,
     * stays as it is. On any thread.
     */
    public static void begin() {
        if (!BEGUN.getAndSet(true)) {
            Thread.ofPlatform().daemon().name("quiet-compiler").start(() -> quieten(IDLE_MILLIS));
        }
    }

    /** All of it. */
    static void quieten(final long idleMillis) {
        try {
            forEachThread(thread -> Posix.setThreadNice(number(thread), NICE));
            if (comesBackFromIdle()) {
                beIdleFor(idleMillis);
            }
        } catch (final IOException e) {
            // No /proc: the compiler is as loud as ever.
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Has it come back for good: a JVM ends only behind what its compilers are at. On any thread.
     */
    public static synchronized void end() {
        isOver = true;
        if (!BEGUN.get()) {
            return;
        }
        try {
            comeBack();
        } catch (final IOException e) {
            // As quiet as it is, then.
        }
    }

    private static void beIdleFor(final long millis) throws IOException, InterruptedException {
        try {
            beIdle();
            awaitStarving(millis);
        } finally {
            comeBack();
        }
    }

    private static synchronized void beIdle() throws IOException {
        if (!isOver) {
            forEachThread(thread -> Posix.setThreadPolicy(number(thread), Posix.SCHED_IDLE));
        }
    }

    private static void comeBack() throws IOException {
        forEachThread(thread -> Posix.setThreadPolicy(number(thread), Posix.SCHED_OTHER));
    }

    /** Until the time is over, or a thread wants to run and gets nothing. */
    private static void awaitStarving(final long millis) throws IOException, InterruptedException {
        final Map<Path, String> before = new HashMap<>();
        final AtomicBoolean isStarving = new AtomicBoolean();
        for (long passed = 0; passed < millis && !isStarving.get(); passed += LOOK_MILLIS) {
            TimeUnit.MILLISECONDS.sleep(LOOK_MILLIS);
            forEachThread(
                    thread -> {
                        final String run = text(thread, "schedstat");
                        final boolean wantsToRun = text(thread, "stat").contains(") R ");
                        if (wantsToRun && run.equals(before.put(thread, run))) {
                            isStarving.set(true);
                        }
                    });
        }
    }

    /** A thread that could not would never run again on a busy machine, so it is one for that. */
    static boolean comesBackFromIdle() throws InterruptedException {
        final AtomicBoolean isBack = new AtomicBoolean();
        final Runnable trial =
                () ->
                        isBack.set(
                                Posix.setThreadNice(0, NICE) == 0
                                        && Posix.setThreadPolicy(0, Posix.SCHED_IDLE) == 0
                                        && Posix.setThreadPolicy(0, Posix.SCHED_OTHER) == 0);
        Thread.ofPlatform().daemon().start(trial).join(TRIAL_MILLIS);
        return isBack.get();
    }

    private static void forEachThread(final Consumer<Path> action) throws IOException {
        try (DirectoryStream<Path> threads = Files.newDirectoryStream(THREADS)) {
            for (final Path thread : threads) {
                if (text(thread, "comm").startsWith(NAME)) {
                    action.accept(thread);
                }
            }
        }
    }

    private static int number(final Path thread) {
        return Integer.parseInt(thread.getFileName().toString());
    }

    private static String text(final Path thread, final String file) {
        try {
            return Files.readString(thread.resolve(file), StandardCharsets.ISO_8859_1);
        } catch (final IOException e) {
            return ""; // it has just ended
        }
    }
}

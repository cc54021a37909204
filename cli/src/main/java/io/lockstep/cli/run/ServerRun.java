package io.lockstep.cli.run;

import java.util.concurrent.CountDownLatch;
import java.util.function.BooleanSupplier;

/** What the server commands do when they are up: run until SIGTERM or SIGINT. Stateless. */
public final class ServerRun {
    /** A loop looks for work so long before it sleeps: about what waking it would cost. */
    public static final long SPIN_NANOS = 20_000;

    /** Clients at a time, unless the command line says otherwise. */
    public static final int CONNECTIONS_DEFAULT = 256;

    private ServerRun() {}

    /**
     * Has the process stopped in good order by a signal or {@link System#exit}. Java ends a process
     * by running its hooks; this one ends it when all is done: with 0 if that went well.
     */
    public static void stopOnSignal(final BooleanSupplier stop) {
        Runtime.getRuntime()
                .addShutdownHook(
                        new Thread(
                                () -> Runtime.getRuntime().halt(stop.getAsBoolean() ? 0 : 1),
                                "lockstep-stop"));
    }

    /** Ends the process in good order, from any thread, without waiting for it. */
    static void quit() {
        Thread.ofPlatform().daemon().name("lockstep-quit").start(() -> System.exit(0));
    }

    /** Waits for the signal, whose hook ends the process. */
    public static void awaitSignal() throws InterruptedException {
        new CountDownLatch(1).await();
    }
}

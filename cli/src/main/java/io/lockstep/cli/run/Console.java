package io.lockstep.cli.run;

import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.server.ServerEvents;

import org.agrona.ErrorHandler;

import picocli.CommandLine.Model.CommandSpec;

import java.io.PrintWriter;
import java.io.Writer;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Where a server's command prints: one line each on standard error for what goes wrong or changes,
 * and one on standard output when it is ready. From any thread.
 */
public final class Console implements ServerEvents, GroupEvents, ErrorHandler {
    private static final long GUEST_ERROR_NANOS = TimeUnit.SECONDS.toNanos(1);

    private final PrintWriter out;
    private final PrintWriter err;
    private final String command;
    private final boolean verbose;

    /** A guest may run into an error a thousand times a second. */
    private final AtomicLong nextGuestError = new AtomicLong(System.nanoTime());

    /** Hears of the group's events, too. */
    private volatile GroupEvents control = (event, disk, epoch, sentence) -> {};

    /**
     * For the command that is being run; verbose tells of checkpoints and of clients' faults, too.
     */
    public Console(final CommandSpec spec, final boolean verbose) {
        out = spec.commandLine().getOut();
        err = spec.commandLine().getErr();
        command = spec.qualifiedName();
        this.verbose = verbose;
    }

    private Console(final PrintWriter writer, final String command) {
        out = writer;
        err = writer;
        this.command = command;
        verbose = false;
    }

    /** One whose lines nobody reads. */
    static Console silent() {
        return new Console(new PrintWriter(Writer.nullWriter()), "");
    }

    /** Has somebody else hear of the group's events as well. */
    void forwardTo(final GroupEvents events) {
        control = events;
    }

    /** Prints a line on standard error. */
    public void say(final String sentence) {
        synchronized (err) {
            err.println(command + ": " + sentence);
            err.flush();
        }
    }

    /** Prints the line that says that the server can be used. */
    public void ready(final String sentence) {
        out.println("ready: " + sentence);
        out.flush();
    }

    @Override
    public void onDiskError(final String sentence) {
        say(sentence);
    }

    @Override
    public void onClientProblem(final String peer, final String sentence) {
        if (verbose) {
            say("client " + peer + ": " + sentence);
        }
    }

    @Override
    public void onEvent(
            final Event event, final String disk, final long epoch, final String sentence) {
        if (isWorthALine(event)) {
            say(sentence);
        }
        control.onEvent(event, disk, epoch, sentence);
    }

    private boolean isWorthALine(final Event event) {
        return switch (event) {
            case CHECKPOINT -> verbose;
            case GUEST_IO_ERROR -> {
                final long now = System.nanoTime();
                final long next = nextGuestError.get();
                yield now - next >= 0
                        && nextGuestError.compareAndSet(next, now + GUEST_ERROR_NANOS);
            }
            default -> true;
        };
    }

    @Override
    public void onError(final Throwable error) {
        say("internal error: " + error);
    }
}

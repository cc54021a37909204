package io.lockstep.cli.run;

import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.Job;
import io.lockstep.engine.server.ServerEvents;

import org.agrona.ErrorHandler;

import picocli.CommandLine.Model.CommandSpec;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.Writer;
import java.util.EnumMap;
import java.util.Map;

/**
 * Where a server's command prints: one line each on standard error for what goes wrong or changes,
 * and one on standard output when it is ready. Of what may come again and again only so many lines
 * of a kind are printed in a time ({@link LineBudget}), and then how many were left out. An error
 * that nobody foresaw ends the process. From any thread.
 */
public final class Console implements ServerEvents, GroupEvents, ErrorHandler {
    private PrintWriter out;
    private final PrintWriter err;
    private final String command;
    private final boolean verbose;

    private final LineBudget diskErrors = new LineBudget(System.nanoTime());
    private final LineBudget clientProblems = new LineBudget(System.nanoTime());
    private final LineBudget worldErrors = new LineBudget(System.nanoTime());
    private final Map<Event, LineBudget> events = new EnumMap<>(Event.class);

    private final boolean isPlay;

    /** Hears of the group's events, too. */
    private volatile GroupEvents control = (event, disk, epoch, sentence) -> {};

    /**
     * For the command that is being run; verbose tells of checkpoints and of clients' faults, too.
     */
    public Console(final CommandSpec spec, final boolean verbose) {
        this(
                spec.commandLine().getOut(),
                spec.commandLine().getErr(),
                spec.qualifiedName(),
                verbose,
                false);
    }

    private Console(
            final PrintWriter out,
            final PrintWriter err,
            final String command,
            final boolean verbose,
            final boolean isPlay) {
        this.out = out;
        this.err = err;
        this.command = command;
        this.verbose = verbose;
        this.isPlay = isPlay;
        for (final Event event : Event.values()) {
            events.put(event, new LineBudget(System.nanoTime()));
        }
    }

    /**
     * One whose lines nobody reads, of an engine that is only played with: what goes wrong there
     * ends nothing but the play.
     */
    static Console silent() {
        final PrintWriter nowhere = new PrintWriter(Writer.nullWriter());
        return new Console(nowhere, nowhere, "", false, true);
    }

    /** Prints nothing more on standard output, which is somebody else's. Before anything else. */
    public void leaveStandardOutput() {
        out = err;
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

    private void say(final LineBudget budget, final String sentence) {
        if (budget.take(System.nanoTime())) {
            tellLeftOut(budget);
            say(sentence);
        }
    }

    private void tellLeftOut(final LineBudget budget) {
        final long count = budget.leftOut();
        if (count > 0) {
            say(count + " more lines of this kind were left out");
        }
    }

    /** Tells how many lines were left out since the last of their kind: at the end. */
    void tellLeftOut() {
        tellLeftOut(diskErrors);
        tellLeftOut(clientProblems);
        tellLeftOut(worldErrors);
        events.values().forEach(this::tellLeftOut);
    }

    /**
     * Prints the line that says that the server can be used.
     *
     * @return whether it could be written
     */
    boolean ready(final String sentence) {
        out.println("ready: " + sentence);
        return !out.checkError();
    }

    @Override
    public void onDiskError(final String sentence) {
        say(diskErrors, sentence);
    }

    @Override
    public void onClientProblem(final String peer, final String sentence) {
        if (verbose) {
            say(clientProblems, "client " + peer + ": " + sentence);
        }
    }

    @Override
    public void onEvent(
            final Event event, final String disk, final long epoch, final String sentence) {
        if (event != Event.CHECKPOINT && event != Event.DURABLE) {
            say(events.get(event), sentence);
        } else if (verbose) {
            say(sentence);
        }
        control.onEvent(event, disk, epoch, sentence);
    }

    @Override
    public void onJob(final Job.Report report) {
        control.onJob(report);
    }

    @Override
    public void onError(final Throwable error) {
        if (error instanceof IOException) {
            // What the world outside does, such as to leave no descriptor, is no error of ours.
            say(worldErrors, error.getMessage());
        } else if (!isPlay) {
            CommandRun.abort(command, error);
        }
    }
}

package io.lockstep.cli.run;

import picocli.CommandLine;
import picocli.CommandLine.ParseResult;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;

/**
 * A command line from the arguments of this process to its exit code: 0 done, 1 failed with a
 * sentence on standard error, 2 wrong usage, 70 what cannot be has come up. What was not
 * understood, what went wrong within, and output that could not be written are never a success. On
 * the main thread.
 */
public final class CommandRun {
    /** The exit code of a process that has met what cannot be; EX_SOFTWARE of sysexits.h. */
    static final int ABORTED = 70;

    private CommandRun() {}

    /** Runs it, and ends the process. */
    public static void run(final CommandLine line, final String[] arguments) {
        final PrintWriter out =
                new PrintWriter(
                        new OutputStreamWriter(
                                new FileOutputStream(FileDescriptor.out), System.out.charset()),
                        true);
        line.setOut(out);
        Thread.setDefaultUncaughtExceptionHandler(
                (thread, error) -> abort(line.getCommandName(), error));
        int exitCode;
        try {
            ArgumentBytes.require(line, arguments);
            exitCode = line.execute(arguments);
        } catch (final CommandLine.ParameterException wrong) {
            exitCode = 2;
            line.getErr().println(line.getCommandName() + ": " + wrong.getMessage());
        } catch (final Error e) {
            exitCode = 1;
            line.getErr().println(line.getCommandName() + ": " + internalError(e));
        }
        if (exitCode == 0 && out.checkError()) {
            exitCode = 1;
            line.getErr().println(line.getCommandName() + ": " + UNWRITTEN);
        }
        ServerRun.exit(exitCode);
    }

    /** What is told where standard output takes nothing. */
    static final String UNWRITTEN =
            "standard output could not be written: the device is full, or nobody reads it";

    /** For picocli: tells in one line what came out of a command, and answers its exit code. */
    public static int onFailure(
            final Exception failure, final CommandLine command, final ParseResult arguments) {
        final String name = command.getCommandSpec().qualifiedName();
        command.getErr()
                .println(
                        name
                                + ": "
                                + (failure instanceof IOException
                                        ? failure.getMessage()
                                        : internalError(failure)));
        return command.getCommandSpec().exitCodeOnExecutionException();
    }

    /**
     * Ends the process at once, as a kill would: what threw may have left an operation half done,
     * and who goes on builds on it. What is in files is sound at every instant (I9).
     */
    static void abort(final String command, final Throwable error) {
        System.err.println(
                (command.isEmpty() ? "lockstep" : command)
                        + ": "
                        + internalError(error)
                        + "; the process ends as if it were killed: start it again, and report"
                        + " this:");
        error.printStackTrace();
        QuietCompiler.end();
        Runtime.getRuntime().halt(ABORTED);
    }

    /** One line for what should not have come up: what it is, and where. */
    static String internalError(final Throwable error) {
        final StackTraceElement[] trace = error.getStackTrace();
        return "internal error: " + error + (trace.length == 0 ? "" : " at " + trace[0]);
    }
}

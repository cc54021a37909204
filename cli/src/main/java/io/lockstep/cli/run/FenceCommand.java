package io.lockstep.cli.run;

import io.lockstep.cli.argument.EndpointArguments;
import io.lockstep.cli.argument.LostLinkOptions;
import io.lockstep.engine.primary.Fencing;
import io.lockstep.engine.primary.LostLinkPolicy;

import picocli.CommandLine.Model.CommandSpec;

import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Fences a primary's peer by a command of the user's, which the shell runs: see docs/operations.md,
 * "Fence the secondary". It gets what is known in its environment, nothing on standard input, and a
 * bounded time; of what it prints the first lines are said. Threads of its own wait for it.
 */
public final class FenceCommand implements Fencing {
    /** Exit code: the peer has taken over. */
    static final int TAKEN_OVER = 3;

    private static final int LINES_MAX = 20;
    private static final int LINE_LENGTH_MAX = 500;

    private final String command;
    private final Duration timeout;
    private final String control;
    private final Consumer<String> say;

    /**
     * A command that does not run yet.
     *
     * @param timeout after which it is killed
     * @param control the control socket; empty where there is none
     * @param say takes what it prints; from any thread
     */
    FenceCommand(
            final String command,
            final Duration timeout,
            final String control,
            final Consumer<String> say) {
        this.command = command;
        this.timeout = timeout;
        this.control = control;
        this.say = say;
    }

    /**
     * What a command line says that a primary does when its link is lost.
     *
     * @param control its control socket; empty where there is none
     */
    public static LostLinkPolicy policy(
            final CommandSpec spec,
            final LostLinkOptions options,
            final String control,
            final Console console) {
        final Duration timeout = options.fenceTimeout(spec);
        return switch (options.kind()) {
            case CONTINUE -> LostLinkPolicy.CONTINUE;
            case SUSPEND -> LostLinkPolicy.SUSPEND;
            case FENCE ->
                    LostLinkPolicy.fence(
                            new FenceCommand(
                                    options.fenceCommand(), timeout, control, console::say));
        };
    }

    @Override
    public CompletableFuture<Answer> fence(final Loss loss) {
        final CompletableFuture<Answer> answer = new CompletableFuture<>();
        final Thread thread = new Thread(() -> run(loss, answer), "lockstep-fence");
        thread.setDaemon(true);
        thread.start();
        return answer;
    }

    private void run(final Loss loss, final CompletableFuture<Answer> answer) {
        final Process process;
        try {
            process = start(loss);
        } catch (final IOException e) {
            answer.complete(notFenced("the fence command can't be run: " + e.getMessage()));
            return;
        }
        final CompletableFuture<Answer> cancelled =
                answer.whenComplete((known, thrown) -> killTree(process)); // harmless at its end
        Thread.ofVirtual().start(() -> sayLines(process));
        answer.complete(await(process));
        if (cancelled.isCompletedExceptionally()) {
            say.accept("the fence command was killed, as this process ends");
        }
    }

    private Process start(final Loss loss) throws IOException {
        final ProcessBuilder builder =
                new ProcessBuilder("/bin/sh", "-c", command)
                        .redirectInput(new File("/dev/null"))
                        .redirectErrorStream(true);
        final Map<String, String> environment = builder.environment();
        environment.put("LOCKSTEP_NODE", loss.record().node().toString());
        environment.put("LOCKSTEP_PEER_NODE", loss.record().peer().toString());
        environment.put("LOCKSTEP_GROUP", loss.record().group().toString());
        environment.put("LOCKSTEP_PEER", EndpointArguments.uri(loss.peer()));
        environment.put("LOCKSTEP_DISKS", String.join(" ", loss.disks()));
        environment.put("LOCKSTEP_COMMITTED_EPOCH", Long.toString(loss.committedEpoch()));
        environment.put(
                "LOCKSTEP_DURABLE_EPOCH",
                loss.durableEpoch() == 0 ? "" : Long.toString(loss.durableEpoch()));
        environment.put("LOCKSTEP_REASON", loss.reason());
        environment.put("LOCKSTEP_CONTROL", control);
        return builder.start();
    }

    private Answer await(final Process process) {
        try {
            if (!process.waitFor(timeout.toNanos(), TimeUnit.NANOSECONDS)) {
                killTree(process);
                return notFenced(
                        "the fence command did not end within "
                                + Quantity.nanos(timeout.toNanos())
                                + ", and was killed");
            }
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
            killTree(process);
            return notFenced("nobody waits for the fence command any more");
        }
        return switch (process.exitValue()) {
            case 0 -> new Answer(Outcome.FENCED, "the fence command says that it is");
            case TAKEN_OVER ->
                    new Answer(
                            Outcome.TAKEN_OVER,
                            "the fence command says that the peer has taken over (exit code "
                                    + TAKEN_OVER
                                    + "), and is not run again");
            default ->
                    notFenced(
                            "the fence command has failed (exit code " + process.exitValue() + ")");
        };
    }

    private static Answer notFenced(final String sentence) {
        return new Answer(Outcome.NOT_FENCED, sentence + "; it is tried again every 10 s");
    }

    /**
     * Whatever it has started first, as that would be nobody's child behind it. One that has ended
     * is left alone: to destroy it would close what it has printed, and is still to be said.
     */
    private static void killTree(final Process process) {
        if (!process.isAlive()) {
            return;
        }
        process.descendants().toList().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly();
    }

    private void sayLines(final Process process) {
        try (Reader reader =
                new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8)) {
            final StringBuilder line = new StringBuilder();
            int lines = 0;
            for (int next = reader.read(); next >= 0; next = reader.read()) {
                if (next == '\n') {
                    sayLine(line, lines++);
                } else if (line.length() < LINE_LENGTH_MAX) {
                    line.append(Character.isISOControl(next) ? ' ' : (char) next);
                }
            }
            if (!line.isEmpty()) {
                sayLine(line, lines);
            }
        } catch (final IOException | UncheckedIOException e) {
            // It was killed.
        }
    }

    private void sayLine(final StringBuilder line, final int number) {
        if (number < LINES_MAX) {
            say.accept("fence: " + line);
        } else if (number == LINES_MAX) {
            say.accept("fence: what it prints behind that is left out");
        }
        line.setLength(0);
    }
}

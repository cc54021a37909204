package io.lockstep.interop;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Predicate;

/**
 * A running child process with what it prints. Every wait has a deadline, and what still runs when
 * it is closed is killed, by its own id.
 */
final class Program implements Rig.Ending {
    /** No program of the tests takes so long, even where several share a slow machine. */
    static final Duration DEADLINE = Duration.ofSeconds(60);

    private final String name;
    private final Process process;
    private final Lines out;
    private final Lines err;

    private Program(final String name, final Process process) {
        this.name = name;
        this.process = process;
        out = new Lines(process.getInputStream());
        err = new Lines(process.getErrorStream());
    }

    /** Starts it in a directory, with nothing on its standard input. */
    static Program start(final String name, final List<String> command, final Path directory) {
        return start(
                name,
                command,
                directory,
                ProcessBuilder.Redirect.from(Path.of("/dev/null").toFile()));
    }

    /** Starts one that is talked to. */
    static Program startTalking(
            final String name, final List<String> command, final Path directory) {
        return start(name, command, directory, ProcessBuilder.Redirect.PIPE);
    }

    private static Program start(
            final String name,
            final List<String> command,
            final Path directory,
            final ProcessBuilder.Redirect input) {
        try {
            final ProcessBuilder builder =
                    new ProcessBuilder(command).directory(directory.toFile()).redirectInput(input);
            builder.environment().put("LC_ALL", "C.UTF-8");
            return new Program(name, builder.start());
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    long pid() {
        return process.pid();
    }

    boolean isRunning() {
        return process.isAlive();
    }

    /** Has it read a line, if it was started for that. */
    void say(final String line) {
        try {
            final OutputStream input = process.getOutputStream();
            input.write((line + "\n").getBytes(StandardCharsets.UTF_8));
            input.flush();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** What it has printed on its standard output by now. */
    String out() {
        return out.text();
    }

    /** What it has printed on its standard error by now. */
    String err() {
        return err.text();
    }

    /**
     * Waits for a line on its standard output.
     *
     * @return the line
     * @throws AssertionError if it ends, or the deadline passes, without one
     */
    String awaitLine(final Predicate<String> wanted) {
        return awaitLineOrEnd(wanted)
                .orElseThrow(
                        () ->
                                new AssertionError(
                                        name + " ended without saying it\n" + transcript()));
    }

    /**
     * Waits for a line on its standard output, or for its end.
     *
     * @return the line; nothing if it ended without one
     * @throws AssertionError where the deadline passes
     */
    Optional<String> awaitLineOrEnd(final Predicate<String> wanted) {
        final Optional<String> line = out.await(wanted);
        if (line.isEmpty() && !out.hasEnded()) {
            throw new AssertionError(name + " did not say it in time\n" + transcript());
        }
        return line;
    }

    /** Has a JVM print what its threads do. */
    void printThreads() {
        signal("QUIT");
        out.await(line -> line.startsWith("JNI global refs"));
    }

    /** Sends a signal by its name. */
    void signal(final String signal) {
        try {
            new ProcessBuilder("kill", "-" + signal, Long.toString(pid())).start().waitFor();
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /**
     * Asks it to go: SIGTERM. What it still has to say is heard: a process's own method closes
     * that.
     */
    void terminate() {
        process.toHandle().destroy();
    }

    /** SIGKILL. */
    void kill() {
        process.destroyForcibly();
    }

    /**
     * Waits for its end and for all that it printed.
     *
     * @return its exit code; 128 and the signal's number where a signal ended it
     * @throws AssertionError where the deadline passes
     */
    int awaitExit() {
        return awaitExit(DEADLINE);
    }

    /** The same for one that does more than others. */
    int awaitExit(final Duration deadline) {
        boolean ended = false;
        try {
            ended = process.waitFor(deadline.toNanos(), TimeUnit.NANOSECONDS);
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        if (!ended) {
            kill();
            throw new AssertionError(name + " did not end in time\n" + transcript());
        }
        out.awaitEnd();
        err.awaitEnd();
        return process.exitValue();
    }

    /** All that it printed, for a failure's message. */
    String transcript() {
        return name + " printed:\n" + out() + err();
    }

    @Override
    public void close() {
        if (isRunning()) {
            kill();
            awaitExit();
        }
    }

    @Override
    public String toString() {
        return name + " (" + pid() + ")";
    }

    /** Takes the lines of a stream as they come, on a thread of its own. */
    private static final class Lines {
        private final StringBuilder text = new StringBuilder();
        private boolean ended;

        Lines(final InputStream stream) {
            Thread.ofPlatform().daemon().start(() -> take(stream));
        }

        private void take(final InputStream stream) {
            try (BufferedReader reader =
                    new BufferedReader(new InputStreamReader(stream, StandardCharsets.UTF_8))) {
                String line = reader.readLine();
                while (line != null) {
                    add(line);
                    line = reader.readLine();
                }
            } catch (final IOException e) {
                add("(" + e.getMessage() + ")");
            } finally {
                end();
            }
        }

        private synchronized void add(final String line) {
            text.append(line).append('\n');
            notifyAll();
        }

        private synchronized void end() {
            ended = true;
            notifyAll();
        }

        synchronized boolean hasEnded() {
            return ended;
        }

        synchronized String text() {
            return text.toString();
        }

        /** Answers the first line that is wanted; nothing when none comes any more. */
        synchronized Optional<String> await(final Predicate<String> wanted) {
            final long deadline = System.nanoTime() + DEADLINE.toNanos();
            while (true) {
                final Optional<String> found = text.toString().lines().filter(wanted).findFirst();
                if (found.isPresent() || ended || !waitUntil(deadline)) {
                    return found;
                }
            }
        }

        synchronized void awaitEnd() {
            final long deadline = System.nanoTime() + DEADLINE.toNanos();
            boolean waiting = true;
            while (waiting && !ended) {
                waiting = waitUntil(deadline);
            }
        }

        private synchronized boolean waitUntil(final long deadline) {
            final long remaining = deadline - System.nanoTime();
            if (remaining <= 0) {
                return false;
            }
            try {
                TimeUnit.NANOSECONDS.timedWait(this, remaining);
                return true;
            } catch (final InterruptedException e) {
                Thread.currentThread().interrupt();
                return false;
            }
        }
    }
}

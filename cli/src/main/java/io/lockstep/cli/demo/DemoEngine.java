package io.lockstep.cli.demo;

import io.lockstep.cli.control.QmpClient;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * One of the two nodes, in a process of its own: the same JVM, with the same arguments, as the
 * process that starts it. One thread's.
 */
final class DemoEngine implements AutoCloseable {
    private static final String MAIN_CLASS = "io.lockstep.cli.Lockstep";
    private static final Duration START_MAX = Duration.ofSeconds(30);
    private static final long END_SECONDS_MAX = 10;
    private static final long POLL_MS = 10;

    /** What is for the starting process alone. */
    private static final List<String> NOT_HANDED_ON =
            List.of("-agentlib", "-agentpath", "-javaagent", "-Xrun", "-XX:AOTCacheOutput", "-D");

    private final String name;
    private final Process process;
    private final Path out;
    private final Path err;

    private DemoEngine(final String name, final Process process, final Path out, final Path err) {
        this.name = name;
        this.process = process;
        this.out = out;
        this.err = err;
    }

    /**
     * Starts one, and does not wait.
     *
     * @param directory for what it prints
     */
    static DemoEngine start(final Path directory, final String name, final List<String> arguments)
            throws IOException {
        final List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(argument -> NOT_HANDED_ON.stream().noneMatch(argument::startsWith))
                .forEach(command::add);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), MAIN_CLASS, "node"));
        command.addAll(arguments);
        final Path out = directory.resolve(name + ".out");
        final Path err = directory.resolve(name + ".err");
        final Process process =
                new ProcessBuilder(command)
                        .redirectInput(Path.of("/dev/null").toFile())
                        .redirectOutput(out.toFile())
                        .redirectError(err.toFile())
                        .start();
        return new DemoEngine(name, process, out, err);
    }

    long processId() {
        return process.pid();
    }

    /** Waits for the line that says that it is ready. */
    void awaitReady() throws IOException, InterruptedException {
        final long deadline = System.nanoTime() + START_MAX.toNanos();
        while (!Files.readString(out).contains("ready")) {
            if (!process.isAlive() || System.nanoTime() - deadline > 0) {
                throw new IOException(
                        "the " + name + " did not come up: " + Files.readString(err).strip());
            }
            TimeUnit.MILLISECONDS.sleep(POLL_MS);
        }
    }

    /** Connects to its control socket. */
    @SuppressWarnings("MustBeClosedChecker") // the caller's
    static QmpClient control(final Path socket) throws IOException {
        return QmpClient.connect(socket, START_MAX);
    }

    /** kill -9; waits until it is dead. */
    void kill() throws InterruptedException {
        process.destroyForcibly();
        process.waitFor();
    }

    /**
     * SIGTERM; waits.
     *
     * @return its exit code
     */
    int stop() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(END_SECONDS_MAX, TimeUnit.SECONDS)) {
            kill();
        }
        return process.exitValue();
    }

    @Override
    public String toString() {
        return "the node that was the " + name + " at first";
    }

    /** Leaves nothing running. */
    @Override
    public void close() {
        process.destroyForcibly();
    }
}

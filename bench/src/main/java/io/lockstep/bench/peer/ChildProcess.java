package io.lockstep.bench.peer;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** A program under comparison in a process of its own, ended when this closes. */
public final class ChildProcess implements AutoCloseable {
    private static final double CLOCK_TICKS_PER_SECOND =
            100; // USER_HZ, on every Linux that runs Java
    private static final int END_SECONDS = 10;
    private static final int READY_SECONDS = 60;

    /** It is at rest when it took less than a tenth of a core for so long. */
    private static final long REST_MILLIS = 250;

    /** A secondary that old has begun to. */
    private static final long REHEARSING_AGE_MILLIS = 7000;

    private static final int REST_LOOKS_MAX = 80;

    /** Null where these classes were not started by it. */
    private static final String LAUNCHER = System.getProperty("lockstep.launcher");

    private final String name;
    private final Process process;
    private final long startNanos = System.nanoTime();
    private final Path log;
    private final Thread hook;

    private ChildProcess(final String name, final Process process, final Path log) {
        this.name = name;
        this.process = process;
        this.log = log;
        hook = new Thread(process::destroy);
        // A comparison that is interrupted leaves no process behind.
        Runtime.getRuntime().addShutdownHook(hook);
    }

    /** Starts it; what it prints goes to a file beside the others of the comparison. */
    static ChildProcess start(final String name, final Path folder, final List<String> command)
            throws IOException {
        final Path log = folder.resolve(name.replace(' ', '-') + ".log");
        final Process process =
                new ProcessBuilder(command)
                        .redirectErrorStream(true)
                        .redirectOutput(log.toFile())
                        .start();
        return new ChildProcess(name, process, log);
    }

    /** Has the launcher build what it starts, before anybody waits for that or measures it. */
    static void prepareLockstep() throws IOException, InterruptedException {
        if (LAUNCHER != null) {
            run(List.of(LAUNCHER, "--version"));
        }
    }

    /**
     * The command line of {@code lockstep}: by the launcher where that has started us; otherwise
     * these classes on this JVM.
     */
    static List<String> lockstep(final List<String> arguments) {
        final List<String> command = new ArrayList<>();
        if (LAUNCHER != null) {
            command.add(LAUNCHER);
        } else {
            command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
            command.addAll(JvmArguments.ALL);
            command.addAll(
                    List.of(
                            "-XX:+UseSerialGC",
                            "-Xmx256m",
                            "-cp",
                            System.getProperty("java.class.path"),
                            "io.lockstep.cli.Lockstep"));
        }
        command.addAll(arguments);
        return command;
    }

    /** Runs a program to its end, which must be a success. */
    static void run(final List<String> command) throws IOException, InterruptedException {
        final Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        final String output =
                new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IOException(String.join(" ", command) + " failed: " + output.strip());
        }
    }

    /** Whether the shell would find a program. */
    public static boolean isOnPath(final String program) {
        for (final String folder : System.getenv("PATH").split(":", -1)) {
            if (Files.isExecutable(Path.of(folder, program))) {
                return true;
            }
        }
        return false;
    }

    boolean isRunning() {
        return process.isAlive();
    }

    /**
     * Waits for the line by which lockstep says that it can be used; answers when it was there, by
     * {@link System#nanoTime}.
     */
    long awaitReady() throws IOException, InterruptedException {
        final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(READY_SECONDS);
        while (Files.readString(log).lines().noneMatch(line -> line.startsWith("ready"))) {
            if (System.nanoTime() > deadline || !isRunning()) {
                throw failure("is not ready");
            }
            Thread.sleep(1);
        }
        return System.nanoTime();
    }

    /**
     * Waits until it has nothing to do, once it is as old as a secondary that has begun to rehearse
     * its failover.
     */
    public void awaitRest() throws IOException, InterruptedException {
        final long age = (System.nanoTime() - startNanos) / 1_000_000;
        Thread.sleep(Math.max(0, REHEARSING_AGE_MILLIS - age));
        double before = 0;
        double now = cpuMicros();
        for (int i = 0; i < REST_LOOKS_MAX && now - before > REST_MILLIS * 100; i++) {
            before = now;
            Thread.sleep(REST_MILLIS);
            now = cpuMicros();
        }
    }

    /** An exception that says what it printed last. */
    IOException failure(final String what) throws IOException {
        return new IOException(
                name + " " + what + ": " + Files.readString(log, StandardCharsets.UTF_8).strip());
    }

    /** Processor time that it has taken since it started, in microseconds. */
    double cpuMicros() throws IOException {
        final String stat = Files.readString(Path.of("/proc/" + process.pid() + "/stat"));
        final String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ", -1);
        final long ticks = Long.parseLong(fields[11]) + Long.parseLong(fields[12]); // utime, stime
        return ticks * 1e6 / CLOCK_TICKS_PER_SECOND;
    }

    /**
     * Processor time that its present threads have taken since they started, in microseconds: finer
     * than {@link #cpuMicros}, for a process whose threads stay. Source: {@code proc(5)},
     * schedstat.
     */
    public double threadMicros() throws IOException {
        long nanos = 0;
        try (Stream<Path> threads = Files.list(Path.of("/proc/" + process.pid() + "/task"))) {
            for (final Path thread : threads.toList()) {
                final String text = Files.readString(thread.resolve("schedstat"));
                nanos += Long.parseLong(text.substring(0, text.indexOf(' ')));
            }
        }
        return nanos / 1e3;
    }

    /** A figure of {@code /proc/PID/status} in bytes, such as VmRSS or RssShmem. */
    public long memoryBytes(final String name) throws IOException {
        return number("status", name) << 10;
    }

    /** A figure of {@code /proc/PID/io}, such as syscr, or rchar. Source: {@code proc(5)}. */
    public long ioCount(final String name) throws IOException {
        return number("io", name);
    }

    private long number(final String file, final String name) throws IOException {
        for (final String line : Files.readAllLines(Path.of("/proc/" + process.pid(), file))) {
            if (line.startsWith(name + ":")) {
                return Long.parseLong(line.substring(name.length() + 1).strip().split(" ", 2)[0]);
            }
        }
        throw new IOException("this kernel does not tell " + name);
    }

    /** Its process id. */
    public long pid() {
        return process.pid();
    }

    /** SIGKILL; waits until it is dead. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    @Override
    public void close() {
        process.destroy();
        try {
            if (!process.waitFor(END_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (final InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
        Runtime.getRuntime().removeShutdownHook(hook);
    }
}

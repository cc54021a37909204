package io.lockstep.interop;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A real {@code lockstep} in a process of its own: the classes that are under test, on the JVM that
 * runs the tests, with assertions.
 */
final class LockstepProcess implements Rig.Ending {
    private static final Pattern TCP_PORT = Pattern.compile("nbd://[^,]*:(\\d+)/");
    private static final String INTERNAL_ERROR = "internal error";

    private static final int REHEARSING = 8;
    private static final AtomicInteger STARTED = new AtomicInteger();

    private static volatile boolean rehearses;

    private final Program program;
    private String ready = "";

    private LockstepProcess(final Program program) {
        this.program = program;
    }

    /** Starts it, and doesn't wait. */
    static LockstepProcess start(final Path directory, final List<String> arguments) {
        return new LockstepProcess(
                Program.start("lockstep " + arguments, command(arguments), directory));
    }

    /**
     * The same by way of a shell, whose command comes before {@code exec}.
     *
     * @param before such as {@code ulimit -n 64}
     */
    static LockstepProcess startAfter(
            final String before, final Path directory, final List<String> arguments) {
        final List<String> command =
                new ArrayList<>(List.of("sh", "-c", before + "; exec \"$@\"", "sh"));
        command.addAll(command(arguments));
        return new LockstepProcess(Program.start("lockstep " + arguments, command, directory));
    }

    /** Starts a server, and waits for the line that says that it is one. */
    static LockstepProcess startServer(final Path directory, final List<String> arguments) {
        final LockstepProcess lockstep = start(directory, arguments);
        if (!lockstep.awaitReady()) {
            throw new AssertionError("it did not come up\n" + lockstep);
        }
        return lockstep;
    }

    /** Waits for the line that says that it is a server now; answers false if it ends instead. */
    boolean awaitReady() {
        try {
            ready = program.awaitLineOrEnd(line -> line.startsWith("ready")).orElse("");
        } catch (final AssertionError e) {
            program.printThreads();
            program.close();
            throw new AssertionError("it did not come up in time\n" + this, e);
        }
        return !ready.isEmpty();
    }

    /**
     * The command that starts it. One in eight rehearses its failover, if it is a standby: to do so
     * takes twice as long as to start it.
     */
    static List<String> command(final List<String> arguments) {
        final List<String> command = new ArrayList<>(jvm());
        if (!rehearses && STARTED.getAndIncrement() % REHEARSING != 0) {
            command.add("-Dlockstep.rehearsals=0");
        }
        command.addAll(ClassArchive.commandEnd());
        command.addAll(arguments);
        return command;
    }

    /** Those that it starts rehearse. */
    static LockstepProcess rehearsing(final Supplier<LockstepProcess> start) {
        rehearses = true;
        try {
            return start.get();
        } finally {
            rehearses = false;
        }
    }

    /** The JVM, and how it is to be. */
    static List<String> jvm() {
        final List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        // What the build gives to every JVM that runs the engine, this one too.
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(argument -> argument.startsWith("--"))
                .forEach(command::add);
        command.addAll(List.of("-ea:io.lockstep...", "-XX:+UseSerialGC", "-Xmx256m"));
        command.add("-XX:TieredStopAtLevel=1"); // it lives for seconds
        return command;
    }

    /** The line that said that it is ready. */
    String ready() {
        return ready;
    }

    /** The TCP port that it listens on. */
    int port() {
        final Matcher matcher = TCP_PORT.matcher(ready);
        if (!matcher.find()) {
            throw new AssertionError("no TCP port in: " + ready);
        }
        return Integer.parseInt(matcher.group(1));
    }

    /** What it has printed on its standard output by now. */
    String out() {
        return program.out();
    }

    /** What it has printed on its standard error by now. */
    String err() {
        return program.err();
    }

    long pid() {
        return program.pid();
    }

    boolean isRunning() {
        return program.isRunning();
    }

    /** SIGTERM, and no waiting. */
    void terminate() {
        program.terminate();
    }

    /** kill -9, and waits until it is dead. */
    void kill() {
        program.kill();
        program.awaitExit();
    }

    /** Sends a signal by its name, such as STOP. */
    void signal(final String name) {
        program.signal(name);
    }

    /** Waits until it ends by itself. */
    int awaitExit() {
        return program.awaitExit();
    }

    /** SIGTERM; waits. */
    int stop() {
        terminate();
        return awaitExit();
    }

    /**
     * Stops it as a service manager would, if a test has left it running.
     *
     * @throws AssertionError if it fails at that, or if it told of an internal error in its life
     */
    @Override
    public void close() {
        try (program) {
            if (program.isRunning() && !ready.isEmpty() && stop() != 0) {
                throw new AssertionError("it did not end with 0\n" + program.transcript());
            }
        }
        if (err().contains(INTERNAL_ERROR)) {
            throw new AssertionError(program.transcript());
        }
    }

    @Override
    public String toString() {
        return program.transcript();
    }
}

package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.List;
import java.util.Random;
import java.util.concurrent.locks.LockSupport;
import java.util.function.BooleanSupplier;

/**
 * What one test works with: a directory, in memory where the machine has one, the files in it, and
 * the processes that it started. Closing it ends those, the youngest first, and removes the
 * directory.
 */
final class Rig implements AutoCloseable {
    /** The export of {@link #serve(Path)}. */
    static final String DISK = "disk";

    /** What all the Python scripts of the tests may use. */
    private static final String PYTHON_PRELUDE =
            """
            import errno, nbd, os, random, sys

            def connect(uri, configure=lambda h: None):
                h = nbd.NBD()
                h.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
                configure(h)
                h.connect_uri(uri)
                return h

            # Sends what the library would not: the server is what is tested.
            def unchecked(uri):
                return connect(uri, lambda h: h.set_strict_mode(0))

            def expect(error, call, *arguments):
                try:
                    call(*arguments)
                except nbd.Error as e:
                    assert e.errnum == error, f'{e}, not {os.strerror(error)}'
                    return e.string
                raise AssertionError(f'no {os.strerror(error)}')

            def drain(h):
                while h.aio_in_flight() > 0:
                    h.poll(-1)

            def same(read, written, what=''):
                assert len(read) == len(written), f'{what}: {len(read)} bytes, not {len(written)}'
                if read != written:
                    at = next(i for i in range(len(read)) if read[i] != written[i])
                    raise AssertionError(f'{what}: differs at byte {at} of {len(read)}')

            def pattern(length, seed=1):
                return random.Random(seed).randbytes(length)
            """;

    private static final long POLL_NANOS = 5_000_000;

    private final Path directory;
    private final Deque<Ending> running = new ArrayDeque<>();
    private int scripts;

    /** A rig in memory, where files answer at once. */
    Rig() {
        this(Place.MEMORY);
    }

    Rig(final Place place) {
        try {
            // A Unix socket's path must be short.
            directory = Files.createTempDirectory(place.directory(), "ls");
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Where a rig's files are: the engine has a way of its own for either. */
    enum Place {
        /** A tmpfs, if there is one. */
        MEMORY {
            @Override
            Path directory() {
                final Path memory = Path.of("/dev/shm");
                return Files.isWritable(memory) ? memory : DISK.directory();
            }
        },
        /** Wherever temporary files are, which is mostly a file system on a device. */
        DISK {
            @Override
            Path directory() {
                return Path.of(System.getProperty("java.io.tmpdir"));
            }
        };

        abstract Path directory();
    }

    Path directory() {
        return directory;
    }

    /** A path in the directory. */
    Path path(final String name) {
        return directory.resolve(name);
    }

    /** A file that is one hole. */
    Path hole(final String name, final long length) {
        return length(path(name), length);
    }

    /** The same where there is a disk under it, and direct I/O for real. */
    Path holeOnDisk(final String name, final long length) {
        try {
            final Path file = Files.createTempFile(Path.of("target"), name, "").toAbsolutePath();
            keep(() -> assertTrue(file.toFile().delete(), file::toString));
            return length(file, length);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Makes a file longer or shorter; answers it. */
    static Path length(final Path path, final long length) {
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(length);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        return path;
    }

    /** A file of bytes that look random, the same ones for the same seed. */
    Path random(final String name, final int length, final long seed) {
        return write(hole(name, 0), 0, randomBytes(length, seed));
    }

    static byte[] randomBytes(final int length, final long seed) {
        final byte[] bytes = new byte[length];
        new Random(seed).nextBytes(bytes);
        return bytes;
    }

    /** Writes into a file, and leaves holes where nothing is written. Answers the file. */
    Path write(final Path path, final long offset, final byte[] bytes) {
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.seek(offset);
            file.write(bytes);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        return path;
    }

    static byte[] read(final Path path) {
        try {
            return Files.readAllBytes(path);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** The bytes that the file system has allocated for a file. */
    long allocated(final Path path) {
        return 512 * Long.parseLong(run(Tool.STAT, "--format=%b", path.toString()).out().strip());
    }

    // ---- Lockstep

    /** The socket of {@link #serve(Path)}. */
    Path socket() {
        return path("s");
    }

    /** The URI of an export on {@link #socket}. */
    String uri(final String export) {
        return "nbd+unix:///" + export + "?socket=" + socket();
    }

    /** The URI of {@link #serve(Path)}'s export. */
    String uri() {
        return uri(DISK);
    }

    /** Serves a file as {@link #DISK} on {@link #socket}. */
    LockstepProcess serve(final Path file) {
        return serveWith("--disk", DISK + "=" + file, "--listen", uri(""));
    }

    /** Runs {@code lockstep serve} with these arguments until the test ends. */
    LockstepProcess serveWith(final String... arguments) {
        return keep(LockstepProcess.startServer(directory, serveArguments(arguments)));
    }

    /**
     * Runs {@code lockstep serve} where it is to fail: with exit code 1 and a message of one line.
     *
     * @return the message
     */
    String serveInVain(final String... arguments) {
        return serverInVain(serveArguments(arguments));
    }

    /** The same with any of {@code lockstep}'s servers. */
    String serverInVain(final List<String> arguments) {
        try (LockstepProcess lockstep = LockstepProcess.start(directory, arguments)) {
            if (lockstep.awaitReady()) {
                throw new AssertionError("it should not have come up\n" + lockstep);
            }
            final int exitCode = lockstep.awaitExit();
            final String message = lockstep.err();
            if (exitCode != 1 || message.lines().count() != 1) {
                throw new AssertionError("not the end that was expected\n" + lockstep);
            }
            return message.strip();
        }
    }

    /** Runs {@code lockstep} until it ends by itself. */
    Tool.Output lockstep(final String... arguments) {
        final List<String> all = List.of(arguments);
        try (LockstepProcess lockstep = LockstepProcess.start(directory, all)) {
            final int exitCode = lockstep.awaitExit();
            return new Tool.Output("lockstep " + all, exitCode, lockstep.out(), lockstep.err());
        }
    }

    /** Starts any of {@code lockstep}'s servers, until the test ends. */
    LockstepProcess server(final List<String> arguments) {
        return keep(LockstepProcess.startServer(directory, arguments));
    }

    /** Starts one after a command of the shell, until the test ends. */
    LockstepProcess serverAfter(final String before, final List<String> arguments) {
        final LockstepProcess lockstep =
                keep(LockstepProcess.startAfter(before, directory, arguments));
        if (!lockstep.awaitReady()) {
            throw new AssertionError("it did not come up\n" + lockstep);
        }
        return lockstep;
    }

    private static List<String> serveArguments(final String... arguments) {
        final List<String> all = new ArrayList<>(List.of("serve"));
        all.addAll(Arrays.asList(arguments));
        return all;
    }

    // ---- Others

    /** Runs a program to its end, which must be a success. */
    Tool.Output run(final Tool tool, final String... arguments) {
        return end(tool, arguments).requireSuccess();
    }

    /** Runs a program to its end, whatever that is. */
    Tool.Output end(final Tool tool, final String... arguments) {
        try (Program program = launch(tool, arguments)) {
            final int exitCode = program.awaitExit();
            final String command = tool.program() + " " + String.join(" ", arguments);
            return new Tool.Output(command, exitCode, program.out(), program.err());
        }
    }

    /** Starts a program that runs until the test ends. */
    Program start(final Tool tool, final String... arguments) {
        return keep(launch(tool, arguments));
    }

    private Program launch(final Tool tool, final String... arguments) {
        final List<String> command = new ArrayList<>(List.of(tool.path().toString()));
        command.addAll(Arrays.asList(arguments));
        return Program.start(tool.program(), command, directory);
    }

    /** Waits a little before something is looked at again. */
    static void pause() {
        LockSupport.parkNanos(POLL_NANOS);
    }

    /** Waits until there is a file that has something in it, or a socket. */
    static void awaitFile(final Path path, final BooleanSupplier canStillCome) {
        final long deadline = System.nanoTime() + Program.DEADLINE.toNanos();
        while (!Files.exists(path) || (Files.isRegularFile(path) && path.toFile().length() == 0)) {
            if (!canStillCome.getAsBoolean() || System.nanoTime() > deadline) {
                throw new AssertionError("no " + path);
            }
            pause();
        }
    }

    /** Runs a script for libnbd's Python module; its arguments are in {@code sys.argv[1:]}. */
    Tool.Output python(final String script, final String... arguments) {
        return run(Tool.PYTHON, pythonArguments(script, arguments));
    }

    /** Starts such a script, and doesn't wait for its end. */
    Program startPython(final String script, final String... arguments) {
        return start(Tool.PYTHON, pythonArguments(script, arguments));
    }

    /** Starts such a script, which reads its standard input. */
    Program startTalkingPython(final String script) {
        final List<String> command = new ArrayList<>(List.of(Tool.PYTHON.path().toString()));
        command.addAll(List.of(pythonArguments(script)));
        return keep(Program.startTalking("python", command, directory));
    }

    private String[] pythonArguments(final String script, final String... arguments) {
        final Path file = path("script" + scripts++ + ".py");
        try {
            Files.writeString(file, PYTHON_PRELUDE + script);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
        final List<String> all = new ArrayList<>(List.of("-B", "-u", file.toString()));
        all.addAll(Arrays.asList(arguments));
        return all.toArray(String[]::new);
    }

    /** Has something undone when the test ends. */
    <T extends Ending> T keep(final T ending) {
        running.addFirst(ending);
        return ending;
    }

    @Override
    public void close() throws IOException {
        AssertionError first = null;
        for (final Ending ending : running) {
            try {
                ending.close();
            } catch (final AssertionError e) {
                first = first == null ? e : first;
            }
        }
        remove();
        if (first != null) {
            throw first;
        }
    }

    /** What ends with the test. */
    interface Ending extends AutoCloseable {
        /**
         * Ends it, if it hasn't ended by itself.
         *
         * @throws AssertionError if it was not in order
         */
        @Override
        void close();
    }

    private void remove() throws IOException {
        Files.walkFileTree(
                directory,
                new SimpleFileVisitor<>() {
                    @Override
                    public FileVisitResult visitFile(
                            final Path file, final BasicFileAttributes attributes)
                            throws IOException {
                        Files.delete(file);
                        return FileVisitResult.CONTINUE;
                    }

                    @Override
                    public FileVisitResult postVisitDirectory(
                            final Path visited, final IOException problem) throws IOException {
                        Files.delete(visited);
                        return FileVisitResult.CONTINUE;
                    }
                });
    }
}

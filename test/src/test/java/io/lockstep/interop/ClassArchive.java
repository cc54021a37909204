package io.lockstep.interop;

import io.lockstep.cli.run.DirectoryTree;

import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The engine's classes as the JVM maps them (JEP 350), for the hundreds of processes that the tests
 * start: it halves what a start takes. Made once for the jars that are tested, by the first test
 * that starts a process; where these are no jars but directories, as in the quick build, the JVM
 * can't have one, and everything is as without.
 */
final class ClassArchive {
    private static final String MAIN_CLASS = "io.lockstep.cli.Lockstep";
    private static final List<String> ARGUMENTS = arguments();

    private ClassArchive() {}

    /** The JVM's arguments for the class path, the archive, and the main class. */
    static List<String> commandEnd() {
        return ARGUMENTS;
    }

    private static List<String> arguments() {
        final String all = System.getProperty("java.class.path");
        // The tests' own classes lie in a directory.
        final String own = Path.of("target").toAbsolutePath() + File.separator;
        final List<String> parts =
                Arrays.stream(all.split(File.pathSeparator, -1))
                        .filter(part -> !part.startsWith(own))
                        .toList();
        if (parts.stream().anyMatch(part -> Files.isDirectory(Path.of(part)))) {
            return List.of("-cp", all, MAIN_CLASS);
        }
        final String jars = String.join(File.pathSeparator, parts);
        try {
            return List.of(
                    "-XX:SharedArchiveFile=" + archive(parts, jars),
                    "-Xlog:all=off",
                    "-cp",
                    jars,
                    MAIN_CLASS);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
            return List.of("-cp", all, MAIN_CLASS);
        }
    }

    private static Path archive(final List<String> parts, final String jars)
            throws IOException, InterruptedException {
        long stamp = jars.hashCode();
        for (final String part : parts) {
            stamp = 31 * stamp + Files.getLastModifiedTime(Path.of(part)).toMillis();
        }
        final Path directory = Files.createDirectories(Path.of("target", "class-archive"));
        final Path archive = directory.resolve(Long.toHexString(stamp) + ".jsa").toAbsolutePath();
        // Two JVMs run the tests.
        try (FileChannel channel =
                        FileChannel.open(
                                directory.resolve("lock"),
                                StandardOpenOption.CREATE,
                                StandardOpenOption.WRITE);
                FileLock lock = channel.lock()) {
            if (lock.isValid() && !Files.exists(archive)) {
                make(directory, archive, jars);
            }
        }
        return archive;
    }

    private static void make(final Path directory, final Path archive, final String jars)
            throws IOException, InterruptedException {
        final Path made = directory.resolve("made.jsa");
        // A socket's path is short.
        final Path played = Files.createTempDirectory(Path.of("/dev/shm"), "ls");
        try {
            final List<String> command = new ArrayList<>(LockstepProcess.jvm());
            command.addAll(List.of("-XX:ArchiveClassesAtExit=" + made, "-Xlog:all=off"));
            command.addAll(List.of("-cp", jars, MAIN_CLASS, "rehearse", played.toString()));
            final Path log = directory.resolve("log");
            final int exitCode =
                    new ProcessBuilder(command)
                            .redirectErrorStream(true)
                            .redirectOutput(log.toFile())
                            .start()
                            .waitFor();
            if (exitCode != 0 || !Files.exists(made)) {
                throw new IOException("no archive of the classes\n" + Files.readString(log));
            }
            Files.move(made, archive, StandardCopyOption.ATOMIC_MOVE);
        } finally {
            DirectoryTree.remove(played);
        }
    }
}

package io.lockstep.cli.run;

import io.lockstep.engine.memory.Posix;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * The JIT's second compiler (C2), which gives way to the loops: what it makes is for years, and
 * what they have to do is for now. Where a core is free it has all of it, and where none is it gets
 * a tenth of what a loop gets. C1 keeps its priority, since what it has not compiled is
 * interpreted. Source: {@code setpriority(2)}, which on Linux is for one thread, and inherited by
 * those that it starts; {@code proc_pid_comm(5)}.
 */
public final class QuietCompiler {
    private static final Path THREADS = Path.of("/proc/self/task");

    /** The kernel keeps 15 characters of a name. */
    private static final String NAME = "C2 CompilerThre";

    /** For the kernel's scheduler about a tenth of the weight of 0. */
    private static final int NICE = 10;

    private QuietCompiler() {}

    /** Sees to it; what the kernel doesn't tell, or refuses, stays as it is. On any thread. */
    public static void begin() {
        try (DirectoryStream<Path> threads = Files.newDirectoryStream(THREADS)) {
            for (final Path thread : threads) {
                final String name =
                        Files.readString(thread.resolve("comm"), StandardCharsets.ISO_8859_1);
                if (name.startsWith(NAME)) {
                    Posix.setThreadNice(Integer.parseInt(thread.getFileName().toString()), NICE);
                }
            }
        } catch (final IOException e) {
            // No /proc, or a thread that has just ended: the compiler is as loud as ever.
        }
    }
}

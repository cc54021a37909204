package io.lockstep.cli.run;

import static org.junit.jupiter.api.Assumptions.assumeFalse;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.TimeUnit;

/** C2's threads in this process, as the kernel has them. */
@Timeout(60)
final class QuietCompilerTest {
    private static final String IDLE = "nice 10, policy 5";
    private static final String BESIDE_LOOPS = "nice 10, policy 0";

    /** Fields 19 and 41 of {@code proc_pid_stat(5)}. */
    private static Set<String> c2() throws IOException {
        final Set<String> all = new TreeSet<>();
        try (DirectoryStream<Path> threads = Files.newDirectoryStream(Path.of("/proc/self/task"))) {
            for (final Path thread : threads) {
                final String stat = stat(thread);
                if (stat.contains("(C2 CompilerThre)")) {
                    final String[] fields = stat.substring(stat.lastIndexOf(')') + 2).split(" ");
                    all.add("nice " + fields[19 - 3] + ", policy " + fields[41 - 3]);
                }
            }
        }
        return all;
    }

    private static String stat(final Path thread) {
        try {
            return Files.readString(thread.resolve("stat"));
        } catch (final IOException e) {
            return ""; // it has just ended
        }
    }

    private static void await(final String scheduling) throws IOException, InterruptedException {
        while (!c2().equals(Set.of(scheduling))) {
            TimeUnit.MILLISECONDS.sleep(1);
        }
    }

    @Test
    void itIsIdleAtFirstAndGivesWayForGood() throws IOException, InterruptedException {
        assumeFalse(c2().isEmpty(), "this JVM has no C2");
        assumeTrue(QuietCompiler.comesBackFromIdle(), "this user may not come back from idle");
        final Thread quieting = Thread.ofPlatform().start(() -> QuietCompiler.quieten(500));
        await(IDLE);
        quieting.join();
        await(BESIDE_LOOPS);
    }

    @Test
    void commandsSeeToIt() throws IOException, InterruptedException {
        assumeFalse(c2().isEmpty(), "this JVM has no C2");
        QuietCompiler.begin();
        await(BESIDE_LOOPS);
    }
}

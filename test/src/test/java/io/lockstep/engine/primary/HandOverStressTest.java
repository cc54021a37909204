package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Runs {@link HandOverStress} under jcstress, in JVMs of its own. For hours of it: {@code
 * -Dlockstep.stress.mode=tough}.
 */
final class HandOverStressTest {
    private static final String MODE = System.getProperty("lockstep.stress.mode", "short");

    @TempDir private Path directory;

    @Test
    @Timeout(value = 30, unit = TimeUnit.MINUTES)
    void noOutcomeThatIsForbidden() throws IOException, InterruptedException {
        final Path output = directory.resolve("output");
        final List<String> command =
                new ArrayList<>(
                        List.of(
                                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                                "-cp",
                                System.getProperty("java.class.path"),
                                "org.openjdk.jcstress.Main",
                                "-t",
                                "io.lockstep.engine.primary.HandOverStress",
                                "-r",
                                directory.toString()));
        command.addAll(
                MODE.equals("short")
                        ? List.of("-m", "quick", "-iters", "1", "-time", "200")
                        : List.of("-m", MODE));
        final Process stress =
                new ProcessBuilder(command)
                        .directory(directory.toFile())
                        .redirectErrorStream(true)
                        .redirectOutput(output.toFile())
                        .start();
        final int exit;
        try {
            exit = stress.waitFor();
        } finally {
            stress.destroyForcibly();
        }
        final String text = Files.readString(output);
        assertEquals(0, exit, text);
        assertTrue(text.contains("passed, 0 failed, 0 soft errs, 0 hard errs"), text);
    }
}

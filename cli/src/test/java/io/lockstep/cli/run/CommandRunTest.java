package io.lockstep.cli.run;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import picocli.CommandLine;
import picocli.CommandLine.Command;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;

/** What went wrong is one line and a code other than 0, also where a server has to be stopped. */
@Timeout(60)
final class CommandRunTest {
    /** Serves on another thread, and meanwhile fails as the argument says. */
    @Command(name = "failing")
    static final class Failing implements Callable<Integer> {
        @CommandLine.Parameters private String how;
        @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

        @Override
        public Integer call() throws Exception {
            final StringWriter out = new StringWriter();
            spec.commandLine().setOut(new PrintWriter(out));
            Thread.ofPlatform().daemon().start(this::serve);
            while (!out.toString().contains("ready")) {
                Thread.onSpinWait();
            }
            return switch (how) {
                case "exception" -> throw new IllegalStateException("of the test");
                case "error" -> throw new AssertionError("of the test");
                case "sentence" -> throw new IOException("a sentence");
                case "code" -> 7;
                default -> 0;
            };
        }

        private void serve() {
            try {
                ServerRun.serve(new Console(spec, false), "", () -> !how.equals("stop"));
            } catch (final InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }

        /** What is started in a process of its own. */
        public static void main(final String[] arguments) {
            CommandRun.run(
                    new CommandLine(new Failing())
                            .setExecutionExceptionHandler(CommandRun::onFailure),
                    arguments);
        }
    }

    private static void assertEnds(final String how, final int exitCode, final String message)
            throws IOException, InterruptedException {
        final Process process =
                new ProcessBuilder(
                                List.of(
                                        Path.of(System.getProperty("java.home"), "bin", "java")
                                                .toString(),
                                        "-cp",
                                        System.getProperty("java.class.path"),
                                        Failing.class.getName(),
                                        how))
                        .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                        .start();
        final String err =
                new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(message, err.replaceAll(" at .*", ""));
        assertEquals(exitCode, process.waitFor());
    }

    @Test
    void anExceptionIsOneLineAndAFailureWhateverTheHookDoes() throws Exception {
        assertEnds(
                "exception",
                1,
                "failing: internal error: java.lang.IllegalStateException: of the test\n");
        assertEnds("error", 1, "failing: internal error: java.lang.AssertionError: of the test\n");
        assertEnds("sentence", 1, "failing: a sentence\n");
    }

    @Test
    void anExitCodeSurvivesTheHook() throws Exception {
        assertEnds("code", 7, "");
        assertEnds("well", 0, "");
        assertEnds("stop", 1, "");
    }
}

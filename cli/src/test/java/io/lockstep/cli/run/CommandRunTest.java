package io.lockstep.cli.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.lockstep.engine.loop.NioLoop;

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
import java.util.concurrent.CountDownLatch;

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
                case "loop task", "loop timer" -> failOnALoop(new Console(spec, false));
                case "world" -> {
                    new Console(spec, false).onError(new IOException("no descriptor is left"));
                    yield 0;
                }
                case "thread" -> {
                    final Thread helper =
                            Thread.ofPlatform()
                                    .start(
                                            () -> {
                                                throw new IllegalStateException("of the test");
                                            });
                    helper.join();
                    yield 0;
                }
                default -> 0;
            };
        }

        /** What comes behind must not be done: it may build on what was left half done. */
        private int failOnALoop(final Console console) throws IOException, InterruptedException {
            final NioLoop loop = new NioLoop("failing", 0, console);
            final Runnable failure =
                    () -> {
                        throw new IllegalStateException("of the test");
                    };
            final Runnable next = () -> System.err.println("it went on");
            if (how.equals("loop task")) {
                loop.execute(failure);
                loop.execute(next);
            } else {
                loop.schedule(1, failure);
                loop.schedule(2, next);
            }
            loop.start();
            new CountDownLatch(1).await();
            return 0;
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
        final int ended = process.waitFor();
        final boolean hasTrace = ended == CommandRun.ABORTED;
        final String told = err.replaceAll(" at .*", "");
        assertEquals(message, hasTrace ? told.lines().findFirst().orElse("") : told);
        assertFalse(err.contains("it went on"), err);
        assertEquals(exitCode, ended);
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
    void whatNobodyForesawOnALoopOrAThreadEndsTheProcessAtOnce() throws Exception {
        for (final String how : List.of("loop task", "loop timer", "thread")) {
            final String line =
                    "failing: internal error: java.lang.IllegalStateException: of the test";
            assertEnds(how, CommandRun.ABORTED, line);
        }
    }

    @Test
    void whatTheWorldDoesIsSaidAndEndsNothing() throws Exception {
        assertEnds("world", 0, "failing: no descriptor is left\n");
    }

    @Test
    void anExitCodeSurvivesTheHook() throws Exception {
        assertEnds("code", 7, "");
        assertEnds("well", 0, "");
        assertEnds("stop", 1, "");
    }
}

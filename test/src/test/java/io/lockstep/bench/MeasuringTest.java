package io.lockstep.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import picocli.CommandLine;

import java.io.PrintWriter;
import java.io.StringWriter;

/** The measuring commands explain themselves. */
final class MeasuringTest {
    @ParameterizedTest
    @ValueSource(
            strings = {
                "bench jmh",
                "bench serve",
                "bench replication",
                "bench flushes",
                "bench shared",
                "bench growth",
                "bench limits",
                "profile checkpoint",
                "profile merge",
                "profile throughput",
                "profile warmup"
            })
    void everyCommandHasHelpWithExamples(final String command) {
        final StringWriter out = new StringWriter();
        final CommandLine line = Measuring.commandLine().setOut(new PrintWriter(out));
        assertEquals(0, line.execute((command + " --help").split(" ")));
        final String help = out.toString();
        assertTrue(help.startsWith("Usage: lockstep " + command), help);
        assertTrue(help.contains("--short"), help);
        assertTrue(help.contains("--markdown=FILE"), help);
        assertTrue(help.contains("  lockstep " + command + " --short "), help);
    }

    @ParameterizedTest
    @CsvSource({
        "--on /nowhere, there is no directory /nowhere",
        "--only nothing, there is no load whose name contains nothing"
    })
    void benchSharedRefusesWhatIsNotThere(final String arguments, final String sentence) {
        final StringWriter error = new StringWriter();
        final CommandLine line = Measuring.commandLine().setErr(new PrintWriter(error));
        assertEquals(2, line.execute(("bench shared " + arguments).split(" ")));
        assertTrue(error.toString().contains(sentence), error.toString());
    }
}

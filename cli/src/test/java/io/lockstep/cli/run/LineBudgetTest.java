package io.lockstep.cli.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.List;

/** An error that comes again and again fills no log. */
final class LineBudgetTest {
    @Test
    void aBurstIsCutOffAndCounted() {
        final LineBudget budget = new LineBudget(Long.MAX_VALUE - 5);
        for (int i = 0; i < LineBudget.LINES; i++) {
            assertTrue(budget.take(Long.MAX_VALUE + i)); // runs over, as the clock may
        }
        assertFalse(budget.take(Long.MAX_VALUE));
        assertFalse(budget.take(Long.MAX_VALUE - 5 + LineBudget.NANOS - 1));
        assertTrue(budget.take(Long.MAX_VALUE - 5 + LineBudget.NANOS));
        assertEquals(2, budget.leftOut());
        assertEquals(0, budget.leftOut());
    }

    @Test
    void theConsoleSaysHowManyLinesItLeftOut() {
        final StringWriter err = new StringWriter();
        final CommandSpec spec = CommandSpec.create().name("test");
        new CommandLine(spec).setErr(new PrintWriter(err));
        final Console console = new Console(spec, false);
        for (int i = 0; i < 1000; i++) {
            console.onError(new IOException("again"));
            console.onDiskError("disk a: again");
        }
        console.tellLeftOut();
        final List<String> lines = err.toString().lines().toList();
        assertEquals(2 * LineBudget.LINES + 2, lines.size(), err::toString);
        assertTrue(lines.contains("test: disk a: again"), err::toString);
        final int leftOut = 1000 - LineBudget.LINES;
        assertEquals(
                "test: " + leftOut + " more lines of this kind were left out", lines.getLast());
    }
}

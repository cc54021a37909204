package io.lockstep.invariants;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.lockstep.bench.RegressionCheck;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * I4 and I8, measured: a commit costs the same whatever is dirty, and the pieces of the data path
 * allocate nothing. What is judged are ratios inside the one run, with bounds that only gross loss
 * breaks.
 */
final class RegressionCheckTest {
    @Test
    @Timeout(value = 5, unit = TimeUnit.MINUTES)
    void nothingHasBecomeGrosslyWorse() throws IOException, InterruptedException {
        final List<RegressionCheck.Finding> findings = RegressionCheck.run();
        findings.forEach(System.out::println);
        assertFalse(findings.isEmpty());
        assertEquals(List.of(), findings.stream().filter(finding -> !finding.isWell()).toList());
    }
}

package io.lockstep.cli.command;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** Each control socket has buffers of its own, and one can see whose they are. */
final class DefaultBuffersTest {
    @Test
    void theNameShowsThePath() {
        assertEquals("lockstep-run-secondary.qmp", BufferOptions.defaultName("/run/secondary.qmp"));
    }

    @Test
    void noTwoPathsHaveOneName() {
        final Set<String> names =
                Stream.of("/run/a/b", "/run/a-b", "/run/a_b", "/run/a b", "/run/ä-b", "/run/a%2db")
                        .map(BufferOptions::defaultName)
                        .collect(Collectors.toSet());
        assertEquals(6, names.size(), names::toString);
    }
}

package io.lockstep.cli.argument;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.lockstep.engine.primary.LostLinkPolicy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

import java.time.Duration;

/** What is done when the link is lost, as it is typed. */
final class LostLinkOptionsTest {
    @Command
    static final class Typed {
        @Mixin private LostLinkOptions lostLink;

        @Option(names = "--more")
        private boolean isMore;
    }

    private final Typed typed = new Typed();
    private final CommandLine line = new CommandLine(typed);

    private LostLinkOptions parse(final String... arguments) {
        line.parseArgs(arguments);
        return typed.lostLink;
    }

    private String refusal(final String... arguments) {
        return assertThrows(
                        ParameterException.class,
                        () -> parse(arguments).fenceTimeout(line.getCommandSpec()))
                .getMessage();
    }

    @Test
    void aPrimaryGoesOnUnlessItIsToldOtherwise() {
        assertEquals(LostLinkPolicy.Kind.CONTINUE, parse().kind());
        assertEquals(Duration.ofMinutes(1), parse().fenceTimeout(line.getCommandSpec()));
    }

    @ParameterizedTest
    @CsvSource({"continue, CONTINUE", "suspend, SUSPEND"})
    void oneWordIsEnough(final String word, final LostLinkPolicy.Kind kind) {
        final LostLinkOptions options = parse("--on-lost-link", word, "--more");
        assertEquals(kind, options.kind());
        assertEquals("", options.fenceCommand());
        assertEquals(true, typed.isMore);
        assertEquals(kind, parse("--on-lost-link=" + word).kind());
    }

    /** However it looks: it is for the shell. */
    @Test
    void whatFencesIsTheArgumentBehind() {
        for (final String first : new String[] {"--on-lost-link fence", "--on-lost-link=fence"}) {
            final String[] words = (first + " x").split(" ", -1);
            words[words.length - 1] = "--more \"$LOCKSTEP_PEER\"";
            final LostLinkOptions options = parse(words);
            assertEquals(LostLinkPolicy.Kind.FENCE, options.kind());
            assertEquals("--more \"$LOCKSTEP_PEER\"", options.fenceCommand());
        }
    }

    @Test
    void anythingElseIsRefused() {
        assertEquals(
                "--on-lost-link must be one of continue, suspend, fence CMD, not stop",
                refusal("--on-lost-link", "stop"));
        assertEquals(
                "--on-lost-link fence needs the command that fences the secondary: --on-lost-link"
                        + " fence CMD",
                refusal("--on-lost-link", "fence"));
        assertEquals(
                "--fence-timeout must be more than 0",
                refusal("--on-lost-link", "fence", "x", "--fence-timeout", "0s"));
        assertEquals(
                "--fence-timeout goes with --on-lost-link fence CMD",
                refusal("--on-lost-link", "suspend", "--fence-timeout", "5s"));
        assertEquals(
                "--fence-timeout goes with --on-lost-link fence CMD",
                refusal("--fence-timeout", "5s"));
    }

    /** It would be run when the link is lost, and fence nobody. */
    @ParameterizedTest
    @ValueSource(strings = {"--more", "--more=true", "--fence-timeout", "", " "})
    void theNextOptionIsNoCommand(final String word) {
        assertEquals(
                "--on-lost-link fence needs the command that fences the secondary: --on-lost-link"
                        + " fence CMD",
                refusal("--on-lost-link", "fence", word, "5s"));
    }
}

package io.lockstep.cli.argument;

import io.lockstep.engine.primary.LostLinkPolicy;

import picocli.CommandLine.IParameterConsumer;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

import java.time.Duration;
import java.util.Stack;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What a primary does when its link is lost, on the command line. */
public final class LostLinkOptions {
    private static final Duration FENCE_TIMEOUT = Duration.ofMinutes(1);

    @Option(
            names = "--on-lost-link",
            paramLabel = "continue|suspend|fence CMD",
            parameterConsumer = Words.class,
            description =
                    "When the link to the secondary is lost: let the guest go on, and send later"
                            + " what it has changed; suspend: hold what it changes, without an"
                            + " error, until the two have met again or 'lockstep promote' says"
                            + " that the secondary is dead (of shared disks '--fenced', that it is"
                            + " fenced); fence: hold it until the shell's"
                            + " command CMD says that the secondary is fenced, too: exit code 0 it"
                            + " is, 3 it has taken over, others: it is tried again every 10 s"
                            + " (default: continue; with --shared suspend).")
    private Choice choice;

    @Option(
            names = "--fence-timeout",
            paramLabel = "TIME",
            converter = DurationConverter.class,
            description =
                    "A command of 'fence' that takes longer is killed, with its children, and has"
                            + " fenced nobody (default: 60s).")
    private Duration fenceTimeout;

    /**
     * What is to be done.
     *
     * @param command for the shell; empty unless somebody is to be fenced
     */
    private record Choice(LostLinkPolicy.Kind kind, String command) {}

    /** Takes one word, or two. */
    static final class Words implements IParameterConsumer {
        @Override
        public void consumeParameters(
                final Stack<String> arguments, final ArgSpec argument, final CommandSpec command) {
            if (arguments.isEmpty()) {
                throw new ParameterException(
                        command.commandLine(),
                        "Missing required parameter for option '--on-lost-link'");
            }
            final String word = arguments.pop();
            final LostLinkPolicy.Kind kind =
                    Stream.of(LostLinkPolicy.Kind.values())
                            .filter(one -> one.word().equals(word))
                            .findFirst()
                            .orElseThrow(() -> unknown(command, word));
            final boolean isFence = kind == LostLinkPolicy.Kind.FENCE;
            if (isFence && (arguments.isEmpty() || isNoCommand(arguments.peek(), command))) {
                throw new ParameterException(
                        command.commandLine(),
                        "--on-lost-link fence needs the command that fences the secondary:"
                                + " --on-lost-link fence CMD");
            }
            argument.setValue(new Choice(kind, isFence ? arguments.pop() : ""));
        }

        /** Nothing at all; or the next option, before which the command was forgotten. */
        private static boolean isNoCommand(final String word, final CommandSpec command) {
            return word.isBlank() || command.findOption(word.split("=", 2)[0]) != null;
        }

        private static ParameterException unknown(final CommandSpec command, final String word) {
            return new ParameterException(
                    command.commandLine(),
                    Stream.of(LostLinkPolicy.Kind.values())
                            .map(LostLinkPolicy.Kind::word)
                            .collect(
                                    Collectors.joining(
                                            ", ",
                                            "--on-lost-link must be one of ",
                                            " CMD, not " + word)));
        }
    }

    /** Where nobody says otherwise, nobody goes on. */
    public void suspendUnlessSaid() {
        if (choice == null) {
            choice = new Choice(LostLinkPolicy.Kind.SUSPEND, "");
        }
    }

    /** Which of the three. */
    public LostLinkPolicy.Kind kind() {
        return choice == null ? LostLinkPolicy.Kind.CONTINUE : choice.kind();
    }

    /** What is given to {@code /bin/sh -c}; empty unless the secondary is to be fenced. */
    public String fenceCommand() {
        return choice == null ? "" : choice.command();
    }

    /**
     * How long that may take.
     *
     * @throws ParameterException where that is no time at all, or nobody is to be fenced
     */
    public Duration fenceTimeout(final CommandSpec spec) {
        if (fenceTimeout == null) {
            return FENCE_TIMEOUT;
        }
        if (kind() != LostLinkPolicy.Kind.FENCE) {
            throw new ParameterException(
                    spec.commandLine(), "--fence-timeout goes with --on-lost-link fence CMD");
        }
        if (fenceTimeout.isZero()) {
            throw new ParameterException(spec.commandLine(), "--fence-timeout must be more than 0");
        }
        return fenceTimeout;
    }
}

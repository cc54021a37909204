package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** How commands end where something around them is not as usual: one line, and its exit code. */
final class CommandEndTest {
    private static final String NO_IPV6 = "-Djava.net.preferIPv4Stack=true";

    @AutoClose private final Rig rig = new Rig();

    /** Runs it by a shell, which does something to its surroundings before. */
    private Tool.Output shell(final String script, final String... arguments) {
        final List<String> command = new ArrayList<>(List.of("/bin/sh", "-c", script, "sh"));
        command.addAll(LockstepProcess.command(List.of(arguments)));
        return end(command);
    }

    private Tool.Output end(final List<String> command) {
        try (Program program = Program.start("lockstep", command, rig.directory())) {
            final int exitCode = program.awaitExit();
            return new Tool.Output(command.toString(), exitCode, program.out(), program.err());
        }
    }

    private static void assertEnds(
            final Tool.Output ended, final int exitCode, final String firstLine) {
        assertEquals(exitCode, ended.exitCode(), ended::toString);
        assertTrue(ended.err().startsWith(firstLine), ended::toString);
        assertFalse(ended.err().contains("\tat "), ended::toString);
    }

    // ---- Output

    private void assertOutputIsMissed(final String... arguments) {
        final Tool.Output ended = shell("exec \"$@\" >/dev/full", arguments);
        assertEquals(1, ended.exitCode(), ended::toString);
        assertTrue(ended.err().contains("standard output could not be written"), ended::toString);
        assertEquals(1, ended.err().lines().count(), ended::toString);
    }

    @ParameterizedTest
    @ValueSource(strings = {"--help", "--version", "serve --help"})
    void helpThatCannotBeWrittenIsAFailure(final String arguments) {
        assertOutputIsMissed(arguments.split(" "));
    }

    @Test
    void anAnswerThatCannotBeWrittenIsAFailure() {
        final ReplicatedPair pair = new ReplicatedPair(rig, "o", 1, 1 << 20).start();
        final String control = pair.primaryControlSocket().toString();
        assertOutputIsMissed("status", "--control", control);
        assertOutputIsMissed("status", "--watch", "--control", control);
        assertOutputIsMissed("checkpoint", "--control", control);
    }

    @Test
    void aServerWhoseReadyLineNobodyReadsEndsInGoodOrder() {
        final Path file = rig.hole("disk.img", 4096);
        assertOutputIsMissed("serve", "--disk", "disk=" + file, "--listen", rig.uri(""));
        assertFalse(Files.exists(rig.socket()), "the socket is removed");
    }

    // ---- Names

    @Test
    void namesThatTheLocaleWouldChangeAreRefused() {
        final Path file = rig.hole("ü.img", 4096);
        assertEnds(
                shell(
                        "LC_ALL=C exec \"$@\"",
                        "serve",
                        "--disk",
                        "ünï=" + file,
                        "--listen",
                        rig.uri("")),
                2,
                "lockstep: the JVM takes arguments for ");
    }

    @Test
    void namesThatAreNoUtf8AreRefused() {
        assertEnds(
                shell(
                        "exec \"$@\" --disk \"$(printf 'a=\\374.img')\"",
                        "serve",
                        "--listen",
                        rig.uri("")),
                2,
                "lockstep: an argument is no UTF-8: a=\\xfc.img; ");
    }

    @Test
    void namesThatAreUtf8PassThrough() {
        final Path file = rig.hole("ü.img", 4096);
        final LockstepProcess lockstep =
                rig.serveWith("--disk", "ünï=" + file, "--listen", rig.uri(""));
        assertTrue(lockstep.ready().contains("serving ünï on"), lockstep::ready);
    }

    @Test
    void anArgumentIsNotTakenForAFileOfArguments() {
        final Path file =
                rig.write(rig.hole("arguments", 0), 0, "--help".getBytes(StandardCharsets.UTF_8));
        assertEnds(
                rig.lockstep("serve", "@" + file), 2, "lockstep serve: Missing required options");
    }

    // ---- Addresses

    private Tool.Output withoutIpv6(final String... arguments) {
        final List<String> command = LockstepProcess.command(List.of(arguments));
        command.add(1, NO_IPV6);
        return end(command);
    }

    @Test
    void anAddressOfAFamilyThatTheHostLacksIsRefused() {
        final Path file = rig.hole("disk.img", 4096);
        assertEnds(
                withoutIpv6("serve", "--disk", "disk=" + file, "--listen", "nbd://[::1]:0"),
                1,
                "lockstep serve: cannot listen on [::1]:0: this host has no IPv6;");
    }

    @Test
    void aPeerOfAFamilyThatTheHostLacksIsRefused() {
        final Path file = rig.hole("disk.img", 4096);
        assertEnds(
                withoutIpv6(
                        "primary",
                        "--disk",
                        "disk=" + file,
                        "--guest",
                        rig.uri(""),
                        "--peer",
                        "nbd://[::1]:10809",
                        "--control",
                        rig.path("c").toString()),
                1,
                "lockstep primary: cannot use [::1]:10809: this host has no IPv6;");
    }

    @ParameterizedTest
    @ValueSource(strings = {"tcp:::1:4444", "tcp:[::1]:4444"})
    void aMonitorOfAFamilyThatTheHostLacksIsRefused(final String monitor) {
        final String refusal = ": cannot use [::1]:4444: this host has no IPv6;";
        assertEnds(
                withoutIpv6(
                        "primary",
                        "--disk",
                        "disk=" + rig.hole("disk.img", 4096),
                        "--guest",
                        rig.uri(""),
                        "--peer",
                        "nbd+unix:///?socket=" + rig.path("nobody"),
                        "--peer-qmp",
                        monitor,
                        "--control",
                        rig.path("c").toString()),
                1,
                "lockstep primary" + refusal);
        assertEnds(
                withoutIpv6("engine", "--qmp", rig.path("c").toString(), "--peer-qmp", monitor),
                1,
                "lockstep engine" + refusal);
    }
}

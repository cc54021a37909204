package io.lockstep.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

import picocli.CommandLine;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** What every command has: its help, its version, and how it takes what it doesn't know. */
final class CommandLineTest {
    private static final int WIDTH = 80;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    private int execute(final String... arguments) {
        return Lockstep.commandLine()
                .setOut(new PrintWriter(out, true))
                .setErr(new PrintWriter(err, true))
                .execute(arguments);
    }

    static Stream<String> commands() {
        return Lockstep.commandLine().getSubcommands().keySet().stream();
    }

    /** An example is copied from where it is read: a line that is broken there is another one. */
    @ParameterizedTest
    @MethodSource("commands")
    void examplesStandInTheHelpAsTheyAreTyped(final String name) {
        examplesOf(Lockstep.commandLine().getSubcommands().get(name));
    }

    @Test
    void examplesStandInTheHelpOfAllAsTheyAreTyped() {
        examplesOf(Lockstep.commandLine());
    }

    private static void examplesOf(final CommandLine command) {
        final List<String> help =
                command.setUsageHelpWidth(WIDTH).getUsageMessage().lines().toList();
        boolean goesOn = false;
        for (final String line : command.getCommandSpec().usageMessage().footer()) {
            if (goesOn || line.startsWith("  ")) { // the rest is prose
                assertTrue(help.contains(line), () -> "not as it stands: " + line);
            }
            goesOn = line.endsWith("\\");
        }
    }

    @ParameterizedTest
    @MethodSource("commands")
    void everyCommandTellsTheVersion(final String name) {
        assertEquals(0, execute(name, "--version"));
        assertTrue(out.toString().startsWith("lockstep "), out::toString);
    }

    /** Addresses that were not exchanged: the host would be a pair with itself. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "nbd+unix:///?socket=/run/vda.link nbd+unix:///?socket=/run/../run/vda.link",
                "nbd://north:10809 nbd://North",
                "nbd://:10809 nbd://localhost:10809",
                "nbd://:10809 nbd://127.0.0.1",
                "nbd://:10809 nbd://[::1]",
                "nbd://0.0.0.0:10809 nbd://127.0.0.2:10809",
                "nbd://0.0.0.0:10809 nbd://0.0.0.0:10809",
                "nbd://[::]:10809 nbd://127.0.0.1:10809",
                "nbd://localhost:10809 nbd://[::1]:10809",
                "nbd://127.0.0.1:10809 nbd://0.0.0.0:10809"
            })
    void aNodeIsNoPairWithItself(final String addresses) {
        assertEquals(2, node(addresses));
        assertTrue(err.toString().contains("is where this host listens itself"), err::toString);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "nbd+unix:///?socket=/run/vda.link nbd+unix:///?socket=/run/vda.other",
                "nbd://:10809 nbd://south:10809",
                "nbd://:10809 nbd://localhost:10810",
                "nbd://0.0.0.0:10809 nbd://[::1]:10809",
                "nbd://127.0.0.1:10809 nbd://127.0.0.2:10809",
                "nbd://:10809 nbd://192.0.2.7:10809"
            })
    void aNodeIsAPairWithAnother(final String addresses) {
        assertEquals(1, node(addresses)); // there is no such disk
        assertFalse(err.toString().contains("itself"), err::toString);
    }

    private int node(final String addresses) {
        final String[] both = addresses.split(" ");
        return execute(
                "node",
                "--disk",
                "vda=/nowhere/vda.img",
                "--listen",
                both[0],
                "--peer",
                both[1],
                "--guest",
                "nbd+unix:///?socket=/nowhere/guest",
                "--control",
                "/nowhere/control");
    }

    private int acknowledging(final String command, final String level) {
        final String common =
                " --disk vda=/nowhere/vda.img --peer nbd+unix:///?socket=/nowhere/peer"
                        + " --guest nbd+unix:///?socket=/nowhere/guest --control /nowhere/control";
        final String more =
                switch (command) {
                    case "node" -> common + " --listen nbd+unix:///?socket=/nowhere/link";
                    case "primary" -> common;
                    default -> " --qmp unix:/nowhere/control,server=on,wait=off";
                };
        final List<String> arguments = new ArrayList<>(List.of((command + more).split(" ")));
        arguments.addAll(List.of("--ack", level));
        return execute(arguments.toArray(String[]::new));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "primary|local,durable",
                "primary|durable",
                "primary|flush,",
                "primary|flush, durable",
                "primary|flush,durable,durable",
                "primary|''",
                "node|remote",
                "engine|write;durable"
            })
    void aLevelThatIsNoneIsWrongUsage(final String command, final String level) {
        assertEquals(2, acknowledging(command, level));
        assertTrue(
                err.toString()
                        .startsWith(
                                "lockstep "
                                        + command
                                        + ": --ack must be local, flush, write, flush,durable or"
                                        + " write,durable, not "
                                        + level),
                err::toString);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "primary|local",
                "primary|flush",
                "primary|Write",
                "node|flush,durable",
                "engine|WRITE,DURABLE"
            })
    void aLevelIsTaken(final String command, final String level) {
        assertEquals(1, acknowledging(command, level)); // there is no such disk
        assertFalse(err.toString().contains("--ack"), err::toString);
        assertTrue(err.toString().contains("/nowhere/"), err::toString);
    }

    @ParameterizedTest
    @ValueSource(strings = {"primary", "node", "engine"})
    void theLevelsAreExplainedWhereAPrimaryMayBe(final String name) {
        assertEquals(0, execute(name, "--help"));
        final String help = out.toString().replaceAll("\\s+", " ");
        for (final String part :
                List.of(
                        "--ack=LEVEL",
                        " local: ",
                        " flush: ",
                        " write: ",
                        "',durable'",
                        "(default: local)")) {
            assertTrue(help.contains(part), () -> part + " is not in " + help);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "secondary --guest nbd+unix:///?socket=/nowhere/guest --control /nowhere/control",
                "serve"
            })
    void othersHaveNoLevel(final String command) {
        final String all =
                command
                        + " --disk vda=/nowhere/vda.img --listen nbd+unix:///?socket=/nowhere/link"
                        + " --ack flush";
        assertEquals(2, execute(all.split(" ")));
        assertTrue(err.toString().contains("Unknown options: '--ack'"), err::toString);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "--epoch 0|--epoch must be 1 or more, not 0",
                "--epoch -1|--epoch must be 1 or more, not -1",
                "--epoch x|'x' is not a long",
                "--timeout 5|'5' is no time"
            })
    void whatIsNoEpochIsWrongUsage(final String more, final String sentence) {
        assertEquals(2, execute(("wait --control /nowhere/control " + more).split(" ")));
        assertTrue(err.toString().contains(sentence), err::toString);
    }

    @Test
    void whereThereIsNoEngineNobodyWaits() {
        assertEquals(1, execute("wait", "--control", "/nowhere/control"));
        assertEquals(
                "lockstep wait: there is no /nowhere/control.epochs: no engine has its control"
                        + " socket at /nowhere/control",
                err.toString().strip());
    }

    /** Nothing can listen twice at one address: not what it is for decides, but what it is. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "secondary --listen nbd+unix:///?socket=/run/a --guest nbd+unix:///?socket=/run/a",
                "secondary --listen nbd://:10809 --guest nbd://localhost",
                "secondary --listen nbd://127.0.0.1 --guest nbd://:10809",
                "secondary --listen nbd://a --listen nbd://A:10809 --guest nbd://:1",
                "primary --peer nbd://b --guest nbd://:1 --guest nbd://[::]:1",
                "serve --listen nbd://:10809 --listen nbd://127.0.0.1:10809",
                "serve --listen nbd://localhost --listen nbd://127.0.0.1"
            })
    void anAddressStandsOnceInACommand(final String arguments) {
        assertEquals(2, execute(listening(arguments)));
        assertTrue(err.toString().contains("are one address"), err::toString);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "secondary --listen nbd://:0 --guest nbd://:0",
                "secondary --listen nbd://127.0.0.1 --guest nbd://127.0.0.2",
                "secondary --listen nbd://:1 --guest nbd://:2",
                "secondary --listen nbd://localhost:1 --guest nbd://[::1]:1",
                "primary --peer nbd://127.0.0.1:1 --guest nbd://:1",
                "serve --listen nbd+unix:///?socket=/run/a --listen nbd+unix:///?socket=/run/b"
            })
    void otherAddressesStandSideBySide(final String arguments) {
        assertEquals(1, execute(listening(arguments))); // there is no such disk
        assertFalse(err.toString().contains("address"), err::toString);
    }

    private static String[] listening(final String arguments) {
        final boolean isOfPair = !arguments.startsWith("serve");
        return (arguments
                        + " --disk vda=/nowhere/vda.img"
                        + (isOfPair ? " --control /nowhere/control" : ""))
                .split(" ");
    }

    /** What tells, and what is done, are never one command. */
    @ParameterizedTest
    @ValueSource(strings = {"--force", "--no-wait"})
    void whatExplainsDoesNothing(final String option) {
        assertEquals(2, execute("failover", "--control", "/nowhere/c", "--explain", option));
        assertTrue(err.toString().contains("--explain does nothing"), err::toString);
        assertTrue(err.toString().contains(option + " is for what is done"), err::toString);
    }

    /** Letters behind one dash are one option, which there is or isn't; never several. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "engine -hda disk.img",
                "serve -hda x --disk a=b --listen nbd://:0",
                "status -hxyz --control s",
                "failover -Verbose --control s",
                "failover -Vx --control s",
                "checkpoint -Vfoo --control x"
            })
    void optionsThatAreNoneAreRefused(final String arguments) {
        final String[] words = arguments.split(" ");
        assertEquals(2, execute(words));
        assertEquals("", out.toString());
        assertTrue(err.toString().contains(words[1]), err::toString);
    }
}

package io.lockstep.cli.argument;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.cli.graph.DottedKeys;
import io.lockstep.cli.graph.GraphException;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;

/**
 * The arguments with which QEMU's users say what machine there is to be, or that there is to be
 * none. There is no guest here: they are taken and mean nothing, as long as they ask for nothing
 * that somebody would miss; only the machine's name is kept, for managers who ask for it. Source:
 * {@code qemu-system(1)}.
 */
public final class MachineOptions {
    /** For a help text. */
    public static final String NAMES =
            "-S, -nodefaults, -no-user-config, -nographic, -no-reboot, -no-shutdown, -enable-kvm,"
                    + " -m X, -smp X, -cpu X, -accel X, and of -machine, -M, -display,"
                    + " -monitor, -serial, -parallel, -vga the value none";

    private static final String NOTHING = "none";
    private static final String NAME = "-name";

    /** What {@code -name} may say: the machine's name, and what is of QEMU's own process. */
    private static final Set<String> NAME_KEYS = Set.of("guest", "process", "debug-threads");

    @Option(names = "-S", hidden = true)
    private boolean isStopped;

    @Option(names = "-nodefaults", hidden = true)
    private boolean isWithoutDefaults;

    @Option(names = "-no-user-config", hidden = true)
    private boolean isWithoutConfiguration;

    @Option(names = "-nographic", hidden = true)
    private boolean isWithoutGraphics;

    @Option(names = "-no-reboot", hidden = true)
    private boolean endsInsteadOfRebooting;

    @Option(names = "-no-shutdown", hidden = true)
    private boolean staysInsteadOfEnding;

    @Option(names = "-enable-kvm", hidden = true)
    private boolean isAccelerated;

    @Option(names = NAME, hidden = true)
    private List<String> names = List.of();

    @Option(names = "-m", hidden = true)
    private String memory;

    @Option(names = "-smp", hidden = true)
    private String processors;

    @Option(names = "-cpu", hidden = true)
    private String processor;

    @Option(names = "-accel", hidden = true)
    private String accelerator;

    @Option(
            names = {"-machine", "-M"},
            hidden = true)
    private String machine = NOTHING;

    @Option(names = "-display", hidden = true)
    private String display = NOTHING;

    @Option(names = "-monitor", hidden = true)
    private String monitor = NOTHING;

    @Option(names = "-serial", hidden = true)
    private List<String> serial = List.of();

    @Option(names = "-parallel", hidden = true)
    private List<String> parallel = List.of();

    @Option(names = "-vga", hidden = true)
    private String vga = NOTHING;

    /**
     * What the machine is called: what {@code -name} says last.
     *
     * @throws ParameterException where it says what QEMU's doesn't
     */
    public Optional<String> name(final CommandSpec spec) {
        Optional<String> name = Optional.empty();
        for (final String text : names) {
            final JsonObject options;
            try {
                options = DottedKeys.parse(text, "guest");
            } catch (final GraphException e) {
                throw usage(spec, text, e.getMessage());
            }
            for (final Map.Entry<String, JsonElement> option : options.entrySet()) {
                if (!NAME_KEYS.contains(option.getKey()) || !option.getValue().isJsonPrimitive()) {
                    throw usage(spec, text, "Invalid parameter '" + option.getKey() + "'");
                }
            }
            if (options.has("guest")) {
                name = Optional.of(options.get("guest").getAsString());
            }
        }
        return name;
    }

    private static ParameterException usage(
            final CommandSpec spec, final String text, final String message) {
        return new ParameterException(
                spec.commandLine(),
                NAME + " " + text + ": " + message + "; write " + NAME + " NAME");
    }

    /**
     * What there is to tell of those that were given.
     *
     * @return a sentence; empty where none was given
     * @throws ParameterException where one asks for what there is not
     */
    public String note(final CommandSpec spec) {
        Stream.of(List.of(machine, display, monitor, vga), serial, parallel)
                .flatMap(List::stream)
                .filter(device -> !device.equals(NOTHING))
                .findFirst()
                .ifPresent(
                        device -> {
                            throw new ParameterException(
                                    spec.commandLine(),
                                    "'"
                                            + device
                                            + "' can't be had: there is no guest here, and its"
                                            + " machine, display, monitor and ports can only be"
                                            + " 'none'");
                        });
        final Set<String> ours =
                Set.copyOf(
                        CommandSpec.forAnnotatedObject(this).options().stream()
                                .map(OptionSpec::longestName)
                                .toList());
        final List<String> given =
                spec.commandLine().getParseResult().matchedOptions().stream()
                        .map(OptionSpec::longestName)
                        .filter(ours::contains)
                        .filter(option -> !option.equals(NAME))
                        .toList();
        return given.isEmpty()
                ? ""
                : "there is no guest here: "
                        + String.join(", ", given)
                        + (given.size() == 1 ? " means nothing" : " mean nothing");
    }
}

package io.lockstep.cli.argument;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

import java.nio.file.Path;

/** Where the control socket is, as a path or in QEMU's form for a server's socket. Stateless. */
public final class QmpArgument {
    private static final String UNIX = "unix:";

    private QmpArgument() {}

    /**
     * Reads it.
     *
     * @throws ParameterException where it is no Unix socket that a server listens on
     */
    public static Path parse(final CommandSpec spec, final String text) {
        if (!text.startsWith(UNIX)) {
            return PathConverter.parse(spec, "--qmp", text);
        }
        final String[] parts = text.substring(UNIX.length()).split(",", -1);
        boolean isServer = false;
        for (int i = 1; i < parts.length; i++) {
            switch (parts[i]) {
                case "server", "server=on" -> isServer = true;
                case "nowait", "wait=off" -> {}
                default ->
                        throw new ParameterException(
                                spec.commandLine(),
                                "--qmp: '"
                                        + parts[i]
                                        + "' is not supported; write unix:PATH,server=on,wait=off");
            }
        }
        if (!isServer || parts[0].isEmpty()) {
            throw new ParameterException(
                    spec.commandLine(),
                    "--qmp takes PATH or unix:PATH,server=on,wait=off, not " + text);
        }
        return PathConverter.parse(spec, "--qmp", parts[0]);
    }
}

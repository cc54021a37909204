package io.lockstep.cli.run;

import picocli.CommandLine;
import picocli.CommandLine.ParameterException;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Names are bytes to Linux, and text to Java: where the locale makes something else of an
 * argument's bytes than they are in UTF-8, a disk would get another name, or another file would be
 * opened. Stateless. Source: {@code proc_pid_cmdline(5)}.
 */
final class ArgumentBytes {
    private static final Path COMMAND_LINE = Path.of("/proc/self/cmdline");

    private ArgumentBytes() {}

    /**
     * Compares the arguments with the bytes that this process was given.
     *
     * @throws ParameterException where one came in as something else
     */
    static void require(final CommandLine line, final String[] arguments) {
        final List<ByteBuffer> given = given();
        final int first = given.size() - arguments.length;
        if (first < 0) {
            return; // not started with these: a test
        }
        for (int i = 0; i < arguments.length; i++) {
            if (!text(line, given.get(first + i)).equals(arguments[i])) {
                throw new ParameterException(
                        line,
                        "the JVM takes arguments for "
                                + System.getProperty("sun.jnu.encoding")
                                + ", and would change the names in them; set LC_ALL=C.UTF-8, or use"
                                + " the launcher, which does");
            }
        }
    }

    /** The arguments of this process, the JVM's own first; empty where the system doesn't tell. */
    private static List<ByteBuffer> given() {
        final byte[] all;
        try {
            all = Files.readAllBytes(COMMAND_LINE);
        } catch (final IOException e) {
            return List.of();
        }
        final List<ByteBuffer> arguments = new ArrayList<>();
        int start = 0;
        for (int i = 0; i < all.length; i++) {
            if (all[i] == 0) {
                arguments.add(ByteBuffer.wrap(all, start, i - start));
                start = i + 1;
            }
        }
        return arguments;
    }

    private static String text(final CommandLine line, final ByteBuffer bytes) {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(bytes.duplicate()).toString();
        } catch (final CharacterCodingException e) {
            throw new ParameterException(
                    line,
                    "an argument is no UTF-8: "
                            + shown(bytes)
                            + "; other names are not supported: rename it, or give it a link that"
                            + " is UTF-8",
                    e);
        }
    }

    /** In ASCII, with the other bytes as {@code \xNN}. */
    private static String shown(final ByteBuffer bytes) {
        final StringBuilder shown = new StringBuilder();
        while (bytes.hasRemaining()) {
            final int value = bytes.get() & 0xff;
            shown.append(
                    value >= ' ' && value <= '~'
                            ? String.valueOf((char) value)
                            : String.format("\\x%02x", value));
        }
        return shown.toString();
    }
}

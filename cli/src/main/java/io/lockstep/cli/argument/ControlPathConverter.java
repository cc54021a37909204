package io.lockstep.cli.argument;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

import java.nio.file.Path;
import java.util.regex.Pattern;

/**
 * The path of a control socket. What {@code --qmp} takes beside it is refused here, and not taken
 * for the name of a file. Stateless.
 */
public final class ControlPathConverter implements ITypeConverter<Path> {
    private static final Pattern NO_PATH = Pattern.compile("(unix|tcp|fd|vsock):.*|stdio");

    @Override
    public Path convert(final String text) {
        if (NO_PATH.matcher(text).matches()) {
            throw new TypeConversionException(
                    "'" + text + "' is no path; the control socket is a Unix socket, named alone");
        }
        return new PathConverter().convert(text);
    }
}

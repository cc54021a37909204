package io.lockstep.cli.argument;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.TypeConversionException;

import java.nio.file.InvalidPathException;
import java.nio.file.Path;

/** Reads a path, of whatever is or is to be there. Stateless. */
public final class PathConverter implements ITypeConverter<Path> {
    @Override
    public Path convert(final String text) {
        if (text.isEmpty()) {
            throw new TypeConversionException("a path can't be empty");
        }
        try {
            return Path.of(text);
        } catch (final InvalidPathException e) {
            throw new TypeConversionException("'" + text + "' is no path here: " + e.getReason());
        }
    }

    /**
     * Reads a path that is a part of an argument.
     *
     * @throws ParameterException where it is none, in terms of the option
     */
    static Path parse(final CommandSpec spec, final String option, final String text) {
        try {
            return new PathConverter().convert(text);
        } catch (final TypeConversionException e) {
            throw new ParameterException(spec.commandLine(), option + ": " + e.getMessage());
        }
    }
}

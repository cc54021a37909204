package io.lockstep.bench.report;

import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

import java.nio.file.Files;
import java.nio.file.Path;

/** Takes a directory that is there, for picocli. */
public final class DirectoryConverter implements ITypeConverter<Path> {
    /** For picocli. */
    public DirectoryConverter() {}

    @Override
    public Path convert(final String text) {
        final Path directory = Path.of(text);
        if (!Files.isDirectory(directory)) {
            throw new TypeConversionException("there is no directory " + text);
        }
        return directory;
    }
}

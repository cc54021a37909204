package io.lockstep.cli.argument;

import io.lockstep.engine.disk.DiskAccess;
import io.lockstep.engine.disk.DiskException;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.nbd.Nbd;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The disks as the command line names them: {@code NAME=FILE}, one or more. Immutable. */
public final class DiskArguments {
    /** What a name can't have: statuses, messages and lists have each name in a line. */
    private static final Pattern LINE_BREAKING = Pattern.compile("[\\p{Cc}\\p{Zl}\\p{Zp}]");

    private final Map<String, Path> files;

    private DiskArguments(final Map<String, Path> files) {
        this.files = files;
    }

    /**
     * Reads them.
     *
     * @throws ParameterException where one is none, a name can't be shown in a line, or two have
     *     one name
     */
    public static DiskArguments parse(final CommandSpec spec, final List<String> texts) {
        final Map<String, Path> files = new LinkedHashMap<>();
        for (final String text : texts) {
            final int equals = text.indexOf('=');
            if (equals < 1 || equals == text.length() - 1) {
                throw usage(
                        spec,
                        "--disk takes NAME=FILE, for example vda=/var/lib/images/vda.img; not "
                                + text);
            }
            final String name = text.substring(0, equals);
            if (name.getBytes(StandardCharsets.UTF_8).length > Nbd.STRING_LENGTH_MAX) {
                throw usage(
                        spec,
                        "--disk: the export name is longer than "
                                + Nbd.STRING_LENGTH_MAX
                                + " bytes");
            }
            requireOneLine(spec, name);
            final Path file = PathConverter.parse(spec, "--disk", text.substring(equals + 1));
            if (files.put(name, file) != null) {
                throw usage(
                        spec,
                        "--disk: export name " + name + " is given twice; give each disk its own");
            }
        }
        return new DiskArguments(files);
    }

    private static void requireOneLine(final CommandSpec spec, final String name) {
        final Matcher breaking = LINE_BREAKING.matcher(name);
        if (breaking.find()) {
            throw usage(
                    spec,
                    "--disk: the export name '"
                            + breaking.replaceAll("?")
                            + "' has control characters in it (each shown as '?'); it must fit"
                            + " into a line");
        }
    }

    /**
     * Sees to it that each is a file of its own, as far as they are there.
     *
     * @throws ParameterException where two are one
     */
    public void requireFilesOfTheirOwn(final CommandSpec spec) {
        final Map<Object, String> names = new HashMap<>();
        files.forEach(
                (name, file) -> {
                    final String other = names.putIfAbsent(identity(file), name);
                    if (other != null) {
                        throw usage(
                                spec,
                                "--disk: "
                                        + other
                                        + " and "
                                        + name
                                        + " are the same file; give each disk its own");
                    }
                });
    }

    /** What a file has by whatever name it goes. */
    private static Object identity(final Path file) {
        try {
            return Files.readAttributes(file, BasicFileAttributes.class).fileKey();
        } catch (final IOException e) {
            return file; // it is not there: that is told when it is opened
        }
    }

    private static ParameterException usage(final CommandSpec spec, final String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    /**
     * Opens all of them.
     *
     * @throws DiskException where one can't be had; none is left open then
     */
    public List<DiskFile> open(final DiskAccess access) throws DiskException {
        final List<DiskFile> opened = new ArrayList<>();
        boolean complete = false;
        try {
            for (final Map.Entry<String, Path> disk : files.entrySet()) {
                opened.add(DiskFile.open(disk.getKey(), disk.getValue(), access));
            }
            complete = true;
            return opened;
        } finally {
            if (!complete) {
                opened.forEach(DiskFile::close);
            }
        }
    }

    /** The names, in order. */
    public List<String> nameList() {
        return List.copyOf(files.keySet());
    }

    /** The names, for a sentence. */
    public String names() {
        return String.join(", ", files.keySet());
    }

    /** The files by their disks' names, in order. */
    public Map<String, Path> files() {
        return Collections.unmodifiableMap(files);
    }
}

package io.lockstep.cli.argument;

import io.lockstep.engine.disk.DiskException;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.nbd.Nbd;

import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The disks as the command line names them: {@code NAME=FILE}, one or more. Immutable. */
public final class DiskArguments {
    private final Map<String, Path> files;

    private DiskArguments(final Map<String, Path> files) {
        this.files = files;
    }

    /**
     * Reads them.
     *
     * @throws ParameterException where one is none, or two have one name
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
            if (files.put(name, Path.of(text.substring(equals + 1))) != null) {
                throw usage(
                        spec,
                        "--disk: export name " + name + " is given twice; give each disk its own");
            }
        }
        return new DiskArguments(files);
    }

    private static ParameterException usage(final CommandSpec spec, final String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    /**
     * Opens all of them.
     *
     * @throws DiskException where one can't be had; none is left open then
     */
    public List<DiskFile> open(final boolean readOnly) throws DiskException {
        final List<DiskFile> opened = new ArrayList<>();
        boolean complete = false;
        try {
            for (final Map.Entry<String, Path> disk : files.entrySet()) {
                opened.add(DiskFile.open(disk.getKey(), disk.getValue(), readOnly));
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

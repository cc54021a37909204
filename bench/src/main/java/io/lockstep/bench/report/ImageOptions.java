package io.lockstep.bench.report;

import picocli.CommandLine.Option;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** What disks are measured on, and whether what writes to them flushes. A mixin of picocli's. */
public class ImageOptions {
    /** What is in the disks. */
    public enum Images {
        /** Nothing yet. */
        SPARSE,
        /** Data everywhere. */
        DENSE
    }

    @Option(
            names = "--images",
            paramLabel = "sparse|dense",
            description =
                    "Whether the disks are holes or full of data (default: dense; of bench"
                            + " replication --state fresh: one after the other).")
    private Images images;

    @Option(
            names = "--on",
            paramLabel = "DIR",
            converter = DirectoryConverter.class,
            description =
                    "Where the disks lie, and QEMU's overlays: a directory of the file system that"
                            + " is to be measured. What was just made is in the page cache"
                            + " (default: in memory).")
    private Path directory;

    @Option(
            names = "--flush-every",
            paramLabel = "N",
            defaultValue = "0",
            description = "A flush behind so many writes; 0: none (default: ${DEFAULT-VALUE}).")
    private int flushEvery;

    /** For picocli. */
    public ImageOptions() {}

    /** As asked for, dense where nobody asked. */
    public final DiskImages disks() {
        return new DiskImages(images == Images.SPARSE, directory);
    }

    /**
     * What users meet: sparse and dense in memory, and dense on a file system where one was named;
     * but only {@link #disks} where it was said what is in them.
     */
    public final List<DiskImages> everyDisks() {
        if (images != null) {
            return List.of(disks());
        }
        final List<DiskImages> all =
                new ArrayList<>(List.of(new DiskImages(true, null), new DiskImages(false, null)));
        if (directory != null) {
            all.add(new DiskImages(false, directory));
        }
        return all;
    }

    /** How many writes a flush follows; 0 for none. */
    public final int flushEvery() {
        return flushEvery;
    }

    /** As they stand on a command line, but for what is so without; with a blank before each. */
    public String arguments() {
        return (images == null ? "" : " --images " + images.name().toLowerCase(Locale.ROOT))
                + (directory == null ? "" : " --on " + directory)
                + (flushEvery == 0 ? "" : " --flush-every " + flushEvery);
    }

    /**
     * In a few words, for headings.
     *
     * @param what is measured on them, such as "a pair"
     */
    public String sentence(final String what, final DiskImages disks) throws IOException {
        return what
                + ", "
                + disks.sentence()
                + (flushEvery == 0
                        ? ""
                        : flushEvery == 1
                                ? ", a flush behind each write"
                                : ", a flush behind each " + flushEvery + " writes");
    }
}

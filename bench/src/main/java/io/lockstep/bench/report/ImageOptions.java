package io.lockstep.bench.report;

import picocli.CommandLine.Option;

import java.nio.file.Path;

/** In what state a pair and its disks are while it is measured. A mixin of picocli's. */
public final class ImageOptions {
    /** What has been done with a pair before. */
    public enum State {
        /** Nothing: it has just been set up, as a user meets it. */
        FRESH,
        /** It has done the same for seconds. */
        WARM
    }

    /** What is in the disks. */
    public enum Images {
        /** Nothing yet. */
        SPARSE,
        /** Data everywhere. */
        DENSE
    }

    @Option(
            names = "--state",
            paramLabel = "fresh|warm",
            defaultValue = "warm",
            description =
                    "Whether the pair has just been set up, and is another one for each"
                            + " measurement, or has been warmed up (default: ${DEFAULT-VALUE}).")
    private State state;

    @Option(
            names = "--images",
            paramLabel = "sparse|dense",
            defaultValue = "dense",
            description =
                    "Whether the disks are holes or full of data (default: ${DEFAULT-VALUE}).")
    private Images images;

    @Option(
            names = "--on",
            paramLabel = "DIR",
            description =
                    "Where the disks lie, and QEMU's overlays: a directory of the file system that"
                            + " is to be measured, with what the page cache holds after they were"
                            + " made (default: in memory).")
    private Path directory;

    @Option(
            names = "--flush-every",
            paramLabel = "N",
            defaultValue = "0",
            description = "A flush behind so many writes; 0: none (default: ${DEFAULT-VALUE}).")
    private int flushEvery;

    /** For picocli. */
    public ImageOptions() {}

    /** What has been done with the pair. */
    public State state() {
        return state;
    }

    /** Whether the disks are holes. */
    public boolean isSparse() {
        return images == Images.SPARSE;
    }

    /** Where the disks lie; null for memory. */
    public Path directory() {
        return directory;
    }

    /** How many writes a flush follows; 0 for none. */
    public int flushEvery() {
        return flushEvery;
    }

    /** In a few words, for headings. */
    public String sentence() {
        return (state == State.FRESH ? "a fresh pair" : "a warm pair")
                + ", "
                + (isSparse() ? "sparse" : "dense")
                + " disks "
                + (directory == null ? "in memory" : "on a file system")
                + (flushEvery == 0 ? "" : ", a flush behind each " + flushEvery + " writes");
    }
}

package io.lockstep.bench.report;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * What the disks that are measured are, and where they lie. They are made for it, and written back
 * before it begins.
 *
 * @param isSparse whether they are all hole, and not all data
 * @param directory of the file system that they lie on; null for memory
 */
public record DiskImages(boolean isSparse, Path directory) {
    /** In a few words, for headings. */
    public String sentence() throws IOException {
        final String what = isSparse ? "sparse disks " : "dense disks ";
        return what
                + (directory == null ? "in memory" : "on " + Files.getFileStore(directory).type());
    }

    /**
     * What the kernel has of them in memory when they are measured for the first time, as a
     * sentence.
     */
    public String pageCache() {
        if (directory == null) {
            return "The disks are files of a tmpfs: page cache, and nothing else.";
        }
        return isSparse
                ? "The disks are holes, just made: nothing of them is in the page cache, or on the"
                        + " device."
                : "The disks were just written: they are on the device, and whole in the page"
                        + " cache.";
    }
}

package io.lockstep.engine.disk;

import io.lockstep.engine.memory.FileStatus;
import io.lockstep.engine.node.DiskIdentity;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * What tells a disk's file or device from another one of its name, in words, and stays when the
 * host is started again: no device number does. Stateless.
 */
final class Backing {
    /**
     * Where a device's own name is, the surest first: a volume's, that of SCSI and NVMe disks, what
     * the hypervisor gives. Source: {@code sysfs-block}, {@code sysfs-block-dm}.
     */
    private static final List<String> NAMES =
            List.of("dm/uuid", "wwid", "device/wwid", "serial", "device/serial");

    private Backing() {}

    /** Of a file: its inode, and when it was made where that is kept; empty where nothing is. */
    static String ofFile(final int fd) {
        return FileStatus.fileIdentity(fd)
                .map(
                        file ->
                                "inode "
                                        + file.inode()
                                        + file.born().map(born -> ", born " + born).orElse(""))
                .orElse("");
    }

    /**
     * Of a device: the name that it has of its own; empty where it has none.
     *
     * @param device its directory in sysfs
     */
    static String ofDevice(final Path device) {
        final Optional<String> partition = read(device.resolve("partition"));
        if (partition.isEmpty()) {
            return name(device).orElse("");
        }
        return name(parent(device))
                .map(of -> "partition " + partition.get() + " of " + of)
                .orElse("");
    }

    private static Path parent(final Path device) {
        try {
            return device.toRealPath().getParent();
        } catch (final IOException e) {
            return device; // it has just gone: it has no name
        }
    }

    private static Optional<String> name(final Path device) {
        return NAMES.stream()
                .flatMap(
                        attribute ->
                                read(device.resolve(attribute))
                                        .map(
                                                value ->
                                                        attribute.replace("device/", "")
                                                                + " "
                                                                + value)
                                        .stream())
                .findFirst();
    }

    /** What an attribute says, printable and short; empty where there is none. */
    private static Optional<String> read(final Path attribute) {
        try {
            final String text = Files.readString(attribute).replaceAll("[^!-~]+", " ").strip();
            final int lengthMax = DiskIdentity.BACKING_LENGTH_MAX / 2;
            return text.isEmpty()
                    ? Optional.empty()
                    : Optional.of(text.substring(0, Math.min(text.length(), lengthMax)));
        } catch (final IOException e) {
            return Optional.empty();
        }
    }
}

package io.lockstep.engine.memory;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.List;

/**
 * How much memory this process's control group may have: files on tmpfs that it makes count as its
 * own, whatever room there is. Stateless. Source: {@code cgroups(7)}; the kernel's {@code
 * admin-guide/cgroup-v2}, "Memory Interface Files".
 */
public final class MemoryLimit {
    private static final String OF_VERSION_2 = "0::/";
    private static final List<String> LIMITS = List.of("memory.max", "memory.high");

    private MemoryLimit() {}

    /**
     * The lowest limit of the group and of those that it is in, in bytes; {@link Long#MAX_VALUE}
     * for none, and where none can be told.
     */
    public static long bytes() {
        return bytes(Path.of("/proc/self/cgroup"), Path.of("/sys/fs/cgroup"));
    }

    /**
     * The same.
     *
     * @param own says which group it is
     * @param root where the groups lie, which has no limit but in a container
     */
    static long bytes(final Path own, final Path root) {
        try {
            for (final String line : Files.readAllLines(own)) {
                if (line.startsWith(OF_VERSION_2)) {
                    return lowest(root.resolve(line.substring(OF_VERSION_2.length())), root);
                }
            }
        } catch (final IOException | InvalidPathException e) {
            // No groups here, or one whose name this locale has no characters for.
        }
        return Long.MAX_VALUE;
    }

    private static long lowest(final Path group, final Path root) {
        long lowest = Long.MAX_VALUE;
        // A container may be told of a group that lies outside of what it sees: that is its root.
        Path each = group.normalize().startsWith(root) ? group.normalize() : root;
        while (each != null && each.startsWith(root)) {
            for (final String limit : LIMITS) {
                lowest = Math.min(lowest, read(each.resolve(limit)));
            }
            each = each.getParent();
        }
        return lowest;
    }

    private static long read(final Path limit) {
        try {
            return Long.parseLong(Files.readString(limit).strip());
        } catch (final IOException | NumberFormatException e) {
            return Long.MAX_VALUE; // "max", or a group in which memory is not counted
        }
    }
}

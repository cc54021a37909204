package io.lockstep.engine.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

final class MemoryLimitTest {
    @TempDir private Path folder;

    private Path own(final String lines) throws IOException {
        return Files.writeString(folder.resolve("own"), lines);
    }

    private Path group(final String path, final String limit, final String value)
            throws IOException {
        final Path group = Files.createDirectories(folder.resolve("groups").resolve(path));
        Files.writeString(group.resolve(limit), value + "\n");
        return folder.resolve("groups");
    }

    @Test
    void theLowestLimitOnTheWayToTheRootHolds() throws IOException {
        group("a/b/c", "memory.max", "max");
        group("a/b", "memory.max", "3000000");
        group("a/b", "memory.high", "2000000");
        group("a/other", "memory.max", "1000");
        final Path groups = group("a", "memory.max", "9000000");
        assertEquals(2_000_000, MemoryLimit.bytes(own("1:cpu:/x\n0::/a/b/c\n"), groups));
        assertEquals(9_000_000, MemoryLimit.bytes(own("0::/a\n"), groups));
    }

    @Test
    void aContainersGroupIsTheRootOfWhatItSees() throws IOException {
        final Path groups = group("", "memory.max", "512000000");
        assertEquals(512_000_000, MemoryLimit.bytes(own("0::/\n"), groups));
        assertEquals(512_000_000, MemoryLimit.bytes(own("0::/../outside\n"), groups));
    }

    @Test
    void thereIsNoneWhereNoneCanBeTold() throws IOException {
        final Path groups = folder.resolve("groups");
        assertEquals(Long.MAX_VALUE, MemoryLimit.bytes(own("0::/gone\n"), groups));
        assertEquals(Long.MAX_VALUE, MemoryLimit.bytes(own("4:memory:/old\n"), groups));
        assertEquals(Long.MAX_VALUE, MemoryLimit.bytes(folder.resolve("none"), groups));
        assertTrue(MemoryLimit.bytes() > 0);
    }
}

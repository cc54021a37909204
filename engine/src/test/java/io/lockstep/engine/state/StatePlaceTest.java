package io.lockstep.engine.state;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lockstep.engine.disk.DiskFile;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/** Where a state lies by itself, and that it does not lie in memory unnoticed. */
final class StatePlaceTest {
    @TempDir private Path directory;

    private static DiskFile disk(final Path path) throws IOException {
        Files.write(path, new byte[4096]);
        return DiskFile.open("vda", path, false);
    }

    @Test
    void besideTheFileWhateverLinkLeadsThere() throws IOException {
        final Path image = directory.toRealPath().resolve("vda.img");
        try (DiskFile disk = disk(image)) {
            assertEquals(directory.toRealPath().resolve("vda.img.lockstep"), StatePlace.of(disk));
        }
        Files.createDirectory(directory.resolve("vm"));
        final Path link = Files.createSymbolicLink(directory.resolve("vm/root"), image);
        try (DiskFile disk = disk(link)) {
            assertEquals(directory.toRealPath().resolve("vda.img.lockstep"), StatePlace.of(disk));
        }
    }

    @Test
    void notBesideAFileThatHasNoName() throws IOException {
        final Path image = directory.resolve("vda.img");
        try (DiskFile disk = disk(image)) {
            Files.delete(image);
            final String message =
                    assertThrows(IOException.class, () -> StatePlace.of(disk)).getMessage();
            assertTrue(message.startsWith("disk vda: its file has no name"), message);
        }
    }

    @Test
    void ofADeviceUnderTheSystemsDirectory() throws IOException {
        assertEquals(Path.of("/var/lib/lockstep/vda"), StatePlace.ofDevice("vda", true));
        assertAsks("vda", false, "only root");
        assertAsks("vm1/vda", true, "no directory can be named so");
        assertAsks("..", true, "no directory can be named so");
    }

    private static void assertAsks(final String name, final boolean isRoot, final String reason) {
        final String message =
                assertThrows(IOException.class, () -> StatePlace.ofDevice(name, isRoot))
                        .getMessage();
        assertTrue(message.startsWith("disk " + name), message);
        assertTrue(message.contains(reason), message);
        assertTrue(message.contains("--state DIR"), message);
    }

    private static boolean isInMemory(final Path path) throws IOException {
        return Files.getFileStore(path).type().equals("tmpfs");
    }

    @Test
    void notInMemoryUnlessTheDisksLieThereOrTheUserSaysSo() throws IOException {
        final Path memory = Path.of("/dev/shm");
        assumeTrue(
                Files.isDirectory(memory) && isInMemory(memory) && !isInMemory(directory),
                "takes a directory in memory and one that is not");
        final Path inMemory = Files.createTempDirectory(memory, "lockstep-state");
        try (DiskFile lasting = disk(directory.resolve("vda.img"));
                DiskFile vanishing = disk(inMemory.resolve("vdb.img"))) {
            final Path state = inMemory.resolve("a/b");
            StatePlace.requireLasting(state, List.of(vanishing), false);
            StatePlace.requireLasting(state, List.of(lasting), true);
            StatePlace.requireLasting(directory.resolve("a/b"), List.of(lasting), false);
            for (final List<DiskFile> disks :
                    List.of(List.of(lasting), List.of(vanishing, lasting))) {
                final String message =
                        assertThrows(
                                        IOException.class,
                                        () -> StatePlace.requireLasting(state, disks, false))
                                .getMessage();
                assertTrue(message.contains(state + " would lie in memory"), message);
                assertTrue(message.contains("--state-may-vanish"), message);
            }
            assertFalse(Files.exists(state));
        } finally {
            Files.delete(inMemory.resolve("vdb.img"));
            Files.delete(inMemory);
        }
    }

    @Test
    void theBootIsOne() throws IOException {
        assertEquals(Boot.current(), Boot.current());
        assertFalse(Boot.current().isNone());
        assertEquals(
                Files.readString(Path.of("/proc/sys/kernel/random/boot_id"))
                        .strip()
                        .replace("-", ""),
                Boot.current().toString());
    }
}

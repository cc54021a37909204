package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;

/** What a secondary makes is for its user alone, and what others put in its place is not taken. */
final class PrivateFilesTest {
    private static final long LENGTH = 1 << 20;

    @AutoClose private final Rig rig = new Rig();
    private final ReplicatedPair pair = new ReplicatedPair(rig, "p", 1, LENGTH);

    private static List<Path> filesIn(final Path directory) throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.sorted().toList();
        }
    }

    private static String mode(final Path path) throws IOException {
        return PosixFilePermissions.toString(
                Files.getPosixFilePermissions(path, LinkOption.NOFOLLOW_LINKS));
    }

    @Test
    void allThatIsMadeIsPrivateUnderAnyUmask() throws IOException {
        for (final String umask : List.of("000", "077")) {
            final List<String> command =
                    new ArrayList<>(
                            List.of("/bin/sh", "-c", "umask " + umask + "; exec \"$@\"", "sh"));
            command.addAll(LockstepProcess.command(pair.secondaryArguments()));
            final Program secondary =
                    rig.keep(Program.start("secondary", command, rig.directory()));
            secondary.awaitLine(line -> line.startsWith("ready"));
            assertEquals("rwx------", mode(pair.buffers()));
            assertEquals(10, filesIn(pair.buffers()).size());
            for (final Path file : filesIn(pair.buffers())) {
                assertEquals("rw-------", mode(file), file::toString);
            }
            final Path control = pair.secondaryControlSocket();
            assertEquals("rw-------", mode(Path.of(control + ".counters")));
            assertEquals("rw-------", mode(Path.of(control + ".epochs")));
            assertEquals(umask.equals("000") ? "rwxrwx---" : "rwx------", mode(control));
            secondary.terminate();
            assertEquals(0, secondary.awaitExit(), secondary::transcript);
        }
    }

    @Test
    void buffersAreNotOpenedThroughLinks() throws IOException {
        final LockstepProcess first = pair.startSecondary();
        first.kill();
        final Path target = rig.random("target", 5000, 1);
        final byte[] content = Rig.read(target);
        for (final Path file : filesIn(pair.buffers())) {
            final Path aside = rig.path("aside");
            Files.move(file, aside);
            Files.createSymbolicLink(file, target);
            final String message = rig.serverInVain(pair.secondaryArguments());
            assertTrue(message.contains(file + " is a symbolic link"), message);
            assertArrayEquals(content, Rig.read(target));
            Files.delete(file);
            Files.move(aside, file);
        }
        pair.startSecondary();
    }

    @Test
    void countersAndRehearsalsAreNotWrittenThroughLinks() throws IOException {
        final Path target = rig.random("target", 5000, 1);
        final byte[] content = Rig.read(target);
        final Path kept = Files.createDirectory(rig.path("kept"));
        Files.writeString(kept.resolve("file"), "of somebody else");
        final Path control = pair.secondaryControlSocket();
        Files.createSymbolicLink(Path.of(control + ".counters"), target);
        Files.createSymbolicLink(Path.of(control + ".epochs"), target);
        Files.createSymbolicLink(Path.of(control + ".rehearsal"), kept);
        final LockstepProcess secondary = LockstepProcess.rehearsing(pair::startSecondary);
        assertEquals(0, secondary.stop(), secondary::toString); // waits for the rehearsal
        assertArrayEquals(content, Rig.read(target));
        assertTrue(Files.exists(kept.resolve("file")));
    }

    @Test
    void aDirectoryThatOthersCanWriteIsRefused() throws IOException {
        Files.createDirectory(pair.buffers());
        Files.setPosixFilePermissions(pair.buffers(), PosixFilePermissions.fromString("rwxrwxrwx"));
        final String message = rig.serverInVain(pair.secondaryArguments());
        assertTrue(
                message.startsWith(
                        "lockstep secondary: "
                                + pair.buffers()
                                + " can be written by others (mode 0777)"),
                message);
        assertEquals(List.of(), filesIn(pair.buffers()));
        assertFalse(Files.exists(pair.secondaryControlSocket()));
    }
}

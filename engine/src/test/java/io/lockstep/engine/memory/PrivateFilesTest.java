package io.lockstep.engine.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/** What lies in a place where others can write is refused; what is made there is private. */
final class PrivateFilesTest {
    private static final int NOBODY = 65534;

    @TempDir private Path directory;

    private Path at(final String name) {
        return directory.resolve(name);
    }

    private static String mode(final Path path) throws IOException {
        return PosixFilePermissions.toString(Files.getPosixFilePermissions(path));
    }

    private static void mode(final Path path, final String mode) throws IOException {
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(mode));
    }

    private static void giveAway(final Path path) throws IOException {
        assumeTrue(Posix.geteuid() == 0, "only root can give files away; run this as root");
        Files.setAttribute(path, "unix:uid", NOBODY, LinkOption.NOFOLLOW_LINKS);
    }

    private static void underUmask(final int umask, final PrivateFiles.Making making)
            throws IOException {
        final int before = Posix.umask(umask);
        try {
            making.make();
        } finally {
            Posix.umask(before);
        }
    }

    private static void assertRefused(final String reason, final Executable action) {
        final String message = assertThrows(IOException.class, action).getMessage();
        assertTrue(message.contains(reason), message);
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 022, 077, 0777})
    void whatIsMadeIsPrivateWhateverTheUmask(final int umask) throws IOException {
        underUmask(
                umask,
                () -> {
                    PrivateFiles.requireDirectory(at("parent").resolve("own"));
                    MappedFile.allocate(at("mapped"), 4096).close();
                    SparseFile.open(at("sparse"), 4096, 4096).close();
                });
        assertEquals("rwx------", mode(at("parent")));
        assertEquals("rwx------", mode(at("parent").resolve("own")));
        assertEquals("rw-------", mode(at("mapped")));
        assertEquals("rw-------", mode(at("sparse")));
    }

    @Test
    void whatThisUserMadeBeforeIsTakenAndMadePrivate() throws IOException {
        Files.createDirectory(at("own"));
        mode(at("own"), "rwxr-xr-x");
        final Path file = Files.write(at("own").resolve("file"), new byte[100]);
        mode(file, "rw-r--r--");
        PrivateFiles.requireDirectory(at("own"));
        Posix.close(PrivateFiles.open(file));
        assertEquals("rw-------", mode(file));
        assertEquals(100, Files.size(file));
    }

    @Test
    void aLinkIsNotFollowed() throws IOException {
        final Path target = Files.write(at("target"), new byte[100]);
        Files.createSymbolicLink(at("link"), target);
        Files.createSymbolicLink(at("dangling"), at("missing"));
        assertRefused(at("link") + " is a symbolic link", () -> PrivateFiles.open(at("link")));
        assertRefused("is a symbolic link", () -> PrivateFiles.open(at("dangling")));
        assertRefused("is a symbolic link", () -> SparseFile.open(at("link"), 4096, 4096).close());
        assertRefused("is a symbolic link", () -> MappedFile.allocate(at("link"), 4096).close());
        assertEquals(100, Files.size(target));
        assertFalse(Files.exists(at("missing")));
    }

    @Test
    void aDirectoryThatIsALinkIsNotTaken() throws IOException {
        Files.createDirectory(at("own"));
        Files.createSymbolicLink(at("link"), at("own"));
        Files.createSymbolicLink(at("dangling"), at("missing"));
        assertRefused(
                at("link") + " is a symbolic link; name the directory itself",
                () -> PrivateFiles.requireDirectory(at("link")));
        assertRefused("is no directory", () -> PrivateFiles.requireDirectory(at("dangling")));
        assertFalse(Files.exists(at("missing")));
    }

    @Test
    void aFileWithAnotherNameElsewhereIsNotTaken() throws IOException {
        Files.write(at("secret"), new byte[100]);
        Files.createLink(at("planted"), at("secret"));
        assertRefused("has several names", () -> PrivateFiles.open(at("planted")));
    }

    @Test
    void whatIsNoFileIsNotTaken() throws IOException {
        Files.createDirectory(at("directory"));
        assertRefused("it is a directory", () -> PrivateFiles.open(at("directory")));
        assertRefused("is no regular file", () -> PrivateFiles.open(Path.of("/dev/null")));
        Files.createFile(at("file"));
        assertRefused("is no directory", () -> PrivateFiles.requireDirectory(at("file")));
    }

    @Test
    void aDirectoryThatOthersCanWriteIsNotTaken() throws IOException {
        Files.createDirectory(at("open"));
        mode(at("open"), "rwxrwxrwx");
        assertRefused(
                "can be written by others (mode 0777)",
                () -> PrivateFiles.requireDirectory(at("open")));
        mode(at("open"), "rwxrwx---");
        assertRefused(
                "can be written by others (mode 0770)",
                () -> PrivateFiles.requireDirectory(at("open")));
    }

    @Test
    void whatBelongsToSomebodyElseIsNotTaken() throws IOException {
        Files.createDirectory(at("theirs"));
        Files.createFile(at("file"));
        mode(at("file"), "rw-rw-rw-");
        giveAway(at("theirs"));
        giveAway(at("file"));
        assertRefused(
                at("theirs") + " belongs to nobody",
                () -> PrivateFiles.requireDirectory(at("theirs")));
        assertRefused(at("file") + " belongs to nobody", () -> PrivateFiles.open(at("file")));
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 007, 022, 077})
    void aSocketIsNeverForOthersAndForTheGroupAsTheUmaskSays(final int umask) throws IOException {
        final Path path = at("socket");
        underUmask(
                umask,
                () -> {
                    PrivateFiles.withoutOthers(() -> Files.createFile(path));
                    assertEquals(umask, Posix.umask(umask), "the umask is as it was");
                });
        assertEquals(
                (umask & 020) == 0 ? "rw-rw----" : umask == 022 ? "rw-r-----" : "rw-------",
                mode(path));
    }
}

package io.lockstep.engine.memory;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/** Where somebody else could exchange a directory on the way, nothing is made. */
final class TrustedWayTest {
    private static final int NOBODY = 65534;
    private static final int MODE_STICKY = 01777;

    @TempDir private Path directory;

    @BeforeEach
    void makeAWay() throws IOException {
        Files.createDirectories(at("a/b/c"));
    }

    private Path at(final String name) {
        return directory.resolve(name);
    }

    private static void mode(final Path path, final String mode) throws IOException {
        Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(mode));
    }

    private static void giveAway(final Path path) throws IOException {
        assumeTrue(Posix.geteuid() == 0, "only root can give files away; run this as root");
        Files.setAttribute(path, "unix:uid", NOBODY, LinkOption.NOFOLLOW_LINKS);
    }

    private void assertRefused(final String place, final String beginning) {
        final Path wanted = at(place).resolve("made");
        final String sentence =
                assertThrows(IOException.class, () -> PrivateFiles.requireDirectory(wanted))
                        .getMessage();
        assertEquals(
                beginning, sentence.substring(0, Math.min(beginning.length(), sentence.length())));
        assertFalse(Files.exists(wanted), "made it before it looked");
    }

    private void assertTaken(final String place) throws IOException {
        PrivateFiles.requireDirectory(at(place).resolve("made"));
        Files.delete(at(place).resolve("made"));
    }

    @Test
    void aDirectoryOfSomebodyElsesOnTheWayIsRefused() throws IOException {
        assertTaken("a/b/c");
        giveAway(at("a"));
        assertRefused("a/b/c", at("a") + " belongs to nobody, who could exchange");
    }

    @Test
    void aDirectoryOnTheWayThatOthersCanWriteIsRefusedUnlessItIsSticky() throws IOException {
        mode(at("a"), "rwxrwxrwx");
        assertRefused("a/b/c", at("a") + " can be written by others (mode 0777)");
        mode(at("a"), "rwxrwx---");
        assertRefused("a/b/c", at("a") + " can be written by others (mode 0770)");
        Files.setAttribute(at("a"), "unix:mode", MODE_STICKY);
        assertTaken("a/b/c");
    }

    @Test
    void inAStickyDirectoryWhatIsSomebodyElsesIsRefused() throws IOException {
        Files.setAttribute(at("a"), "unix:mode", MODE_STICKY);
        giveAway(at("a/b"));
        assertRefused("a/b/c", at("a/b") + " belongs to nobody");
    }

    @Test
    void aLinkOnTheWayMustBelongToThisUserOrRoot() throws IOException {
        Files.createSymbolicLink(at("link"), at("a"));
        assertTaken("link/b/c");
        giveAway(at("link"));
        assertRefused("link/b/c", at("link") + " belongs to nobody");
    }

    @Test
    void theWayToWhereALinkPointsIsLookedAt() throws IOException {
        Files.createDirectory(at("other"));
        Files.createSymbolicLink(at("other/absolute"), at("a/b"));
        Files.createSymbolicLink(at("other/relative"), Path.of("../a/./b"));
        Files.createSymbolicLink(at("other/twice"), Path.of("relative"));
        for (final String link : new String[] {"absolute", "relative", "twice"}) {
            mode(at("a"), "rwxr-xr-x");
            assertTaken("other/" + link + "/c");
            mode(at("a"), "rwxrwxrwx");
            assertRefused("other/" + link + "/c", at("a") + " can be written by others");
        }
    }

    @Test
    void whatIsLeftAgainWasOnTheWayToo() throws IOException {
        mode(at("a"), "rwxrwxrwx");
        assertRefused("a/../a/b", at("a") + " can be written by others");
        Files.createDirectory(at("other"));
        assertRefused("a/../other", at("a") + " can be written by others");
        assertTaken("other");
    }

    @Test
    void linksThatLeadInARingAreRefused() throws IOException {
        Files.createSymbolicLink(at("ring"), at("ring"));
        assertRefused("ring/b", at("ring") + " is one of more than 40 symbolic links");
    }

    @Test
    void aFileOnTheWayIsRefused() throws IOException {
        Files.createFile(at("file"));
        assertRefused("file/b", at("file") + " is no directory");
    }
}

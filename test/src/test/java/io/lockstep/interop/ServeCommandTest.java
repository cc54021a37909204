package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import io.lockstep.cli.Lockstep;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

import picocli.CommandLine;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;

/** What {@code lockstep serve} says, and how it ends, where something is in its way. */
final class ServeCommandTest {
    @AutoClose private final Rig rig = new Rig();

    // ---- Usage

    @Test
    void helpHasExamplesAndIsNoError() {
        final Tool.Output help = rig.lockstep("serve", "--help").requireSuccess();
        assertTrue(help.out().contains("Examples:"), help::toString);
        assertTrue(help.out().contains("lockstep serve --disk vda=vda.img"), help::toString);
        assertEquals("", help.err());
    }

    @Test
    void anUnknownOptionIsNamedInOneLine() {
        final Tool.Output refused =
                rig.lockstep("serve", "--disk", "a=b", "--listen", "nbd://:0", "--no-such-option");
        assertEquals(2, refused.exitCode(), refused::toString);
        assertEquals(
                """
                lockstep serve: Unknown option: '--no-such-option'
                Try 'lockstep serve --help'.
                """,
                refused.err());
    }

    /** None of these gets so far as to open or to listen, so that the test's own JVM can run it. */
    @ParameterizedTest
    @CsvSource({
        "--disk a=f,                        Missing required option: '--listen=URI'",
        "--listen nbd://:0,                 Missing required option: '--disk=NAME=FILE'",
        "--disk f --listen nbd://:0,        --disk takes NAME=FILE",
        "--disk =f --listen nbd://:0,       --disk takes NAME=FILE",
        "--disk a= --listen nbd://:0,       --disk takes NAME=FILE",
        "--disk a=f --disk a=g --listen nbd://:0, export name a is given twice",
        "--disk a=. --disk b=./. --listen nbd://:0, a and b are the same file",
        "--disk a=f --listen http://h,      scheme http is not known",
        "--disk a=f --listen /run/socket,   bad NBD URI /run/socket",
        "--disk a=f --listen nbd+unix:///,  it names no ?socket=PATH",
        "--disk a=f --listen nbd+unix://h/?socket=s, a Unix socket has no host",
        "--disk a=f --listen nbd://h:99999, bad NBD URI nbd://h:99999",
        "--disk a=f --listen nbd://:0/disk, leave the export out",
        "--disk a=f --listen nbds://:0,     TLS is not supported yet",
        "--disk a=f --listen nbd://:0 --max-connections 0, --max-connections must be at least 1",
        "--disk a=f --listen nbd://:0 --max-connections x, 'x' is not an int",
    })
    void wrongUsageIsNamedInOneLine(final String arguments, final String reason) {
        assertWrongUsage(reason, ("serve " + arguments).split(" "));
    }

    /** It would break what has a name in each line: messages, statuses, lists of exports. */
    @ParameterizedTest
    @ValueSource(strings = {"a\nb", "\ta", "a\u001b[2J", "a\u007f", "a\u0085b", "a\u2028b"})
    void aDisksNameHasNoControlCharacters(final String name) {
        for (final String command : List.of("serve", "primary", "secondary")) {
            assertWrongUsage(
                    "the export name '" + name.replaceAll("[^ -~]", "?") + "' has control char",
                    command,
                    "--disk",
                    name + "=f",
                    command.equals("primary") ? "--peer" : "--listen",
                    command.equals("primary") ? "nbd://h:1" : "nbd://:0",
                    command.equals("serve") ? "--read-only" : "--control=c",
                    command.equals("serve") ? "--verbose" : "--guest=nbd://:0");
        }
    }

    private static void assertWrongUsage(final String reason, final String... arguments) {
        final StringWriter err = new StringWriter();
        final CommandLine command = Lockstep.commandLine();
        final int exitCode = command.setErr(new PrintWriter(err, true)).execute(arguments);
        assertEquals(2, exitCode, err::toString);
        assertTrue(err.toString().contains(reason), err::toString);
        assertEquals(2, err.toString().lines().count(), err::toString);
    }

    // ---- Disks

    private void assertDiskRefused(final Path file, final String reason) {
        assertEquals(
                "lockstep serve: disk disk: cannot open " + file + ": " + reason,
                rig.serveInVain("--disk", "disk=" + file, "--listen", rig.uri("")));
        assertFalse(Files.exists(rig.socket()));
    }

    @Test
    void aMissingFileIsRefused() {
        final Path file = rig.path("missing.img");
        assertDiskRefused(file, "no such file; make one with: truncate -s 10G " + file);
        assertFalse(Files.exists(file));
    }

    @Test
    void aDirectoryIsRefused() {
        assertDiskRefused(rig.directory(), "it is a directory; name a file or a block device");
    }

    /** As other servers do. */
    @Test
    void anEmptyFileIsServed() {
        rig.serve(rig.hole("empty.img", 0));
        assertEquals("0\n", rig.run(Tool.NBDINFO, "--size", rig.uri()).out());
        final Path copy = rig.path("copy.img");
        rig.run(Tool.NBDCOPY, rig.uri(), copy.toString());
        assertEquals(0, copy.toFile().length());
        rig.run(Tool.QEMU_IMG, "info", rig.uri());
        rig.python(
                """
                for structured in (False, True):
                    h = connect(sys.argv[1], lambda h: h.set_request_structured_replies(structured))
                    assert h.get_size() == 0
                    h.set_strict_mode(0)
                    assert h.pread(0, 0) == b''
                    h.pwrite(b'', 0)
                    h.zero(0, 0)
                    h.trim(0, 0)
                    h.flush()
                    expect(errno.EINVAL, h.pread, 1, 0)
                    expect(errno.ENOSPC, h.pwrite, b'1', 0)
                """,
                rig.uri());
    }

    @Test
    void aCharacterDeviceIsRefused() {
        assertDiskRefused(Path.of("/dev/zero"), "it is neither a regular file nor a block device");
    }

    @Test
    void aFileThatMayNotBeWrittenIsRefusedUnlessServedReadOnly() throws IOException {
        final Path file = rig.hole("disk.img", 4096);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r--r--r--"));
        assumeFalse(Files.isWritable(file), "root may write everything; run this as somebody else");
        assertDiskRefused(
                file, "permission denied; make it writable for this user, or open it read-only");
        rig.serveWith("--disk", "disk=" + file, "--read-only", "--listen", rig.uri(""));
    }

    @Test
    void oneBadDiskOfSeveralGivesTheOthersBack() {
        final Path good = rig.hole("good.img", 4096);
        final Path missing = rig.path("missing.img");
        final String message =
                rig.serveInVain(
                        "--disk", "a=" + good, "--disk", "b=" + missing, "--listen", rig.uri(""));
        assertTrue(message.contains("disk b: cannot open " + missing), message);
        rig.serve(good);
    }

    // ---- Addresses

    private void assertListenRefused(final String uri, final String message) {
        final Path file = rig.hole("other.img", 4096);
        assertEquals(
                "lockstep serve: cannot listen on " + message,
                rig.serveInVain("--disk", "disk=" + file, "--listen", uri));
    }

    @Test
    void aPortInUseIsRefused() {
        final LockstepProcess first =
                rig.serveWith(
                        "--disk",
                        "disk=" + rig.hole("disk.img", 4096),
                        "--listen",
                        "nbd://localhost:0");
        assertListenRefused(
                "nbd://localhost:" + first.port(),
                "localhost:"
                        + first.port()
                        + ": somebody else listens there; stop that program or choose another"
                        + " address");
    }

    @Test
    void theSocketOfALiveServerIsLeftAlone() {
        rig.serve(rig.hole("disk.img", 4096));
        assertListenRefused(
                rig.uri(""),
                rig.socket()
                        + ": somebody else listens there; stop that program or choose another"
                        + " address");
        assertEquals("4096\n", rig.run(Tool.NBDINFO, "--size", rig.uri()).out());
    }

    @Test
    void aFileInTheSocketsPlaceIsLeftAlone() {
        final Path file = rig.random("s", 100, 1);
        assertListenRefused(
                rig.uri(""),
                file
                        + ": a file is in the way that is no socket; remove it or choose another"
                        + " path");
        assertEquals(100, file.toFile().length());
    }

    @Test
    void aSocketsPathMayNotBeTooLong() {
        final String path = rig.directory() + "/" + "s".repeat(120);
        assertListenRefused(
                "nbd+unix:///?socket=" + path,
                path
                        + ": the path is too long for a Unix socket; choose a shorter one, of 107"
                        + " bytes at most");
    }

    @Test
    void aSocketsDirectoryMustExist() {
        final Path file = rig.hole("disk.img", 4096);
        final Path socket = rig.path("missing").resolve("s");
        final String message =
                rig.serveInVain(
                        "--disk", "disk=" + file, "--listen", "nbd+unix:///?socket=" + socket);
        assertTrue(
                message.startsWith("lockstep serve: cannot listen on " + socket + ": "), message);
    }

    @Test
    void anUnknownHostIsRefused() {
        assertListenRefused("nbd://no-such-host.invalid:0", "no-such-host.invalid:0: unknown host");
    }

    @Test
    void oneBadAddressOfSeveralLeavesNothingBehind() {
        final Path file = rig.hole("disk.img", 4096);
        final String message =
                rig.serveInVain(
                        "--disk",
                        "disk=" + file,
                        "--listen",
                        rig.uri(""),
                        "--listen",
                        "nbd://no-such-host.invalid:0");
        assertTrue(message.contains("no-such-host.invalid"), message);
        assertFalse(Files.exists(rig.socket()));
        rig.serve(file);
    }
}

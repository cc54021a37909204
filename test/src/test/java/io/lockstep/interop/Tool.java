package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.fail;
import static org.junit.jupiter.api.Assumptions.abort;

import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;

/** A program of somebody else's that tests run against Lockstep, and the package that has it. */
enum Tool {
    E2FSCK("e2fsck", "e2fsprogs"),
    FIO("fio", "fio"),
    IP("ip", "iproute2"),
    LOSETUP("losetup", "mount"),
    MKE2FS("mke2fs", "e2fsprogs"),
    MOUNT("mount", "mount"),
    NBD_CLIENT("nbd-client", "nbd-client"),
    NBD_SERVER("nbd-server", "nbd-server"),
    NBDCOPY("nbdcopy", "libnbd-bin"),
    NBDFUSE("nbdfuse", "libnbd-bin"),
    NBDINFO("nbdinfo", "libnbd-bin"),
    NBDKIT("nbdkit", "nbdkit"),
    /** Debian has it where only its own scripts look. */
    POSTGRES("postgres", "postgresql") {
        @Override
        List<String> moreDirectories() {
            try (Stream<Path> versions = Files.list(Path.of("/usr/lib/postgresql"))) {
                return versions.map(version -> version.resolve("bin").toString()).toList();
            } catch (final IOException e) {
                return List.of();
            }
        }
    },
    /** A Python that has libnbd's module, which not every Python on a machine has. */
    PYTHON("python3", "python3-libnbd") {
        @Override
        boolean isWhole(final Path program) {
            final List<String> command = List.of(program.toString(), "-c", "import nbd");
            try (Program python = Program.start("python3", command, Path.of("/"))) {
                return python.awaitExit() == 0;
            }
        }
    },
    QEMU_IMG("qemu-img", "qemu-utils"),
    QEMU_IO("qemu-io", "qemu-utils"),
    QEMU_NBD("qemu-nbd", "qemu-utils"),
    QEMU_SYSTEM("qemu-system-x86_64", "qemu-system-x86"),
    SETPRIV("setpriv", "util-linux"),
    STAT("stat", "coreutils"),
    UMOUNT("umount", "mount");

    private static final boolean REQUIRED =
            System.getProperty("lockstep.interop", "auto").equals("required");

    private static final Map<Tool, Optional<Path>> FOUND = new ConcurrentHashMap<>();

    /** Where administrators' programs are, which are on no PATH but root's. */
    private static final List<String> MORE_DIRECTORIES = List.of("/usr/bin", "/usr/sbin", "/sbin");

    private final String program;
    private final String debianPackage;

    Tool(final String program, final String debianPackage) {
        this.program = program;
        this.debianPackage = debianPackage;
    }

    /** The name of the program. */
    String program() {
        return program;
    }

    /**
     * Where it is. Where it isn't, the test that asks is skipped; or it fails, if {@code
     * -Dlockstep.interop=required}.
     */
    Path path() {
        final Optional<Path> found = FOUND.computeIfAbsent(this, Tool::find);
        if (found.isEmpty()) {
            skip(program + " is not installed; to run this test: apt install " + debianPackage);
        }
        return found.orElseThrow();
    }

    /** Skips the test that asks; or lets it fail, if {@code -Dlockstep.interop=required}. */
    static void skip(final String missing) {
        if (REQUIRED) {
            fail(missing);
        }
        abort(missing);
    }

    private Optional<Path> find() {
        final List<String> directories =
                new ArrayList<>(
                        List.of(
                                System.getenv()
                                        .getOrDefault("PATH", "")
                                        .split(File.pathSeparator, -1)));
        directories.addAll(MORE_DIRECTORIES);
        directories.addAll(0, moreDirectories());
        return directories.stream()
                .map(directory -> Path.of(directory, program))
                .filter(Files::isExecutable)
                .filter(this::isWhole)
                .findFirst();
    }

    /** Where it is rather than on the PATH. */
    List<String> moreDirectories() {
        return List.of();
    }

    /** Whether what bears the name has all that the tests need. */
    boolean isWhole(final Path program) {
        return true;
    }

    /** What a program that ended has left. */
    record Output(String command, int exitCode, String out, String err) {
        /** Answers itself. */
        Output requireSuccess() {
            if (exitCode != 0) {
                throw new AssertionError(this + "\nfailed");
            }
            return this;
        }

        /** Answers itself. */
        Output requireFailure() {
            if (exitCode == 0) {
                throw new AssertionError(this + "\nshould have failed");
            }
            return this;
        }

        @Override
        public String toString() {
            return command + "\nexit code " + exitCode + "\n" + out + err;
        }
    }
}

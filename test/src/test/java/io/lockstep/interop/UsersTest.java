package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lockstep.cli.Lockstep;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.File;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.jar.Attributes;
import java.util.jar.JarOutputStream;
import java.util.jar.Manifest;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;

/**
 * A finished checkout in the hands of another user, without a locale, a home and IPv6: what the
 * script {@code test/users/run} does with it. The checkout is a copy that is made of the classes
 * under test.
 */
final class UsersTest {
    private static final Path ROOT = Path.of(System.getProperty("lockstep.root"));
    private static final int CANNOT_BE_SHOWN = 77;

    /** Two demos, a dozen of starts, and the AOT cache, on a machine that does other things too. */
    private static final Duration DEADLINE = Duration.ofMinutes(4);

    @AutoClose private final Rig rig = new Rig();

    @Test
    @Timeout(value = 10, unit = TimeUnit.MINUTES)
    void anotherUserCanUseAFinishedCheckout() throws IOException {
        assumeTrue(
                Files.getAttribute(rig.directory(), "unix:uid").equals(0),
                "only root can become another user; run this as root");
        Files.setPosixFilePermissions(
                rig.directory(), PosixFilePermissions.fromString("rwxr-xr-x"));
        final Path checkout = makeCheckout();
        run(List.of(checkout.resolve("lockstep").toString(), "--version"));
        final Tool.Output shown =
                run(List.of(ROOT.resolve("test/users/run").toString(), checkout.toString()));
        assumeTrue(shown.exitCode() != CANNOT_BE_SHOWN, shown::toString);
        assertEquals(0, shown.exitCode(), shown::toString);
    }

    private Tool.Output run(final List<String> command) {
        try (Program program = Program.start("users", command, rig.directory())) {
            final int exitCode = program.awaitExit(DEADLINE);
            return new Tool.Output(command.toString(), exitCode, program.out(), program.err());
        }
    }

    /** What the launcher looks at, as a build leaves it. */
    private Path makeCheckout() throws IOException {
        final Path checkout = Files.createDirectory(rig.path("checkout"));
        copy("lockstep", checkout);
        copy("pom.xml", checkout);
        copy("config", checkout);
        for (final String module : List.of("nbd-wire", "engine", "cli")) {
            copy(module + "/pom.xml", checkout);
            copy(module + "/src/main", checkout);
        }
        makeJars(Files.createDirectories(checkout.resolve("cli/target/lockstep")));
        return checkout;
    }

    private static void copy(final String name, final Path checkout) throws IOException {
        try (Stream<Path> files = Files.walk(ROOT.resolve(name))) {
            files.filter(Files::isRegularFile)
                    .forEach(
                            file -> {
                                final Path target =
                                        checkout.resolve(ROOT.relativize(file).toString());
                                try {
                                    Files.createDirectories(target.getParent());
                                    Files.copy(file, target, StandardCopyOption.COPY_ATTRIBUTES);
                                } catch (final IOException e) {
                                    throw new UncheckedIOException(e);
                                }
                            });
        }
    }

    /** The jars of the class path, those that stand there as classes packed, and the stamp. */
    private void makeJars(final Path directory) throws IOException {
        final List<String> names = new ArrayList<>();
        for (final String entry :
                System.getProperty("java.class.path").split(File.pathSeparator, -1)) {
            final Path path = Path.of(entry);
            if (Files.isDirectory(path)) {
                final String name = "classes" + names.size() + ".jar";
                jar("-c", "-f", directory.resolve(name).toString(), "-C", entry, ".");
                names.add(name);
            } else if (Files.isRegularFile(path)) {
                final String name = names.size() + path.getFileName().toString();
                Files.copy(path, directory.resolve(name));
                names.add(name);
            }
        }
        final Manifest manifest = new Manifest();
        final Attributes attributes = manifest.getMainAttributes();
        attributes.put(Attributes.Name.MANIFEST_VERSION, "1.0");
        attributes.put(Attributes.Name.MAIN_CLASS, Lockstep.class.getName());
        attributes.put(Attributes.Name.CLASS_PATH, String.join(" ", names));
        try (OutputStream jar = Files.newOutputStream(directory.resolve("lockstep.jar"))) {
            new JarOutputStream(jar, manifest).close();
        }
        Files.createFile(directory.resolve("built"));
    }

    private static void jar(final String... arguments) {
        final int exitCode =
                ToolProvider.findFirst("jar").orElseThrow().run(System.out, System.err, arguments);
        assertEquals(0, exitCode);
    }
}

import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassFile.ClassHierarchyResolverOption;
import java.lang.classfile.ClassFile.StackMapsOption;
import java.lang.classfile.ClassFileVersion;
import java.lang.classfile.ClassHierarchyResolver;
import java.lang.classfile.ClassTransform;
import java.net.URI;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * Raises the classes of a jar, in place, to a class file version that the JVM's AOT cache takes.
 *
 * <p>Picocli is compiled for Java 5. Such classes have no stack maps, are verified the slow way at
 * each start, and are left out of any AOT cache: they were half of the time of {@code lockstep
 * --version}. The launcher runs this on the jar's copy in its image.
 */
final class RaiseClasses {

    private static final int STACK_MAPS_SINCE = ClassFile.JAVA_6_VERSION;

    public static void main(final String[] jars) throws IOException {
        for (final String jar : jars) {
            final URI uri = URI.create("jar:" + Path.of(jar).toUri());
            try (FileSystem classes = FileSystems.newFileSystem(uri, Map.of())) {
                raise(classes.getPath("/"));
            }
        }
    }

    private static void raise(final Path root) throws IOException {
        final ClassHierarchyResolver hierarchy =
                ClassHierarchyResolver.ofResourceParsing(
                                name -> {
                                    try {
                                        final Path file =
                                                root.resolve(
                                                        name.packageName().replace('.', '/')
                                                                + '/'
                                                                + name.displayName()
                                                                + ".class");
                                        return Files.exists(file)
                                                ? Files.newInputStream(file)
                                                : null;
                                    } catch (final IOException e) {
                                        return null;
                                    }
                                })
                        .orElse(ClassHierarchyResolver.defaultResolver());
        final ClassFile classFile =
                ClassFile.of(
                        StackMapsOption.GENERATE_STACK_MAPS,
                        ClassHierarchyResolverOption.of(hierarchy));
        // The bodies too, though nothing in them changes: only what is rewritten gets stack maps.
        final ClassTransform transform =
                ClassTransform.dropping(ClassFileVersion.class::isInstance)
                        .andThen(ClassTransform.transformingMethodBodies((code, e) -> code.with(e)))
                        .andThen(
                                ClassTransform.endHandler(
                                        c -> c.withVersion(ClassFile.latestMajorVersion(), 0)));

        final List<Path> files;
        try (Stream<Path> tree = Files.walk(root)) {
            files = tree.filter(file -> file.toString().endsWith(".class")).toList();
        }
        for (final Path file : files) {
            final var model = classFile.parse(file);
            if (model.majorVersion() < STACK_MAPS_SINCE) {
                Files.write(file, classFile.transformClass(model, transform));
            }
        }
    }
}

package io.lockstep.invariants;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.primary.PrimaryGroup;
import io.lockstep.nbd.Nbd;

import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeElement;
import java.lang.classfile.MethodModel;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.classfile.instruction.MonitorInstruction;
import java.lang.reflect.AccessFlag;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.FileSystem;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/**
 * The code between a guest's request and its reply takes no lock (I8): no method of it is
 * synchronized, enters a monitor, or calls a lock, a blocking queue or whatever else waits. Read
 * from the compiled classes, since a run shows only the locks that it came to.
 */
final class NoLocksTest {
    /** Where requests pass; what helper threads, start and stop need is elsewhere. */
    private static final List<String> PACKAGES =
            List.of(
                    "io/lockstep/nbd/",
                    "io/lockstep/engine/client/",
                    "io/lockstep/engine/epoch/",
                    "io/lockstep/engine/group/",
                    "io/lockstep/engine/primary/",
                    "io/lockstep/engine/secondary/");

    @Test
    void noneIsTakenOnTheWayOfARequest() throws IOException, URISyntaxException {
        final List<String> locks = new ArrayList<>();
        int classes = 0;
        for (final Class<?> ofModule : List.of(Nbd.class, PrimaryGroup.class)) {
            for (final byte[] bytes : classesBeside(ofModule)) {
                classes++;
                search(ClassFile.of().parse(bytes), locks);
            }
        }
        assertTrue(classes > 50, "the classes were not found");
        assertEquals(List.of(), locks);
    }

    /** The classes of those packages, out of a module's jar or its folder. */
    private static List<byte[]> classesBeside(final Class<?> one)
            throws IOException, URISyntaxException {
        final Path code = Path.of(one.getProtectionDomain().getCodeSource().getLocation().toURI());
        if (Files.isDirectory(code)) {
            return classesUnder(code);
        }
        try (FileSystem jar =
                FileSystems.newFileSystem(URI.create("jar:" + code.toUri()), Map.of())) {
            return classesUnder(jar.getPath("/"));
        }
    }

    private static List<byte[]> classesUnder(final Path root) throws IOException {
        final List<byte[]> found = new ArrayList<>();
        for (final String name : PACKAGES) {
            final Path folder = root.resolve(name);
            if (!Files.isDirectory(folder)) {
                continue;
            }
            try (Stream<Path> files = Files.list(folder)) {
                for (final Path file :
                        files.filter(path -> path.toString().endsWith(".class")).toList()) {
                    found.add(Files.readAllBytes(file));
                }
            }
        }
        return found;
    }

    private static void search(final ClassModel model, final List<String> locks) {
        final String name = model.thisClass().asInternalName();
        for (final MethodModel method : model.methods()) {
            final String where = name + "." + method.methodName();
            if (method.flags().has(AccessFlag.SYNCHRONIZED)) {
                locks.add(where + " is synchronized");
            }
            method.code()
                    .ifPresent(
                            code -> {
                                for (final CodeElement element : code) {
                                    if (element instanceof MonitorInstruction) {
                                        locks.add(where + " enters a monitor");
                                    } else if (element instanceof final InvokeInstruction call
                                            && waits(call)) {
                                        locks.add(
                                                where + " calls " + call.owner().asInternalName());
                                    }
                                }
                            });
        }
    }

    private static boolean waits(final InvokeInstruction call) {
        final String owner = call.owner().asInternalName();
        return owner.startsWith("java/util/concurrent/locks/")
                || owner.matches("java/util/concurrent/.*(Blocking|Semaphore|Latch|Barrier).*")
                || owner.equals("java/lang/Object") && call.name().equalsString("wait")
                || owner.equals("java/util/concurrent/CompletableFuture")
                        && (call.name().equalsString("get") || call.name().equalsString("join"));
    }
}

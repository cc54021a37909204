package io.lockstep.interop;

import io.lockstep.engine.memory.Posix;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;

/**
 * Has the kernel write pages of files to their device, which it does when it likes, and flush
 * nothing: neither the device's cache, nor what the file system's journal has of them. Stateless.
 * Source: {@code sync_file_range(2)}.
 */
@SuppressWarnings("restricted") // a call of the system
final class WriteBack {
    private static final int WRITE_AND_WAIT = 1 | 2 | 4;

    private static final MethodHandle SYNC_FILE_RANGE =
            Linker.nativeLinker()
                    .downcallHandle(
                            Linker.nativeLinker().defaultLookup().findOrThrow("sync_file_range"),
                            FunctionDescriptor.of(
                                    ValueLayout.JAVA_INT,
                                    ValueLayout.JAVA_INT,
                                    ValueLayout.JAVA_LONG,
                                    ValueLayout.JAVA_LONG,
                                    ValueLayout.JAVA_INT));

    private WriteBack() {}

    /** Of all files in a directory and below it. */
    static void ofAll(final Path directory) {
        try (Stream<Path> files = Files.walk(directory)) {
            files.filter(Files::isRegularFile).forEach(WriteBack::of);
        } catch (final IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static void of(final Path file) {
        final int fd = Posix.open(file.toString(), Posix.O_RDWR | Posix.O_CLOEXEC);
        if (fd < 0) {
            throw new AssertionError("cannot open " + file + ": " + -fd);
        }
        try {
            final int result = (int) SYNC_FILE_RANGE.invokeExact(fd, 0L, 0L, WRITE_AND_WAIT);
            if (result != 0) {
                throw new AssertionError("cannot write back " + file);
            }
        } catch (final RuntimeException | Error e) {
            throw e;
        } catch (final Throwable e) {
            throw new AssertionError(e);
        } finally {
            Posix.close(fd);
        }
    }
}

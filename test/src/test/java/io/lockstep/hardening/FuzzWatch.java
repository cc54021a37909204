package io.lockstep.hardening;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Ends a fuzzer's process on an input that comes to no end, and keeps the input. (libFuzzer's own
 * alarm doesn't go off in every JVM.) It watches where the property is set that names a folder.
 */
final class FuzzWatch {
    static final String FOLDER = "lockstep.fuzz.folder";

    private static final long LIMIT_MS = 20_000;
    private static final long PERIOD_MS = 1_000;
    private static final int EXIT_STATUS = 70;

    private static final AtomicLong COUNT = new AtomicLong();
    private static volatile byte[] underWay = {};

    static {
        final String folder = System.getProperty(FOLDER);
        if (folder != null) {
            Thread.ofPlatform().daemon().name("fuzz-watch").start(() -> watch(Path.of(folder)));
        }
    }

    private FuzzWatch() {}

    /** The next input is under way. */
    static void begin(final byte[] input) {
        underWay = input;
        COUNT.incrementAndGet();
    }

    private static void watch(final Path folder) {
        long last = 0;
        long sinceMs = 0;
        while (true) {
            try {
                Thread.sleep(PERIOD_MS);
            } catch (final InterruptedException e) {
                return;
            }
            final long now = COUNT.get();
            sinceMs = now == last ? sinceMs + PERIOD_MS : 0;
            last = now;
            if (now > 0 && sinceMs >= LIMIT_MS) {
                final byte[] input = underWay;
                keep(folder.resolve("hang-" + Integer.toHexString(Arrays.hashCode(input))), input);
                Runtime.getRuntime().halt(EXIT_STATUS);
            }
        }
    }

    private static void keep(final Path file, final byte[] input) {
        System.err.println("an input comes to no end; it is in " + file);
        Thread.getAllStackTraces()
                .forEach(
                        (thread, stack) -> {
                            System.err.println(thread);
                            for (final StackTraceElement element : stack) {
                                System.err.println("\tat " + element);
                            }
                        });
        try {
            Files.write(file, input);
        } catch (final IOException e) {
            System.err.println("it can't be kept: " + e);
        }
    }
}

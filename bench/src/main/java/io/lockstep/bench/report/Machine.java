package io.lockstep.bench.report;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/** What figures were taken on: each report says it. */
public final class Machine {
    private static final double GIBIBYTE = 1 << 30;

    private Machine() {}

    /**
     * One sentence: date, processor, memory, kernel, what paces its TCP, JDK, and the commit that
     * was measured.
     */
    public static String description() {
        return String.format(
                Locale.ROOT,
                "%s; %s, %d cores, %.0f GiB; Linux %s, TCP by %s; JDK %s; commit %s",
                LocalDate.now(ZoneOffset.UTC),
                line("/proc/cpuinfo", "model name"),
                Runtime.getRuntime().availableProcessors(),
                memoryBytes("MemTotal") / GIBIBYTE,
                System.getProperty("os.version"),
                congestionControl(),
                Runtime.version(),
                commit());
    }

    /** Whether a client's sends are paced by a timer depends on it: {@code bbr} does, cubic not. */
    private static String congestionControl() {
        try {
            return Files.readString(Path.of("/proc/sys/net/ipv4/tcp_congestion_control")).strip();
        } catch (final IOException e) {
            return "unknown";
        }
    }

    /** A figure of {@code /proc/meminfo}, in bytes; 0 where there is none. */
    public static long memoryBytes(final String name) {
        final String text = line("/proc/meminfo", name);
        return text.endsWith(" kB")
                ? Long.parseLong(text.substring(0, text.length() - " kB".length())) << 10
                : 0;
    }

    private static String line(final String file, final String name) {
        try {
            for (final String line : Files.readAllLines(Path.of(file))) {
                if (line.startsWith(name)) {
                    return line.substring(line.indexOf(':') + 1).strip();
                }
            }
        } catch (final IOException e) {
            return "unknown";
        }
        return "unknown";
    }

    /** Of the checkout that these classes were built in; the launcher runs them from there. */
    private static String commit() {
        try {
            final Path here =
                    Path.of(
                            Machine.class
                                    .getProtectionDomain()
                                    .getCodeSource()
                                    .getLocation()
                                    .toURI());
            final Process git =
                    new ProcessBuilder("git", "describe", "--always", "--dirty")
                            .directory(here.getParent().toFile())
                            .redirectError(ProcessBuilder.Redirect.DISCARD)
                            .start();
            final String text =
                    new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            return git.waitFor(5, TimeUnit.SECONDS) && !text.isEmpty() ? text : "unknown";
        } catch (final IOException | java.net.URISyntaxException e) {
            return "unknown";
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
            return "unknown";
        }
    }
}

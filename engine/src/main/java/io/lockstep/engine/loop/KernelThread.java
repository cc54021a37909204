package io.lockstep.engine.loop;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A thread as the kernel sees it: whether it waits, or has work and at most no core. Source: {@code
 * proc_pid_stat(5)}, the field "state".
 */
final class KernelThread {
    /** Null where the kernel does not tell. */
    private final Path stat;

    private KernelThread(final Path stat) {
        this.stat = stat;
    }

    /** The calling thread. */
    static KernelThread current() {
        try {
            return new KernelThread(Path.of("/proc/thread-self").toRealPath().resolve("stat"));
        } catch (final IOException e) {
            return new KernelThread(null); // no /proc: it may be waiting, for all that is known
        }
    }

    /** Whether it waits for something else than a core; so too where the kernel does not tell. */
    boolean isBlocked() {
        if (stat == null) {
            return true;
        }
        try {
            final String line = Files.readString(stat, StandardCharsets.ISO_8859_1);
            return !line.startsWith(" R ", line.lastIndexOf(')') + 1); // behind its name
        } catch (final IOException e) {
            return true;
        }
    }
}

package io.lockstep.bench.limits;

import io.lockstep.bench.peer.ChildProcess;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;

/**
 * What a request cost a process in system calls.
 *
 * @param reads calls that read, of sockets and files
 * @param writes calls that write
 * @param all calls of any kind; not a number where perf can't count them
 * @param bytesPerPayload bytes that reads and writes moved, for each byte of the requests' payload
 */
record CallCount(double reads, double writes, double all, double bytesPerPayload) {
    /** Begins to count. */
    static Counter start(final ChildProcess process) throws IOException {
        return new Counter(process);
    }

    /**
     * Counts, from its making to {@link #end}. Source: {@code proc(5)}, io; {@code perf-stat(1)}.
     */
    static final class Counter {
        private final ChildProcess process;
        private final long reads;
        private final long writes;
        private final long bytes;
        private final Process perf;

        private Counter(final ChildProcess process) throws IOException {
            this.process = process;
            perf = startPerf(process.pid());
            reads = process.ioCount("syscr");
            writes = process.ioCount("syscw");
            bytes = bytes(process);
        }

        private static Process startPerf(final long pid) throws IOException {
            if (!ChildProcess.isOnPath("perf")) {
                return null;
            }
            return new ProcessBuilder(
                            List.of(
                                    "perf",
                                    "stat",
                                    "-x,",
                                    "-e",
                                    "raw_syscalls:sys_enter",
                                    "-p",
                                    "" + pid))
                    .redirectErrorStream(true)
                    .start();
        }

        private static long bytes(final ChildProcess process) throws IOException {
            return process.ioCount("rchar") + process.ioCount("wchar");
        }

        /** What each of so many requests cost. */
        CallCount end(final double requests, final int payloadLength)
                throws IOException, InterruptedException {
            final double all = perf == null ? Double.NaN : endPerf();
            return new CallCount(
                    (process.ioCount("syscr") - reads) / requests,
                    (process.ioCount("syscw") - writes) / requests,
                    all / requests,
                    (bytes(process) - bytes) / (requests * payloadLength));
        }

        /** It prints its count when it is interrupted. */
        private double endPerf() throws IOException, InterruptedException {
            new ProcessBuilder("kill", "-INT", "" + perf.pid()).start().waitFor();
            final String text =
                    new String(perf.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            perf.waitFor();
            for (final String line : text.split("\n", -1)) {
                final String[] fields = line.split(",", -1);
                if (line.contains("raw_syscalls") && fields[0].matches("[0-9]+")) {
                    return Double.parseDouble(fields[0]);
                }
            }
            return Double.NaN; // not allowed to, or not built into this kernel
        }
    }
}

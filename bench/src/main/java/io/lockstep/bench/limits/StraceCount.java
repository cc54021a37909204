package io.lockstep.bench.limits;

import io.lockstep.bench.peer.ChildProcess;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Which system calls a process makes, by {@code strace -c}. Used by one thread. */
final class StraceCount {
    private static final int ATTACH_MILLIS = 300;
    private static final double SHARE_MIN = 0.001;

    private final Process strace;

    private StraceCount(final Process strace) {
        this.strace = strace;
    }

    static StraceCount start(final ChildProcess process) throws IOException, InterruptedException {
        final Process strace =
                new ProcessBuilder(
                                "strace", "-f", "-c", "-U", "calls,name", "-p", "" + process.pid())
                        .redirectErrorStream(true)
                        .start();
        Thread.sleep(ATTACH_MILLIS); // it says nothing that could be waited for
        return new StraceCount(strace);
    }

    /** Names and numbers for each of so many requests. */
    String end(final double requests) throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-INT", "" + strace.pid()).start().waitFor();
        final String text =
                new String(strace.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        strace.waitFor();
        final List<String> calls = new ArrayList<>();
        for (final String line : text.split("\n", -1)) {
            final String[] fields = line.strip().split("\\s+", -1);
            if (fields.length == 2 && fields[0].matches("[0-9]+") && !fields[1].equals("total")) {
                final double each = Long.parseLong(fields[0]) / requests;
                if (each >= SHARE_MIN) {
                    calls.add(String.format(Locale.ROOT, "%s %.3f", fields[1], each));
                }
            }
        }
        return calls.isEmpty()
                ? "strace counted nothing: " + text.strip()
                : String.join(", ", calls);
    }
}

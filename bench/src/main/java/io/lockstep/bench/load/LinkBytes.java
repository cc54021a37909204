package io.lockstep.bench.load;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What went over the TCP connections to a port of this host, both ways, as the kernel counts it:
 * payload without headers, and what was sent again. Source: {@code ss(8)}, {@code bytes_sent} and
 * {@code bytes_received}.
 */
public final class LinkBytes {
    private static final Pattern COUNTED = Pattern.compile("bytes_(?:sent|received):(\\d+)");

    private LinkBytes() {}

    /**
     * Of the connections that there are now.
     *
     * @param port to which they were made
     * @throws IOException where {@code ss} is not there, or says nothing of any
     */
    public static long now(final int port) throws IOException, InterruptedException {
        final Process process =
                new ProcessBuilder("ss", "-tinH", "( dport = :" + port + " )")
                        .redirectErrorStream(true)
                        .start();
        final String said =
                new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        if (process.waitFor() != 0) {
            throw new IOException("ss (package iproute2) fails: " + said.strip());
        }
        final Matcher counted = COUNTED.matcher(said);
        long sum = 0;
        boolean isAny = false;
        while (counted.find()) {
            sum += Long.parseLong(counted.group(1));
            isAny = true;
        }
        if (!isAny) {
            throw new IOException("ss tells of no bytes to port " + port + ": " + said.strip());
        }
        return sum;
    }
}

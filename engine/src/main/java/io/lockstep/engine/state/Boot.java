package io.lockstep.engine.state;

import io.lockstep.engine.node.Id;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.UUID;

/** The host's boot: what lies in memory is of one. Stateless. Source: {@code random(4)}. */
public final class Boot {
    private static final Path FILE = Path.of("/proc/sys/kernel/random/boot_id");

    private Boot() {}

    /**
     * The name of the boot in which this process runs.
     *
     * @throws IOException where the kernel doesn't tell, as without a mounted /proc
     */
    public static Id current() throws IOException {
        try {
            final UUID boot = UUID.fromString(Files.readString(FILE).strip());
            return new Id(boot.getMostSignificantBits(), boot.getLeastSignificantBits());
        } catch (final IOException | IllegalArgumentException e) {
            throw new IOException("cannot tell the host's boot from " + FILE + ": mount /proc", e);
        }
    }
}

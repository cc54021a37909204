package io.lockstep.interop;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/**
 * A foreign secondary, nbdkit, that holds a write back while the link is lost: it must not come to
 * the disk behind a newer one to the same place. See docs/protocol.md, "After a silence, or a cut".
 */
@Timeout(value = 3, unit = TimeUnit.MINUTES)
final class HeldWriteTest {
    private static final int LENGTH = 1 << 20;

    /** The first write to the disk's first byte waits for a file; others do not. */
    private static final String PLUGIN =
            """
            #!/bin/sh
            cd "$(dirname "$0")" || exit 1
            case $1 in
            thread_model) echo parallel ;;
            list_exports) printf 'NAMES\\na\\n' ;;
            get_size) stat -c %s held.img ;;
            can_write | can_flush | can_zero | can_trim) exit 0 ;;
            can_multi_conn) exit 3 ;;
            flush | trim) exit 0 ;;
            pread) dd if=held.img iflag=skip_bytes,count_bytes skip=$4 count=$3 status=none ;;
            pwrite)
                if [ "$4" = 0 ] && mkdir holding 2>/dev/null; then
                    cat >held.data
                    echo >held
                    while [ ! -e released ]; do sleep 0.05; done
                    dd if=held.data of=held.img oflag=seek_bytes seek=0 conv=notrunc status=none
                    echo >landed
                else
                    dd of=held.img oflag=seek_bytes seek=$4 conv=notrunc status=none
                fi ;;
            zero)
                head -c "$3" /dev/zero |
                    dd of=held.img oflag=seek_bytes seek=$4 conv=notrunc status=none ;;
            *) exit 2 ;;
            esac
            """;

    @AutoClose private final Rig rig = new Rig();

    private final ReplicatedPair pair =
            new ReplicatedPair(rig, "", 1, LENGTH)
                    .withLink(rig.path("cut"))
                    .withPrimary("--assume-identical", "--peer-timeout", "1s");

    private Path disk;
    private CutLink link;

    @BeforeEach
    void startWithAServerThatHoldsAWrite() throws IOException {
        disk = rig.hole("held.img", LENGTH);
        final Path plugin = Files.writeString(rig.path("plugin"), PLUGIN);
        if (!plugin.toFile().setExecutable(true)) {
            throw new IOException(plugin + " can't be made executable");
        }
        Peer.nbdkit(rig, "sh", plugin.toString());
        link = rig.keep(CutLink.to(rig.socket(), rig.path("cut")));
        pair.startPrimary();
        try (Control control = pair.primaryControl()) {
            control.awaitLink();
        }
    }

    private void write(final int value) {
        rig.python(
                "connect(sys.argv[1]).pwrite(bytes([int(sys.argv[2])]) * 4096, 0)",
                pair.guest("a"),
                "" + value);
    }

    private static void awaitParted(final Control control) {
        control.await("parted", status -> !status.get("linked").getAsBoolean());
    }

    private void release() throws IOException {
        assertEquals(0, Rig.read(disk)[0], "a newer write has come before the one that is held");
        Files.createFile(rig.path("released"));
        Rig.awaitFile(rig.path("landed"), () -> true);
    }

    private void requireNewest(final Control control) {
        control.awaitDrained();
        assertEquals(2, Rig.read(disk)[0], "the write that was held has come late");
    }

    /** The server works on, and its connection stands: nothing is asked on another one. */
    @Test
    void aWriteThatTheServerHoldsIsWaitedForThoughItSaysNothing() throws Exception {
        write(1);
        Rig.awaitFile(rig.path("held"), () -> true);
        try (Control control = pair.primaryControl()) {
            awaitParted(control);
            final int connections = link.connections();
            write(2);
            TimeUnit.SECONDS.sleep(2); // in which it would have connected anew, and written
            assertEquals(connections, link.connections());
            release();
            requireNewest(control);
        }
    }

    /** The connection is cut, and the server is still at it: a command to a disk has its time. */
    @Test
    void aWriteThatTheServerHoldsOverACutHasItsTime() throws Exception {
        write(1);
        Rig.awaitFile(rig.path("held"), () -> true);
        link.cut();
        try (Control control = pair.primaryControl()) {
            awaitParted(control);
            write(2);
            TimeUnit.SECONDS.sleep(3);
            release();
            requireNewest(control);
        }
    }
}

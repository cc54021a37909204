package io.lockstep.cli.command;

import com.google.gson.JsonObject;

import io.lockstep.cli.control.QmpClient;
import io.lockstep.cli.run.BlockingGuest;
import io.lockstep.cli.run.FailoverRehearsal;
import io.lockstep.engine.memory.PrivateFiles;

import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;

/**
 * {@code lockstep rehearse}: a plain server, a pair, checkpoints and a failover in this one
 * process. The launcher runs it once after a build, for the JVM to remember which classes all of
 * that needs and which methods are worth compiling: a standby that takes over does so for the first
 * time in its life, and should not have to learn it then.
 */
@Command(
        name = "rehearse",
        hidden = true,
        description = "Runs everything once in one process, for the launcher's AOT cache.",
        mixinStandardHelpOptions = true)
public final class RehearsalCommand implements Callable<Integer> {
    private static final String DISK = "d";
    private static final long DISK_LENGTH = 16L << 20;
    private static final int SHORT_WRITES = 2000;
    private static final int LONG_LENGTH = 64 << 10;
    private static final int LONGEST_DEPTH = 4;
    private static final int CHECKPOINTS = 100;
    private static final Duration TIMEOUT = Duration.ofSeconds(10);

    @Parameters(
            index = "0",
            paramLabel = "DIR",
            description = "A new directory for its disks and sockets.")
    private Path directory;

    @Override
    public Integer call() throws IOException, InterruptedException {
        for (final String name : new String[] {"served", "primary", "secondary"}) {
            PrivateFiles.makeHole(at(name + ".img"), DISK_LENGTH);
        }
        run(new ServeCommand(), "--disk", disk("served"), "--listen", uri("served"));
        run(
                new SecondaryCommand(),
                "--disk",
                disk("secondary"),
                "--listen",
                uri("link"),
                "--guest",
                uri("standby"),
                "--control",
                "" + at("secondary.control"),
                "--buffers",
                "" + at("buffers"));
        await(at("served.socket"));
        await(at("standby.socket"));
        run(
                new PrimaryCommand(),
                "--disk",
                disk("primary"),
                "--guest",
                uri("guest"),
                "--peer",
                uri("link"),
                "--control",
                "" + at("primary.control"));
        await(at("guest.socket"));
        use(at("served.socket"));
        use(at("guest.socket"));
        checkpoint(BlockingGuest.BLOCK_LENGTH, BlockingGuest.LOAD_DEPTH);
        checkpoint(LONG_LENGTH, BlockingGuest.LOAD_DEPTH);
        checkpoint(BlockingGuest.CHUNK_LENGTH, LONGEST_DEPTH);
        stop();
        failOver();
        return 0;
    }

    private Path at(final String name) {
        return directory.resolve(name);
    }

    private String disk(final String name) {
        return DISK + "=" + at(name + ".img");
    }

    private String uri(final String name) {
        return "nbd+unix:///?socket=" + at(name + ".socket");
    }

    /** A server's command comes to its end with the process. */
    private static void run(final Callable<Integer> command, final String... arguments) {
        Thread.ofPlatform()
                .daemon()
                .name("rehearsal-" + command.getClass().getSimpleName())
                .start(() -> new CommandLine(command).execute(arguments));
    }

    private static void await(final Path socket) throws IOException, InterruptedException {
        final long deadline = System.nanoTime() + TIMEOUT.toNanos();
        while (!Files.exists(socket)) {
            if (System.nanoTime() > deadline) {
                throw new IOException(socket + " does not appear");
            }
            TimeUnit.MILLISECONDS.sleep(10);
        }
    }

    /** Short and long writes, reads, a flush: as a guest would. */
    private static void use(final Path socket) throws IOException, InterruptedException {
        try (BlockingGuest guest = BlockingGuest.connect(socket, DISK)) {
            for (int i = 0; i < SHORT_WRITES; i++) {
                final long offset = (long) i * BlockingGuest.BLOCK_LENGTH % DISK_LENGTH;
                guest.write(offset, ByteBuffer.allocate(BlockingGuest.BLOCK_LENGTH));
                guest.read(offset, BlockingGuest.BLOCK_LENGTH);
            }
            for (long offset = 0; offset < DISK_LENGTH; offset += LONG_LENGTH) {
                guest.write(offset, ByteBuffer.allocate(LONG_LENGTH));
                guest.read(offset, LONG_LENGTH);
            }
            guest.flush();
        }
    }

    /** Checkpoints under a load of writes of that length. */
    private void checkpoint(final int writeLength, final int depth)
            throws IOException, InterruptedException {
        try (BlockingGuest guest = BlockingGuest.connect(at("guest.socket"), DISK);
                QmpClient primary = QmpClient.connect(at("primary.control"), TIMEOUT);
                QmpClient secondary = QmpClient.connect(at("secondary.control"), TIMEOUT)) {
            guest.startLoad(1, DISK_LENGTH, writeLength, depth);
            for (int i = 0; i < CHECKPOINTS; i++) {
                primary.execute("x-lockstep-checkpoint", TIMEOUT);
                primary.execute("xen-colo-do-checkpoint", TIMEOUT);
                primary.execute("x-lockstep-status", TIMEOUT);
                secondary.execute("x-lockstep-status", TIMEOUT);
            }
            guest.endLoad();
        }
    }

    private void stop() throws IOException {
        try (QmpClient primary = QmpClient.connect(at("primary.control"), TIMEOUT)) {
            primary.execute("x-lockstep-stop", TIMEOUT);
        }
    }

    private void failOver() throws IOException, InterruptedException {
        try (BlockingGuest guest = BlockingGuest.connect(at("standby.socket"), DISK);
                QmpClient secondary = QmpClient.connect(at("secondary.control"), TIMEOUT)) {
            guest.write(0, ByteBuffer.allocate(BlockingGuest.BLOCK_LENGTH));
            final JsonObject force = new JsonObject();
            force.addProperty("force", true); // the primary has left it behind
            secondary.execute("x-lockstep-failover", force, TIMEOUT);
            FailoverRehearsal.orderFailover(secondary);
            guest.write(0, ByteBuffer.allocate(BlockingGuest.BLOCK_LENGTH));
            FailoverRehearsal.awaitMerge(secondary, TIMEOUT);
        }
        use(at("standby.socket"));
    }
}

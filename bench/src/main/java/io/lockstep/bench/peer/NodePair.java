package io.lockstep.bench.peer;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/**
 * Two {@code lockstep node}s with one disk, linked over Unix sockets, of which either can be killed
 * and started again. One thread's.
 */
public final class NodePair implements AutoCloseable {
    private static final long EQUAL_SECONDS_MAX = 300;
    private static final String DISK = "d0";

    /** Whoever looks costs a core something, and it has to be made of code. */
    private static final long LOOK_MS = 10;

    private final Path folder;
    private final List<String> more;
    private final Side north;
    private final Side south;

    /** One of the two. */
    private final class Side implements AutoCloseable {
        private final String name;
        private final String first;
        private ChildProcess process;
        private ControlSocket control;

        Side(final String name, final String first) {
            this.name = name;
            this.first = first;
        }

        void start(final String peer) throws IOException, InterruptedException {
            final List<String> arguments = new ArrayList<>(List.of("node", "--first", first));
            arguments.addAll(List.of("--disk", DISK + "=" + disk(name)));
            arguments.addAll(List.of("--listen", socket(name + ".link")));
            arguments.addAll(List.of("--peer", socket(peer + ".link")));
            arguments.addAll(List.of("--guest", socket(name + ".guest")));
            arguments.addAll(List.of("--control", "" + folder.resolve(name + ".control")));
            arguments.addAll(List.of("--buffers", "" + folder.resolve(name + ".buffers")));
            arguments.addAll(more);
            process = ChildProcess.start(name, folder, ChildProcess.lockstep(arguments));
            control = ControlSocket.connect(folder.resolve(name + ".control"), process);
        }

        JsonObject status() throws IOException {
            return control.execute("x-lockstep-status").getAsJsonObject();
        }

        @Override
        public void close() {
            if (control != null) {
                control.close();
                process.close();
            }
        }
    }

    /**
     * A pair that is not started; its disks are files {@code north.img} and {@code south.img} of
     * the folder.
     *
     * @param more arguments of both
     */
    public NodePair(final Path folder, final String... more)
            throws IOException, InterruptedException {
        this.folder = folder;
        this.more = List.of(more);
        ChildProcess.prepareLockstep();
        north = new Side("north", "primary");
        south = new Side("south", "secondary");
    }

    private Path disk(final String name) {
        return folder.resolve(name + ".img");
    }

    private String socket(final String name) {
        return "nbd+unix:///?socket=" + folder.resolve(name);
    }

    /** The guest's export of the primary. */
    public String guestUri() {
        return "nbd+unix:///" + DISK + "?socket=" + folder.resolve("north.guest");
    }

    /** Starts the primary. */
    public void startPrimary() throws IOException, InterruptedException {
        north.start("south");
    }

    /** Starts the secondary. */
    public void startSecondary() throws IOException, InterruptedException {
        south.start("north");
    }

    /**
     * Waits until the secondary has nothing to do: it is there long before its primary, on another
     * host, and rehearses its failover first.
     */
    public void awaitRest() throws IOException, InterruptedException {
        south.process.awaitRest();
    }

    /** SIGKILL. */
    public void killSecondary() throws InterruptedException {
        south.process.kill();
        south.close();
    }

    /** Lets a secondary that waits be overwritten. */
    public void join() throws IOException {
        south.control.execute("x-lockstep-join");
    }

    /**
     * A synchronisation that has come to its end.
     *
     * @param seconds from its begin to the checkpoint with which both were equal
     * @param received bytes that were written to the secondary's disk since its process began
     * @param cpuSeconds processor time of both processes meanwhile, as far as it was seen
     */
    public record Healed(double seconds, long received, double cpuSeconds) {}

    /** Waits until a synchronisation has begun. */
    public void awaitBegin() throws IOException, InterruptedException {
        final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(EQUAL_SECONDS_MAX);
        while (age(north.status()) == 0) {
            if (System.nanoTime() > deadline) {
                throw north.process.failure("does not begin to make its secondary equal");
            }
            Thread.sleep(1);
        }
    }

    private static long age(final JsonObject status) {
        return status.has("synchronisation")
                ? status.getAsJsonObject("synchronisation").get("age-ns").getAsLong()
                : 0;
    }

    /** Waits until the pair is equal. */
    public Healed awaitEqual() throws IOException, InterruptedException {
        final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(EQUAL_SECONDS_MAX);
        long begin = System.nanoTime();
        double cpu = cpuMicros();
        boolean isBegun = false;
        JsonObject status = north.status();
        while (!status.get("linked").getAsBoolean() || status.has("synchronisation")) {
            if (System.nanoTime() > deadline || !north.process.isRunning()) {
                throw north.process.failure("does not become equal");
            }
            final long age = age(status);
            if (age > 0 && !isBegun) {
                isBegun = true;
                begin = System.nanoTime() - age;
                cpu = cpuMicros();
            }
            Thread.sleep(LOOK_MS);
            status = north.status();
        }
        final double seconds = (System.nanoTime() - begin) / 1e9;
        return new Healed(seconds, received(), (cpuMicros() - cpu) / 1e6);
    }

    /** Has all of an equal pair compared, as {@code lockstep verify} has it. */
    public Healed verify() throws IOException, InterruptedException {
        final double cpu = cpuMicros();
        final long begin = System.nanoTime();
        north.control.execute("x-lockstep-verify");
        while (verification().equals("running")) {
            Thread.sleep(LOOK_MS);
        }
        if (!verification().equals("completed")) {
            throw north.process.failure("does not compare its secondary");
        }
        final double seconds = (System.nanoTime() - begin) / 1e9;
        return new Healed(seconds, received(), (cpuMicros() - cpu) / 1e6);
    }

    private String verification() throws IOException {
        return north.status().getAsJsonObject("verification").get("state").getAsString();
    }

    private double cpuMicros() throws IOException {
        return north.process.cpuMicros() + south.process.cpuMicros();
    }

    private long received() throws IOException {
        long bytes = 0;
        for (final JsonElement disk : south.status().getAsJsonArray("disks")) {
            bytes += disk.getAsJsonObject().get("written-bytes").getAsLong();
        }
        return bytes;
    }

    @Override
    public void close() {
        north.close();
        south.close();
    }
}

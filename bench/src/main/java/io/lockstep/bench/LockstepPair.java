package io.lockstep.bench;

import com.google.gson.JsonObject;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** {@code lockstep primary} and {@code lockstep secondary}, managed over their control sockets. */
final class LockstepPair implements ReplicationPair {
    private static final long START_SECONDS = 60;
    private static final long DRAIN_SECONDS = 60;
    private static final String DISK = "d";

    private final ChildProcess secondary;
    private final ChildProcess primary;
    private final ControlSocket secondaryControl;
    private final ControlSocket primaryControl;
    private final String guestUri;
    private final String secondaryGuestUri;

    private LockstepPair(
            final ChildProcess secondary,
            final ChildProcess primary,
            final ControlSocket secondaryControl,
            final ControlSocket primaryControl,
            final Path folder) {
        this.secondary = secondary;
        this.primary = primary;
        this.secondaryControl = secondaryControl;
        this.primaryControl = primaryControl;
        guestUri = export(folder.resolve("guest"));
        secondaryGuestUri = export(folder.resolve("secondary-guest"));
    }

    private static String export(final Path socket) {
        return "nbd+unix:///" + DISK + "?socket=" + socket;
    }

    /** Sets it up in a folder. */
    static LockstepPair start(final Path folder, final boolean unix, final long diskLength)
            throws IOException, InterruptedException {
        final String link =
                unix
                        ? "nbd+unix:///?socket=" + folder.resolve("link")
                        : "nbd://127.0.0.1:" + BenchServer.freePort();
        final List<AutoCloseable> made = new ArrayList<>();
        boolean started = false;
        try {
            final ChildProcess secondary = startSecondary(folder, link, diskLength);
            made.add(secondary);
            final ControlSocket secondaryControl =
                    ControlSocket.connect(folder.resolve("secondary.control"), secondary);
            made.add(secondaryControl);
            final ChildProcess primary = startPrimary(folder, link, diskLength);
            made.add(primary);
            final ControlSocket primaryControl =
                    ControlSocket.connect(folder.resolve("primary.control"), primary);
            made.add(primaryControl);
            final LockstepPair pair =
                    new LockstepPair(secondary, primary, secondaryControl, primaryControl, folder);
            pair.awaitLink();
            started = true;
            return pair;
        } finally {
            if (!started) {
                for (final AutoCloseable part : made.reversed()) {
                    closeQuietly(part);
                }
            }
        }
    }

    private static ChildProcess startSecondary(
            final Path folder, final String link, final long length) throws IOException {
        final Path disk = ReplicationPair.makeDisk(folder.resolve("secondary.img"), length);
        return ChildProcess.start(
                "secondary",
                folder,
                ChildProcess.lockstep(
                        List.of(
                                "secondary",
                                "--disk",
                                DISK + "=" + disk,
                                "--listen",
                                link,
                                "--guest",
                                "nbd+unix:///?socket=" + folder.resolve("secondary-guest"),
                                "--control",
                                "" + folder.resolve("secondary.control"),
                                "--buffers",
                                "" + folder.resolve("buffers"))));
    }

    private static ChildProcess startPrimary(
            final Path folder, final String link, final long length) throws IOException {
        final Path disk = ReplicationPair.makeDisk(folder.resolve("primary.img"), length);
        return ChildProcess.start(
                "primary",
                folder,
                ChildProcess.lockstep(
                        List.of(
                                "primary",
                                "--assume-identical",
                                "--disk",
                                DISK + "=" + disk,
                                "--guest",
                                "nbd+unix:///?socket=" + folder.resolve("guest"),
                                "--peer",
                                link,
                                "--control",
                                "" + folder.resolve("primary.control"))));
    }

    private void awaitLink() throws IOException, InterruptedException {
        final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
        while (!status(primaryControl).get("linked").getAsBoolean()) {
            if (System.nanoTime() > deadline || !primary.isRunning()) {
                throw primary.failure("is not linked with its secondary");
            }
            Thread.sleep(20);
        }
    }

    private static JsonObject status(final ControlSocket control) throws IOException {
        return control.execute("x-lockstep-status").getAsJsonObject();
    }

    @Override
    public String guestUri() {
        return guestUri;
    }

    @Override
    public String secondaryGuestUri() {
        return secondaryGuestUri;
    }

    @Override
    public void drain() throws IOException, InterruptedException {
        final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(DRAIN_SECONDS);
        while (status(primaryControl).get("lag-bytes").getAsLong() > 0) {
            if (System.nanoTime() > deadline) {
                throw primary.failure("does not get its log to the secondary");
            }
            Thread.sleep(1);
        }
    }

    @Override
    public void checkpoint() throws IOException {
        primaryControl.execute("xen-colo-do-checkpoint");
    }

    @Override
    public boolean pausesItsGuest() {
        return false;
    }

    @Override
    public double commitMicros() throws IOException {
        return status(secondaryControl).getAsJsonObject("commits").get("p999-ns").getAsLong() / 1e3;
    }

    @Override
    public double cpuMicros() throws IOException {
        return primary.cpuMicros() + secondary.cpuMicros();
    }

    @Override
    public void killPrimary() throws InterruptedException {
        primary.kill();
    }

    @Override
    public void failOver() throws IOException {
        secondaryControl.execute(
                "xen-set-replication", "{'enable': false, 'primary': false, 'failover': true}");
    }

    @Override
    public boolean isMerged() throws IOException {
        return status(secondaryControl).get("state").getAsString().equals("alone");
    }

    @Override
    public void close() {
        primaryControl.close();
        secondaryControl.close();
        primary.close();
        secondary.close();
    }

    private static void closeQuietly(final AutoCloseable part) {
        try {
            part.close();
        } catch (final Exception e) {
            // Why it could not be set up is what counts.
        }
    }
}

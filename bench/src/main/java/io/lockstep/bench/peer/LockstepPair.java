package io.lockstep.bench.peer;

import com.google.gson.JsonObject;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** {@code lockstep primary} and {@code lockstep secondary}, managed over their control sockets. */
public final class LockstepPair implements ReplicationPair {
    private static final long START_SECONDS = 60;
    private static final long DRAIN_SECONDS = 60;

    /**
     * How a pair is made.
     *
     * @param isUnix whether the link is a Unix socket, not TCP
     * @param disks how many the group has
     * @param diskLength of each, in bytes
     * @param isSparse whether the disks are all hole, and not all data
     * @param connectionsMax clients that each side takes
     * @param isGuestUnix whether the primary's guest comes over a Unix socket, not TCP
     * @param acknowledgement when that guest is answered, as {@code --ack} takes it
     * @param loops how many the disks have on either side at most; 0 for as many as they like
     */
    public record Shape(
            boolean isUnix,
            int disks,
            long diskLength,
            boolean isSparse,
            int connectionsMax,
            boolean isGuestUnix,
            String acknowledgement,
            int loops) {
        static final int CONNECTIONS = 256;

        private static final long ROOM = 64L << 20;
        private static final long BUFFER_MAX = 16L << 30;
        private static final String LOCAL = "local";

        /** Its guest comes over a Unix socket, and is answered as it is by default. */
        public Shape(
                final boolean isUnix,
                final int disks,
                final long diskLength,
                final boolean isSparse,
                final int connectionsMax) {
            this(isUnix, disks, diskLength, isSparse, connectionsMax, true, LOCAL, 0);
        }

        /** Several disks full of data. */
        public static Shape ofDisks(
                final boolean isUnix, final int disks, final long diskLength, final int loops) {
            return new Shape(isUnix, disks, diskLength, false, CONNECTIONS, true, LOCAL, loops);
        }

        /** All of a disk may be overwritten in an epoch, unless it is longer than any memory. */
        long bufferLimit() {
            return Math.min(diskLength + ROOM, BUFFER_MAX);
        }

        /** One disk full of data. */
        public static Shape ofOneDisk(final boolean isUnix, final long diskLength) {
            return ofOneDisk(isUnix, diskLength, false);
        }

        /** One disk of either kind. */
        public static Shape ofOneDisk(
                final boolean isUnix, final long diskLength, final boolean isSparse) {
            return new Shape(isUnix, 1, diskLength, isSparse, CONNECTIONS);
        }

        /** One disk of either kind, whose guest comes over the same kind of socket as the link. */
        public static Shape guestAlike(
                final boolean isUnix,
                final long diskLength,
                final boolean isSparse,
                final String acknowledgement) {
            return new Shape(
                    isUnix, 1, diskLength, isSparse, CONNECTIONS, isUnix, acknowledgement, 0);
        }
    }

    /**
     * How its disks are used.
     *
     * @param isShared whether both have one disk
     * @param isDirect whether they go past the page cache
     */
    private record Access(boolean isShared, boolean isDirect) {
        List<String> arguments(final Path folder, final String side) {
            if (isShared) {
                return List.of(
                        isDirect ? "--shared" : "--shared-on-one-host",
                        "--state",
                        folder.resolve(side + ".state") + "");
            }
            return isDirect ? List.of("--direct") : List.of();
        }
    }

    private final ChildProcess secondary;
    private final ChildProcess primary;
    private final ControlSocket secondaryControl;
    private final ControlSocket primaryControl;
    private final Path folder;
    private final int linkPort;
    private final int guestPort;
    private final Moments moments;
    private final EngineHistograms commits;
    private String acknowledgement;

    /**
     * When what was there, by {@link System#nanoTime}.
     *
     * @param start of the first process
     * @param secondaryReady its ready line
     * @param primaryReady the primary's
     * @param linked both replicate
     */
    private record Moments(long start, long secondaryReady, long primaryReady, long linked) {}

    private LockstepPair(
            final ChildProcess secondary,
            final ChildProcess primary,
            final ControlSocket secondaryControl,
            final ControlSocket primaryControl,
            final Path folder,
            final int linkPort,
            final int guestPort,
            final String acknowledgement,
            final Moments moments)
            throws IOException {
        this.secondary = secondary;
        this.primary = primary;
        this.secondaryControl = secondaryControl;
        this.primaryControl = primaryControl;
        this.folder = folder;
        this.linkPort = linkPort;
        this.guestPort = guestPort;
        this.acknowledgement = acknowledgement;
        this.moments = moments;
        commits = new EngineHistograms(secondaryControl, "commits");
    }

    private static String diskName(final int number) {
        return "d" + number;
    }

    /** Sets it up in a folder. */
    public static LockstepPair start(final Path folder, final Shape shape)
            throws IOException, InterruptedException {
        return start(folder, folder.resolve("buffers"), shape);
    }

    /** Sets it up in folders of its own. */
    public static LockstepPair start(final PairFolders folders, final Shape shape)
            throws IOException, InterruptedException {
        return start(
                folders.disks(),
                folders.secondaryDisks(),
                folders.buffers(),
                shape,
                new Access(false, folders.isDirect()));
    }

    /**
     * The same where both have one disk: past the page cache, or through the one that they have in
     * common.
     */
    public static LockstepPair startShared(final PairFolders folders, final Shape shape)
            throws IOException, InterruptedException {
        return start(
                folders.disks(),
                folders.disks(),
                folders.buffers(),
                shape,
                new Access(true, folders.isDirect()));
    }

    /** Sets it up in a folder, with the pre-images somewhere else. */
    static LockstepPair start(final Path folder, final Path buffers, final Shape shape)
            throws IOException, InterruptedException {
        return start(folder, folder, buffers, shape, new Access(false, false));
    }

    private static LockstepPair start(
            final Path folder,
            final Path secondaryFolder,
            final Path buffers,
            final Shape shape,
            final Access access)
            throws IOException, InterruptedException {
        final int linkPort = shape.isUnix() ? 0 : BenchServer.freePort();
        final String link =
                shape.isUnix()
                        ? "nbd+unix:///?socket=" + folder.resolve("link")
                        : "nbd://127.0.0.1:" + linkPort;
        final int guestPort = shape.isGuestUnix() ? 0 : BenchServer.freePort();
        final List<AutoCloseable> made = new ArrayList<>();
        boolean started = false;
        try {
            ChildProcess.prepareLockstep();
            final List<String> secondaryDisks =
                    makeDisks(secondaryFolder, "secondary", shape, access);
            final List<String> primaryDisks =
                    access.isShared()
                            ? new ArrayList<>(secondaryDisks)
                            : makeDisks(folder, "primary", shape, access);
            secondaryDisks.addAll(access.arguments(folder, "secondary"));
            primaryDisks.addAll(access.arguments(folder, "primary"));
            if (!access.isShared()) {
                primaryDisks.add("--assume-identical");
            }
            final long start = System.nanoTime();
            final ChildProcess secondary =
                    startSecondary(folder, buffers, link, secondaryDisks, shape);
            made.add(secondary);
            final long secondaryReady = secondary.awaitReady();
            final ControlSocket secondaryControl =
                    ControlSocket.connect(folder.resolve("secondary.control"), secondary);
            made.add(secondaryControl);
            final ChildProcess primary = startPrimary(folder, link, guestPort, primaryDisks, shape);
            made.add(primary);
            final long primaryReady = primary.awaitReady();
            final ControlSocket primaryControl =
                    ControlSocket.connect(folder.resolve("primary.control"), primary);
            made.add(primaryControl);
            awaitLink(primary, primaryControl);
            final Moments moments =
                    new Moments(start, secondaryReady, primaryReady, System.nanoTime());
            final LockstepPair pair =
                    new LockstepPair(
                            secondary,
                            primary,
                            secondaryControl,
                            primaryControl,
                            folder,
                            linkPort,
                            guestPort,
                            shape.acknowledgement(),
                            moments);
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

    /** Makes the disks of one side; answers them as arguments. */
    private static List<String> makeDisks(
            final Path folder, final String side, final Shape shape, final Access access)
            throws IOException {
        final List<String> arguments = new ArrayList<>();
        for (int i = 0; i < shape.disks(); i++) {
            final Path file = folder.resolve(side + "-" + diskName(i) + ".img");
            NewDisk.make(file, shape.diskLength(), shape.isSparse(), access.isDirect());
            arguments.add("--disk");
            arguments.add(diskName(i) + "=" + file);
        }
        return arguments;
    }

    private static ChildProcess startSecondary(
            final Path folder,
            final Path buffers,
            final String link,
            final List<String> disks,
            final Shape shape)
            throws IOException {
        final List<String> arguments = new ArrayList<>(List.of("secondary"));
        arguments.addAll(disks);
        arguments.addAll(
                List.of(
                        "--max-connections",
                        "" + shape.connectionsMax(),
                        "--buffer-limit",
                        "" + shape.bufferLimit(),
                        "--listen",
                        link,
                        "--guest",
                        "nbd+unix:///?socket=" + folder.resolve("secondary-guest"),
                        "--control",
                        "" + folder.resolve("secondary.control"),
                        "--buffers",
                        "" + buffers));
        addLoops(arguments, shape);
        return ChildProcess.start("secondary", folder, ChildProcess.lockstep(arguments));
    }

    private static ChildProcess startPrimary(
            final Path folder,
            final String link,
            final int guestPort,
            final List<String> disks,
            final Shape shape)
            throws IOException {
        final List<String> arguments = new ArrayList<>(List.of("primary"));
        arguments.addAll(disks);
        arguments.addAll(
                List.of(
                        "--max-connections",
                        "" + shape.connectionsMax(),
                        "--guest",
                        guestUri(folder, guestPort, ""),
                        "--peer",
                        link,
                        "--control",
                        "" + folder.resolve("primary.control")));
        if (!shape.acknowledgement().equals(Shape.LOCAL)) {
            arguments.addAll(List.of("--ack", shape.acknowledgement()));
        }
        addLoops(arguments, shape);
        return ChildProcess.start("primary", folder, ChildProcess.lockstep(arguments));
    }

    private static void addLoops(final List<String> arguments, final Shape shape) {
        if (shape.loops() > 0) {
            arguments.addAll(List.of("--loops", "" + shape.loops()));
        }
    }

    private static void awaitLink(final ChildProcess primary, final ControlSocket control)
            throws IOException, InterruptedException {
        final long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(START_SECONDS);
        JsonObject status = status(control);
        while (!status.get("linked").getAsBoolean() || status.has("synchronisation")) {
            if (System.nanoTime() > deadline || !primary.isRunning()) {
                throw primary.failure("is not linked with its secondary");
            }
            Thread.sleep(20);
            status = status(control);
        }
    }

    private static JsonObject status(final ControlSocket control) throws IOException {
        return control.execute("x-lockstep-status").getAsJsonObject();
    }

    @Override
    public String guestUri() {
        return guestUri(0);
    }

    /** The guest's export of one of the primary's disks. */
    public String guestUri(final int disk) {
        return guestUri(folder, guestPort, diskName(disk));
    }

    /** Over TCP if the port isn't 0. */
    private static String guestUri(final Path folder, final int port, final String disk) {
        return port == 0
                ? "nbd+unix:///" + disk + "?socket=" + folder.resolve("guest")
                : "nbd://127.0.0.1:" + port + "/" + disk;
    }

    /** From now on its guest is answered as {@code --ack} with this would have it. */
    public void acknowledge(final String level) throws IOException {
        if (!level.equals(acknowledgement)) {
            primaryControl.execute("x-lockstep-set-ack", "{'level': '" + level + "'}");
            acknowledgement = level;
        }
        final JsonObject told = status(primaryControl).getAsJsonObject("ack");
        if (!told.get("in-force").getAsBoolean()) {
            throw primary.failure("does not answer its guest as told, but by itself: " + told);
        }
    }

    @Override
    public String secondaryGuestUri() {
        return "nbd+unix:///" + diskName(0) + "?socket=" + folder.resolve("secondary-guest");
    }

    @Override
    public void awaitStandby() throws IOException, InterruptedException {
        secondary.awaitRest();
    }

    /** Where the secondary listens; 0 where that is a Unix socket. */
    public int linkPort() {
        return linkPort;
    }

    /** From the start of the first process to the moment from which both replicate. */
    public double startSeconds() {
        return (moments.linked() - moments.start()) / 1e9;
    }

    /** When the primary printed its ready line, by {@link System#nanoTime}. */
    public long primaryReadyNanos() {
        return moments.primaryReady();
    }

    /** When the secondary printed its. */
    public long secondaryReadyNanos() {
        return moments.secondaryReady();
    }

    /** The primary's process. */
    public ChildProcess primary() {
        return primary;
    }

    /** The secondary's process. */
    public ChildProcess secondary() {
        return secondary;
    }

    /** Another connection to the primary's control socket, for another thread. */
    public ControlSocket connectToPrimary() throws IOException, InterruptedException {
        return ControlSocket.connect(folder.resolve("primary.control"), primary);
    }

    /** Another connection to the secondary's control socket, for another thread. */
    public ControlSocket connectToSecondary() throws IOException, InterruptedException {
        return ControlSocket.connect(folder.resolve("secondary.control"), secondary);
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
        return commits.interval().getMaxValue() / 1e3;
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

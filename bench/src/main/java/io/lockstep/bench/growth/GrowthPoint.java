package io.lockstep.bench.growth;

import io.lockstep.bench.load.Cell;
import io.lockstep.bench.load.CheckpointTicker;
import io.lockstep.bench.load.OwnLoad;
import io.lockstep.bench.peer.BenchServer;
import io.lockstep.bench.peer.ChildProcess;
import io.lockstep.bench.peer.ControlSocket;
import io.lockstep.bench.peer.EngineHistograms;
import io.lockstep.bench.peer.LockstepPair;
import io.lockstep.bench.peer.MemoryFolder;
import io.lockstep.bench.report.Measurement;
import io.lockstep.bench.report.Rounds;

import org.HdrHistogram.Histogram;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/**
 * What a pair of some size costs. Not a number stands for what does not make sense at a point.
 *
 * @param startSeconds from the first process's start until both replicate
 * @param checkpointMillis the median, as the manager sees it
 * @param commitMicros the longest one inside the secondary
 * @param checkpointCpuMicros what a checkpoint takes of the secondary's processor
 * @param statusMillis the slower side's answer to status, the median
 * @param primaryMebibytes resident
 * @param secondaryMebibytes resident
 * @param idlePercent of a core, both processes together, when nobody asks for anything
 * @param requestsPerSecond of the load, where there is one
 * @param requestCpuMicros of both processes, for a request of that load
 */
record GrowthPoint(
        double startSeconds,
        double checkpointMillis,
        double commitMicros,
        double checkpointCpuMicros,
        double statusMillis,
        double primaryMebibytes,
        double secondaryMebibytes,
        double idlePercent,
        double requestsPerSecond,
        double requestCpuMicros) {
    private static final long MEBIBYTE = 1 << 20;
    private static final long GIBIBYTE = 1 << 30;
    private static final int CHECKPOINTS = 10;
    private static final int WARM_UP_CHECKPOINTS = 1000;
    private static final int WARM_UP_WRITES = 20_000;
    private static final int STATUS_COUNT = 20;
    private static final int IDLE_MILLIS = 1000;
    private static final int LOAD_CHECKPOINTS_PER_SECOND = 20;
    private static final double LOAD_SECONDS = 1;

    /** Makes data dirty. */
    private interface Dirtying {
        void run(LockstepPair pair) throws IOException, InterruptedException;
    }

    /**
     * A point that is to be measured.
     *
     * @param name for the table
     * @param shape of the pair
     * @param dirtying what comes before each checkpoint
     * @param checkpoints how many are timed
     * @param connections of a load while checkpoints are made; 0 for none
     * @param memoryNeeded in bytes
     */
    record Plan(
            String name,
            LockstepPair.Shape shape,
            Dirtying dirtying,
            int checkpoints,
            int connections,
            long memoryNeeded) {
        private static final int CONNECTIONS_MAX = 256;

        /** So much overwritten: of data, or of holes, which need no room for their pre-images. */
        static Plan dirty(final long dirty, final boolean isHole) {
            final long length = Math.max(64 * MEBIBYTE, dirty);
            return new Plan(
                    bytes(dirty) + (isHole ? ", of holes" : ""),
                    new LockstepPair.Shape(true, 1, length, isHole, CONNECTIONS_MAX),
                    pair -> {
                        if (dirty > 0) {
                            OwnLoad.fill(pair.guestUri(), dirty);
                        }
                    },
                    1,
                    0,
                    (isHole ? 2 : 3) * dirty + 2 * GIBIBYTE);
        }

        /** A disk of that length. */
        static Plan length(final long length) {
            return new Plan(
                    bytes(length),
                    new LockstepPair.Shape(true, 1, length, true, CONNECTIONS_MAX),
                    pair -> OwnLoad.scatter(pair.guestUri(), length, 64),
                    CHECKPOINTS,
                    0,
                    2 * GIBIBYTE);
        }

        /** So many disks. */
        static Plan disks(final int disks) {
            final long length = 64 * MEBIBYTE;
            return new Plan(
                    "" + disks,
                    new LockstepPair.Shape(true, disks, length, true, CONNECTIONS_MAX),
                    pair -> {
                        for (int disk = 0; disk < disks; disk++) {
                            OwnLoad.scatter(pair.guestUri(disk), length, 4);
                        }
                    },
                    CHECKPOINTS,
                    0,
                    4 * GIBIBYTE);
        }

        /** So many guests' connections. */
        static Plan connections(final int connections) {
            return new Plan(
                    "" + connections,
                    new LockstepPair.Shape(
                            true, 1, BenchServer.DISK_LENGTH, false, CONNECTIONS_MAX),
                    pair -> {},
                    1,
                    connections,
                    5 * GIBIBYTE);
        }

        private static String bytes(final long bytes) {
            final String[] units = {"MiB", "GiB", "TiB"};
            long value = bytes / MEBIBYTE;
            int unit = 0;
            while (value >= 1024 && value % 1024 == 0) {
                value /= 1024;
                unit++;
            }
            return value + " " + units[unit];
        }

        /** Measures it, on a new pair. */
        GrowthPoint measure() throws IOException, InterruptedException {
            try (MemoryFolder folder = new MemoryFolder();
                    LockstepPair pair = LockstepPair.start(folder.path(), shape);
                    ControlSocket primary = pair.connectToPrimary();
                    ControlSocket secondary = pair.connectToSecondary()) {
                warmUp(pair, primary, secondary);
                final EngineHistograms commits = new EngineHistograms(secondary, "commits");
                final Checkpoints timed =
                        connections == 0 ? timeCheckpoints(pair) : timeUnderLoad(pair);
                final double statusMillis =
                        Math.max(statusMillis(primary), statusMillis(secondary));
                final Histogram inside = commits.interval();
                final double idle = idlePercent(pair);
                return new GrowthPoint(
                        pair.startSeconds(),
                        new Rounds(timed.millis()).median(),
                        inside.getMaxValue() / 1e3,
                        connections == 0 ? timed.cpuMicros() : Double.NaN,
                        statusMillis,
                        resident(pair.primary()),
                        resident(pair.secondary()),
                        idle,
                        timed.requestsPerSecond(),
                        timed.requestCpuMicros());
            }
        }

        /** What is compiled late must not be taken for what is large. */
        private static void warmUp(
                final LockstepPair pair, final ControlSocket primary, final ControlSocket secondary)
                throws IOException, InterruptedException {
            OwnLoad.scatter(pair.guestUri(), MEBIBYTE, WARM_UP_WRITES);
            for (int i = 0; i < WARM_UP_CHECKPOINTS; i++) {
                pair.checkpoint();
                primary.execute("x-lockstep-status");
                secondary.execute("x-lockstep-status");
            }
            pair.drain();
        }

        private Checkpoints timeCheckpoints(final LockstepPair pair)
                throws IOException, InterruptedException {
            final List<Double> millis = new ArrayList<>();
            double cpu = 0;
            for (int i = 0; i < checkpoints; i++) {
                dirtying.run(pair);
                pair.drain();
                final double before = pair.secondary().threadMicros();
                final long start = System.nanoTime();
                pair.checkpoint();
                millis.add((System.nanoTime() - start) / 1e6);
                cpu += pair.secondary().threadMicros() - before;
            }
            return new Checkpoints(millis, cpu / checkpoints, Double.NaN, Double.NaN);
        }

        private Checkpoints timeUnderLoad(final LockstepPair pair)
                throws IOException, InterruptedException {
            final Cell cell = new Cell(true, 4 << 10, 1, connections);
            new OwnLoad(0).run(pair.guestUri(), cell, LOAD_SECONDS);
            final double before = bothMicros(pair);
            try (CheckpointTicker ticker =
                    CheckpointTicker.start(pair, null, LOAD_CHECKPOINTS_PER_SECOND)) {
                final Measurement load = new OwnLoad(0).run(pair.guestUri(), cell, LOAD_SECONDS);
                final List<Double> millis =
                        ticker.end().stream().map(made -> made.nanos() / 1e6).toList();
                pair.drain();
                final double micros =
                        (bothMicros(pair) - before) / (load.requestsPerSecond() * LOAD_SECONDS);
                return new Checkpoints(millis, Double.NaN, load.requestsPerSecond(), micros);
            }
        }

        private static double idlePercent(final LockstepPair pair)
                throws IOException, InterruptedException {
            final double before = bothMicros(pair);
            Thread.sleep(IDLE_MILLIS);
            return (bothMicros(pair) - before) / (IDLE_MILLIS * 1e3) * 100;
        }

        private static double bothMicros(final LockstepPair pair) throws IOException {
            return pair.primary().threadMicros() + pair.secondary().threadMicros();
        }

        private static double statusMillis(final ControlSocket control) throws IOException {
            final List<Double> millis = new ArrayList<>();
            for (int i = 0; i < STATUS_COUNT; i++) {
                final long start = System.nanoTime();
                control.execute("x-lockstep-status");
                millis.add((System.nanoTime() - start) / 1e6);
            }
            return new Rounds(millis).median();
        }

        private static double resident(final ChildProcess process) throws IOException {
            return (double) process.memoryBytes("VmRSS") / MEBIBYTE;
        }
    }

    /** What checkpoints took, and the load beside them, where there was one. */
    private record Checkpoints(
            List<Double> millis,
            double cpuMicros,
            double requestsPerSecond,
            double requestCpuMicros) {}
}

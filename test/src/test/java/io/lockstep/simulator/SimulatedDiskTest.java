package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.ExtentList;
import io.lockstep.engine.memory.Errno;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.LongStream;

/** The simulated disk keeps a disk's promises, and no more than those. */
final class SimulatedDiskTest {
    private static final int BLOCK_LENGTH = 4096;
    private static final int SECTOR_LENGTH = 512;
    private static final long LENGTH = 1L << 40;

    /** A disk on a host, and operations that run to their end. */
    private static final class World {
        final Simulation simulation;
        final SimulatedHost host;
        final SimulatedMedium medium;
        final MemorySegment memory = Arena.ofAuto().allocate(1 << 16);
        SimulatedLoop loop;
        Disk disk;

        World(final Simulation simulation, final DiskFaults faults) {
            this.simulation = simulation;
            host = new SimulatedHost(new SimulatedNetwork(simulation, NetworkFaults.NONE), "host");
            medium = new SimulatedMedium(simulation, "disk", LENGTH, faults);
            start();
        }

        void start() {
            loop = host.loop("loop");
            disk = host.open(medium, loop);
        }

        Outcome write(final long offset, final int length, final int value) {
            final MemorySegment bytes =
                    Arena.ofAuto().allocate(Math.max(1, length)).fill((byte) value);
            final Outcome outcome = new Outcome();
            disk.write(offset, length, bytes, 0, outcome, 0);
            disk.poll();
            return outcome;
        }

        Outcome flush() {
            final Outcome outcome = new Outcome();
            disk.flush(outcome, 0);
            disk.poll();
            return outcome;
        }

        byte[] read(final long offset, final int length) {
            final Outcome outcome = new Outcome();
            disk.read(offset, length, memory, 0, outcome, 0);
            disk.poll();
            finish(outcome);
            return memory.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE);
        }

        void finish(final Outcome outcome) {
            disk.poll(); // nobody else asks for what is done at once
            simulation.runUntil("it is complete", Simulation.SECOND, () -> outcome.errno >= 0);
        }

        void restartAfter(final Runnable disaster) {
            disaster.run();
            simulation.runUntilIdle();
            start();
        }
    }

    private static final class Outcome implements Disk.Completion {
        int errno = -1;

        @Override
        public void onComplete(final long token, final int number) {
            assertEquals(-1, errno);
            errno = number;
        }
    }

    static LongStream seeds() {
        return Seeds.usually(50);
    }

    private static void run(
            final long seed, final DiskFaults faults, final Consumer<World> scenario) {
        Simulation.run(
                seed,
                "SimulatedDiskTest",
                simulation -> scenario.accept(new World(simulation, faults)));
    }

    private static byte[] bytes(final int length, final int value) {
        final byte[] bytes = new byte[length];
        Arrays.fill(bytes, (byte) value);
        return bytes;
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void readsWhatWasWrittenAndZeroedAnywhereOnALargeDisk(final long seed) {
        run(
                seed,
                DiskFaults.NONE,
                world -> {
                    final long offset = world.simulation.dice().between(0, LENGTH - 30_000);
                    world.finish(world.write(offset, 20_000, 5));
                    final Outcome zeroed = new Outcome();
                    world.disk.zero(offset + 100, 15_000, 0, zeroed, 0);
                    world.finish(zeroed);
                    final byte[] expected = bytes(20_000, 5);
                    Arrays.fill(expected, 100, 15_100, (byte) 0);
                    assertArrayEquals(expected, world.read(offset, 20_000));
                    final Outcome everything = new Outcome();
                    world.disk.zero(0, LENGTH, 0, everything, 0);
                    world.medium.faults(DiskFaults.NONE.immediately(0));
                    world.finish(everything);
                    assertArrayEquals(bytes(20_000, 0), world.read(offset, 20_000));
                });
    }

    @Test
    void whatIsDoneAtOnceWaitsForAPollThatNobodyElseCalls() {
        run(
                1,
                DiskFaults.NONE.immediately(1),
                world -> {
                    final Outcome outcome = new Outcome();
                    world.disk.read(0, 10, world.memory, 0, outcome, 0);
                    world.simulation.runUntilIdle();
                    assertEquals(-1, outcome.errno);
                    assertEquals(1, world.disk.poll());
                    assertEquals(0, outcome.errno);
                });
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void aFlushKeepsWhatHadCompletedBeforeIt(final long seed) {
        run(
                seed,
                DiskFaults.NONE,
                world -> {
                    for (int i = 0; i < 20; i++) {
                        final int value = i + 1;
                        world.finish(world.write(i * 1000L, 3000, value));
                    }
                    final byte[] flushed = world.read(0, 30_000);
                    world.finish(world.flush());
                    world.write(40_000, 20_000, 99);
                    world.restartAfter(world.host::crash);
                    assertArrayEquals(flushed, world.read(0, 30_000));
                    assertArrayEquals(flushed, world.medium.durable().read(0, 30_000));
                });
    }

    /** Each sector of what was not flushed is there or not; over many seeds all of it is seen. */
    @Test
    void whatNoFlushCoveredSurvivesOrIsLostOrIsTornBetweenSectors() {
        final Set<Integer> sectorsLeft = new HashSet<>();
        for (long seed = 0; seed < 100; seed++) {
            run(
                    seed,
                    DiskFaults.NONE,
                    world -> {
                        world.medium.fill(0, bytes(BLOCK_LENGTH, 1));
                        world.finish(world.write(0, BLOCK_LENGTH, 2));
                        world.restartAfter(world.host::crash);
                        final byte[] left = world.read(0, BLOCK_LENGTH);
                        int count = 0;
                        for (int sector = 0; sector < BLOCK_LENGTH; sector += SECTOR_LENGTH) {
                            final byte[] one =
                                    Arrays.copyOfRange(left, sector, sector + SECTOR_LENGTH);
                            assertArrayEquals(bytes(SECTOR_LENGTH, one[0]), one);
                            count += one[0] - 1;
                        }
                        sectorsLeft.add(count);
                    });
        }
        assertTrue(sectorsLeft.contains(0) && sectorsLeft.contains(8) && sectorsLeft.size() > 4);
    }

    /**
     * The promise is about what had completed when the flush was submitted, not when it completes.
     */
    @Test
    void aFlushOwesNothingToWhatWasInFlightWhenItCame() {
        final Set<Byte> left = new HashSet<>();
        for (long seed = 0; seed < 100; seed++) {
            run(
                    seed,
                    DiskFaults.NONE.crashing(1, 0),
                    world -> {
                        final Outcome write = new Outcome();
                        world.disk.write(0, 512, world.memory.fill((byte) 3), 0, write, 0);
                        final Outcome flush = world.flush();
                        world.finish(flush);
                        world.finish(write);
                        world.restartAfter(world.host::crash);
                        left.add(world.read(0, 1)[0]);
                    });
        }
        assertTrue(left.contains((byte) 0));
    }

    /** An old write in the cache never comes back over a newer one that was flushed. */
    @ParameterizedTest
    @MethodSource("seeds")
    void whatWasFlushedIsNotOverwrittenByWhatWasBeforeIt(final long seed) {
        run(
                seed,
                DiskFaults.NONE.immediately(0).crashing(0, 0),
                world -> {
                    final Outcome older = world.write(0, 8192, 1);
                    world.simulation.runFor(400 * Simulation.MICROSECOND);
                    final Outcome newer = world.write(100, 5000, 2);
                    world.finish(newer);
                    final boolean wasFirst = world.medium.current().read(200, 1)[0] == 2;
                    final boolean olderEffective = world.medium.current().read(8000, 1)[0] == 1;
                    world.finish(world.flush());
                    if (wasFirst && olderEffective && older.errno < 0) {
                        world.restartAfter(world.host::crash);
                        assertEquals(2, world.read(200, 1)[0]);
                    }
                });
    }

    @ParameterizedTest
    @MethodSource("seeds")
    void aKilledProcessLosesNothingThatHadCompleted(final long seed) {
        run(
                seed,
                DiskFaults.NONE,
                world -> {
                    world.finish(world.write(0, 10_000, 4));
                    world.restartAfter(world.host::kill);
                    assertArrayEquals(bytes(10_000, 4), world.read(0, 10_000));
                    world.finish(world.flush());
                    world.restartAfter(world.host::crash);
                    assertArrayEquals(bytes(10_000, 4), world.read(0, 10_000));
                });
    }

    @Test
    void overlappingWritesInFlightTakeEffectInAnyOrderAndMix() {
        final Set<Integer> sums = new HashSet<>();
        for (long seed = 0; seed < 100; seed++) {
            run(
                    seed,
                    DiskFaults.NONE,
                    world -> {
                        final Outcome one = world.write(0, 2048, 1);
                        final Outcome other = world.write(0, 2048, 2);
                        world.finish(one);
                        world.finish(other);
                        final byte[] bytes = world.read(0, 2048);
                        int sum = 0;
                        for (int sector = 0; sector < 2048; sector += SECTOR_LENGTH) {
                            sum += bytes[sector];
                        }
                        sums.add(sum);
                    });
        }
        assertTrue(sums.containsAll(Set.of(4, 8)) && sums.size() > 2, sums.toString());
    }

    @Test
    void memoryThatIsUsedAgainTooEarlyShows() {
        final Set<Byte> written = new HashSet<>();
        for (long seed = 0; seed < 50; seed++) {
            run(
                    seed,
                    DiskFaults.NONE,
                    world -> {
                        final Outcome outcome = new Outcome();
                        world.disk.write(0, 10, world.memory.fill((byte) 1), 0, outcome, 0);
                        world.memory.fill((byte) 2);
                        world.disk.poll();
                        world.finish(outcome);
                        written.add(world.read(0, 1)[0]);
                    });
        }
        assertEquals(Set.of((byte) 1, (byte) 2), written);
    }

    @Test
    void extentsTellHolesFromDataAndZeroes() {
        run(
                1,
                DiskFaults.NONE.immediately(1),
                world -> {
                    world.write(8192, 5000, 1);
                    world.disk.zero(40_960, 8192, Disk.ZERO_NO_HOLE, new Outcome(), 0);
                    world.disk.poll();
                    final ExtentList extents = new ExtentList(10);
                    world.disk.extents(100, 1_000_000, extents, new Outcome(), 0);
                    world.disk.poll();
                    assertEquals(1_000_000, extents.totalLength());
                    assertEquals(5, extents.size());
                    assertExtent(extents, 0, 8092, ExtentList.HOLE);
                    assertExtent(extents, 1, 8192, ExtentList.DATA);
                    assertExtent(extents, 2, 24_576, ExtentList.HOLE);
                    assertExtent(extents, 3, 8192, ExtentList.ZERO);
                    assertExtent(extents, 4, 1_000_100 - 49_152, ExtentList.HOLE);
                });
    }

    private static void assertExtent(
            final ExtentList extents, final int index, final long length, final int state) {
        assertEquals(length, extents.length(index));
        assertEquals(state, extents.state(index));
    }

    @Test
    void operationsFailByRuleAndByChance() {
        run(
                1,
                DiskFaults.NONE.failing(1, DiskOperation.WRITE),
                world -> {
                    final Outcome outcome = world.write(0, 4096, 1);
                    world.finish(outcome);
                    assertTrue(outcome.errno == Errno.EIO || outcome.errno == Errno.ENOSPC);
                    world.medium.faults(DiskFaults.NONE);
                    world.medium.failWhen(
                            (kind, offset, length) -> offset == 8192 ? Errno.ENXIO : 0);
                    final Outcome other = world.write(8192, 4096, 1);
                    world.finish(other);
                    assertEquals(Errno.ENXIO, other.errno);
                    final Outcome fine = world.write(0, 4096, 1);
                    world.finish(fine);
                    assertEquals(0, fine.errno);
                });
    }

    @Test
    void aStuckOperationGoesOnWhenItIsReleased() {
        run(
                1,
                DiskFaults.NONE.sticking(1),
                world -> {
                    final Outcome outcome = world.write(0, 4096, 1);
                    world.simulation.runUntilIdle();
                    assertEquals(-1, outcome.errno);
                    world.medium.release();
                    world.finish(outcome);
                    assertEquals(0, outcome.errno);
                });
    }

    @Test
    void aRangeBeyondTheEndIsFound() {
        final SimulationFailure failure =
                assertThrows(
                        SimulationFailure.class,
                        () -> run(1, DiskFaults.NONE, world -> world.write(LENGTH - 1, 2, 1)));
        assertTrue(failure.getMessage().contains("beyond the end"), failure.getMessage());
    }

    @Test
    void imagesCompareByWhatTheyRead() {
        run(
                1,
                DiskFaults.NONE.crashing(1, 0),
                world -> {
                    world.finish(world.write(0, 4096, 0));
                    assertTrue(world.medium.current().readsAs(world.medium.durable()));
                    world.finish(world.write(4096, 1, 7));
                    assertFalse(world.medium.current().readsAs(world.medium.durable()));
                    assertNotEquals(0, world.medium.current().read(4096, 1)[0]);
                });
    }
}

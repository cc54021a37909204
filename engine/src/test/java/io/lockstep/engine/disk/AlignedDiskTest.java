package io.lockstep.engine.disk;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.memory.Errno;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;

/** Any range, over a disk that takes whole units from aligned memory alone. */
final class AlignedDiskTest {
    private static final int LENGTH = 4 << 20;

    /** Takes what a file past the page cache takes, and does it in any order. */
    private static final class UnitDisk implements Disk {
        private final byte[] content = new byte[LENGTH];
        private final int unit;
        private final Random order;
        private final List<Runnable> pending = new ArrayList<>();
        private int errno;

        UnitDisk(final int unit, final long seed) {
            this.unit = unit;
            order = new Random(seed);
        }

        private void require(final long offset, final long length) {
            assertEquals(0, offset % unit, "an offset that is not aligned");
            assertEquals(0, length % unit, "a length that is not aligned");
        }

        private void require(final MemorySegment memory, final long position) {
            assertEquals(0, (memory.address() + position) % unit, "memory that is not aligned");
        }

        @Override
        public void read(
                final long offset,
                final int length,
                final MemorySegment memory,
                final long position,
                final Completion completion,
                final long token) {
            require(offset, length);
            require(memory, position);
            pending.add(
                    () -> {
                        MemorySegment.copy(
                                content,
                                (int) offset,
                                memory,
                                ValueLayout.JAVA_BYTE,
                                position,
                                length);
                        completion.onComplete(token, errno);
                    });
        }

        @Override
        public void write(
                final long offset,
                final int length,
                final MemorySegment memory,
                final long position,
                final Completion completion,
                final long token) {
            require(offset, length);
            require(memory, position);
            pending.add(
                    () -> {
                        MemorySegment.copy(
                                memory,
                                ValueLayout.JAVA_BYTE,
                                position,
                                content,
                                (int) offset,
                                length);
                        completion.onComplete(token, errno);
                    });
        }

        @Override
        public void zero(
                final long offset,
                final long length,
                final int flags,
                final Completion completion,
                final long token) {
            require(offset, length);
            pending.add(
                    () -> {
                        Arrays.fill(content, (int) offset, (int) (offset + length), (byte) 0);
                        completion.onComplete(token, errno);
                    });
        }

        @Override
        public void discard(
                final long offset,
                final long length,
                final Completion completion,
                final long token) {
            zero(offset, length, 0, completion, token);
        }

        @Override
        public void flush(final Completion completion, final long token) {
            pending.add(() -> completion.onComplete(token, errno));
        }

        @Override
        public void prefetch(
                final long offset,
                final long length,
                final Completion completion,
                final long token) {
            pending.add(() -> completion.onComplete(token, 0));
        }

        @Override
        public void extents(
                final long offset,
                final long length,
                final ExtentList into,
                final Completion completion,
                final long token) {
            into.clear();
            into.add(length, ExtentList.DATA);
            pending.add(() -> completion.onComplete(token, 0));
        }

        @Override
        public String name() {
            return "units";
        }

        @Override
        public long length() {
            return LENGTH;
        }

        @Override
        public boolean isReadOnly() {
            return false;
        }

        @Override
        public boolean isRotational() {
            return false;
        }

        @Override
        public int poll() {
            if (pending.isEmpty()) {
                return 0;
            }
            pending.remove(order.nextInt(pending.size())).run();
            return 1;
        }
    }

    private static void finish(final Disk disk) {
        while (disk.poll() > 0) {}
    }

    @ParameterizedTest
    @ValueSource(ints = {512, 4096})
    void whatIsWrittenBesideEachOtherIsThere(final int unit) {
        final Random random = new Random(unit);
        final UnitDisk units = new UnitDisk(unit, unit);
        final AlignedDisk disk = new AlignedDisk(units, unit);
        final byte[] model = new byte[LENGTH];
        try (Arena arena = Arena.ofConfined()) {
            for (int round = 0; round < 300; round++) {
                int at = random.nextInt(LENGTH / 2);
                for (int i = random.nextInt(1, 12); i > 0; i--) {
                    final boolean isLong = random.nextInt(20) == 0;
                    final int length = random.nextInt(1, isLong ? 3 << 19 : 10_000);
                    final int offset = at;
                    final int end = Math.min(LENGTH, offset + length);
                    if (random.nextInt(4) == 0) {
                        disk.zero(offset, end - offset, 0, (token, errno) -> {}, 0);
                        Arrays.fill(model, offset, end, (byte) 0);
                    } else {
                        final MemorySegment data = arena.allocate(end - offset + 8L, 4096);
                        final int shift = random.nextInt(3);
                        for (int k = offset; k < end; k++) {
                            model[k] = (byte) random.nextInt();
                            data.set(ValueLayout.JAVA_BYTE, shift + k - offset, model[k]);
                        }
                        disk.write(offset, end - offset, data, shift, (token, errno) -> {}, 0);
                    }
                    at = end; // the next one may lie in the same unit
                }
                finish(disk);
            }
            assertArrayEquals(model, units.content);
            final MemorySegment read = arena.allocate(100_000);
            disk.read(12_345, 99_999, read, 1, (token, errno) -> assertEquals(0, errno), 0);
            finish(disk);
            for (int k = 0; k < 99_999; k++) {
                assertEquals(model[12_345 + k], read.get(ValueLayout.JAVA_BYTE, 1 + k));
            }
        }
    }

    /** What is beside what is discarded stays. */
    @Test
    void aDiscardIsOfWholeUnits() {
        final UnitDisk units = new UnitDisk(512, 1);
        Arrays.fill(units.content, (byte) 1);
        final AlignedDisk disk = new AlignedDisk(units, 512);
        disk.discard(100, 2000, (token, errno) -> {}, 0);
        disk.discard(10_000, 10, (token, errno) -> {}, 0);
        finish(disk);
        assertEquals(1, units.content[511]);
        assertEquals(0, units.content[512]);
        assertEquals(0, units.content[2047]);
        assertEquals(1, units.content[2048]);
        assertEquals(1, units.content[10_005]);
    }

    @Test
    void aZeroThatIsToBeFastIsOfWholeUnits() {
        final AlignedDisk disk = new AlignedDisk(new UnitDisk(4096, 1), 4096);
        final int[] answers = {-1, -1};
        disk.zero(0, 4096, Disk.ZERO_FAST, (token, errno) -> answers[0] = errno, 0);
        disk.zero(0, 4095, Disk.ZERO_FAST, (token, errno) -> answers[1] = errno, 0);
        finish(disk);
        assertArrayEquals(new int[] {0, Errno.EOPNOTSUPP}, answers);
    }

    @Test
    void anErrorIsThatOfTheRequest() {
        final UnitDisk units = new UnitDisk(512, 1);
        units.errno = Errno.EIO;
        final AlignedDisk disk = new AlignedDisk(units, 512);
        final List<Integer> answers = new ArrayList<>();
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment data = arena.allocate(1000);
            disk.write(3, 1000, data, 0, (token, errno) -> answers.add(errno), 0);
            disk.read(3, 1000, data, 0, (token, errno) -> answers.add(errno), 0);
            finish(disk);
        }
        assertEquals(List.of(Errno.EIO, Errno.EIO), answers);
        assertTrue(units.pending.isEmpty());
    }
}

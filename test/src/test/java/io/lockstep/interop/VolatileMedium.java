package io.lockstep.interop;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * What a device keeps its bytes on, with a cache that a loss of power takes away: what was flushed
 * is kept, and of what was written since each sector holds what it held before, or any of what was
 * written to it. It outlives the servers that show it. Used by any thread.
 */
final class VolatileMedium {
    /** Bytes that are written whole or not at all. */
    static final int SECTOR_LENGTH = 512;

    /** What reads see. */
    private final byte[] content;

    /** What a sector held since the last flush, the durable first, without what it holds now. */
    private final Map<Integer, List<byte[]>> former = new HashMap<>();

    private long flushes;

    VolatileMedium(final byte[] content) {
        this.content = content.clone();
    }

    int length() {
        return content.length;
    }

    /** How many flushes there have been. */
    synchronized long flushes() {
        return flushes;
    }

    /** How many sectors hold something that was not flushed. */
    synchronized int unflushed() {
        return former.size();
    }

    /** What reads see. */
    synchronized byte[] read(final int offset, final int length) {
        return Arrays.copyOfRange(content, offset, offset + length);
    }

    synchronized void write(final int offset, final byte[] bytes) {
        final int end = offset + bytes.length;
        for (int at = offset - offset % SECTOR_LENGTH; at < end; at += SECTOR_LENGTH) {
            former.computeIfAbsent(at / SECTOR_LENGTH, sector -> new ArrayList<>(1))
                    .add(Arrays.copyOfRange(content, at, at + SECTOR_LENGTH));
        }
        System.arraycopy(bytes, 0, content, offset, bytes.length);
    }

    synchronized void flush() {
        flushes++;
        former.clear();
    }

    /**
     * The power is lost.
     *
     * @param seed of what is left
     * @param survival how likely it is that a sector holds what was written to it last
     * @param sectors that share their fate: 1, or what a page has
     * @return how many sectors have lost something
     */
    synchronized int losePower(final long seed, final double survival, final int sectors) {
        final int[] lost = new int[1];
        former.forEach(
                (sector, before) -> {
                    final SplittableRandom fate = fate(seed, sector / sectors);
                    if (fate.nextDouble() >= survival) {
                        final int which = fate.nextBoolean() ? 0 : fate.nextInt(before.size());
                        System.arraycopy(
                                before.get(which),
                                0,
                                content,
                                sector * SECTOR_LENGTH,
                                SECTOR_LENGTH);
                        lost[0]++;
                    }
                });
        former.clear();
        return lost[0];
    }

    /** Whatever the order in which they are asked for. */
    private static SplittableRandom fate(final long seed, final int group) {
        return new SplittableRandom(new SplittableRandom(seed + group).nextLong());
    }
}

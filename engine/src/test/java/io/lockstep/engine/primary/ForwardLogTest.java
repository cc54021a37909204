package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.SplittableRandom;

/** The places of payloads: none is given twice, and none is lost. */
final class ForwardLogTest {
    private static final int CAPACITY = 1 << 16;

    private final ForwardLog log = new ForwardLog(CAPACITY);

    @AfterEach
    void close() {
        log.close();
    }

    private long write(final long length) {
        return log.claim(ForwardLog.Kind.WRITE, 0, 0, length, 0, 0);
    }

    private void releaseAll() {
        for (long frame = log.released(); frame < log.appended(); frame++) {
            log.decide(frame, true);
        }
        log.release(log.appended());
    }

    /** Bytes of the log that belong to somebody. */
    private record Place(int start, int end) {
        static Place of(final int payload, final int length) {
            return new Place(payload - ForwardLog.HEADER_ROOM, payload + length);
        }

        boolean overlaps(final Place other) {
            return start < other.end && other.start < end;
        }
    }

    private static void add(final List<Place> taken, final Place place) {
        assertTrue(place.start >= 0 && place.end <= CAPACITY, place::toString);
        for (final Place other : taken) {
            assertTrue(!place.overlaps(other), () -> place + " overlaps " + other);
        }
        taken.add(place);
    }

    @Test
    void noPlaceIsGivenTwiceWhateverComesAndGoes() {
        final SplittableRandom random = new SplittableRandom(7);
        final List<Place> taken = new ArrayList<>();
        final Queue<Place> frames = new ArrayDeque<>();
        final List<Place> reserved = new ArrayList<>();
        for (int step = 0; step < 20_000; step++) {
            final int length = random.nextInt(1, log.payloadLengthMax() + 1);
            switch (random.nextInt(5)) {
                case 0, 1 -> {
                    final long frame = write(length);
                    if (frame >= 0) {
                        final Place place = Place.of(log.payloadPosition(frame), length);
                        add(taken, place);
                        frames.add(place);
                    }
                }
                case 2 -> {
                    final int position = log.reserve(length);
                    if (position >= 0) {
                        final Place place = Place.of(position, length);
                        add(taken, place);
                        reserved.add(place);
                    }
                }
                case 3 -> {
                    if (!reserved.isEmpty()) {
                        final Place place = reserved.remove(random.nextInt(reserved.size()));
                        final int position = place.start + ForwardLog.HEADER_ROOM;
                        final int placeLength = place.end - position;
                        if (random.nextBoolean()) {
                            log.cancel(position, placeLength);
                            taken.remove(place);
                        } else {
                            final long frame = log.claimReserved(0, 0, placeLength, 0, position);
                            assertEquals(position, log.payloadPosition(frame));
                            frames.add(place);
                        }
                    }
                }
                default -> {
                    if (!frames.isEmpty()) {
                        log.release(log.released() + 1);
                        taken.remove(frames.remove());
                    }
                }
            }
            long used = 0;
            for (final Place place : taken) {
                used += place.end - place.start;
            }
            assertEquals(used, log.usedLength());
        }
    }

    @Test
    void aPlaceThatIsNeverUsedHoldsUpOneChunkAlone() {
        final int stalled = log.reserve(100);
        assertNotEquals(-1, stalled);
        for (int i = 0; i < 1000; i++) {
            final long frame = write(log.payloadLengthMax());
            assertNotEquals(-1, frame, "the log is full at write " + i);
            final int position = log.payloadPosition(frame);
            assertTrue(position >= stalled + 100 || position + log.payloadLengthMax() <= stalled);
            releaseAll();
        }
    }

    @Test
    void placesAreReservedOnlyWhileMuchIsFree() {
        int reserved = 0;
        while (log.reserve(log.payloadLengthMax()) >= 0) {
            reserved++;
            assertTrue(reserved < 100, "there is no end");
        }
        assertTrue(reserved > 0);
        assertTrue(log.usedLength() <= CAPACITY * 3L / 4, () -> "used " + log.usedLength());
        assertNotEquals(-1, write(log.payloadLengthMax()), "writes that are whole still come in");
    }

    @Test
    void aFullLogHasRoomAgainWhenFramesAreReleased() {
        int count = 0;
        while (write(1000) >= 0) {
            count++;
        }
        assertTrue(count >= CAPACITY / 2 / 1028, "only " + count);
        releaseAll();
        assertEquals(0, log.usedLength());
        assertNotEquals(-1, write(1000));
    }

    /** A log of another length has other room for them. */
    @ParameterizedTest
    @ValueSource(ints = {1 << 16, 1 << 24, 1 << 26})
    void shortWritesFillIt(final int capacity) {
        try (ForwardLog filled = new ForwardLog(capacity)) {
            while (filled.claim(ForwardLog.Kind.WRITE, 0, 0, 1024, 0, 0) >= 0) {}
            assertTrue(filled.usedLength() > capacity - capacity / 8, "1 KiB each");
        }
        try (ForwardLog filled = new ForwardLog(capacity)) {
            while (filled.claim(ForwardLog.Kind.WRITE, 0, 0, 512, 0, 0) >= 0) {}
            assertTrue(filled.usedLength() > capacity / 2, "a sector each");
        }
    }
}

package io.lockstep.engine.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.memory.IoBuffer;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

final class ReplyRingTest {
    private static final int CAPACITY = 1000;
    private static final int SLOTS = 16;

    /** Memory that is not the ring's, from which replies are sent as well. */
    private static final IoBuffer OTHER = IoBuffer.reserve(1000);

    private static final byte OTHER_VALUE = 0x77;

    /** A place that the model knows of. */
    private record Place(int slot, int length, byte value) {}

    /**
     * Whatever the order of commits and the pieces that the socket takes: each reply leaves whole,
     * in turn.
     */
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
    void sendsEachReplyWholeInTheOrderOfCommits(final long seed) throws IOException {
        final SplittableRandom random = new SplittableRandom(seed);
        final ScriptedConnection connection = new ScriptedConnection(random, new byte[0], 200);
        final ByteArrayOutputStream expected = new ByteArrayOutputStream();
        final List<Place> reserved = new ArrayList<>();
        try (ReplyRing ring = new ReplyRing(CAPACITY, SLOTS)) {
            int accepted = 0;
            for (int step = 0; step < 20_000; step++) {
                switch (random.nextInt(4)) {
                    case 0, 1 -> {
                        final int length =
                                1 + random.nextInt(random.nextInt(10) == 0 ? CAPACITY : 100);
                        final int slot = ring.reserve(length);
                        if (slot >= 0) {
                            final Place place = new Place(slot, length, (byte) accepted++);
                            ring.memory().asSlice(ring.position(slot), length).fill(place.value());
                            reserved.add(place);
                        }
                    }
                    case 2 -> {
                        if (!reserved.isEmpty()) {
                            final int index =
                                    random.nextInt(3) == 0 ? random.nextInt(reserved.size()) : 0;
                            commit(ring, reserved.remove(index), random, expected);
                        }
                    }
                    default -> ring.transmit(connection);
                }
            }
            while (!reserved.isEmpty()) {
                commit(ring, reserved.removeFirst(), random, expected);
            }
            while (!ring.isEmpty()) {
                ring.transmit(connection);
            }
            assertTrue(accepted > 1000, "the test reserved hardly anything");
            assertArrayEquals(expected.toByteArray(), connection.sent());
            assertEquals(
                    0, ring.position(ring.reserve(CAPACITY)), "an empty ring starts at its front");
        }
    }

    private static void commit(
            final ReplyRing ring,
            final Place place,
            final SplittableRandom random,
            final ByteArrayOutputStream expected) {
        switch (random.nextInt(5)) {
            case 0 -> {
                final int length = 1 + random.nextInt(100);
                final byte error = (byte) ~place.value();
                ring.memory().asSlice(ring.errorPosition(place.slot()), length).fill(error);
                ring.commitError(place.slot(), length);
                write(expected, error, length);
            }
            case 1 -> {
                final int length = 1 + random.nextInt(place.length());
                final int behind = 1 + random.nextInt(500);
                final int start = random.nextInt(500);
                OTHER.segment().asSlice(start, behind).fill(OTHER_VALUE);
                ring.commit(place.slot(), length, OTHER, start, behind);
                write(expected, place.value(), length);
                write(expected, OTHER_VALUE, behind);
            }
            case 2 -> ring.withdraw(place.slot());
            default -> {
                final int length = 1 + random.nextInt(place.length());
                ring.commit(place.slot(), length);
                write(expected, place.value(), length);
            }
        }
    }

    private static void write(
            final ByteArrayOutputStream expected, final byte value, final int length) {
        for (int i = 0; i < length; i++) {
            expected.write(value);
        }
    }

    @Test
    void refusesWhatHasNoRoomAndTakesItOnceThereIs() throws IOException {
        final ScriptedConnection connection =
                new ScriptedConnection(new SplittableRandom(1), new byte[0], CAPACITY);
        try (ReplyRing ring = new ReplyRing(CAPACITY, SLOTS)) {
            assertEquals(-1, ring.reserve(CAPACITY + 1));
            final int slot = ring.reserve(CAPACITY);
            assertEquals(-1, ring.reserve(1));
            ring.commit(slot, CAPACITY);
            while (!ring.isEmpty()) {
                ring.transmit(connection);
            }
            assertTrue(ring.reserve(1) >= 0);
        }
    }
}

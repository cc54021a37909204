package io.lockstep.simulator;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** The model allows what a disk may do, and nothing else. */
final class DiskModelTest {
    private final DiskModel model = new DiskModel("disk", 100, new DiskImage());

    private void mayRead(final long askedAt, final long offset, final int... bytes) {
        model.checkRead(askedAt, offset, bytes(bytes));
    }

    private void mayNotRead(final long askedAt, final long offset, final int... bytes) {
        assertThrows(AssertionError.class, () -> model.checkRead(askedAt, offset, bytes(bytes)));
    }

    private static byte[] bytes(final int... values) {
        final byte[] bytes = new byte[values.length];
        for (int i = 0; i < values.length; i++) {
            bytes[i] = (byte) values[i];
        }
        return bytes;
    }

    private static DiskImage image(final int... values) {
        final byte[] block = new byte[DiskImage.BLOCK_LENGTH];
        System.arraycopy(bytes(values), 0, block, 0, values.length);
        final DiskImage image = new DiskImage();
        image.block(0, block);
        return image;
    }

    @Test
    void anAnsweredWriteIsReadBackAndNothingElse() {
        model.succeeded(model.write(1, bytes(1, 2)), false);
        final long asked = model.now();
        mayRead(asked, 0, 0, 1, 2, 0);
        mayNotRead(asked, 0, 0, 0, 2, 0);
        mayNotRead(asked, 3, 7);
    }

    @Test
    void aReadThatOverlapsAWriteMayMissAnyByteOfIt() {
        final long asked = model.now();
        final DiskModel.Change write = model.write(0, bytes(1, 2));
        mayRead(asked, 0, 0, 2);
        mayRead(asked, 0, 1, 0);
        model.succeeded(write, false);
        mayRead(asked, 0, 0, 0);
        mayNotRead(asked, 0, 2, 1);
        mayNotRead(model.now(), 0, 0, 2);
    }

    @Test
    void writesThatOverlapInTimeMayComeInAnyOrder() {
        final DiskModel.Change one = model.write(0, bytes(1, 1));
        final DiskModel.Change other = model.write(0, bytes(2, 2));
        model.succeeded(other, false);
        model.succeeded(one, false);
        final long asked = model.now();
        mayRead(asked, 0, 1, 2);
        mayRead(asked, 0, 2, 1);
        mayNotRead(asked, 0, 0, 1);
    }

    @Test
    void aFailedWriteMayBeThereInPartAndReplacesNothing() {
        model.succeeded(model.write(0, bytes(1, 1)), false);
        model.failed(model.write(0, bytes(2, 2)));
        mayRead(model.now(), 0, 1, 2);
        model.succeeded(model.write(0, bytes(3, 3)), false);
        mayNotRead(model.now(), 0, 2, 3);
    }

    @Test
    void whatAFailedWriteHasLeftIsKnownWhereNothingIsUnderWay() {
        model.succeeded(model.write(0, bytes(1, 1, 1)), false);
        model.failed(model.write(0, bytes(2, 2, 2)));
        model.write(1, bytes(3));
        model.knowFailed(new byte[] {2, 2, 1, 0});
        mayRead(model.now(), 0, 2, 1, 1);
        mayRead(model.now(), 0, 2, 3, 1);
        mayNotRead(model.now(), 0, 1, 1, 1);
        mayNotRead(model.now(), 0, 2, 1, 2);
    }

    @Test
    void whatWasNeverAnsweredMayComeLateUntilTheDiskIsAtRest() {
        model.write(0, bytes(1));
        model.succeeded(model.write(0, bytes(2)), false);
        mayRead(model.now(), 0, 1);
        model.settle();
        mayRead(model.now(), 0, 1);
        model.succeeded(model.write(0, bytes(3)), false);
        mayNotRead(model.now(), 0, 1);
    }

    @Test
    void aRefusedChangeHasNotHappened() {
        model.refused(model.zero(0, 1));
        model.refused(model.write(0, bytes(4)));
        mayNotRead(model.now(), 0, 4);
    }

    @Test
    void zeroesAreZeroAndWhatWasDiscardedIsAnything() {
        model.succeeded(model.write(0, bytes(1, 1, 1)), false);
        model.succeeded(model.zero(1, 1), false);
        model.succeeded(model.discard(2, 1), false);
        final long asked = model.now();
        mayRead(asked, 0, 1, 0, 99);
        mayNotRead(asked, 0, 1, 1, 1);
    }

    @Test
    void aCrashLeavesAtLeastWhatWasFlushed() {
        model.succeeded(model.write(0, bytes(1, 1)), false);
        model.flushed(model.now());
        model.succeeded(model.write(0, bytes(2, 2)), false);
        model.checkDurable(image(1, 2));
        model.checkDurable(image(2, 1));
        assertThrows(AssertionError.class, () -> model.checkDurable(image(0, 1)));
        model.succeeded(model.write(0, bytes(3, 3)), true);
        assertThrows(AssertionError.class, () -> model.checkDurable(image(3, 2)));
    }

    @Test
    void aFlushThatWasAskedForBeforeAnAnswerOwesItNothing() {
        final DiskModel.Change write = model.write(0, bytes(1));
        final long asked = model.now();
        model.succeeded(write, false);
        model.flushed(asked);
        model.checkDurable(image(0));
    }

    @Test
    void afterARestartOnlyTheImageCounts() {
        model.write(0, bytes(1));
        model.restart(image(5));
        mayRead(model.now(), 0, 5);
        mayNotRead(model.now(), 0, 1);
    }

    @Test
    void saysWhichWriteAWrongByteWouldFit() {
        model.succeeded(model.write(0, bytes(1)), false);
        model.succeeded(model.write(0, bytes(2)), false);
        final AssertionError error =
                assertThrows(AssertionError.class, () -> model.checkRead(model.now(), 0, bytes(1)));
        assertTrue(error.getMessage().contains("write 1 of [0, 1)"), error.getMessage());
        assertTrue(error.getMessage().contains("<- it would fit"), error.getMessage());
    }
}

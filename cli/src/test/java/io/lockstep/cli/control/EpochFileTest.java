package io.lockstep.cli.control;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.ReplicationGroup.Role;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** The epochs beside a control socket, and those who wait there. */
@Timeout(60)
final class EpochFileTest {
    private static final long LONG_NANOS = TimeUnit.HOURS.toNanos(1);

    @TempDir private Path directory;
    private Path socket;
    private EpochFile file;

    @BeforeEach
    void create() throws IOException {
        socket = directory.resolve("control");
        file = EpochFile.create(socket);
        file.refresh(status(Role.PRIMARY), true);
    }

    @AfterEach
    void end() {
        file.end();
        file.unmap();
        assertFalse(Files.exists(EpochFile.pathFor(socket)));
    }

    private static GroupStatus status(final Role role) {
        return new FakeGroup(role).status();
    }

    private static GroupStatus stopped(final Role role) {
        final FakeGroup group = new FakeGroup(role);
        assertTrue(group.stop(false).isDone());
        return group.status();
    }

    private ByteBuffer content() throws IOException {
        return ByteBuffer.wrap(Files.readAllBytes(EpochFile.pathFor(socket)))
                .order(ByteOrder.nativeOrder());
    }

    /** Whose wait ends by being woken alone. */
    private EpochWatch watch() throws IOException {
        return EpochWatch.open(socket, LONG_NANOS);
    }

    private EpochWatch.Outcome look(final long epoch, final boolean isDurable) throws IOException {
        try (EpochWatch watch = watch()) {
            return watch.await(OptionalLong.of(epoch), isDurable, 0);
        }
    }

    private CompletableFuture<EpochWatch.Outcome> waitFor(
            final OptionalLong epoch, final boolean isDurable) {
        return CompletableFuture.supplyAsync(
                () -> {
                    try (EpochWatch watch = watch()) {
                        return watch.await(epoch, isDurable, Long.MAX_VALUE);
                    } catch (final IOException e) {
                        throw new AssertionError(e);
                    }
                },
                action -> Thread.ofPlatform().daemon().start(action));
    }

    private void awaitSleeper() throws Exception {
        while (content().getInt((int) EpochFile.AT_WAITING) == 0) {
            TimeUnit.MILLISECONDS.sleep(1);
        }
        TimeUnit.MILLISECONDS.sleep(20); // it most likely sleeps by now; the test holds if not
    }

    @Test
    void anyProgramReadsIt() throws IOException {
        file.committed(7);
        file.durable(5);
        file.opened(9);
        final ByteBuffer content = content();
        assertEquals(EpochFile.MAGIC, content.getLong(0));
        assertEquals(1, content.getInt(8));
        assertEquals(1, content.getInt(12), "a primary");
        assertEquals(ProcessHandle.current().pid(), content.getLong(16));
        assertEquals(5, content.getLong(24));
        assertEquals(7, content.getLong(32));
        assertEquals(9, content.getLong(40));
        assertEquals(0, content.getInt(56));
        assertEquals(
                "rw-------",
                PosixFilePermissions.toString(
                        Files.getPosixFilePermissions(EpochFile.pathFor(socket))));
    }

    @Test
    void whatIsReachedNeedNotBeWaitedFor() throws IOException {
        file.committed(7);
        assertEquals(new EpochWatch.Outcome(true, 7, ""), look(6, false));
        assertFalse(look(6, true).isReached());
        file.durable(7);
        assertEquals(new EpochWatch.Outcome(true, 7, ""), look(7, true));
        final EpochWatch.Outcome late = look(8, false);
        assertFalse(late.isReached());
        assertEquals(7, late.epoch());
        assertTrue(late.reason().startsWith("epoch 8 is not committed, "), late::reason);
    }

    @Test
    void aDurableOneIsCommitted() throws IOException {
        file.durable(3);
        assertTrue(look(3, false).isReached());
    }

    @Test
    void whoWaitsIsWoken() throws Exception {
        final CompletableFuture<EpochWatch.Outcome> committed = waitFor(OptionalLong.of(3), false);
        awaitSleeper();
        file.committed(2);
        awaitSleeper(); // in vain, and so it sleeps again
        assertFalse(committed.isDone());
        file.committed(3);
        assertEquals(new EpochWatch.Outcome(true, 3, ""), committed.get());

        final CompletableFuture<EpochWatch.Outcome> durable = waitFor(OptionalLong.of(3), true);
        awaitSleeper();
        file.durable(3);
        assertEquals(new EpochWatch.Outcome(true, 3, ""), durable.get());
    }

    /** The open epoch has what a primary's guest was told is written by now. */
    @Test
    void withoutANumberItIsTheOpenEpoch() throws Exception {
        file.opened(4);
        final CompletableFuture<EpochWatch.Outcome> output = waitFor(OptionalLong.empty(), false);
        awaitSleeper();
        file.opened(5);
        file.committed(3);
        awaitSleeper();
        assertFalse(output.isDone());
        file.committed(4);
        assertEquals(4, output.get().epoch());
    }

    /** What was committed under other numbers lets nothing go that belongs to these. */
    @Test
    void whereNumbersBeginAnewNoneOfThemIsCommitted() throws IOException {
        file.opened(53);
        file.durable(52);
        file.opened(11);
        assertEquals(new EpochWatch.Outcome(false, 0, look(11, false).reason()), look(11, false));
        assertFalse(look(1, true).isReached());
        file.committed(11);
        assertTrue(look(11, false).isReached());
    }

    /** As of a primary that went on alone, and whose secondary has counted further before. */
    @Test
    void whereNumbersGoOnBehindOthersWhatWasOpenIsNotCommittedWithThose() throws IOException {
        file.opened(6);
        file.opened(901);
        file.committed(900);
        file.durable(900);
        assertFalse(look(6, false).isReached(), "it is in epoch 901");
        assertFalse(look(6, true).isReached(), "it is in epoch 901");
        file.opened(902);
        file.committed(901);
        assertTrue(look(6, false).isReached());
        assertFalse(look(6, true).isReached());
        file.durable(901);
        assertTrue(look(6, true).isReached());
    }

    @Test
    void aSecondaryHasTheNext() throws Exception {
        file.refresh(status(Role.SECONDARY), true);
        file.committed(4);
        final CompletableFuture<EpochWatch.Outcome> next = waitFor(OptionalLong.empty(), false);
        awaitSleeper();
        file.committed(5);
        assertEquals(5, next.get().epoch());
    }

    /** A wake-up that gets lost between several of them would leave one asleep for an hour. */
    @Test
    void nobodyOversleeps() throws Exception {
        final int rounds = 5_000;
        final List<CompletableFuture<Long>> sleepers = new ArrayList<>();
        for (int i = 0; i < 3; i++) {
            sleepers.add(
                    CompletableFuture.supplyAsync(
                            this::sleepThrough,
                            action -> Thread.ofPlatform().daemon().start(action)));
        }
        for (long epoch = 1; epoch <= rounds; epoch++) {
            file.committed(epoch);
            final boolean isBurst = epoch % 7 != 0;
            if (!isBurst) {
                Thread.onSpinWait();
                awaitAnySleeper();
            }
        }
        file.committed(LONG_NANOS);
        for (final CompletableFuture<Long> sleeper : sleepers) {
            assertEquals(LONG_NANOS, sleeper.get());
        }
    }

    private void awaitAnySleeper() throws IOException {
        while (content().getInt((int) EpochFile.AT_WAITING) == 0) {
            Thread.onSpinWait();
        }
    }

    /** Waits for the next one, again and again, up to the last. */
    private long sleepThrough() {
        try (EpochWatch watch = watch()) {
            long epoch = 0;
            while (epoch < LONG_NANOS) {
                epoch = watch.await(OptionalLong.of(epoch + 1), false, Long.MAX_VALUE).epoch();
            }
            return epoch;
        } catch (final IOException e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void whoWaitsIsToldOfTheEnd() throws Exception {
        file.committed(2);
        final CompletableFuture<EpochWatch.Outcome> vain = waitFor(OptionalLong.of(3), false);
        awaitSleeper();
        file.end();
        assertFalse(vain.get().isReached());
        assertEquals(2, vain.get().epoch());
        assertTrue(vain.get().reason().contains("the engine has ended"), vain.get()::reason);
        file.unmap();
        file.committed(3); // what the loop hears afterwards goes nowhere
        file.refresh(status(Role.PRIMARY), true);
        create();
    }

    @Test
    void whoWaitsIsToldOfTheEndOfReplication() throws Exception {
        final CompletableFuture<EpochWatch.Outcome> vain = waitFor(OptionalLong.of(3), false);
        awaitSleeper();
        file.refresh(stopped(Role.PRIMARY), true);
        assertTrue(vain.get().reason().contains("replication has ended"), vain.get()::reason);
    }

    @Test
    void whoWaitsIsToldOfAnotherRole() throws Exception {
        final CompletableFuture<EpochWatch.Outcome> vain = waitFor(OptionalLong.of(3), false);
        awaitSleeper();
        file.refresh(status(Role.SECONDARY), true);
        assertTrue(vain.get().reason().contains("is a primary no more"), vain.get()::reason);
    }

    /** What a killed process leaves is a file that nobody has locked. */
    @Test
    void whoWaitsSeesThatThereIsNoProcessAnyMore() throws IOException {
        file.committed(2);
        final Path left = directory.resolve("killed");
        Files.copy(EpochFile.pathFor(socket), EpochFile.pathFor(left));
        try (EpochWatch watch = EpochWatch.open(left)) {
            assertTrue(watch.await(OptionalLong.of(2), false, Long.MAX_VALUE).isReached());
            final EpochWatch.Outcome vain = watch.await(OptionalLong.of(3), false, Long.MAX_VALUE);
            assertFalse(vain.isReached());
            assertTrue(
                    vain.reason()
                            .contains(
                                    "the engine (process "
                                            + ProcessHandle.current().pid()
                                            + ") is gone"),
                    vain::reason);
        }
    }

    @Test
    void whatAKilledProcessLeftIsReplaced() throws IOException {
        final Path left = directory.resolve("killed");
        Files.copy(EpochFile.pathFor(socket), EpochFile.pathFor(left));
        final EpochFile next = EpochFile.create(left);
        try (EpochWatch watch = EpochWatch.open(left)) {
            assertFalse(watch.await(OptionalLong.of(1), false, 0).isReached());
        }
        next.end();
        next.unmap();
    }

    /** The epochs of a secondary that is made equal without a checkpoint are none to rely on. */
    @Test
    void whatIsNoCheckpointDoesNotCount() throws IOException {
        final FakeGroup group = new FakeGroup(Role.SECONDARY);
        assertTrue(group.checkpoint().isDone());
        file.refresh(group.status(), false);
        assertFalse(look(1, false).isReached());
        file.refresh(group.status(), true);
        assertTrue(look(1, true).isReached());
    }

    @Test
    void whereThereIsNoFileASentenceSaysSo() throws IOException {
        final Path missing = directory.resolve("missing");
        final IOException none =
                assertThrows(IOException.class, () -> EpochWatch.open(missing).close());
        assertTrue(
                none.getMessage().endsWith("no engine has its control socket at " + missing),
                none::getMessage);
        Files.write(EpochFile.pathFor(missing), new byte[10]);
        assertThrows(IOException.class, () -> EpochWatch.open(missing).close());
        Files.write(EpochFile.pathFor(missing), new byte[EpochFile.LENGTH]);
        assertThrows(IOException.class, () -> EpochWatch.open(missing).close());
    }
}

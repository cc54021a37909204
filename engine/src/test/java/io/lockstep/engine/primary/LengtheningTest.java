package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.Healing;
import io.lockstep.engine.group.Job;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Selves;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/** A pair of two disks whose files become longer while it goes on. */
final class LengtheningTest extends HealedPair {
    private static final long LONGER = LENGTH / 4096 * 4096 + (1 << 20);

    private volatile boolean isStorageFull;

    @BeforeEach
    void giveThemTheirDisks() {
        primarySelf = withDisks(2);
        secondarySelf = withDisks(1);
    }

    private void lengthen(final String side, final String name, final long length)
            throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(path(side, name).toFile(), "rw")) {
            file.setLength(length);
        }
    }

    private void lengthenBoth(final String name) throws IOException {
        lengthen("primary", name, LONGER);
        lengthen("secondary", name, LONGER);
    }

    private void put(final String side, final long offset, final int value) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(path(side, "vda").toFile(), "rw")) {
            file.seek(offset);
            file.write(value);
        }
    }

    private List<Healing.Taken> take(final String... name) throws Exception {
        return onLoop(
                primaryLife,
                () ->
                        primary.healing()
                                .lengthen(
                                        List.of(name).stream().findFirst(), OptionalLong.empty()));
    }

    private String refused() {
        return assertThrows(ExecutionException.class, this::take).getCause().getMessage();
    }

    private long recorded(final Self self) {
        return self.node().record().disks().getFirst().length();
    }

    private void assertSame(final String name) throws IOException {
        assertEquals(
                -1, Files.mismatch(path("primary", name), path("secondary", name)), "disk " + name);
    }

    private void checkpoint() throws Exception {
        onLoop(primaryLife, () -> primary.checkpoint());
    }

    /** Of a pair in which the guest goes on, one disk is longer and the other is not. */
    @Test
    void whatIsBehindTheOldEndIsOutOfSyncUntilItIsCompared() throws Exception {
        startEqualPair();
        lengthenBoth("vda");
        put("primary", LONGER - 1, 7);
        put("secondary", LONGER - (200 << 10), 9);
        assertEquals(List.of(new Healing.Taken("vda", LENGTH, LONGER)), take());
        while (call(primaryLife, () -> primary.healing().synchronisation()).isPresent()) {
            Thread.onSpinWait();
        }
        drain();
        assertSame("vda");
        assertEquals(LONGER, recorded(primarySelf));
        assertEquals(LONGER, recorded(secondarySelf));
        assertEquals(LONGER, call(primaryLife, () -> primary.guestDisks().getFirst().length()));
        assertEquals(LENGTH, call(primaryLife, () -> primary.guestDisks().getLast().length()));
        checkpoint();
    }

    /** Nothing but holes there, on both sides: nothing is compared, and no checkpoint waits. */
    @Test
    void holesAreEqual() throws Exception {
        startEqualPair();
        lengthenBoth("vda");
        lengthenBoth("vdb");
        assertEquals(
                List.of(
                        new Healing.Taken("vda", LENGTH, LONGER),
                        new Healing.Taken("vdb", LENGTH, LONGER)),
                take());
        assertEquals(
                Optional.empty(), call(primaryLife, () -> primary.healing().synchronisation()));
        assertEquals(0L, call(primaryLife, () -> primary.status().disks().getFirst().dirty()));
        checkpoint();
        assertSame("vda");
        assertSame("vdb");
    }

    /** A primary that is killed then has all of the range noted for its next process. */
    @Test
    void theRangeIsNoted() throws Exception {
        startEqualPair();
        lengthenBoth("vda");
        put("primary", LONGER - 1, 7);
        onJob =
                report -> {
                    if (report.state() == Job.State.RUNNING) {
                        primary.healing().jobs().forEach(Job::pause);
                    }
                };
        take();
        final long noted =
                call(
                        primaryLife,
                        () -> {
                            long length = 0;
                            for (long at = LENGTH; at < LONGER; at += 4096) {
                                length += tracking.disk(0).has(at / 4096) ? 4096 : 0;
                            }
                            return length;
                        });
        assertEquals((LONGER - LENGTH + 4095) / 4096 * 4096, noted);
    }

    @Test
    void nothingIsTakenWhileTheSecondaryIsCompared() throws Exception {
        startEqualPair();
        lengthenBoth("vda");
        onLoop(
                primaryLife,
                () -> {
                    final CompletableFuture<Void> begun = primary.healing().verify();
                    primary.healing().jobs().forEach(Job::pause);
                    return begun;
                });
        assertContains("a verification is under way", refused());
        call(primaryLife, () -> forEachJob(Job::cancel));
        take("vda");
        assertEquals(LONGER, recorded(secondarySelf));
    }

    @Test
    void nothingIsTakenWhileTheSecondaryIsMadeEqual() throws Exception {
        startEqualPair();
        lengthenBoth("vda");
        lengthenBoth("vdb");
        put("primary", LONGER - 1, 7);
        onJob =
                report -> {
                    if (report.state() == Job.State.RUNNING) {
                        primary.healing().jobs().forEach(Job::pause);
                    }
                };
        take("vda");
        assertContains("is being made equal; say it again when it is", refused());
        onJob = report -> {};
        call(primaryLife, () -> forEachJob(Job::resume));
        while (call(primaryLife, () -> primary.healing().synchronisation()).isPresent()) {
            Thread.onSpinWait();
        }
        take();
        assertEquals(LONGER, secondarySelf.node().record().disks().getLast().length());
    }

    private Object forEachJob(final Consumer<Job> action) {
        primary.healing().jobs().forEach(action);
        return action;
    }

    @Test
    void nothingIsMadeShorter() throws Exception {
        startEqualPair();
        lengthen("primary", "vda", LONGER);
        lengthen("secondary", "vda", LENGTH - 4096);
        assertContains("disk vda has " + LENGTH + " bytes, its file here " + LONGER, refused());
        assertContains(": a disk is never made shorter", refused());
        assertEquals(LENGTH, recorded(primarySelf));
        assertEquals(LENGTH, recorded(secondarySelf));
        lengthen("secondary", "vda", LENGTH);
    }

    @Test
    void aSizeIsWithinWhatBothFilesHave() throws Exception {
        startEqualPair();
        lengthenBoth("vdb");
        final long size = LONGER - 8192;
        assertContains("which are no whole blocks of 4096", refusedOf(size + 1));
        assertContains("make both files longer first", refusedOf(LONGER + 4096));
        assertContains("a disk is never made shorter", refusedOf(4096));
        for (final long before : new long[] {LENGTH, size}) {
            assertEquals(
                    List.of(new Healing.Taken("vdb", before, size)),
                    onLoop(
                            primaryLife,
                            () ->
                                    primary.healing()
                                            .lengthen(Optional.of("vdb"), OptionalLong.of(size))));
        }
        assertEquals(size, call(primaryLife, () -> primary.guestDisks().getLast().length()));
    }

    /** Whoever has not heard the answer says it again, and is told that it is so. */
    @Test
    void whatWasTakenIsThereWhenItIsSaidAgain() throws Exception {
        startEqualPair();
        lengthenBoth("vda");
        final Healing.Taken present = new Healing.Taken("vda", LONGER, LONGER);
        assertEquals(List.of(new Healing.Taken("vda", LENGTH, LONGER)), take());
        assertEquals(List.of(present, new Healing.Taken("vdb", LENGTH, LENGTH)), take());
        assertEquals(List.of(present), take("vda"));
        lengthen("primary", "vdb", LONGER);
        assertContains("make the file on the secondary as long", refused());
        lengthen("secondary", "vdb", LENGTH + 3000);
        assertContains("grows by whole blocks", refused());
    }

    /** The guests are held, and quiet only when that is said. */
    private static final class Guests implements HeldGuests {
        private final CompletableFuture<Void> letGo = new CompletableFuture<>();

        @Override
        public void hold(final Runnable whenQuiet) {
            // They never are.
        }

        @Override
        public void letGo() {
            letGo.complete(null);
        }
    }

    /** It is not known whose disks they are then; also where that begins a moment later. */
    @Test
    @Timeout(60)
    void nothingIsTakenWhileTheRolesAreSwitched() throws Exception {
        startEqualPair();
        lengthenBoth("vda");
        final Guests guests = new Guests();
        call(secondaryLife, this::allowRoleTaking);
        call(primaryLife, () -> allowHandOver(guests));
        CompletableFuture<String> asked;
        while (true) { // until the primary has read that the other one would take its role
            final CompletableFuture<List<Healing.Taken>> taken = new CompletableFuture<>();
            final CompletableFuture<Long> begun = call(primaryLife, () -> askAndSwitch(taken));
            asked = taken.handle((done, thrown) -> thrown == null ? "" : thrown.getMessage());
            if (!begun.isDone()) {
                break;
            }
            asked.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        }
        final String sentence = "nothing was resized: the roles are being switched; say it again";
        assertContains(sentence, asked.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
        assertContains(sentence, refused());
        assertEquals(LENGTH, recorded(primarySelf));
        events.clear();
        call(primaryLife, this::cut);
        guests.letGo.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        while (events.take() != GroupEvents.Event.LINK_UP) {
            // What else is told does not matter.
        }
        assertEquals(List.of(new Healing.Taken("vda", LENGTH, LONGER)), take());
    }

    private Void allowRoleTaking() {
        secondary.allowRoleTaking();
        return null;
    }

    private Void allowHandOver(final HeldGuests guests) {
        primary.allowHandOver(guests);
        return null;
    }

    private Void cut() {
        primary.sever("somebody has cut it");
        return null;
    }

    /** Asks for nothing new, and has the switch begin before that can be answered. */
    private CompletableFuture<Long> askAndSwitch(
            final CompletableFuture<List<Healing.Taken>> taken) {
        primary.healing()
                .lengthen(Optional.of("vdb"), OptionalLong.of(LENGTH))
                .whenComplete(
                        (done, thrown) -> {
                            if (thrown == null) {
                                taken.complete(done);
                            } else {
                                taken.completeExceptionally(thrown);
                            }
                        });
        return primary.switchOver();
    }

    private String refusedOf(final long size) {
        return assertThrows(
                        ExecutionException.class,
                        () ->
                                onLoop(
                                        primaryLife,
                                        () ->
                                                primary.healing()
                                                        .lengthen(
                                                                Optional.of("vdb"),
                                                                OptionalLong.of(size))))
                .getCause()
                .getMessage();
    }

    /** No guest sees what a restart would not know. */
    @Test
    void nothingIsTakenThatIsNotRecorded() throws Exception {
        startEqualPair();
        lengthenBoth("vda");
        isStorageFull = true;
        assertContains("nothing was resized: the state can't be recorded: no space", refused());
        assertEquals(LENGTH, call(primaryLife, () -> primary.guestDisks().getFirst().length()));
        assertEquals(LENGTH, recorded(primarySelf));
        assertEquals(LENGTH, recorded(secondarySelf));
        isStorageFull = false;
        take();
        assertEquals(LONGER, call(primaryLife, () -> primary.guestDisks().getFirst().length()));
    }

    @Override
    Self again(final Self before) {
        return Selves.over(
                before.node().record(),
                (next, whenStored) ->
                        whenStored.onStored(
                                isStorageFull ? Optional.of("no space") : Optional.empty()));
    }

    private static void assertContains(final String part, final String sentence) {
        assertTrue(sentence.contains(part), sentence);
    }
}

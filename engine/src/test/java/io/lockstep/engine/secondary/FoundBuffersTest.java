package io.lockstep.engine.secondary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.node.DiskIdentity;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.RecordStore;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Selves;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Verdict;
import io.lockstep.engine.node.Word;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;

/** What a secondary makes of buffers that are not what its record is of. */
final class FoundBuffersTest {
    private static final long LENGTH = 1 << 20;
    private static final Id BOOT = new Id(8, 1);
    private static final Id ANOTHER = new Id(1, 77);

    @TempDir private Path folder;

    private final ManualLoop loop = new ManualLoop();
    private final List<String> told = new ArrayList<>();
    private Self self = Selves.fresh(1);
    private boolean ofFormerPrimary;
    private HelperThreads helpers;
    private DiskFile file;
    private FileDisk local;
    private SecondaryGroup group;

    @BeforeEach
    void makeDisk() throws IOException {
        try (RandomAccessFile image =
                new RandomAccessFile(folder.resolve("image").toFile(), "rw")) {
            image.setLength(LENGTH);
        }
    }

    @AfterEach
    void close() {
        if (helpers != null) {
            helpers.close();
            if (group != null) {
                group.close();
            }
            local.close();
            file.close();
            helpers = null;
            group = null;
            self = Selves.again(self);
        }
    }

    private void open() throws IOException {
        openAt(Long.MAX_VALUE);
    }

    private void openAt(final long recorded) throws IOException {
        file = DiskFile.open("vda", folder.resolve("image"), false);
        file.keepTo(recorded);
        helpers = new HelperThreads();
        local = new FileDisk(file, loop, helpers);
        final SecondaryOptions options =
                SecondaryOptions.in(folder.resolve("buffers"), 1, 64 << 20);
        group =
                SecondaryGroup.open(
                        loop,
                        List.of(local),
                        self,
                        ofFormerPrimary ? options.formerPrimary() : options,
                        (event, disk, epoch, sentence) -> told.add(sentence));
    }

    private void begin() {
        self.node().open(BOOT, List.of()).join();
    }

    private void start() throws IOException {
        open();
        finish(group.start());
    }

    private <T> T finish(final CompletableFuture<T> future) {
        while (!future.isDone()) {
            if (!loop.runNext()) {
                Thread.onSpinWait();
            }
        }
        return future.join();
    }

    private String refused(final CompletableFuture<Void> future) {
        while (!future.isDone()) {
            if (!loop.runNext()) {
                Thread.onSpinWait();
            }
        }
        return future.exceptionNow().getMessage();
    }

    private List<Optional<String>> offer() {
        final List<Optional<String>> answers = new ArrayList<>();
        final String refusal = group.session().refuse(Selves.primary(true), Word.NONE, true);
        if (refusal != null) {
            return List.of(Optional.of(refusal));
        }
        group.session()
                .offer(
                        0,
                        () -> {},
                        Selves.primary(true),
                        ControlRecord.flagsOf(Word.NONE),
                        true,
                        0,
                        answer -> answers.add(Optional.ofNullable(answer)),
                        () -> {});
        while (loop.runNext()) {}
        return answers;
    }

    /** A process that follows a primary, and has committed epochs. */
    private void live() throws IOException {
        begin();
        start();
        finish(group.checkpoint());
        finish(group.checkpoint());
        assertEquals(List.of(Optional.empty()), offer());
        assertEquals(2, group.committedEpoch());
    }

    private Verdict verdict() {
        return group.node().orElseThrow().verdict().orElseThrow();
    }

    /** A process that follows a primary, and whose node has a record of its disk. */
    private void liveWithDisk() throws IOException {
        self.node().open(BOOT, List.of(new DiskIdentity("vda", LENGTH, ""))).join();
        start();
        finish(group.checkpoint());
        assertEquals(List.of(Optional.empty()), offer());
    }

    /** The node in its next process, with a record and a store of the test's. */
    private Self next(final NodeRecord record, final RecordStore store) {
        return new Self(
                new Node(record, self.node().number(), store),
                self.reigns(),
                false,
                self.node().number(),
                self.stance());
    }

    private void lengthenFile() throws IOException {
        try (RandomAccessFile image =
                new RandomAccessFile(folder.resolve("image").toFile(), "rw")) {
            image.setLength(2 * LENGTH);
        }
    }

    private Optional<String> take(final BooleanSupplier isKilled) {
        final List<Optional<String>> answers = new ArrayList<>();
        group.lengths().take(0, 2 * LENGTH, answer -> answers.add(Optional.ofNullable(answer)));
        while (answers.isEmpty() && !isKilled.getAsBoolean()) {
            if (!loop.runNext()) {
                Thread.onSpinWait();
            }
        }
        return answers.isEmpty() ? Optional.of("no answer") : answers.getFirst();
    }

    @Test
    void aDiskThatHasBecomeLongerFindsItsBuffers() throws IOException {
        liveWithDisk();
        lengthenFile();
        assertEquals(Optional.empty(), take(() -> false));
        assertEquals(2 * LENGTH, local.length());
        close();
        open();
        assertEquals(Standing.FOLLOWING, self.node().standing());
        assertEquals(1, group.committedEpoch());
        assertTrue(verdict().isAllowed());
    }

    /** Killed when that is recorded, and nothing else is done. */
    @Test
    void aCheckpointOutlivesAKillBehindTheRecordOfTheGreaterLength() throws IOException {
        liveWithDisk();
        lengthenFile();
        close();
        final NodeRecord before = self.node().record();
        final NodeRecord[] stored = new NodeRecord[1];
        self = next(before, (record, whenStored) -> stored[0] = record);
        openAt(LENGTH);
        assertEquals(Optional.of("no answer"), take(() -> stored[0] != null));
        assertEquals(LENGTH, local.length(), "it is not longer before that is recorded");
        close();
        assertEquals(2 * LENGTH, stored[0].disks().getFirst().length());
        self = next(stored[0], (record, whenStored) -> whenStored.onStored(Optional.empty()));
        open();
        assertEquals(2 * LENGTH, local.length());
        assertEquals(Standing.FOLLOWING, self.node().standing());
        assertEquals(1, group.committedEpoch());
        assertTrue(verdict().isAllowed());
    }

    /** Killed before: the buffers are those of the disk as it was. */
    @Test
    void whatWasNotRecordedIsAsItWas() throws IOException {
        liveWithDisk();
        lengthenFile();
        close();
        final NodeRecord before = self.node().record();
        self = next(before, (record, whenStored) -> whenStored.onStored(Optional.of("full")));
        openAt(LENGTH);
        assertTrue(take(() -> false).orElseThrow().contains("full"));
        close();
        self = next(before, (record, whenStored) -> whenStored.onStored(Optional.empty()));
        openAt(LENGTH);
        assertEquals(Standing.FOLLOWING, self.node().standing());
        assertTrue(verdict().isAllowed());
    }

    @Test
    void aFileThatIsTooShortIsRefusedWithBothLengths() throws IOException {
        liveWithDisk();
        final String refusal = group.lengths().refusal(0, 2 * LENGTH);
        assertTrue(refusal.contains("has " + 2 * LENGTH + " bytes, this one " + LENGTH), refusal);
        assertTrue(refusal.contains("make the file as long as the primary's"), refusal);
    }

    /** Also where nothing was recorded in between but that a process began. */
    @Test
    void aStateThatIsOlderThanItsBuffersSaysNothingOfTheDisks() throws IOException {
        live();
        close();
        final Self old = self;
        self = Selves.again(old);
        begin();
        open();
        assertEquals(2, group.committedEpoch(), "the buffers are its own");
        assertEquals(Standing.FOLLOWING, self.node().standing());
        close();

        self = old;
        begin();
        open();
        assertEquals(Standing.INCONSISTENT, self.node().standing());
        assertFalse(verdict().isAllowed());
        assertTrue(told.getLast().contains("it was put back from a copy"), told::toString);
        close();
        told.clear();

        begin();
        start();
        assertEquals(List.of(), told, "said once");
        assertEquals(List.of(Optional.empty()), offer(), "it is made equal");
    }

    /** A session that it was left in would have it go on, though more has come since. */
    @Test
    void whatWasPutBackWasNotLeftInGoodOrder() throws IOException {
        live();
        self.node().leave(Selves.SESSION, 2).join();
        close();
        final Self old = self;
        self = Selves.again(old);
        begin();
        open();
        close();
        self = old;
        begin();
        open();
        assertTrue(self.node().record().leftSession().isNone());
    }

    /** Before that is recorded it is no checkpoint either, and takes nobody. */
    @Test
    void whatIsNoCheckpointIsNoneBeforeThatIsRecorded() throws IOException {
        live();
        close();
        final NodeRecord before = self.node().record();
        final boolean[] isFull = {true};
        self =
                Selves.over(
                        before,
                        (record, whenStored) ->
                                whenStored.onStored(
                                        isFull[0] ? Optional.of("full") : Optional.empty()));
        start();
        assertEquals(Standing.FOLLOWING, self.node().standing());
        assertFalse(verdict().isAllowed());
        assertTrue(offer().getFirst().orElseThrow().contains("can't be recorded"));
        assertTrue(refused(group.stop(false)).contains("as plain disks they would be torn"));
        isFull[0] = false;
        loop.runTimers();
        while (loop.runNext()) {}
        assertEquals(Standing.INCONSISTENT, self.node().standing());
        assertEquals(List.of(Optional.empty()), offer());
    }

    /** What the disks lack is in the buffers, and a record that knows nothing of it. */
    @Test
    void aMergeThatIsNotDoneIsNotDroppedForAStateThatWasPutBack() throws IOException {
        live();
        final Self old = Selves.again(self);
        finish(group.failOver(true));
        group.merge().giveUp();
        close();
        final Self newest = self;
        self = old;
        begin();
        final String refusal = assertThrows(IOException.class, this::open).getMessage();
        assertTrue(refusal.contains("Restore the state that belongs to them"), refusal);
        close();
        self = newest;
        open();
        assertTrue(group.hasFailedOver());
    }

    /** The process that found them lost was killed before it could record that. */
    @Test
    void buffersThatAreMadeWhenAMergeIsLostAreNotThoseOfTheMerge() throws IOException {
        live();
        finish(group.failOver(true));
        group.merge().giveUp();
        close();
        final NodeRecord merging = self.node().record();
        assertTrue(merging.isMerging());
        try (var files = Files.list(folder.resolve("buffers"))) {
            for (final Path gone : files.toList()) {
                Files.delete(gone);
            }
        }
        self =
                Selves.over(
                        merging, (record, whenStored) -> whenStored.onStored(Optional.of("full")));
        start();
        close();
        self = Selves.over(merging, (record, whenStored) -> whenStored.onStored(Optional.empty()));
        open();
        assertEquals(Standing.INCONSISTENT, self.node().standing());
        assertFalse(group.hasFailedOver());
    }

    @Test
    void buffersOfTheNodeThatItWasAreRemoved() throws IOException {
        live();
        close();
        self.node().forget(ANOTHER).join();
        start();
        assertEquals(0, group.committedEpoch());
        assertTrue(told.getLast().contains("taken out of its pair: they are removed"));
        assertTrue(self.node().record().former().isNone());
        assertEquals(List.of(Optional.empty()), offer());
    }

    /** The one whose merge is not done, and those of anybody else. */
    @Test
    void otherBuffersAreRefusedAndStay() throws IOException {
        live();
        finish(group.failOver(true));
        group.merge().giveUp();
        close();
        self.node().merged().join(); // as a wrong hand would have it
        self.node().forget(ANOTHER).join();
        final String refusal = assertThrows(IOException.class, this::open).getMessage();
        assertTrue(refusal.contains("are those of another node"), refusal);
        assertTrue(Files.exists(folder.resolve("buffers").resolve("group")));
        close();
        self = Selves.fresh(5);
        assertThrows(IOException.class, this::open);
    }

    /** Killed when the end of its merge was recorded, and before the buffers had gone. */
    private void mergeAndLeaveTheBuffers() throws IOException {
        live();
        finish(group.failOver(true));
        group.merge().giveUp();
        close();
        self.node().merged().join();
        self.node().rejoin(new Id(1, 8), 3).join();
    }

    /** It has reigned since, and its disk is newer than anything in them. */
    @Test
    void aFormerPrimaryTakesNothingFromTheBuffersOfItsLifeBefore() throws IOException {
        mergeAndLeaveTheBuffers();
        ofFormerPrimary = true;
        open();
        assertFalse(group.hasFailedOver());
        finish(group.start());
        assertEquals(GroupStatus.State.RUNNING, group.status().state());
    }

    /** The same, once somebody has made it a secondary. */
    @Test
    void aSecondaryGoesOnWithNoMergeOfItsLifeBefore() throws IOException {
        mergeAndLeaveTheBuffers();
        self.node().catchUp(Selves.primary(true), 2).join();
        open();
        assertFalse(group.hasFailedOver());
        finish(group.start());
        assertEquals(GroupStatus.State.RUNNING, group.status().state());
        assertEquals(Standing.INCONSISTENT, self.node().standing());
    }

    /** It has no checkpoint, and is no primary any more; and may be overwritten. */
    @Test
    void aFormerPrimarySaysWhatItIsAndGivesWay() throws IOException {
        self.node().reign(new Id(7, 9), self.reigns().begin(0)).join();
        self.node().rejoin(new Id(1, 8), 3).join();
        ofFormerPrimary = true;
        start();
        assertTrue(verdict().reason().contains("was the primary, and waits"), verdict()::reason);
        assertEquals(verdict().reason(), refused(group.failOver(true)));
        finish(group.join());
        assertEquals(Standing.FRESH, self.node().standing());
        assertTrue(self.node().record().isJoining());
        assertEquals(List.of(Optional.empty()), offer());
    }
}

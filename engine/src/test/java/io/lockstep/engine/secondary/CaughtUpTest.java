package io.lockstep.engine.secondary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.PieceHash;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Selves;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Word;
import io.lockstep.nbd.Nbd;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.BooleanSupplier;

/** How a synchronisation of two disks ends. */
final class CaughtUpTest {
    private static final long LENGTH = 1 << 20;
    private static final Id FIRST = new Id(5, 1);
    private static final Id AGAIN = new Id(5, 2);

    @TempDir private Path folder;

    private final ManualLoop loop = new ManualLoop();
    private final Self self = Selves.fresh(1);
    private final HelperThreads helpers = new HelperThreads();
    private final List<DiskFile> files = new ArrayList<>();
    private final List<FileDisk> opened = new ArrayList<>();
    private final List<Disk> locals = new ArrayList<>();

    /** Writes that the disks have not been given yet, while they are held up. */
    private final List<Runnable> held = new ArrayList<>();

    private boolean isHolding;
    private SecondaryGroup group;

    @BeforeEach
    void open() throws IOException {
        for (final String name : List.of("vda", "vdb")) {
            final Path image = folder.resolve(name);
            try (RandomAccessFile made = new RandomAccessFile(image.toFile(), "rw")) {
                made.setLength(LENGTH);
            }
            files.add(DiskFile.open(name, image, false));
            opened.add(new FileDisk(files.getLast(), loop, helpers));
            locals.add(HeldCalls.of(opened.getLast(), "write", () -> isHolding, held));
        }
        group =
                SecondaryGroup.open(
                        loop,
                        locals,
                        self,
                        SecondaryOptions.in(folder.resolve("buffers"), 2, 64 << 20),
                        (event, disk, epoch, sentence) -> {});
        group.start();
    }

    @AfterEach
    void close() {
        helpers.close();
        group.close();
        opened.forEach(FileDisk::close);
        files.forEach(DiskFile::close);
    }

    /** A primary comes, and makes it equal, or goes on with that. */
    private void attach(final Id session) {
        final Summary primary = Selves.primary(false);
        final List<String> answers = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            group.session()
                    .offer(
                            i,
                            () -> {},
                            new Summary(
                                    primary.node(),
                                    primary.group(),
                                    self.node().record().node(),
                                    primary.standing(),
                                    primary.lineage(),
                                    0,
                                    session,
                                    Id.NONE,
                                    -1,
                                    false,
                                    false),
                            ControlRecord.flagsOf(Word.NONE),
                            true,
                            LENGTH,
                            why -> answers.add("" + why),
                            () -> {});
        }
        loop.runAll();
        assertEquals(List.of("null", "null"), answers);
    }

    private List<String> lastWord(final int disk, final Id session, final long epoch) {
        final List<String> answers = new ArrayList<>();
        group.session().caughtUp(disk, session, epoch, why -> answers.add("" + why));
        loop.runAll();
        return answers;
    }

    private void sealAll() {
        group.disks().forEach(SecondaryDisk::endEpoch);
        loop.runAll();
    }

    /**
     * There are no pre-images in its midst: the guest of a forced failover is served when what the
     * primary had sent is in the disks, and nothing changes beneath it any more.
     */
    @Test
    void whoIsForcedToTakeOverInItsMidstWaitsForWhatIsUnderWay() {
        attach(FIRST);
        assertEquals(Standing.INCONSISTENT, self.node().standing());
        isHolding = true;
        final List<Integer> answers = new ArrayList<>();
        final Disk stream = group.streamExports().getFirst().disk();
        stream.write(
                0, 4096, Arena.ofAuto().allocate(4096), 0, (token, errno) -> answers.add(errno), 0);
        stream.poll();
        await(() -> !held.isEmpty());
        final CompletableFuture<Void> over = group.failOver(true);
        loop.runAll();
        assertFalse(over.isDone());
        isHolding = false;
        held.forEach(Runnable::run);
        locals.forEach(Disk::poll);
        await(over::isDone);
        over.join();
        assertEquals(List.of(0), answers);
    }

    /** Whoever asks before there is a session takes nothing from those who compare in one. */
    @Test
    void hashesAreToldInASessionWhateverWasAskedBefore() {
        for (int i = 0; i < 100; i++) {
            assertEquals(Errno.EPERM, askForHash());
        }
        attach(FIRST);
        assertEquals(0, askForHash());
    }

    private int askForHash() {
        final List<Integer> answers = new ArrayList<>();
        group.streamExports()
                .getFirst()
                .control()
                .read(
                        Nbd.CONTROL_HASHES,
                        PieceHash.LENGTH,
                        Arena.ofAuto().allocate(PieceHash.LENGTH, Long.BYTES),
                        0,
                        (token, errno) -> answers.add(errno),
                        0);
        locals.getFirst().poll();
        await(() -> !answers.isEmpty());
        return answers.getFirst();
    }

    private void await(final BooleanSupplier isSo) {
        while (!isSo.getAsBoolean()) {
            if (!loop.runNext()) {
                Thread.onSpinWait();
            }
        }
    }

    @Test
    void itIsEqualWhenAllDisksAre() {
        attach(FIRST);
        sealAll();
        assertEquals(List.of(), lastWord(0, FIRST, 1));
        assertEquals(0, group.committedEpoch());
        assertEquals(List.of("null"), lastWord(1, FIRST, 1));
        assertEquals(1, group.committedEpoch());
        assertEquals(Standing.FOLLOWING, self.node().standing());
    }

    /** One of the answers reached the primary before the link was cut: it says the other again. */
    @Test
    void theLastWordOnOneDiskIsSaidAgain() {
        attach(FIRST);
        sealAll();
        lastWord(0, FIRST, 1);
        lastWord(1, FIRST, 1);
        attach(AGAIN);
        assertEquals(List.of("null"), lastWord(1, AGAIN, 1));
        assertEquals(1, group.committedEpoch());
        assertEquals(Standing.FOLLOWING, self.node().standing());
    }
}

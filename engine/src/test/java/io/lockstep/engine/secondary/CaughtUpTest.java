package io.lockstep.engine.secondary;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Selves;
import io.lockstep.engine.node.Standing;
import io.lockstep.engine.node.Summary;
import io.lockstep.engine.node.Word;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** The end of a synchronisation of two disks: the primary's last word on each of them. */
final class CaughtUpTest {
    private static final long LENGTH = 1 << 20;
    private static final Id FIRST = new Id(5, 1);
    private static final Id AGAIN = new Id(5, 2);

    @TempDir private Path folder;

    private final ManualLoop loop = new ManualLoop();
    private final Self self = Selves.fresh(1);
    private final HelperThreads helpers = new HelperThreads();
    private final List<DiskFile> files = new ArrayList<>();
    private final List<Disk> locals = new ArrayList<>();
    private SecondaryGroup group;

    @BeforeEach
    void open() throws IOException {
        for (final String name : List.of("vda", "vdb")) {
            final Path image = folder.resolve(name);
            try (RandomAccessFile made = new RandomAccessFile(image.toFile(), "rw")) {
                made.setLength(LENGTH);
            }
            files.add(DiskFile.open(name, image, false));
            locals.add(new FileDisk(files.getLast(), loop, helpers));
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
        locals.forEach(disk -> ((FileDisk) disk).close());
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
                            Word.NONE,
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

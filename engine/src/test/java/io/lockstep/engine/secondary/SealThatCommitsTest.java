package io.lockstep.engine.secondary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Selves;
import io.lockstep.engine.server.ControlSpace;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Seals that bear {@link ControlRecord#AND_COMMIT}, as the primary sends them for a checkpoint. */
final class SealThatCommitsTest {
    private static final int LENGTH = 1 << 16;
    private static final int BLOCK_LENGTH = 4096;

    /** Room for the pre-image of one block. */
    private static final long BUFFER_LIMIT = 4096;

    private Self self = Selves.fresh(1);

    @TempDir private Path folder;

    private final ManualLoop loop = new ManualLoop();
    private final HelperThreads helpers = new HelperThreads();
    private final List<DiskFile> files = new ArrayList<>();
    private final List<FileDisk> locals = new ArrayList<>();
    private final ControlSpace.Client primary = () -> {};
    private SecondaryGroup group;

    @BeforeEach
    void start() throws IOException {
        for (final String name : List.of("vda", "vdb")) {
            try (RandomAccessFile image =
                    new RandomAccessFile(folder.resolve(name).toFile(), "rw")) {
                image.write(new byte[LENGTH]);
            }
            final DiskFile file = DiskFile.open(name, folder.resolve(name), false);
            files.add(file);
            locals.add(new FileDisk(file, loop, helpers));
        }
        group =
                SecondaryGroup.open(
                        loop,
                        List.copyOf(locals),
                        self,
                        SecondaryOptions.in(folder.resolve("buffers"), 2, BUFFER_LIMIT),
                        (event, disk, epoch, sentence) -> {});
        final var started = group.start();
        while (!started.isDone()) {
            if (!loop.runNext()) {
                Thread.onSpinWait();
            }
        }
        final int[][] answers = {{-1}, {-1}};
        for (int disk = 0; disk < 2; disk++) {
            send(disk, ControlRecord.ATTACH, 0, ControlRecord.AT_FIRST, answers[disk]);
        }
        while (answers[0][0] < 0 || answers[1][0] < 0) {
            if (!loop.runNext()) {
                Thread.onSpinWait();
            }
        }
        assertEquals(List.of(0, 0), List.of(answers[0][0], answers[1][0]));
    }

    @AfterEach
    void close() {
        helpers.close();
        group.close();
        locals.forEach(FileDisk::close);
        files.forEach(DiskFile::close);
    }

    @Test
    void theLastDiskToSealCommits() {
        assertEquals(0, command(1, ControlRecord.SEAL, 1, ControlRecord.AND_COMMIT));
        assertEquals(0, group.status().committedEpoch(), "a disk of the group is not sealed");
        assertEquals(0, command(0, ControlRecord.SEAL, 1, ControlRecord.AND_COMMIT));
        assertEquals(1, group.status().committedEpoch());
    }

    /** Killed after the last disk had sealed, and before the commit: the primary sends it again. */
    @Test
    void aSealThatComesAgainCommitsWhatIsSealed() {
        assertEquals(0, command(0, ControlRecord.SEAL, 1, 0));
        assertEquals(0, command(1, ControlRecord.SEAL, 1, 0));
        assertEquals(0, group.status().committedEpoch(), "nobody has asked for it");
        assertEquals(0, command(1, ControlRecord.SEAL, 1, ControlRecord.AND_COMMIT));
        assertEquals(1, group.status().committedEpoch());
        assertEquals(0, command(1, ControlRecord.SEAL, 1, ControlRecord.AND_COMMIT));
        assertEquals(1, group.status().committedEpoch());
    }

    /** The primary learns of the write's error too late to hold the seal back (I1). */
    @Test
    void anEpochThatLacksAWriteIsNotCommitted() {
        assertEquals(0, command(0, ControlRecord.SEAL, 1, ControlRecord.AND_COMMIT));
        assertEquals(0, command(1, ControlRecord.SEAL, 1, ControlRecord.AND_COMMIT));
        assertTrue(write(0, 3 * BLOCK_LENGTH) > 0, "there is no room for three pre-images");
        assertEquals(Errno.EINVAL, sealAfterError(0));
        assertEquals(1, group.status().committedEpoch());
    }

    private int sealAfterError(final int disk) {
        assertEquals(0, command(1 - disk, ControlRecord.SEAL, 2, ControlRecord.AND_COMMIT));
        return command(disk, ControlRecord.SEAL, 2, ControlRecord.AND_COMMIT);
    }

    /** Answers the error number. */
    private int command(final int disk, final int kind, final long epoch, final int flags) {
        final int[] answer = {-1};
        send(disk, kind, epoch, flags, answer);
        return answer[0];
    }

    private void send(
            final int disk, final int kind, final long epoch, final int flags, final int[] answer) {
        final int length =
                kind == ControlRecord.ATTACH
                        ? ControlRecord.LENGTH_WITH_SUMMARY
                        : ControlRecord.LENGTH;
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment record = arena.allocate(length, Long.BYTES);
            ControlRecord.write(record, 0, kind, epoch, 0, Selves.SESSION, flags);
            if (kind == ControlRecord.ATTACH) {
                ControlRecord.summary(record, 0, Selves.primary(false));
            }
            group.streamExports()
                    .get(disk)
                    .control()
                    .write(primary, 0, length, record, 0, (token, errno) -> answer[0] = errno, 0);
        }
    }

    /** Answers the error number. */
    private int write(final int disk, final int length) {
        final Disk stream = group.streamExports().get(disk).disk();
        final int[] answer = {-1};
        try (Arena arena = Arena.ofConfined()) {
            final MemorySegment memory = arena.allocate(length);
            stream.write(0, length, memory, 0, (token, errno) -> answer[0] = errno, 0);
            stream.poll();
            while (answer[0] < 0) {
                if (!loop.runNext()) {
                    Thread.onSpinWait();
                }
            }
        }
        return answer[0];
    }
}

package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskAccess;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.secondary.SecondaryOptions;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A pair whose disks are the primary's files, which the secondary reads. */
final class SharedPairTest extends HealedPair {
    private static final long LONGER = LENGTH / 4096 * 4096 + (1 << 20);

    private final List<DiskFile> readFiles = new ArrayList<>();

    @BeforeEach
    void giveThemTheirDisks() {
        primarySelf = withDisks(2);
        secondarySelf = withDisks(1);
    }

    @Override
    List<Disk> open(final String side, final Life life) throws IOException {
        final boolean isReader = side.equals("secondary");
        final DiskAccess.Sharing sharing =
                isReader ? DiskAccess.Sharing.READER : DiskAccess.Sharing.WRITER;
        final List<Disk> disks = new ArrayList<>();
        for (final String name : NAMES) {
            final DiskFile file =
                    DiskFile.open(name, path("primary", name), DiskAccess.PLAIN.shared(sharing));
            life.opened.add(file);
            final FileDisk disk = new FileDisk(file, life.loop(), helpers);
            life.opened.add(disk);
            disks.add(disk);
            if (isReader) {
                readFiles.add(file);
            }
        }
        return disks;
    }

    @Override
    SecondaryOptions with(final SecondaryOptions options) {
        return options.sharing(
                () -> {
                    for (final DiskFile file : readFiles) {
                        file.takeOver();
                    }
                });
    }

    @Override
    PrimaryOptions with(final PrimaryOptions options) {
        return options.sharing();
    }

    private void start() throws Exception {
        fill("primary");
        startSecondary();
        startPrimary();
        while (events.poll(PATIENCE_SECONDS, TimeUnit.SECONDS) != GroupEvents.Event.SYNCHRONISED) {}
        events.clear();
    }

    private CompletableFuture<Integer> beginToWrite(final long offset, final int length)
            throws Exception {
        final MemorySegment memory = Arena.ofAuto().allocate(length);
        final CompletableFuture<Integer> written = new CompletableFuture<>();
        call(
                primaryLife,
                () -> {
                    final Disk guest = primary.guestDisks().getFirst();
                    guest.write(
                            offset,
                            length,
                            memory,
                            0,
                            (token, errno) -> written.complete(errno),
                            0);
                    return guest.poll();
                });
        return written;
    }

    /**
     * Of a disk that has become longer: the last block of before is whole now, and what is behind
     * it comes next where a guest writes in sequence.
     */
    @Test
    void nothingIsAnnouncedThatTheSecondaryDoesNotKnowOf() throws Exception {
        start();
        try (RandomAccessFile file =
                new RandomAccessFile(path("primary", NAMES.getFirst()).toFile(), "rw")) {
            file.setLength(LONGER);
        }
        final PrimaryDisk disk = (PrimaryDisk) primary.guestDisks().getFirst();
        call(
                primaryLife,
                () -> {
                    disk.lengthen(LONGER, true);
                    return disk.length();
                });
        final CompletableFuture<Integer> written = beginToWrite(LENGTH - 5000, 5000);
        final GroupEvents.Event event = events.poll(200, TimeUnit.MILLISECONDS);
        assertTrue(event == null || event == GroupEvents.Event.DURABLE, () -> "" + event);
        call(
                primaryLife,
                () -> {
                    primary.orders().attachAgain();
                    return disk.length();
                });
        assertEquals(0, written.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
        onLoop(primaryLife, () -> primary.checkpoint());
        assertEquals(
                LONGER, call(secondaryLife, () -> secondary.status().disks().getFirst().length()));
    }
}

package io.lockstep.engine.service;

import io.lockstep.engine.disk.AlignedDisk;
import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.disk.DiskFile;
import io.lockstep.engine.disk.FileDisk;
import io.lockstep.engine.disk.HelperThreads;
import io.lockstep.engine.disk.PartDisk;
import io.lockstep.engine.disk.SwitchDisk;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.primary.Peer;
import io.lockstep.engine.secondary.BufferFiles;
import io.lockstep.engine.secondary.StreamPlace;
import io.lockstep.engine.server.ServedExport;
import io.lockstep.engine.server.ServerEvents;
import io.lockstep.engine.throttle.ThrottleGroup;
import io.lockstep.engine.throttle.ThrottledDisk;

import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;

/**
 * One disk of an {@link Engine}: the open file, what the guest sees of it, and the roles that it
 * has. What others may read changes only before it is used; the roles belong to the group's turn.
 * Its guests, and what they have it do, are on its loop, which is the engine's unless it has one of
 * its own.
 */
public final class EngineDisk {
    private final DiskFile file;
    private final HelperThreads helpers = new HelperThreads();
    private final FileDisk whole;
    private final IoLoop loop;
    private final IoLoop turn;

    /** All of the file, or what is laid over it: a part of it, or what limits its use. */
    private Disk local;

    /** What that lies over, the last at the end. */
    private final Deque<Disk> covered = new ArrayDeque<>();

    private SwitchDisk guest;

    /** The file as the loop sees it that takes the stream; null where that is the engine's. */
    private FileDisk streamed;

    /** Where its buffers lie, if it is a secondary's. */
    private BufferFiles buffers;

    /** What the primary writes to, once the secondary group is open. */
    private ServedExport stream;

    /** Where it forwards to, if it is a primary's. */
    private Peer peer;

    /** Replication to the peer has ended: it takes a new one to begin again. */
    private boolean isPeerSpent;

    EngineDisk(final DiskFile file, final IoLoop loop, final IoLoop turn) {
        this.file = file;
        this.loop = loop;
        this.turn = turn;
        whole = new FileDisk(file, loop, helpers);
        local = AlignedDisk.over(whole, file);
        guest = new SwitchDisk(file.name(), local, turn);
    }

    /** Only a part of it is used from now on, by nobody yet. */
    void narrow(final long offset, final long length) {
        cover(new PartDisk(local, offset, length));
    }

    /** It is used within a group's limits from now on, by nobody yet. */
    void throttle(final ThrottleGroup group) {
        cover(new ThrottledDisk(local, group, loop));
    }

    private void cover(final Disk over) {
        covered.addLast(local);
        begin(over);
    }

    /** Takes back what was laid over it last; nobody uses it any more. */
    void uncover() {
        if (local instanceof final ThrottledDisk throttled) {
            throttled.close();
        }
        begin(covered.removeLast());
    }

    private void begin(final Disk used) {
        local = used;
        guest = new SwitchDisk(file.name(), local, turn);
        guest.switchTo(local, () -> {});
    }

    /** That of its guests. */
    IoLoop loop() {
        return loop;
    }

    /** Its name, for messages. */
    public String name() {
        return file.name();
    }

    /** Where it lies. */
    public Path path() {
        return file.path();
    }

    /** Its length in bytes. */
    public long length() {
        return local.length();
    }

    /** Those who ask for the guest's disk hear of the length that it has by now. */
    void tellLength() {
        guest.length(local.length());
    }

    /** The record has been read, which says how long it is; a file that is longer is told of. */
    void keepToRecord(final Consumer<String> whenLonger) {
        tellLength();
        if (local.lengthThere() > length()) {
            whenLonger.accept(
                    "disk "
                            + name()
                            + ": its file has "
                            + local.lengthThere()
                            + " bytes, and "
                            + length()
                            + " are used, as the record of its pair says; make the file as long"
                            + " on both hosts, and say 'lockstep resize' on the primary");
        }
    }

    DiskFile file() {
        return file;
    }

    /**
     * Where its stream is taken, if that is another loop than the engine's. Of a disk that is a
     * part of its file, or limited in its use, it is not.
     */
    @SuppressWarnings("ReferenceEquality") // a loop equals itself alone
    StreamPlace streamOn(final IoLoop other) {
        if (other == loop || !covered.isEmpty()) {
            return new StreamPlace(loop, local, loop);
        }
        streamed = new FileDisk(file, other, helpers);
        return new StreamPlace(other, AlignedDisk.over(streamed, file), loop);
    }

    /** Gives back what it maps; nothing of it is under way. In the group's turn, or at the end. */
    void unmap() {
        whole.close();
        if (streamed != null) {
            streamed.close();
        }
    }

    /** Closes the file, of which nothing is mapped. */
    void close() {
        file.close();
    }

    /**
     * Brings what was written to stable storage, blocking; answers whether it is.
     *
     * @param events hears why not
     */
    boolean flushFile(final ServerEvents events) {
        final int errno = file.flush();
        if (errno != 0) {
            events.onDiskError(
                    "disk "
                            + file.name()
                            + ": the last flush of "
                            + file.path()
                            + " failed: "
                            + Errno.meaning(errno)
                            + " ("
                            + Errno.name(errno)
                            + "); what was written since the flush before it may be lost");
        }
        return errno == 0;
    }

    /** Waits for calls on its file that are under way, within a bound. */
    void awaitCalls() {
        helpers.close();
    }

    /** All of its file. */
    FileDisk whole() {
        return whole;
    }

    Disk local() {
        return local;
    }

    /** What the guest uses, whatever lies below it at the moment. */
    SwitchDisk guest() {
        return guest;
    }

    /** Has the guests of several use these targets; done when they do. */
    static CompletableFuture<Void> switchAll(
            final List<EngineDisk> members, final List<Disk> targets) {
        return SwitchDisk.switchAll(members.stream().map(EngineDisk::guest).toList(), targets);
    }

    /** Flushes what its guest has written, whoever has it; done whether that fails or not. */
    void flush(final CompletableFuture<Void> done) {
        final Disk below = guest.target();
        if (below == null || below.isReadOnly()) {
            done.complete(null);
        } else {
            below.flush((token, errno) -> turn.within(() -> done.complete(null)), 0);
            below.poll();
        }
    }

    BufferFiles buffers() {
        return buffers;
    }

    void buffers(final BufferFiles files) {
        buffers = files;
    }

    ServedExport stream() {
        return stream;
    }

    void stream(final ServedExport export) {
        stream = export;
    }

    Peer peer() {
        return peer;
    }

    /** Forwards to somebody from the next start on; to nobody where it is null. */
    void peer(final Peer newPeer) {
        peer = newPeer;
        isPeerSpent = false;
    }

    boolean isPeerFresh() {
        return peer != null && !isPeerSpent;
    }

    void spendPeer() {
        isPeerSpent = true;
    }
}

package io.lockstep.engine.service;

import io.lockstep.engine.group.GroupException;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.primary.DiskMirror;
import io.lockstep.engine.primary.MirrorLimits;
import io.lockstep.engine.primary.Peer;
import io.lockstep.engine.primary.PrimaryOptions;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/** The disks of an engine that are being mirrored. On the engine's loop. */
final class Mirrors {
    private final IoLoop loop;
    private final IoLoop linkLoop;
    private final PrimaryOptions options;
    private final List<EngineMirror> mirrors = new ArrayList<>();

    Mirrors(final IoLoop loop, final IoLoop linkLoop, final PrimaryOptions options) {
        this.loop = loop;
        this.linkLoop = linkLoop;
        this.options = options;
    }

    /**
     * Looks whether a disk may be mirrored by itself.
     *
     * @throws IOException with a sentence, where it may not
     */
    @SuppressWarnings("ReferenceEquality") // a loop equals itself alone
    void require(final EngineDisk disk, final EngineGroup group) throws IOException {
        if (mirrors.stream().anyMatch(mirror -> mirror.disk() == disk)) {
            throw new IOException(
                    "Node '"
                            + disk.name()
                            + "' is busy: block device is in use by block job: mirror");
        }
        if (disk.loop() != loop) {
            throw new IOException(
                    "disk "
                            + disk.name()
                            + " has a loop of its own, on which none is mirrored; start with"
                            + " --loops 1");
        }
        if (group.isPrimarys(disk)) {
            throw new IOException(
                    "disk "
                            + disk.name()
                            + " is replicated, which keeps its secondary equal; take its"
                            + " replication child away before it is mirrored");
        }
        if (group.isSecondarys(disk) && group.isStandby()) {
            throw new IOException(
                    "disk "
                            + disk.name()
                            + " is a secondary's, whose primary writes it; fail over before it is"
                            + " mirrored");
        }
    }

    /**
     * Begins one of a disk that is not being mirrored.
     *
     * @param isEqual whether the target is equal, as somebody says
     */
    EngineMirror begin(
            final EngineDisk disk,
            final Peer target,
            final MirrorLimits limits,
            final boolean isEqual,
            final EngineMirror.Owner owner) {
        final EngineMirror mirror = new EngineMirror(loop, disk, target, isEqual, owner);
        mirrors.add(mirror);
        loop.after(mirror.ended(), () -> mirrors.remove(mirror));
        mirror.begin(
                (source, hears) ->
                        new DiskMirror(
                                loop,
                                linkLoop,
                                source,
                                target,
                                options.peerTimeout(),
                                options.syncRate(),
                                limits,
                                hears));
        return mirror;
    }

    /**
     * Replication has the disks to itself.
     *
     * @return done when those that were ordered to end have ended with their targets equal; fails
     *     where one does not, and where there are others
     */
    CompletableFuture<Void> whenNone() {
        for (final EngineMirror mirror : mirrors) {
            if (!mirror.isToEnd()) {
                return CompletableFuture.failedFuture(
                        new GroupException(
                                "disk "
                                        + mirror.disk().name()
                                        + " is being mirrored; wait until the job that does it is"
                                        + " ready, and end it with block-job-cancel, or take the"
                                        + " quorum's nbd child away, before replication is"
                                        + " started"));
            }
        }
        return CompletableFuture.allOf(
                mirrors.stream().map(EngineMirror::endedWell).toArray(CompletableFuture[]::new));
    }

    /** Done when all that are copies have what was changed by now, as far as they are there. */
    CompletableFuture<Void> settled() {
        return CompletableFuture.allOf(
                mirrors.stream()
                        .filter(EngineMirror::isCopy)
                        .map(EngineMirror::settled)
                        .toArray(CompletableFuture[]::new));
    }

    /** Cuts the links that reach a peer. */
    void sever(final Peer peer) {
        mirrors.stream()
                .filter(mirror -> mirror.target().equals(peer))
                .forEach(mirror -> mirror.sever("the manager has cut it (yank)"));
    }

    /** The process ends: nobody waits for a target any more. */
    void endAll() {
        List.copyOf(mirrors).forEach(mirror -> mirror.cancel(() -> {}));
    }

    /** Gives their memory back; the loops have ended. */
    void close() {
        mirrors.forEach(EngineMirror::close);
    }
}

package io.lockstep.engine.service;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.primary.PrimaryGroup;

import java.io.IOException;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * A running primary: a loop with the group and its guest's exports, and one with the link. Made,
 * and stopped, by one thread.
 */
public final class PrimaryService implements AutoCloseable {
    private static final long DRAIN_SECONDS = 5;

    private final ServiceParts parts;
    private NioLoop guestLoop;
    private PrimaryGroup group;
    private List<Endpoint> guestEndpoints = List.of();

    private PrimaryService(final ServiceOptions options) {
        parts = new ServiceParts(options);
    }

    /**
     * Opens the group. It is not started, and serves nobody, until {@link #serve}.
     *
     * @param peer where the secondary's replication exports are
     * @throws IOException where something can't be had; nothing is left running or open then
     */
    public static PrimaryService start(
            final ServiceOptions options,
            final PrimaryGroup.Options groupOptions,
            final Endpoint peer)
            throws IOException {
        final PrimaryService service = new PrimaryService(options);
        boolean started = false;
        try {
            service.open(options, groupOptions, peer);
            started = true;
            return service;
        } finally {
            if (!started) {
                service.close();
            }
        }
    }

    private void open(
            final ServiceOptions options,
            final PrimaryGroup.Options groupOptions,
            final Endpoint peer)
            throws IOException {
        guestLoop = parts.startLoop("lockstep-primary");
        final NioLoop linkLoop = parts.startLoop("lockstep-link");
        final List<Disk> disks = parts.openDisks(guestLoop);
        group =
                LoopCall.call(
                        guestLoop,
                        () ->
                                PrimaryGroup.open(
                                        guestLoop,
                                        linkLoop,
                                        disks,
                                        peer,
                                        groupOptions,
                                        options.groupEvents()));
    }

    /**
     * Lets the guest in.
     *
     * @throws IOException where an endpoint can't be had
     */
    public void serve(final List<Endpoint> guest) throws IOException {
        guestEndpoints = parts.serve(guestLoop, group.guestExports(), guest);
    }

    /** The group; to be used on its {@link #loop}. */
    public PrimaryGroup group() {
        return group;
    }

    /** The group's loop. */
    public IoLoop loop() {
        return guestLoop;
    }

    /** Where the guest comes in. */
    public List<Endpoint> guestEndpoints() {
        return guestEndpoints;
    }

    @Override
    public void close() {
        stop();
    }

    /**
     * Answers what is in flight, waits some seconds for the secondary to have all of it, and
     * leaves.
     *
     * @return whether every disk could be flushed
     */
    public boolean stop() {
        parts.endSessions();
        if (group != null) {
            drain();
        }
        parts.endLoops();
        if (group != null) {
            group.close();
        }
        return parts.closeFiles();
    }

    private void drain() {
        final CompletableFuture<Void> drained = new CompletableFuture<>();
        guestLoop.execute(() -> group.drain(() -> drained.complete(null)));
        try {
            LoopCall.await(drained, DRAIN_SECONDS);
        } catch (final IOException e) {
            return; // the secondary is not there: what it lacks it lacks, as after a kill
        }
    }
}

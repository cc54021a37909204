package io.lockstep.engine.service;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.loop.NioLoop;
import io.lockstep.engine.secondary.SecondaryGroup;

import java.io.IOException;
import java.util.List;

/**
 * A running secondary: one loop with the group, its replication exports and its guest's exports.
 * Made, and stopped, by one thread.
 */
public final class SecondaryService implements AutoCloseable {
    private final ServiceParts parts;
    private NioLoop loop;
    private SecondaryGroup group;
    private List<Endpoint> streamEndpoints = List.of();
    private List<Endpoint> guestEndpoints = List.of();

    private SecondaryService(final ServiceOptions options) {
        parts = new ServiceParts(options);
    }

    /**
     * Opens the group, fresh or as a killed process left it. It is not started: that is for the
     * caller, where the group's status says that it is idle, and before {@link #serve}, since a
     * primary that attaches earlier is refused.
     *
     * @throws IOException where something can't be had; nothing is left running or open then
     */
    public static SecondaryService start(
            final ServiceOptions options, final SecondaryGroup.Options groupOptions)
            throws IOException {
        final SecondaryService service = new SecondaryService(options);
        boolean started = false;
        try {
            service.open(options, groupOptions);
            started = true;
            return service;
        } finally {
            if (!started) {
                service.close();
            }
        }
    }

    private void open(final ServiceOptions options, final SecondaryGroup.Options groupOptions)
            throws IOException {
        loop = parts.startLoop("lockstep-secondary");
        final List<Disk> disks = parts.openDisks(loop);
        group =
                LoopCall.call(
                        loop,
                        () ->
                                SecondaryGroup.open(
                                        loop, disks, groupOptions, options.groupEvents()));
    }

    /**
     * Lets primary and guest in.
     *
     * @param listen where the primary's stream comes in
     * @param guest where the secondary's guest comes in
     * @throws IOException where an endpoint can't be had
     */
    public void serve(final List<Endpoint> listen, final List<Endpoint> guest) throws IOException {
        streamEndpoints = parts.serve(loop, group.streamExports(), listen);
        guestEndpoints = parts.serve(loop, group.guestExports(), guest);
    }

    /** The group; to be used on its {@link #loop}. */
    public SecondaryGroup group() {
        return group;
    }

    /** The group's loop. */
    public IoLoop loop() {
        return loop;
    }

    /** Where the primary's stream comes in. */
    public List<Endpoint> streamEndpoints() {
        return streamEndpoints;
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
     * Answers what is in flight, and leaves; the buffers stay, for the next process.
     *
     * @return whether every disk could be flushed
     */
    public boolean stop() {
        parts.endSessions();
        parts.endLoops();
        if (group != null) {
            group.close();
        }
        return parts.closeFiles();
    }
}

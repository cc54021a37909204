package io.lockstep.simulator;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Self;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** One life of a node: a process, from its start to its end, and its guest. */
abstract class LivesProcess {
    private final LivesNode node;
    private SimulatedLoop loop;
    private Self self;
    private List<Disk> media = List.of();
    private LivesGuest guest;
    private boolean hasEnded;

    LivesProcess(final LivesNode node) {
        this.node = node;
    }

    final LivesNode node() {
        return node;
    }

    final SimulatedLoop loop() {
        return loop;
    }

    final Self self() {
        return self;
    }

    final List<Disk> media() {
        return media;
    }

    final NodeRecord record() {
        return self.node().record();
    }

    final boolean hasEnded() {
        return hasEnded;
    }

    /** The guest, where it is served. */
    final Optional<LivesGuest> guest() {
        return Optional.ofNullable(guest);
    }

    /** Opens its group; on its loop. */
    final void open(final SimulatedLoop own, final Self opened, final LivesNode.Arguments arguments)
            throws IOException {
        loop = own;
        self = opened;
        media =
                node.disks().stream()
                        .map(disk -> node.host().open(disk.medium(), own))
                        .map(disk -> node.judge().opened(this, disk))
                        .toList();
        openGroup(arguments);
    }

    abstract void openGroup(LivesNode.Arguments arguments) throws IOException;

    /** It is up. */
    abstract void onOpened();

    abstract ReplicationGroup group();

    /** Whether what its guest wrote is in the buffers. */
    abstract boolean isMerging();

    abstract boolean isLinked();

    /** Lets go of memory and files, when nothing runs any more. */
    abstract void close();

    /** Has the node end in good order, up to its last record. */
    abstract void leave(Runnable whenLeft);

    /** Something was said for people. */
    void onEvent(final GroupEvents.Event event, final String sentence) {
        node.simulation().trace(node.toString(), event.name(), 0, 0);
        node.reached().note(sentence);
    }

    /** Has something judged where what is thrown would be kept by a future that nobody looks at. */
    final void judged(final Runnable judgement) {
        try {
            judgement.run();
        } catch (final AssertionError e) {
            node.simulation().fail(e);
            throw e;
        }
    }

    /** Serves the guest from now on. */
    final LivesGuest serve(final List<Disk> disks) {
        guest = new LivesGuest(node, loop, disks, node.disks(), node.dice().split());
        return guest;
    }

    /** Asks the node for something that it may refuse; notes what it says. */
    final CompletableFuture<Void> ask(final CompletableFuture<?> answer) {
        return answer.handle(
                (done, thrown) -> {
                    if (thrown != null) {
                        node.reached().note(thrown.getMessage());
                    }
                    return null;
                });
    }

    /** Notes what status says. */
    final void look() {
        group().node().map(NodeStatus::waiting).ifPresent(node.reached()::note);
    }

    /**
     * Stops it in good order, as the engine does: what it owes is done, recorded and flushed.
     *
     * @param whenStopped runs when it may end
     */
    final void stop(final Runnable whenStopped) {
        guest().ifPresent(LivesGuest::rest);
        loop.execute(
                () ->
                        leave(
                                () ->
                                        self.node()
                                                .close()
                                                .whenComplete(
                                                        (done, thrown) -> flush(whenStopped))));
    }

    private void flush(final Runnable whenFlushed) {
        final boolean isIdle = guest().filter(one -> !one.isIdle()).isEmpty();
        final int[] left = {media.size()};
        for (final Disk disk : media) {
            disk.flush(
                    (token, errno) -> {
                        if (--left[0] == 0 && !hasEnded) {
                            if (isIdle) {
                                node.notes().settle(node.tracking());
                            }
                            whenFlushed.run();
                        }
                    },
                    0);
            disk.poll();
        }
    }

    /** It is killed at this moment. */
    void end() {
        hasEnded = true;
        guest().ifPresent(LivesGuest::end);
    }
}

package io.lockstep.cli.command;

import io.lockstep.cli.argument.EndpointArguments;
import io.lockstep.cli.argument.ForwardOptions;
import io.lockstep.cli.graph.GraphException;
import io.lockstep.cli.run.Console;
import io.lockstep.cli.run.EngineRun;
import io.lockstep.cli.run.Quantity;
import io.lockstep.cli.run.ServerRun;
import io.lockstep.engine.disk.DiskAccess;
import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.service.LoopCall;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * A process that is a secondary, or one that has taken over, from its first disk to its end. Of the
 * main thread.
 */
final class SecondaryRole {
    private final PairOptions.Pair pair;
    private final Console console;
    private final BufferOptions buffers;
    private final LoopOptions loops;
    private final long bufferLimit;
    private final List<Endpoint> streams;
    private PrimaryOptions options = ForwardOptions.none();
    private Endpoint back;
    private ReplicationOptions replication;
    private boolean isFormerPrimary;
    private EngineRun run;

    /**
     * One that is not started.
     *
     * @param bufferLimit of the buffers' options
     * @param streams where a primary finds it
     */
    SecondaryRole(
            final PairOptions.Pair pair,
            final BufferOptions buffers,
            final LoopOptions loops,
            final long bufferLimit,
            final List<Endpoint> streams) {
        this.pair = pair;
        this.buffers = buffers;
        this.loops = loops;
        this.bufferLimit = bufferLimit;
        this.streams = streams;
        console = pair.console();
        options = pair.access().isShared() ? options.sharing() : options;
    }

    /**
     * When it has taken over it replicates to its former primary.
     *
     * @param peer where that is
     */
    SecondaryRole replicateBack(
            final Endpoint peer, final PrimaryOptions how, final ReplicationOptions more) {
        back = peer;
        options = how;
        replication = more;
        return this;
    }

    /** It was the primary, perhaps, until its peer took over, which makes it equal. */
    SecondaryRole ofFormerPrimary() {
        isFormerPrimary = true;
        return this;
    }

    /**
     * Runs it; answers the exit code where it could not be started, and {@link ServerRun#GOES_ON}
     * where it took over, and its peer has taken over from it.
     */
    int run() throws InterruptedException {
        final Path directory;
        final boolean isStandby;
        final String room;
        try {
            directory = buffers.directory(pair.control());
            start(directory);
            run.serveSecondary(
                    pair.disks().nameList(), pair.connectionsMax(), streams, pair.guests());
            run.control(pair.control());
            run.rehearse();
            isStandby = run.engine().isStandby();
            room = room(run);
            if (!isStandby) {
                run.replicateBack();
            }
        } catch (final IOException | GraphException e) {
            stop();
            console.say(e.getMessage());
            return 1;
        }
        return ServerRun.serve(
                console,
                isStandby ? readyAsSecondary(directory, room) : readyAsPromoted(),
                run::awaitRehearsedLoad,
                this::stop,
                run.whenHandedOver());
    }

    private String readyAsSecondary(final Path directory, final String room) {
        return "secondary of "
                + pair.disks().names()
                + " takes the stream on "
                + EndpointArguments.uris(run.engine().nbdServer().endpoints())
                + ", the guest on "
                + EndpointArguments.uris(run.engine().guests().endpoints())
                + "; control socket "
                + pair.control()
                + ", buffers in "
                + directory
                + room;
    }

    /** What there is for pre-images, where a change of all of the disks would find too little. */
    private static String room(final EngineRun run) throws IOException {
        return LoopCall.call(
                run.engine().loop(),
                () -> {
                    final ReplicationGroup group = run.engine().group();
                    final long length =
                            group.status().disks().stream()
                                    .mapToLong(GroupStatus.DiskStatus::length)
                                    .sum();
                    return group.node()
                            .flatMap(NodeStatus::room)
                            .filter(room -> room.left() < length)
                            .map(
                                    room ->
                                            ", with room for pre-images of "
                                                    + Quantity.bytes(room.left())
                                                    + ", where the disks have "
                                                    + Quantity.bytes(length)
                                                    + " (--buffer-limit, --spill)")
                            .orElse("");
                });
    }

    private String readyAsPromoted() {
        return "promoted node of "
                + pair.disks().names()
                + " serves the guest on "
                + EndpointArguments.uris(run.engine().guests().endpoints())
                + ", and refuses primaries on "
                + EndpointArguments.uris(run.engine().nbdServer().endpoints())
                + "; control socket "
                + pair.control();
    }

    private void start(final Path directory) throws IOException {
        run =
                EngineRun.start(
                        console,
                        pair.connectionsMax(),
                        options.withPeerTimeout(pair.peerTimeout()),
                        0,
                        bufferLimit,
                        directory,
                        pair.state(),
                        false,
                        pair.access().access(DiskAccess.Sharing.READER));
        run.afterSplitBrain(pair.afterSplitBrain());
        loops.apply(run.engine());
        int number = 0;
        for (final Map.Entry<String, Path> disk : pair.disks().files().entrySet()) {
            run.graph()
                    .addSecondary(
                            disk.getKey(), disk.getValue(), buffers.files(directory, number++));
        }
        if (back != null) {
            run.switchRoles();
            run.replicateBackTo(back, () -> replication.makeCheckpoints(run, console));
        }
        if (isFormerPrimary) {
            run.startFormerPrimary();
        } else {
            run.startSecondary();
        }
    }

    /** How the guest of a primary was answered at the end, which was perhaps said meanwhile. */
    AckLevel ack() {
        return run == null ? options.ack() : run.engine().ack();
    }

    /** Answers whether the disks could be flushed. */
    private boolean stop() {
        return run == null || run.stop();
    }
}

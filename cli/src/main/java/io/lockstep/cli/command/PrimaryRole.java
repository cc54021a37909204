package io.lockstep.cli.command;

import io.lockstep.cli.argument.EndpointArguments;
import io.lockstep.cli.control.PeerMonitor;
import io.lockstep.cli.graph.GraphException;
import io.lockstep.cli.run.Console;
import io.lockstep.cli.run.EngineRun;
import io.lockstep.cli.run.PeerCheck;
import io.lockstep.cli.run.ServerRun;
import io.lockstep.engine.disk.DiskAccess;
import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.loop.AddressFamilies;
import io.lockstep.engine.loop.Endpoint;
import io.lockstep.engine.primary.PrimaryOptions;
import io.lockstep.engine.service.LoopCall;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** A process that is a primary, from its first disk to its end. Of the main thread. */
final class PrimaryRole {
    /** A secondary that is there answers sooner. */
    private static final long FIRST_ATTACH_MS = 2000;

    private final PairOptions.Pair pair;
    private final Console console;
    private final ReplicationOptions replication;
    private final LoopOptions loops;
    private final PrimaryOptions options;
    private final Endpoint peer;
    private Optional<PeerMonitor.Address> monitor = Optional.empty();
    private boolean isOfNode;
    private List<Endpoint> streams = List.of();
    private EngineRun run;

    /**
     * One that is not started.
     *
     * @param options of the replication options
     */
    PrimaryRole(
            final PairOptions.Pair pair,
            final ReplicationOptions replication,
            final LoopOptions loops,
            final PrimaryOptions options,
            final Endpoint peer) {
        this.pair = pair;
        this.replication = replication;
        this.loops = loops;
        this.options = options.withPeerTimeout(pair.peerTimeout());
        this.peer = peer;
        console = pair.console();
    }

    /** Where a secondary that knows no epochs is checkpointed, if it is one. */
    PrimaryRole checkpointAt(final Optional<PeerMonitor.Address> address) {
        monitor = address;
        return this;
    }

    /**
     * It ends where its peer takes over from it by a switch of roles, and where it finds that its
     * peer has taken over; otherwise its guest would wait for somebody's word.
     */
    PrimaryRole switchRoles() {
        isOfNode = true;
        return this;
    }

    /** Where another primary finds that this is one. */
    PrimaryRole listen(final List<Endpoint> endpoints) {
        streams = endpoints;
        return this;
    }

    /**
     * Runs it; answers the exit code where it could not be started, and {@link ServerRun#GOES_ON}
     * where its peer has taken over.
     */
    int run() throws InterruptedException {
        final boolean isWaiting;
        try {
            AddressFamilies.requireFor(peer);
            run =
                    EngineRun.start(
                            console,
                            pair.connectionsMax(),
                            options,
                            0,
                            0,
                            null,
                            pair.state(),
                            false,
                            pair.access().access(DiskAccess.Sharing.WRITER));
            run.afterSplitBrain(pair.afterSplitBrain());
            if (!options.isShared()) {
                loops.apply(run.engine());
                run.engine().diskLoops().serveGuests();
            }
            if (isOfNode) {
                run.switchRoles();
            }
            pair.disks().files().forEach((name, file) -> run.graph().addPrimary(name, file, peer));
            if (monitor.isPresent()) {
                run.checkpointPeerAt(monitor.get());
            }
            run.control(pair.control());
            run.rehearse();
            final boolean isAccepted = attach();
            if (run.whenHandedOver().isDone()) {
                return stop() ? ServerRun.GOES_ON : 1;
            }
            if (!isAccepted) {
                stop();
                return 1;
            }
            if (!streams.isEmpty()) {
                run.meetPrimaries(pair.connectionsMax(), streams);
            }
            run.serveGuests(pair.guests());
            isWaiting = node().filter(NodeStatus::isWaiting).isPresent();
        } catch (final IOException | GraphException e) {
            stop();
            console.say(e.getMessage());
            return 1;
        }
        run.engine().loop().execute(() -> replication.makeCheckpoints(run, console));
        return ServerRun.serve(
                console,
                "primary of "
                        + pair.disks().names()
                        + (isWaiting ? " has the guest wait on " : " serves the guest on ")
                        + EndpointArguments.uris(run.engine().guests().endpoints())
                        + " and forwards to "
                        + EndpointArguments.uri(peer)
                        + "; control socket "
                        + pair.control(),
                run::awaitRehearsedLoad,
                this::stop,
                run.whenHandedOver());
    }

    /**
     * Starts replication. A secondary that isn't there yet is waited for in the background, with
     * the guest served: one that refuses is told of.
     *
     * @return whether it did not refuse; otherwise the console has been told why
     */
    private boolean attach() throws IOException, InterruptedException {
        final List<String> names = pair.disks().nameList();
        final CompletableFuture<Void> started =
                LoopCall.call(run.engine().loop(), () -> run.engine().group().start());
        try {
            started.get(FIRST_ATTACH_MS, TimeUnit.MILLISECONDS);
            return true;
        } catch (final ExecutionException e) {
            return run.whenHandedOver().isDone() || waits(e.getCause().getMessage());
        } catch (final TimeoutException e) {
            final Optional<NodeStatus> node = node();
            if (node.isPresent() && node.get().isWaiting() && node.get().refusal().isPresent()) {
                console.say(node.get().waiting()); // it answers, and is asked again
                return true;
            }
            final PeerCheck.Finding finding = PeerCheck.ask(peer, names, console);
            console.say(
                    (finding.isRefusal() ? "" : "waiting for the secondary: ")
                            + finding.sentence());
            return !finding.isRefusal();
        }
    }

    /** Whether the guest is not served until its user has decided. */
    private boolean waits(final String failure) throws IOException {
        final ReplicationGroup group = run.engine().group();
        final boolean isTold = LoopCall.call(run.engine().loop(), () -> group.error().isPresent());
        if (!isTold) { // by an event
            console.say(failure);
        }
        final Optional<NodeStatus> node = node();
        if (node.isEmpty() || !node.get().isWaiting()) {
            return false;
        }
        console.say(node.get().waiting());
        return true;
    }

    private Optional<NodeStatus> node() throws IOException {
        return LoopCall.call(run.engine().loop(), () -> run.engine().group().node());
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

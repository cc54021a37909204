package io.lockstep.cli.control;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;

import io.lockstep.engine.group.AckLevel;
import io.lockstep.engine.group.GroupStatus;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.ReplicationError;
import io.lockstep.engine.group.ReplicationGroup;
import io.lockstep.engine.group.ReplicationGroup.Role;
import io.lockstep.engine.loop.IoLoop;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/**
 * The commands on a group, QEMU's and our own. They are run on the control server's loop, do their
 * work on the group's, and answer from there. Source of QEMU's: {@code qapi/migration.json}, {@code
 * qapi/block-core.json}, {@code migration/colo.c}.
 */
final class GroupCommands {
    /** In COLO's words. */
    private static final String NONE = "none";

    /** The answer to quit should be read before the process is gone. */
    private static final long QUIT_DELAY_NANOS = TimeUnit.MILLISECONDS.toNanos(50);

    /** So long a start may wait for the secondary; an engine gives up before. */
    private static final long START_NANOS = TimeUnit.SECONDS.toNanos(10);

    private final QmpServer server;
    private final IoLoop serverLoop;
    private final ControlledGroup controlled;
    private final ReplicationGroup group;
    private final Checkpoints checkpoints;

    /** The last committed one when a secondary was asked for a checkpoint. Of the group's loop. */
    private long askedEpoch;

    private GroupCommands(
            final QmpServer server,
            final IoLoop serverLoop,
            final ControlledGroup controlled,
            final Checkpoints checkpoints) {
        this.server = server;
        this.serverLoop = serverLoop;
        this.controlled = controlled;
        this.checkpoints = checkpoints;
        group = controlled.group();
    }

    /** Adds them to a server. */
    static void addTo(
            final QmpServer server,
            final IoLoop serverLoop,
            final ControlledGroup controlled,
            final Checkpoints checkpoints) {
        final GroupCommands commands =
                new GroupCommands(server, serverLoop, controlled, checkpoints);
        commands.addThoseOfQemu();
        commands.addOwn();
    }

    private void addThoseOfQemu() {
        server.add("xen-set-replication", this::setReplication);
        add("xen-colo-do-checkpoint", this::checkpointAsQemu);
        add("query-xen-replication-status", () -> done(replicationStatus()));
        add("x-colo-lost-heartbeat", () -> empty(group.stop(true)));
        add("query-status", () -> done(RunCommands.status(false)));
        add("query-name", () -> done(name(controlled.name())));
        add("query-colo-status", () -> done(coloStatus()));
        server.add("quit", this::quit);
    }

    private void addOwn() {
        add("x-lockstep-seal", () -> group.seal().thenApply(GroupCommands::epoch));
        server.add("x-lockstep-commit", this::commit);
        server.add("x-lockstep-checkpoint", this::checkpoint);
        server.add("x-lockstep-set-ack", this::setAck);
        add("x-lockstep-status", () -> done(StatusReport.of(group, checkpoints)));
        server.add("x-lockstep-histograms", this::histograms);
        server.add("x-lockstep-failover", this::failOver);
        add("x-lockstep-verdict", this::verdict);
        add("x-lockstep-state", this::state);
        add("x-lockstep-switchover", () -> group.switchOver().thenApply(GroupCommands::epoch));
        server.add(
                "x-lockstep-promote", arguments -> alone(arguments, () -> empty(group.promote())));
        add("x-lockstep-join", () -> empty(group.join()));
        server.add("x-lockstep-resolve", this::resolve);
        add("x-lockstep-verify", () -> empty(group.healing().verify()));
        add("x-lockstep-synchronise", () -> empty(group.healing().synchronise()));
        server.add("x-lockstep-stop", arguments -> alone(arguments, this::stop));
    }

    /** A command without arguments, which is run on the group's loop. */
    private void add(final String name, final Supplier<CompletableFuture<JsonElement>> action) {
        server.add(
                name,
                arguments -> {
                    arguments.end();
                    return onGroup(action);
                });
    }

    private <T> CompletableFuture<T> onGroup(final Supplier<CompletableFuture<T>> action) {
        final CompletableFuture<T> answer = new CompletableFuture<>();
        final IoLoop loop = controlled.loop();
        loop.execute(
                () -> {
                    try {
                        loop.after(action.get(), (value, thrown) -> settle(answer, value, thrown));
                    } catch (final RuntimeException | Error e) {
                        answer.completeExceptionally(e); // who answers reports it
                    }
                });
        return answer;
    }

    private static <T> void settle(
            final CompletableFuture<T> answer, final T value, final Throwable thrown) {
        if (thrown == null) {
            answer.complete(value);
        } else {
            answer.completeExceptionally(thrown);
        }
    }

    private static <T> CompletableFuture<T> done(final T value) {
        return CompletableFuture.completedFuture(value);
    }

    private static CompletableFuture<JsonElement> refuse(final String sentence) {
        return CompletableFuture.failedFuture(QmpException.generic(sentence));
    }

    private static CompletableFuture<JsonElement> empty(final CompletableFuture<?> operation) {
        return operation.thenApply(ignored -> new JsonObject());
    }

    // ---- Replication, in QEMU's words.

    private CompletableFuture<JsonElement> setReplication(final QmpArguments arguments) {
        final boolean enable = arguments.requireBoolean("enable");
        final boolean primary = arguments.requireBoolean("primary");
        final Optional<Boolean> failover = arguments.optionalBoolean("failover");
        arguments.end();
        if (enable && failover.isPresent()) {
            throw QmpException.generic("Parameter 'failover' is only for stopping replication");
        }
        if (!enable) {
            return onGroup(() -> empty(group.stop(failover.orElse(false))));
        }
        return onGroup(
                () -> {
                    final Role wanted = primary ? Role.PRIMARY : Role.SECONDARY;
                    return wanted == group.role() || hasEnded(group.status().state())
                            ? empty(startInTime())
                            : refuse(
                                    "The parameter mode's value is invalid, needs "
                                            + name(group.role())
                                            + ", but got "
                                            + name(wanted));
                });
    }

    /** A primary may be waiting for its secondary for as long as it takes, and nobody for that. */
    private CompletableFuture<Void> startInTime() {
        final CompletableFuture<Void> answer = new CompletableFuture<>();
        controlled.loop().after(group.start(), (done, thrown) -> settle(answer, null, thrown));
        if (!answer.isDone()) {
            controlled
                    .loop()
                    .schedule(
                            START_NANOS,
                            () ->
                                    answer.completeExceptionally(
                                            QmpException.generic(
                                                    "the secondary at "
                                                            + group.status().peer()
                                                            + " is not linked yet: replication"
                                                            + " goes on when it is; see that it"
                                                            + " runs and can be reached")));
        }
        return answer;
    }

    /** After the end it is taken and means nothing, as in QEMU; our own command says so. */
    private CompletableFuture<JsonElement> checkpointAsQemu() {
        final GroupStatus status = group.status();
        return hasEnded(status.state()) || isMadeByPrimary(status)
                ? done(new JsonObject())
                : empty(checkpoints.make());
    }

    /**
     * A manager of both sides asks both, as COLO does: what the primary has committed since this
     * side was asked last is its checkpoint, too.
     */
    private boolean isMadeByPrimary(final GroupStatus status) {
        final boolean isMade =
                status.role() == Role.SECONDARY
                        && status.linked()
                        && status.sealedEpoch() == status.committedEpoch()
                        && status.committedEpoch() > askedEpoch;
        askedEpoch = status.committedEpoch();
        return isMade;
    }

    /** Then a start means nothing, as in QEMU: there is nobody whose mode could be wrong. */
    private static boolean hasEnded(final GroupStatus.State state) {
        return state == GroupStatus.State.ALONE || state == GroupStatus.State.MERGING;
    }

    private static String name(final Role role) {
        return role == Role.PRIMARY ? "primary" : "secondary";
    }

    private JsonObject replicationStatus() {
        final JsonObject status = new JsonObject();
        final Optional<ReplicationError> error = group.error();
        status.addProperty("error", error.isPresent());
        error.ifPresent(found -> status.addProperty("desc", found.sentence()));
        if (error.isEmpty() && group.status().state() == GroupStatus.State.IDLE) {
            status.addProperty("error", true);
            status.addProperty("desc", "Block replication is not running");
        }
        return status;
    }

    private CompletableFuture<JsonElement> failOver(final QmpArguments arguments) {
        final boolean isForced = arguments.optionalBoolean("force").orElse(false);
        final boolean isFenced = arguments.optionalBoolean("fenced").orElse(false);
        arguments.end();
        return onGroup(() -> failOver(isForced, isFenced));
    }

    private CompletableFuture<JsonElement> failOver(
            final boolean isForced, final boolean isFenced) {
        final boolean isDoneBefore = group.hasFailedOver();
        if (group.role() != Role.SECONDARY) {
            return isDoneBefore ? done(failedOver(true)) : refuse(refusalOfPrimary());
        }
        if (!isDoneBefore && !group.ending().isEmpty()) {
            return refuse("there is no checkpoint to fail over to: " + group.ending());
        }
        if (isFenced) {
            group.fenced();
        }
        return group.failOver(isForced).thenApply(ignored -> failedOver(isDoneBefore));
    }

    private String refusalOfPrimary() {
        return group.node().filter(NodeStatus::isWaiting).isPresent()
                ? "this is the primary, whose guest waits, and failover is for the secondary; why"
                        + " it waits, and what to do, says 'lockstep status'"
                : "this is the primary, whose guest is running; failover is for the secondary";
    }

    private CompletableFuture<JsonElement> verdict() {
        return done(NodeReport.verdict(group.status(), group.node()));
    }

    private CompletableFuture<JsonElement> state() {
        return group.node()
                .map(node -> done((JsonElement) StateReport.of(node.record(), true)))
                .orElseGet(
                        () ->
                                refuse(
                                        "this process has no state yet: no disk is a secondary's,"
                                                + " and none forwards"));
    }

    private JsonObject failedOver(final boolean isDoneBefore) {
        final JsonObject object = epoch(group.status().committedEpoch());
        object.addProperty("done-before", isDoneBefore);
        return object;
    }

    /** Has the guest go on alone, perhaps with somebody's word that the peer is fenced. */
    private CompletableFuture<JsonElement> alone(
            final QmpArguments arguments, final Supplier<CompletableFuture<JsonElement>> order) {
        final boolean isFenced = arguments.optionalBoolean("fenced").orElse(false);
        arguments.end();
        return onGroup(
                () -> {
                    if (isFenced) {
                        group.fenced();
                    }
                    return order.get();
                });
    }

    private CompletableFuture<JsonElement> stop() {
        final String ending = group.ending();
        return group.stop(false)
                .thenApply(
                        ignored -> {
                            final JsonObject object = new JsonObject();
                            object.addProperty("done-before", !ending.isEmpty());
                            object.addProperty("reason", ending);
                            return object;
                        });
    }

    private CompletableFuture<JsonElement> resolve(final QmpArguments arguments) {
        final boolean isDiscarding = arguments.optionalBoolean("discard").orElse(false);
        arguments.end();
        return onGroup(() -> group.healing().resolve(isDiscarding).thenApply(SplitBrainReport::of));
    }

    private CompletableFuture<JsonElement> commit(final QmpArguments arguments) {
        final long epoch = arguments.requireInteger("epoch");
        arguments.end();
        return onGroup(() -> empty(group.commit(epoch)));
    }

    private CompletableFuture<JsonElement> checkpoint(final QmpArguments arguments) {
        final boolean isDurable = arguments.optionalBoolean("durable").orElse(false);
        arguments.end();
        return onGroup(
                () -> {
                    final CompletableFuture<Checkpoints.Checkpoint> made =
                            isDurable ? checkpoints.makeDurable() : checkpoints.make();
                    return made.thenApply(GroupCommands::made);
                });
    }

    private CompletableFuture<JsonElement> setAck(final QmpArguments arguments) {
        final String level = arguments.requireString("level");
        arguments.end();
        return AckLevel.parse(level)
                .map(wanted -> onGroup(() -> empty(group.acknowledgeAt(wanted))))
                .orElseGet(
                        () ->
                                refuse(
                                        "Parameter 'level' expects "
                                                + AckLevel.NAMES
                                                + ", not '"
                                                + level
                                                + "'"));
    }

    private CompletableFuture<JsonElement> histograms(final QmpArguments arguments) {
        arguments.end();
        return onGroup(() -> done(HistogramReport.of(group, checkpoints)))
                .thenApplyAsync(HistogramReport::toJson, serverLoop::execute);
    }

    private static JsonObject epoch(final long epoch) {
        final JsonObject object = new JsonObject();
        object.addProperty("epoch", epoch);
        return object;
    }

    private static JsonObject made(final Checkpoints.Checkpoint checkpoint) {
        final JsonObject object = epoch(checkpoint.epoch());
        object.addProperty("duration-ns", checkpoint.nanos());
        return object;
    }

    // ---- What there is.

    /** Those of the group: the merge, and what makes the secondary equal or compares. */
    static List<ManagedJob> jobs(final ReplicationGroup group) {
        final List<ManagedJob> jobs = new ArrayList<>();
        final GroupStatus status = group.status();
        if (isMerging(status)) {
            jobs.add(GroupJob.merge(status, ""));
        }
        group.healing().jobs().forEach(job -> jobs.add(GroupJob.of(job)));
        return jobs;
    }

    private static boolean isMerging(final GroupStatus status) {
        final boolean isStillMerging = // of a failed over secondary that is a primary by now
                status.role() == Role.PRIMARY && status.mergeDone() < status.mergeTotal();
        return status.state() == GroupStatus.State.MERGING || isStillMerging;
    }

    /**
     * In COLO's words: which side this is while it replicates, and was before it was told to end.
     */
    private JsonObject coloStatus() {
        final GroupStatus status = group.status();
        final boolean isRunning =
                status.state() == GroupStatus.State.RUNNING
                        || status.state() == GroupStatus.State.BROKEN;
        final boolean isOver = hasEnded(status.state());
        final JsonObject answer = new JsonObject();
        answer.addProperty("mode", isRunning ? name(status.role()) : NONE);
        answer.addProperty("last-mode", isOver ? name(status.role()) : NONE);
        answer.addProperty("reason", isOver ? "request" : NONE);
        return answer;
    }

    private static JsonObject name(final String name) {
        final JsonObject answer = new JsonObject();
        if (name != null) {
            answer.addProperty("name", name);
        }
        return answer;
    }

    // ---- The end.

    private CompletableFuture<JsonElement> quit(final QmpArguments arguments) {
        arguments.end();
        final JsonObject data = new JsonObject();
        data.addProperty("guest", false);
        data.addProperty("reason", "host-qmp-quit");
        server.sendEvent("SHUTDOWN", data);
        serverLoop.schedule(QUIT_DELAY_NANOS, controlled.quit());
        return done(new JsonObject());
    }
}

package io.lockstep.engine.primary;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.group.GroupEvents;
import io.lockstep.engine.group.NodeStatus;
import io.lockstep.engine.group.SplitBrainStatus;
import io.lockstep.engine.node.Concession;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Standing;

import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A primary that went on finds that its peer has taken over, and gives way or does not. */
final class SplitBrainInPairTest extends HealedPair {
    private final MemorySegment memory = Arena.ofAuto().allocate(4096);

    /** What happened to the guests. */
    private final List<String> guests = new ArrayList<>();

    private volatile boolean isStorageGone;

    @BeforeEach
    void start() throws Exception {
        startEqualPair();
        call(
                primaryLife,
                () -> {
                    primary.guests(
                            new HeldGuests() {
                                @Override
                                public void hold(final Runnable whenQuiet) {
                                    guests.add("held");
                                    whenQuiet.run();
                                }

                                @Override
                                public void letGo() {
                                    guests.add("let go");
                                }
                            });
                    return null;
                });
    }

    /** In a storage that may be gone. */
    @Override
    Self again(final Self before) {
        return new Self(
                new Node(
                        before.node().record(),
                        before.node().number(),
                        (record, whenStored) ->
                                whenStored.onStored(
                                        isStorageGone
                                                ? Optional.of("no space")
                                                : Optional.empty())),
                before.reigns(),
                false);
    }

    private NodeRecord record() throws Exception {
        return call(primaryLife, () -> primary.node().orElseThrow().record());
    }

    private void write() throws Exception {
        final CompletableFuture<Integer> written =
                call(
                        primaryLife,
                        () -> {
                            final CompletableFuture<Integer> answer = new CompletableFuture<>();
                            final Disk disk = primary.guestDisks().getFirst();
                            disk.write(
                                    0,
                                    4096,
                                    memory,
                                    0,
                                    (token, errno) -> answer.complete(errno),
                                    0);
                            disk.poll();
                            return answer;
                        });
        assertEquals(0, written.get(PATIENCE_SECONDS, TimeUnit.SECONDS));
    }

    /** Both have something of their own, and have met. */
    private void split() throws Exception {
        onLoop(secondaryLife, () -> secondary.failOver(true));
        while (!call(primaryLife, () -> primary.node().filter(NodeStatus::isWaiting).isPresent())) {
            Thread.onSpinWait();
        }
        onLoop(primaryLife, () -> primary.promote());
        write();
        await(GroupEvents.Event.SPLIT_BRAIN);
    }

    private void await(final GroupEvents.Event wanted) throws Exception {
        GroupEvents.Event event = null;
        while (event != wanted) {
            event = events.poll(PATIENCE_SECONDS, TimeUnit.SECONDS);
            assertTrue(event != null, wanted + " is not told");
        }
    }

    private CompletableFuture<SplitBrainStatus> resolve(final boolean isDiscarding)
            throws Exception {
        return call(primaryLife, () -> primary.healing().resolve(isDiscarding));
    }

    private static String refusal(final CompletableFuture<SplitBrainStatus> answer)
            throws Exception {
        return answer.handle((done, thrown) -> thrown == null ? "" : thrown.getMessage())
                .get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    @Test
    void whereThereIsNoneNothingIsGivenUp() throws Exception {
        assertTrue(refusal(resolve(true)).startsWith("no split brain was found"));
        assertEquals(Standing.REIGNING, record().standing());
        assertEquals(List.of(), guests);
    }

    @Test
    void bothSidesAreNamedAndNothingIsDoneUnasked() throws Exception {
        split();
        final SplitBrainStatus status = resolve(false).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        assertFalse(status.isDiscarded());
        assertTrue(status.own().changed() >= 4096, status.toString());
        assertEquals(2, status.own().parting().orElseThrow().origin());
        assertEquals(2, status.peer().parting().orElseThrow().origin());
        assertEquals(-1, status.peer().changed(), "it has met nobody itself");
        assertEquals(
                NAMES, status.disks().stream().map(SplitBrainStatus.DiskChange::disk).toList());
        assertEquals(
                status.own().changed(),
                status.disks().stream().mapToLong(SplitBrainStatus.DiskChange::changed).sum());
        assertEquals(Standing.ALONE, record().standing());
        assertEquals(List.of(), guests);
        write();
    }

    @Test
    void whatIsGivenUpIsRecordedForThatPeerAlone() throws Exception {
        split();
        final NodeRecord peer = call(secondaryLife, () -> secondary.node().orElseThrow().record());
        final SplitBrainStatus status = resolve(true).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        assertTrue(status.isDiscarded());
        assertEquals(List.of("held"), guests);
        assertEquals(Standing.OUTDATED, record().standing());
        assertEquals(new Concession(peer.node(), peer.lineage().newest()), record().concession());
        assertTrue(call(primaryLife, () -> primary.hasHandedOver()));
        await(GroupEvents.Event.SPLIT_BRAIN_RESOLVED);
        assertFalse(events.contains(GroupEvents.Event.SPLIT_BRAIN), "it was told once");
        assertTrue(refusal(resolve(true)).contains("giving way"));
    }

    @Test
    void whatCannotBeRecordedIsNotGivenUp() throws Exception {
        split();
        isStorageGone = true;
        final String refusal = refusal(resolve(true));
        assertTrue(refusal.startsWith("nothing was given up, and the guest goes on"), refusal);
        assertTrue(refusal.contains("no space"), refusal);
        assertEquals(List.of("held", "let go"), guests);
        assertEquals(Standing.ALONE, record().standing());
        assertFalse(call(primaryLife, () -> primary.hasHandedOver()));
        isStorageGone = false;
        write();
        resolve(true).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        assertEquals(Standing.OUTDATED, record().standing());
    }
}

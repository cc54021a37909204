package io.lockstep.engine.node;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** What a node begins as, whatever has happened to it. */
final class NodeRoleTest {
    private static final Id GROUP = new Id(7, 1);
    private static final Reign FIRST = new Reign(new Id(2, 1), 0, 0);
    private static final Reign SECOND = new Reign(new Id(2, 2), 3, 0);

    private final Node node =
            new Node(
                    NodeRecord.fresh(new Id(1, 5), new Id(8, 1), List.of()),
                    (record, whenStored) -> whenStored.onStored(Optional.empty()));

    private void becomes(final NodeRole expected, final CompletableFuture<Void> happened) {
        happened.join();
        assertEquals(Optional.of(expected), NodeRole.of(node.record()), node.record()::toString);
    }

    @Test
    void whoWasNeverInAPairHasNone() {
        assertEquals(Optional.empty(), NodeRole.of(node.record()));
        node.follow(Selves.primary(false), 1).join();
        node.forget(new Id(1, 6)).join();
        assertEquals(Optional.empty(), NodeRole.of(node.record()));
    }

    /** Whose disks may be overwritten is no primary, whatever it was and the command line says. */
    @Test
    void whoGivesWayIsASecondary() {
        node.reign(GROUP, FIRST).join();
        becomes(NodeRole.SECONDARY, node.join(new Id(1, 6)));
    }

    @Test
    void aPrimaryIsOneUntilItsPeerIsOut() {
        becomes(NodeRole.PRIMARY, node.reign(GROUP, FIRST));
        becomes(NodeRole.PRIMARY, node.rejoin(new Id(1, 6), 1));
        becomes(NodeRole.PRIMARY, node.part(SECOND));
        becomes(NodeRole.PROMOTED, node.peerIsOut());
        becomes(NodeRole.PRIMARY, node.rejoin(new Id(1, 6), 4));
    }

    @Test
    void aSecondaryIsOneUntilItTakesOver() {
        becomes(NodeRole.SECONDARY, node.follow(Selves.primary(false), 1));
        becomes(NodeRole.SECONDARY, node.outdate(2));
        becomes(NodeRole.SECONDARY, node.tear());
        becomes(NodeRole.SECONDARY, node.follow(Selves.primary(false), 3));
        becomes(NodeRole.PROMOTED, node.promote(SECOND, true));
        becomes(NodeRole.PROMOTED, node.merged());
        becomes(NodeRole.PROMOTED, node.close());
    }

    /** Its buffers are opened by nobody else, whoever it has met since. */
    @Test
    void whoHasAMergeBeforeItIsPromoted() {
        becomes(NodeRole.PROMOTED, node.force(GROUP, FIRST));
        becomes(NodeRole.PROMOTED, node.rejoin(new Id(1, 6), 1));
        becomes(NodeRole.PRIMARY, node.merged());
        becomes(NodeRole.SECONDARY, node.tear());
    }
}

package io.lockstep.engine.node;

import java.util.List;
import java.util.Optional;
import java.util.Random;

/** Nodes for groups under test, which remember in memory. */
public final class Selves {
    private static final Id BOOT = new Id(8, 1);

    /** That of the primary. */
    public static final Id SESSION = new Id(3, 1);

    private Selves() {}

    /** A primary that has met nobody yet. */
    public static Summary primary(final boolean isEmpty) {
        return new Summary(
                new Id(1, 1),
                new Id(7, 1),
                Id.NONE,
                Standing.REIGNING,
                Lineage.NONE.begin(new Reign(new Id(2, 1), 0, 0)),
                0,
                SESSION,
                Id.NONE,
                -1,
                false,
                isEmpty);
    }

    /** A node that was never in a pair. */
    public static Self fresh(final long seed) {
        return fresh(seed, (record, whenStored) -> whenStored.onStored(Optional.empty()));
    }

    /** The same, with what it remembers in a store of the test's. */
    public static Self fresh(final long seed, final RecordStore store) {
        final Reigns reigns = new Reigns(new Random(seed), () -> 0);
        return new Self(
                new Node(NodeRecord.fresh(reigns.name(), BOOT, List.of()), store), reigns, true);
    }

    /** A node as its record says, which a process finds that was not stopped in good order. */
    public static Self of(final NodeRecord record) {
        return new Self(
                new Node(record, (next, whenStored) -> whenStored.onStored(Optional.empty())),
                new Reigns(new Random(1), () -> 0),
                false);
    }

    /** The same, with what it remembers in a store of the test's. */
    public static Self over(final NodeRecord record, final RecordStore store) {
        return new Self(new Node(record, store), new Reigns(new Random(1), () -> 0), false);
    }

    /** The same node, in the memory of its next process. */
    public static Self again(final Self before) {
        return new Self(
                new Node(
                        before.node().record(),
                        before.node().number(),
                        (record, whenStored) -> whenStored.onStored(Optional.empty())),
                before.reigns(),
                false);
    }
}

package io.lockstep.simulator;

import io.lockstep.engine.node.Id;
import io.lockstep.engine.node.Node;
import io.lockstep.engine.node.NodeRecord;
import io.lockstep.engine.node.Reigns;
import io.lockstep.engine.node.Self;
import io.lockstep.engine.node.Standing;

import java.util.List;
import java.util.Optional;
import java.util.Random;

/** What a host's node remembers across its processes. */
final class SimulatedNode {
    private static final Id BOOT = new Id(1, 1);

    private final Reigns reigns;
    private NodeRecord stored;
    private long number;

    /** One that was never in a pair. */
    SimulatedNode(final long seed) {
        reigns = new Reigns(new Random(seed), () -> 0);
        stored = NodeRecord.fresh(reigns.name(), BOOT, List.of());
    }

    /** One that remembers what another one does. */
    SimulatedNode(final NodeRecord record, final long recordNumber) {
        this(1);
        stored = record;
        number = recordNumber;
    }

    /** For a process that begins. */
    Self self() {
        return new Self(
                new Node(
                        stored,
                        number,
                        (record, whenStored) -> {
                            stored = record;
                            number++;
                            whenStored.onStored(Optional.empty());
                        }),
                reigns,
                false);
    }

    /** As what it is recorded. */
    Standing standing() {
        return stored.standing();
    }

    /** Another one, which remembers what this one does. */
    SimulatedNode copy() {
        return new SimulatedNode(stored, number);
    }
}

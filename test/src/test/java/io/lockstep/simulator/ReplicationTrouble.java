package io.lockstep.simulator;

/**
 * What is out of the ordinary in a {@link ReplicationScenario}.
 *
 * @param cuts how often the link is cut
 * @param partitions how often nothing passes between the hosts for a while, and nobody is told
 * @param secondaryKills how often the secondary's process is killed, and starts again
 * @param networkBreaks whether any connection may break at any time
 * @param primaryDiskFails whether operations of the primary disks fail
 * @param secondaryDiskFails whether operations of the secondary disks fail
 * @param smallLog whether the forward log is much smaller than what guests write
 * @param detaches whether a full log drops the link, and doesn't block
 * @param smallBuffers whether the secondary's buffers are too small
 * @param rival whether another primary tries to replicate to the same secondary
 */
record ReplicationTrouble(
        int cuts,
        int partitions,
        int secondaryKills,
        boolean networkBreaks,
        boolean primaryDiskFails,
        boolean secondaryDiskFails,
        boolean smallLog,
        boolean detaches,
        boolean smallBuffers,
        boolean rival) {
    static final ReplicationTrouble NONE =
            new ReplicationTrouble(0, 0, 0, false, false, false, false, false, false, false);

    static ReplicationTrouble choose(final Dice dice) {
        return dice.chance(0.2)
                ? NONE
                : new ReplicationTrouble(
                        dice.chance(0.3) ? dice.between(1, 3) : 0,
                        dice.chance(0.15) ? 1 : 0,
                        dice.chance(0.4) ? dice.between(1, 3) : 0,
                        dice.chance(0.1),
                        dice.chance(0.15),
                        dice.chance(0.15),
                        dice.chance(0.25),
                        dice.chance(0.3),
                        dice.chance(0.1),
                        dice.chance(0.1));
    }

    /** Whether replication itself must never meet an error. */
    boolean isCalmForReplication() {
        return !secondaryDiskFails && !smallBuffers && !(smallLog && detaches);
    }
}

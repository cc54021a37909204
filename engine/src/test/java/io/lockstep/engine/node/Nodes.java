package io.lockstep.engine.node;

import java.util.List;

/** Nodes for tests, and what they say of themselves. */
final class Nodes {
    static final Id GROUP = new Id(7, 1);
    static final Id BOOT = new Id(8, 1);

    /** Seconds between the beginnings of two generations. */
    private static final long HOUR = 3600;

    private Nodes() {}

    static Id node(final long number) {
        return new Id(1, number);
    }

    static Id generation(final long number) {
        return new Id(2, number);
    }

    static Id session(final long number) {
        return new Id(3, number);
    }

    /**
     * A generation that began at ten times its number's epoch, at its number's hour; one below 0
     * from what was no checkpoint.
     */
    static Reign reign(final long signed) {
        final long number = Math.abs(signed);
        return new Reign(generation(number), 10 * number, HOUR * number, signed < 0);
    }

    /** Of these generations, the newest first; see {@link #reign}. */
    static Lineage lineage(final long... numbers) {
        Lineage lineage = Lineage.NONE;
        for (int i = numbers.length - 1; i >= 0; i--) {
            lineage = lineage.begin(reign(numbers[i]));
        }
        return lineage;
    }

    static NodeRecord fresh() {
        return NodeRecord.fresh(
                node(1), BOOT, List.of(new DiskIdentity("vda", 1 << 20, "inode 12")));
    }

    /** One that stands there, in the generations 2 and 1 unless it is fresh. */
    static NodeRecord standing(final Standing standing) {
        return standing == Standing.FRESH
                ? fresh()
                : fresh().draft()
                        .group(GROUP)
                        .peer(node(2))
                        .lineage(lineage(2, 1))
                        .committedEpoch(25)
                        .standing(standing)
                        .record();
    }

    /** What a node says of itself, in the making. */
    static final class Said {
        private Summary said;

        /** A node of that number, at epoch 30, which has met a peer and has data. */
        Said(final long number, final Standing standing, final long... generations) {
            final boolean isFresh = standing == Standing.FRESH;
            said =
                    new Summary(
                            node(number),
                            isFresh ? Id.NONE : GROUP,
                            isFresh ? Id.NONE : node(99),
                            standing,
                            lineage(generations),
                            isFresh ? 0 : 30,
                            Id.NONE,
                            Id.NONE,
                            -1,
                            false,
                            false);
        }

        private Said with(
                final Id group,
                final Id peer,
                final long epoch,
                final Id session,
                final Id left,
                final boolean isEmpty) {
            said =
                    new Summary(
                            said.node(),
                            group,
                            peer,
                            said.standing(),
                            said.lineage(),
                            epoch,
                            session,
                            left,
                            -1,
                            said.trackedFrom(),
                            said.concession(),
                            said.stance(),
                            said.isJoining(),
                            isEmpty);
            return this;
        }

        Said empty() {
            return with(
                    said.group(),
                    said.peer(),
                    said.committedEpoch(),
                    said.session(),
                    said.leftSession(),
                    true);
        }

        Said joining() {
            said =
                    new Summary(
                            said.node(),
                            said.group(),
                            said.peer(),
                            said.standing(),
                            said.lineage(),
                            said.committedEpoch(),
                            said.session(),
                            said.leftSession(),
                            said.trackedEpoch(),
                            said.trackedFrom(),
                            said.concession(),
                            said.stance(),
                            true,
                            said.isEmpty());
            return this;
        }

        Said withoutPeer() {
            return with(
                    said.group(),
                    Id.NONE,
                    said.committedEpoch(),
                    said.session(),
                    said.leftSession(),
                    said.isEmpty());
        }

        Said ofAnotherGroup() {
            return with(
                    new Id(7, 2),
                    said.peer(),
                    said.committedEpoch(),
                    said.session(),
                    said.leftSession(),
                    said.isEmpty());
        }

        Said at(final long epoch) {
            return with(
                    said.group(),
                    said.peer(),
                    epoch,
                    said.session(),
                    said.leftSession(),
                    said.isEmpty());
        }

        Said in(final long session) {
            return with(
                    said.group(),
                    said.peer(),
                    said.committedEpoch(),
                    session(session),
                    said.leftSession(),
                    said.isEmpty());
        }

        Said left(final long session) {
            return with(
                    said.group(),
                    said.peer(),
                    said.committedEpoch(),
                    said.session(),
                    session(session),
                    said.isEmpty());
        }

        /** It has given its own way up for a node in a generation. */
        Said concedes(final long toNode, final long generation) {
            said =
                    new Summary(
                            said.node(),
                            said.group(),
                            said.peer(),
                            said.standing(),
                            said.lineage(),
                            said.committedEpoch(),
                            said.session(),
                            said.leftSession(),
                            said.trackedEpoch(),
                            said.trackedFrom(),
                            new Concession(node(toNode), generation(generation)),
                            said.stance(),
                            said.isJoining(),
                            said.isEmpty());
            return this;
        }

        Said says(final AfterSplitBrain policy, final long changed, final boolean hasGuest) {
            said = said.with(new Stance(policy, changed, hasGuest)).trackedFrom(17);
            return this;
        }

        /** As it arrives at the other one. */
        Summary heard() {
            return Summary.decode(said.encode()).orElseThrow();
        }
    }
}

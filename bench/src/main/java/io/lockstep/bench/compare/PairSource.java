package io.lockstep.bench.compare;

import io.lockstep.bench.peer.PairFolders;
import io.lockstep.bench.peer.ReplicationPair;
import io.lockstep.bench.report.DiskImages;

import java.io.IOException;
import java.util.Map;

/** Where each measurement has its pair from. */
interface PairSource {
    /** A measurement. */
    interface Use {
        Outcome of(ReplicationPair pair) throws IOException, InterruptedException;
    }

    /** Does one. */
    Outcome measure(ReplicationPair.Kind kind, Use use) throws IOException, InterruptedException;

    /** A pair that has just been set up, for each. */
    static PairSource fresh(final DiskImages disks, final long diskLength) {
        return (kind, use) -> {
            try (PairFolders folders = PairFolders.in(disks.directory());
                    ReplicationPair pair = kind.start(folders, diskLength, disks.isSparse())) {
                return use.of(pair);
            }
        };
    }

    /** Always the same of each kind. */
    static PairSource running(final Map<ReplicationPair.Kind, ReplicationPair> pairs) {
        return (kind, use) -> use.of(pairs.get(kind));
    }
}

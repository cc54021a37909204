package io.lockstep.simulator;

import java.util.HashMap;
import java.util.Map;

/** A disk of one host, through all of its lives, and what is known of it. */
final class LivesDisk {
    private final SimulatedMedium medium;
    private final StreamTap tap;

    /** Where an epoch ended on this disk, when its host was the primary: what it may have held. */
    private final Map<Long, DiskModel> seals = new HashMap<>();

    /** What the guest of this host may find; null where it has none. */
    private DiskModel view;

    /** To what a failover has to return; null where it can't be known. */
    private DiskModel checkpoint;

    /** The same, byte by byte; null where that can't be known. */
    private byte[] checkpointContent;

    LivesDisk(final SimulatedMedium medium) {
        this.medium = medium;
        tap = new StreamTap(content(), epoch -> {});
    }

    SimulatedMedium medium() {
        return medium;
    }

    String name() {
        return medium.name();
    }

    StreamTap tap() {
        return tap;
    }

    Map<Long, DiskModel> seals() {
        return seals;
    }

    byte[] content() {
        return medium.current().read(0, (int) medium.length());
    }

    /** Whether it holds nothing at all. */
    boolean isEmpty() {
        for (final byte one : content()) {
            if (one != 0) {
                return false;
            }
        }
        return true;
    }

    byte[] durable() {
        return medium.durable().read(0, (int) medium.length());
    }

    DiskModel view() {
        return view;
    }

    /** A guest finds this, and nothing else, from now on; nobody has flushed it. */
    void view(final byte[] content) {
        view = new DiskModel(name(), durable(), 0);
        if (!medium.isFlushed()) {
            view.succeeded(view.discard(0, medium.length()), false); // anything between the two
        }
        view.succeeded(view.write(0, content), false);
    }

    /** The power was lost: what its guest has flushed is there, and it finds what there is. */
    void findDurable() {
        view.checkDurable(medium.durable());
        view.restart(medium.durable());
    }

    /** No guest is served from this disk any more. */
    void leave() {
        view = null;
    }

    DiskModel checkpoint() {
        return checkpoint;
    }

    byte[] checkpointContent() {
        return checkpointContent;
    }

    /** Nobody knows any more where there is one. */
    void forgetCheckpoint() {
        checkpoint = null;
        checkpointContent = null;
    }

    /** It is what the stream held, which is one of those that the primary may have held. */
    void checkpoint(final DiskModel now, final byte[] content) {
        checkpoint = now;
        checkpointContent = content;
    }

    /** What the disk holds is the checkpoint. */
    void checkpointHere() {
        checkpointContent = content();
        checkpoint = new DiskModel(name(), checkpointContent, 0);
    }
}

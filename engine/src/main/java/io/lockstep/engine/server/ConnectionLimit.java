package io.lockstep.engine.server;

import io.lockstep.engine.loop.IoLoop;

import java.util.List;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * How many clients the servers of several loops take together. From any loop.
 *
 * <p>A client that has ended may still count on the loop that has its connection and has not looked
 * yet, when the one that comes in its place is there on another: so before that is refused all
 * loops are asked to look.
 */
public final class ConnectionLimit {
    private final int max;
    private final AtomicInteger count = new AtomicInteger();
    private final List<NbdServer> servers = new CopyOnWriteArrayList<>();

    /** Nobody is there yet. */
    public ConnectionLimit(final int max) {
        this.max = max;
    }

    /** How many there are. */
    public int count() {
        return count.get();
    }

    int max() {
        return max;
    }

    void join(final NbdServer server) {
        servers.add(server);
    }

    /** The server of a loop. */
    Optional<NbdServer> serverOn(final IoLoop loop) {
        return servers.stream().filter(server -> server.isOn(loop)).findFirst();
    }

    /** One more, where there is room for one. */
    boolean admit() {
        if (count.incrementAndGet() <= max) {
            return true;
        }
        count.decrementAndGet();
        return false;
    }

    /** One less. */
    void release() {
        count.decrementAndGet();
    }

    /**
     * Has every server look for clients that have ended.
     *
     * @param loop where the action runs when all have
     */
    void lookForEnds(final IoLoop loop, final Runnable whenAllHave) {
        final AtomicInteger left = new AtomicInteger(servers.size());
        for (final NbdServer server : servers) {
            server.loop()
                    .execute(
                            () -> {
                                server.lookForEnds();
                                if (left.decrementAndGet() == 0) {
                                    loop.execute(whenAllHave);
                                }
                            });
        }
    }
}

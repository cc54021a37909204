package io.lockstep.engine.primary;

import io.lockstep.engine.client.ClientLimits;
import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.group.PeerTimeout;
import io.lockstep.engine.group.Silence;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Id;
import io.lockstep.nbd.Nbd;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Heartbeats to a secondary of our own kind, on a connection of their own: there they wait behind
 * no data, and a secondary that works on something long is told from one that is gone. Each side
 * hears of the other by them.
 *
 * <p>On the link's loop. See docs/protocol.md, "PULSE".
 */
final class Pulse {
    private static final ClientLimits LIMITS =
            new ClientLimits(2, ControlRecord.LENGTH, TimeUnit.SECONDS.toNanos(10));

    private final IoLoop loop;
    private final Peer peer;
    private final PeerTimeout timeout;
    private final Runnable onReady;
    private final Consumer<String> onLost;
    private final MemorySegment record = Arena.ofAuto().allocate(ControlRecord.LENGTH, 8);
    private final Silence silence;
    private NbdClient client;
    private boolean isOwed;
    private boolean isOver;

    private Pulse(
            final IoLoop loop,
            final Peer peer,
            final Id session,
            final PeerTimeout timeout,
            final Runnable onReady,
            final Consumer<String> onLost) {
        this.loop = loop;
        this.peer = peer;
        this.timeout = timeout;
        this.onReady = onReady;
        this.onLost = onLost;
        silence = new Silence(timeout.lookNanos());
        ControlRecord.write(record, 0, ControlRecord.PULSE, 0, 0, session, 0);
    }

    /**
     * Connects to an export of the secondary.
     *
     * @param session that is attached there
     * @param onReady the secondary can be asked
     * @param onLost it can't be asked, or does not answer; with a reason
     */
    static Pulse start(
            final IoLoop loop,
            final Peer peer,
            final Id session,
            final PeerTimeout timeout,
            final Runnable onReady,
            final Consumer<String> onLost) {
        final Pulse pulse = new Pulse(loop, peer, session, timeout, onReady, onLost);
        pulse.connect();
        return pulse;
    }

    private void connect() {
        client =
                NbdClient.connect(
                        loop,
                        peer.server(),
                        FitExport.options(peer.export(), SecondaryKind.UNKNOWN),
                        LIMITS,
                        new NbdClient.Listener() {
                            @Override
                            public void onReady(final NbdClient ready) {
                                Pulse.this.onReady(ready);
                            }

                            @Override
                            public void onClosed(final NbdClient closed, final String reason) {
                                lose("the connection of the heartbeats: " + reason);
                            }
                        });
    }

    private void onReady(final NbdClient ready) {
        if (isOver) {
            return;
        }
        client = ready; // a loop may connect before connect() returns
        if (!ready.negotiated().hasContext(Nbd.CONTEXT_CONTROL)) {
            lose("export " + peer.export() + " is not one of a lockstep secondary, unlike before");
            ready.abort("the link is cut");
            return;
        }
        silence.begin(loop.nanoTime());
        onReady.run();
        beat();
        look();
    }

    private void beat() {
        if (isOver) {
            return;
        }
        if (!isOwed) {
            isOwed = client.writeControl(record, ControlRecord.LENGTH, this::onAnswer, 0);
            client.send();
        }
        loop.schedule(timeout.beatNanos(), this::beat);
    }

    /** Whatever it says, it lives. */
    private void onAnswer(final long token, final int errno) {
        if (errno != Errno.ESHUTDOWN) {
            isOwed = false;
            silence.onHeard();
        }
    }

    private void look() {
        if (isOver) {
            return;
        }
        if (silence.look(loop.nanoTime(), isOwed) >= timeout.nanos()) {
            lose("no answer to a heartbeat for " + timeout);
        } else {
            loop.schedule(timeout.lookNanos(), this::look);
        }
    }

    private void lose(final String reason) {
        if (!isOver) {
            isOver = true;
            onLost.accept(reason);
        }
    }

    /** Says no more, and leaves in the protocol's way. */
    void leave() {
        isOver = true;
        client.disconnect();
    }

    /** Cuts it; nothing more is heard of it. */
    void cut() {
        isOver = true;
        client.abort("the link is cut");
    }
}

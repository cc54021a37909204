package io.lockstep.engine.primary;

import io.lockstep.engine.client.ClientLimits;
import io.lockstep.engine.client.NbdClient;
import io.lockstep.engine.group.ControlRecord;
import io.lockstep.engine.loop.IoLoop;
import io.lockstep.engine.memory.Errno;
import io.lockstep.engine.node.Summary;
import io.lockstep.nbd.Nbd;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Tells a secondary that was away when its primary went on without it: as soon as it is there, and
 * until it has recorded that it is outdated. Otherwise a failover there would be accepted, and both
 * nodes would serve a guest. On the link's loop. See docs/protocol.md, "ALONE".
 */
final class Outdating {
    /** From one try to the next; and of a try, until it is cut. */
    private static final long AGAIN_NANOS = TimeUnit.SECONDS.toNanos(1);

    private static final long TRY_NANOS = TimeUnit.SECONDS.toNanos(10);

    private static final ClientLimits LIMITS =
            new ClientLimits(2, ControlRecord.LENGTH_WITH_SUMMARY, TRY_NANOS);

    private final IoLoop loop;
    private final Peer peer;
    private final LinkOwner owner;
    private final MemorySegment record =
            Arena.ofAuto().allocate(ControlRecord.LENGTH_WITH_SUMMARY, 8);
    private Presentation presentation;
    private NbdClient client;
    private int attempt;
    private boolean isOver = true;

    Outdating(final IoLoop loop, final Peer peer, final LinkOwner owner) {
        this.loop = loop;
        this.peer = peer;
        this.owner = owner;
    }

    /** What this node says of itself: it may have a generation of its own since the last try. */
    interface Presentation {
        /** Has it told, on the link's loop. */
        void tell(Consumer<Summary> whom);
    }

    /** Begins. */
    void begin(final Presentation ofPrimary) {
        presentation = ofPrimary;
        isOver = false;
        connect();
    }

    /** Says no more. */
    void end() {
        isOver = true;
        if (client != null) {
            client.abort("the link is cut");
        }
    }

    private void connect() {
        if (isOver) {
            return;
        }
        final int now = ++attempt;
        loop.schedule(TRY_NANOS, () -> tryAgain(now));
        client =
                NbdClient.connect(
                        loop,
                        peer.server(),
                        FitExport.options(peer.export(), SecondaryKind.UNKNOWN),
                        LIMITS,
                        new NbdClient.Listener() {
                            @Override
                            public void onReady(final NbdClient ready) {
                                if (isOf(now)) {
                                    Outdating.this.onReady(now, ready);
                                }
                            }

                            @Override
                            public void onClosed(final NbdClient closed, final String reason) {
                                tryAgain(now);
                            }
                        });
    }

    private boolean isOf(final int ofAttempt) {
        return !isOver && attempt == ofAttempt;
    }

    private void tryAgain(final int ofAttempt) {
        if (isOf(ofAttempt)) {
            attempt++; // nothing more of it counts
            client.abort("the link is cut");
            loop.schedule(AGAIN_NANOS, this::connect);
        }
    }

    private void onReady(final int now, final NbdClient ready) {
        client = ready; // a loop may connect before connect() returns
        if (!ready.negotiated().hasContext(Nbd.CONTEXT_CONTROL)) {
            end(); // it keeps nothing that it could go back to
            return;
        }
        presentation.tell(
                primary -> {
                    if (isOf(now)) {
                        say(now, primary);
                    }
                });
    }

    private void say(final int now, final Summary primary) {
        ControlRecord.write(record, 0, ControlRecord.ALONE, 0, 0, primary.session(), 0);
        ControlRecord.summary(record, 0, primary);
        client.writeControl(
                record,
                ControlRecord.LENGTH_WITH_SUMMARY,
                (token, errno) -> {
                    if (isOf(now)) {
                        onAnswer(now, errno);
                    }
                },
                0);
        client.send();
    }

    private void onAnswer(final int now, final int errno) {
        if (errno == Errno.ESHUTDOWN) {
            tryAgain(now); // it is becoming something else
            return;
        }
        final String sentence = client.errorText();
        isOver = true;
        client.disconnect();
        if (errno == 0) {
            owner.onPeerOut();
        } else {
            owner.onNotOutdated(sentence);
        }
    }
}

package io.lockstep.engine.client;

import io.lockstep.engine.disk.Disk;
import io.lockstep.engine.memory.Errno;
import io.lockstep.nbd.PendingRequest;
import io.lockstep.nbd.PendingRequests;

/**
 * The requests that wait for their replies: what each asked for, as the protocol must know it to
 * check the reply, and beside it where the reply goes. Each completes exactly once.
 *
 * <p>Single threaded; allocates nothing after it is made.
 */
final class RequestsInFlight {
    private final PendingRequests pending;
    private final ReplyTarget[] targets;
    private String errorText = "";

    /**
     * None yet.
     *
     * @param max how many there can be
     */
    RequestsInFlight(final int max) {
        pending = new PendingRequests(max);
        targets = new ReplyTarget[max];
        for (int i = 0; i < max; i++) {
            targets[i] = new ReplyTarget();
        }
    }

    /** What the protocol knows of them. It removes a request when its reply has ended. */
    PendingRequests pending() {
        return pending;
    }

    int size() {
        return pending.size();
    }

    boolean isEmpty() {
        return pending.isEmpty();
    }

    boolean isFull() {
        return pending.isFull();
    }

    /** Adds one; there must be room. */
    PendingRequest add(
            final int command,
            final int flags,
            final long offset,
            final long length,
            final Disk.Completion completion,
            final long token) {
        final PendingRequest request = pending.add(command, flags, offset, length);
        target(request).start(completion, token);
        return request;
    }

    /** Where the reply to a request goes. */
    ReplyTarget target(final PendingRequest request) {
        return targets[request.index()];
    }

    /** While a completion runs: the sentence that belongs to its error; may be empty. */
    String errorText() {
        return errorText;
    }

    /**
     * Completes one that is pending no more.
     *
     * @param errno 0 for success
     */
    void complete(final PendingRequest request, final int errno) {
        final ReplyTarget target = target(request);
        errorText = target.errorText();
        target.complete(errno);
    }

    /**
     * Completes all: no more replies come.
     *
     * @param reason a sentence
     * @return what a completion threw, which must not keep the others from theirs; null for nothing
     */
    RuntimeException failAll(final String reason) {
        RuntimeException thrown = null;
        for (int i = 0; i < pending.capacity(); i++) {
            final PendingRequest request = pending.at(i);
            if (request != null) {
                thrown = joined(thrown, fail(request, reason));
            }
        }
        return thrown;
    }

    private RuntimeException fail(final PendingRequest request, final String reason) {
        pending.remove(request);
        errorText = reason;
        try {
            target(request).complete(Errno.ESHUTDOWN);
            return null;
        } catch (final RuntimeException e) {
            return e;
        }
    }

    private static RuntimeException joined(
            final RuntimeException first, final RuntimeException another) {
        if (first == null) {
            return another;
        }
        if (another != null) {
            first.addSuppressed(another);
        }
        return first;
    }
}

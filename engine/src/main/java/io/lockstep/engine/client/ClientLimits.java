package io.lockstep.engine.client;

import java.util.concurrent.TimeUnit;

/**
 * What an {@link NbdClient} takes of memory and time: an immutable value.
 *
 * @param inFlightMax requests that wait for their replies at most; one more is not taken
 * @param copyLengthMax write payloads up to this length are copied beside their headers, so that
 *     one send takes many; longer ones are sent from where they lie; in bytes
 * @param handshakeNanos how long connecting and handshake together may take
 */
public record ClientLimits(int inFlightMax, int copyLengthMax, long handshakeNanos) {
    /** For a client that keeps a link busy. */
    public static final ClientLimits DEFAULT =
            new ClientLimits(128, 16 << 10, TimeUnit.SECONDS.toNanos(10));

    /**
     * Checks them.
     *
     * @throws IllegalArgumentException where one makes no sense
     */
    public ClientLimits {
        if (inFlightMax < 1 || inFlightMax > 1 << 14) {
            throw new IllegalArgumentException("inFlightMax must be 1 to 16384: " + inFlightMax);
        }
        if (copyLengthMax < 0 || copyLengthMax > 1 << 20) {
            throw new IllegalArgumentException("copyLengthMax: " + copyLengthMax);
        }
        if (handshakeNanos < 1) {
            throw new IllegalArgumentException("handshakeNanos: " + handshakeNanos);
        }
    }

    /** The same with another number of requests in flight. */
    public ClientLimits withInFlightMax(final int max) {
        return new ClientLimits(max, copyLengthMax, handshakeNanos);
    }
}

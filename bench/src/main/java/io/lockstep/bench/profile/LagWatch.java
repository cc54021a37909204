package io.lockstep.bench.profile;

import com.google.gson.JsonObject;

import io.lockstep.bench.peer.ControlSocket;
import io.lockstep.bench.peer.LockstepPair;

import java.io.IOException;

/**
 * Looks again and again how far a pair's secondary lags behind, on a thread and a control
 * connection of its own. Begun and ended by one thread.
 */
final class LagWatch implements AutoCloseable {
    private static final int INTERVAL_MILLIS = 10;

    private final ControlSocket control;
    private Thread thread;
    private volatile boolean isEnding;
    private volatile Lag largest = new Lag(0, 0);
    private volatile IOException failure;

    /**
     * How far.
     *
     * @param bytes forwarded and not yet answered
     * @param nanos age of the oldest of them
     */
    record Lag(long bytes, long nanos) {}

    private LagWatch(final ControlSocket control) {
        this.control = control;
    }

    static LagWatch of(final LockstepPair pair) throws IOException, InterruptedException {
        return new LagWatch(pair.connectToPrimary());
    }

    void begin() {
        isEnding = false;
        largest = new Lag(0, 0);
        thread = new Thread(this::watch, "lockstep-lag");
        thread.start();
    }

    private void watch() {
        long bytes = 0;
        long nanos = 0;
        try {
            while (!isEnding) {
                final JsonObject status = control.execute("x-lockstep-status").getAsJsonObject();
                bytes = Math.max(bytes, status.get("lag-bytes").getAsLong());
                nanos = Math.max(nanos, status.get("lag-ns").getAsLong());
                largest = new Lag(bytes, nanos);
                Thread.sleep(INTERVAL_MILLIS);
            }
        } catch (final IOException e) {
            failure = e;
        } catch (final InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** The largest lag since {@link #begin}. */
    Lag end() throws IOException, InterruptedException {
        isEnding = true;
        thread.join();
        if (failure != null) {
            throw failure;
        }
        return largest;
    }

    @Override
    public void close() {
        isEnding = true;
        if (thread != null) {
            thread.interrupt();
        }
        control.close();
    }
}

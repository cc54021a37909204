package io.lockstep.bench.profile;

import io.lockstep.bench.load.PacedGuest;
import io.lockstep.bench.report.Measurement;

import java.io.IOException;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;

/**
 * A guest that writes on a thread of its own while something else goes on, for as long as that
 * takes. Connected, begun, ended and closed by one thread.
 */
final class GuestBeside implements AutoCloseable {
    private final PacedGuest guest;
    private final FutureTask<Measurement> writing;

    private GuestBeside(final PacedGuest guest) {
        this.guest = guest;
        writing = new FutureTask<>(guest::write);
    }

    /**
     * Connects it; nothing falls due yet.
     *
     * @param guest with so much time that it won't end by itself
     */
    static GuestBeside connect(final PacedGuest guest, final String uri)
            throws IOException, InterruptedException {
        boolean connected = false;
        try {
            guest.connect(uri);
            connected = true;
            return new GuestBeside(guest);
        } finally {
            if (!connected) {
                guest.close();
            }
        }
    }

    /** The first write is due now. */
    void begin() {
        new Thread(writing, "lockstep-pace").start();
    }

    /** No more is due; answers when all that was is answered, what they took. */
    Measurement end() throws IOException, InterruptedException {
        guest.end();
        try {
            return writing.get();
        } catch (final ExecutionException e) {
            throw new IOException(e.getCause().getMessage(), e);
        }
    }

    @Override
    public void close() {
        guest.end();
        guest.close();
    }
}

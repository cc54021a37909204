package io.lockstep.cli.control;

import com.google.gson.JsonObject;

import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.regex.Pattern;

/** The mirrors of a process, by their names. Each is of the engine's loop. */
final class MirrorJobs implements Jobs.Place {
    private static final Pattern NAME = Pattern.compile("[A-Za-z][A-Za-z0-9._-]*");

    private final QmpServer server;
    private final Map<String, MirrorJob> jobs = new ConcurrentSkipListMap<>();

    /** None yet, whose events go to a server's clients. */
    MirrorJobs(final QmpServer server) {
        this.server = server;
    }

    /**
     * A job of that name can be made.
     *
     * @throws QmpException where it can't
     */
    void requireFree(final String id) {
        if (id.isEmpty()) {
            throw QmpException.generic("An explicit job ID is required for this node");
        }
        if (!NAME.matcher(id).matches()) {
            throw QmpException.generic("Invalid job ID '" + id + "'");
        }
        if (jobs.containsKey(id)) {
            throw QmpException.generic("Job ID '" + id + "' already in use");
        }
    }

    /** Makes one, which is there until it is dismissed. */
    MirrorJob make(final MirrorJob.Wish wish, final Runnable whenEnded) {
        return new MirrorJob(
                wish,
                this::send,
                whenEnded,
                job -> jobs.put(wish.id(), job),
                () -> jobs.remove(wish.id()));
    }

    private void send(final String event, final JsonObject data) {
        server.loop().execute(() -> server.sendEvent(event, data));
    }

    @Override
    public List<ManagedJob> jobs() {
        return List.copyOf(jobs.values());
    }
}

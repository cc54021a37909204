package io.lockstep.cli.control;

import com.google.gson.JsonObject;

/**
 * A job as managers see it, and what they may do to it, in QEMU's words. What it can't do as it
 * stands it refuses. On the group's loop. Source: QEMU's {@code qapi/job.json} and {@code
 * qapi/block-core.json}.
 */
interface ManagedJob {
    /** By which it is named; of a block job it is the device as well. */
    String id();

    /** As query-jobs tells. */
    JsonObject jobInfo();

    /** As query-block-jobs tells. */
    JsonObject blockJobInfo();

    /** Holds it up. */
    void pause();

    /** Has it go on. */
    void resume();

    /** Ends it: at once where that is forced, else as suits its kind. */
    void cancel(boolean isForced);

    /** Sets what it does in a second at most, in bytes; 0 for as much as it may by itself. */
    void speed(long bytes);

    /** Ends it with what it was for. */
    void complete();

    /** Ends it where it waits to be told so. */
    void finish();

    /** Forgets one that has ended. */
    void dismiss();

    /** What is said of a verb that a job does not take as it stands. */
    static QmpException refusal(final String id, final String status, final String verb) {
        return QmpException.generic(
                "Job '"
                        + id
                        + "' in state '"
                        + status
                        + "' cannot accept command verb '"
                        + verb
                        + "'");
    }
}

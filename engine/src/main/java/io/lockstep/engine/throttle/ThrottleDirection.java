package io.lockstep.engine.throttle;

/** Which way something goes through a disk. */
public enum ThrottleDirection {
    /** What is read. */
    READ,
    /** What is written, zeroed or trimmed. */
    WRITE
}

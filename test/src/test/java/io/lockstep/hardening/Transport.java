package io.lockstep.hardening;

/** How a client comes in. */
enum Transport {
    UNIX,
    TCP
}

package io.lockstep.engine.primary;

import io.lockstep.engine.loop.Endpoint;

/**
 * Where a primary disk's writes are forwarded to: an immutable value.
 *
 * @param server the secondary's NBD server
 * @param export its replication export of the disk
 */
public record Peer(Endpoint server, String export) {}

/**
 * Where a node's record is kept on this host: the directory, its two copies and its lock, and the
 * host's boot. See docs/lives.md.
 */
package io.lockstep.engine.state;

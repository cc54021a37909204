/**
 * Limits of what goes through a disk in a time, in bytes and in operations: shared by those that
 * are of one group, and changed while they are in use.
 */
package io.lockstep.engine.throttle;

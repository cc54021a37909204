/** Replication of a group of disks: from the guest's write to failover. */
package io.lockstep.engine;

/**
 * What a node remembers across its processes, and what it concludes from it: the record and where
 * it is kept, the lineage, the meeting of two nodes, the verdict on a failover. No clock, no socket
 * and no thread. See docs/lives.md.
 */
package io.lockstep.engine.node;

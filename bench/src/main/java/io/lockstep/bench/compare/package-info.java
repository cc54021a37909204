/**
 * {@code lockstep bench serve} and {@code replication}: ours beside what people use, in one run.
 */
package io.lockstep.bench.compare;

/** Benchmarks, the checkpoint profiler, and comparisons against peers. */
package io.lockstep.bench;

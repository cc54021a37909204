/** JMH benchmarks of each piece on the data path. None of them may allocate. */
package io.lockstep.bench.jmh;

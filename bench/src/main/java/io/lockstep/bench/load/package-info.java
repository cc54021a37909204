/**
 * What is done to the measured: fio, a generator of our own, paced guests, checkpoints on the tick.
 */
package io.lockstep.bench.load;

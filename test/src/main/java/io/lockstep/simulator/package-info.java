/**
 * Primary, link and secondary in one thread, on simulated network, disks and clock, from a seed.
 */
package io.lockstep.simulator;

/**
 * Arguments as people write them, and what they come to: disks, endpoints, sizes, times. What is
 * wrong with one is told in terms of the option.
 */
package io.lockstep.cli.argument;

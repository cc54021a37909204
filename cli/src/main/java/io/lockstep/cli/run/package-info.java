/**
 * What commands run: a process that replicates or serves, from its start to its last flush; what it
 * rehearses and asks of its peer, and what it prints meanwhile.
 */
package io.lockstep.cli.run;

/** {@code lockstep demo}: a pair on this machine, from the first write to the failover. */
package io.lockstep.cli.demo;

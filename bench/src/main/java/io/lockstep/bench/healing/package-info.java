/** How a pair becomes equal, and what that costs whom, beside programs that copy disks. */
package io.lockstep.bench.healing;

/** {@code lockstep bench limits}: how far what is measured is from what the machine can do. */
package io.lockstep.bench.limits;

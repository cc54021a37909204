/** What {@code test/mutants/run} needs to see whether a test notices that the code was broken. */
package io.lockstep.mutants;

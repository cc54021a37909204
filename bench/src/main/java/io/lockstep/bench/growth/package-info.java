/** {@code lockstep bench growth}: what a longer disk, or more of it dirty, costs. */
package io.lockstep.bench.growth;

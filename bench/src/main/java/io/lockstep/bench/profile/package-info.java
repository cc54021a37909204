/** {@code lockstep profile}: what a pair does under a load, in detail. */
package io.lockstep.bench.profile;

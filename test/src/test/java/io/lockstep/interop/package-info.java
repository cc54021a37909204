/**
 * Lockstep and the programs of others, over the wire: {@code lockstep serve} as a real process
 * against the clients that exist, and Lockstep's client against the servers that exist.
 */
package io.lockstep.interop;

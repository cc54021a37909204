/** The NBD protocol as codecs and state machines over memory, with no thread, socket or clock. */
package io.lockstep.nbd;

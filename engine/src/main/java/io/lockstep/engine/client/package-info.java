/** The client's end of NBD connections: pipelined requests to one export of a server. */
package io.lockstep.engine.client;

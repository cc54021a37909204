/** Who is measured: pairs and servers, ours and others, their processes, sockets and files. */
package io.lockstep.bench.peer;

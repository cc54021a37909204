/** The control socket, both ends: QMP, the commands on a group, and the counters beside it. */
package io.lockstep.cli.control;

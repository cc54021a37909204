/**
 * Block nodes as QEMU's users name and connect them, and what they come to in an {@link
 * io.lockstep.engine.service.Engine}.
 */
package io.lockstep.cli.graph;

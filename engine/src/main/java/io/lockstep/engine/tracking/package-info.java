/**
 * What a primary has changed, and its peer may lack: noted before it is written, kept until the
 * peer has it on stable storage. See docs/healing.md.
 */
package io.lockstep.engine.tracking;

/**
 * What picocli calls: a class a command, from its arguments to its exit code. Stands on all the
 * other packages, and none of them knows it.
 */
package io.lockstep.cli.command;

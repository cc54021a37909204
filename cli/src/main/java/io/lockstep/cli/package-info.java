/** The commands, and the control server and client behind them. */
package io.lockstep.cli;

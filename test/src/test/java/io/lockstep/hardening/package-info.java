/**
 * What a server does with clients that mean harm or make mistakes: bad input over real sockets, and
 * fuzz targets for the state machines behind them.
 */
package io.lockstep.hardening;

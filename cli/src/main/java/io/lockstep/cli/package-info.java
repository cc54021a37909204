/**
 * The command line. Its packages in the order in which each stands on those behind it: {@code
 * command}, {@code demo}, {@code run}, {@code argument}, {@code control}, {@code graph}.
 */
package io.lockstep.cli;

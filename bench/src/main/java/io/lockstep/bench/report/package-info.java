/**
 * What comes of it: rounds and their spread, tables, and the machine that they were measured on.
 */
package io.lockstep.bench.report;

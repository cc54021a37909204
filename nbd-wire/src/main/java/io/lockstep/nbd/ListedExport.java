package io.lockstep.nbd;

/**
 * One entry of a server's list of exports: an immutable value.
 *
 * @param name the export's name
 * @param description a sentence for people; empty where there is none
 */
public record ListedExport(String name, String description) {}

package io.lockstep.nbd;

/**
 * A metadata context that a server selected for this connection: an immutable value.
 *
 * @param id the server's number for it, any 32 bits, good for this connection only
 * @param name {@code namespace:leaf}
 */
public record SelectedContext(int id, String name) {
    /** Whether its status flags never need more than 32 bits. Section "Metadata querying". */
    boolean isNarrow() {
        return name.startsWith("base:");
    }
}

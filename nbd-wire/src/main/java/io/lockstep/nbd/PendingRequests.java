package io.lockstep.nbd;

/**
 * A client's requests in flight: a table of fixed size, filled when a request is made and emptied
 * by {@link ClientTransmission} when its reply has ended. A request's cookie holds its place and
 * how many requests the place has seen, so that a reply that comes twice finds nothing.
 *
 * <p>Single threaded, allocates nothing after it is made.
 */
public final class PendingRequests {
    static final int INDEX_BITS = 16;

    /** The table can't be larger. */
    public static final int CAPACITY_MAX = 1 << INDEX_BITS;

    private final PendingRequest[] requests;
    private final int[] free;
    private int freeCount;

    /**
     * An empty table.
     *
     * @param capacity how many requests can be in flight, at least 1
     */
    public PendingRequests(final int capacity) {
        if (capacity < 1 || capacity > CAPACITY_MAX) {
            throw new IllegalArgumentException(
                    "requests in flight must be from 1 to " + CAPACITY_MAX + ": " + capacity);
        }
        requests = new PendingRequest[capacity];
        free = new int[capacity];
        for (int i = 0; i < capacity; i++) {
            requests[i] = new PendingRequest(i);
            free[capacity - 1 - i] = i; // the first place is taken first
        }
        freeCount = capacity;
    }

    /**
     * Takes a place for a request.
     *
     * @param command {@code Nbd.CMD_*}
     * @param flags {@code Nbd.CMD_FLAG_*}
     * @param offset first byte of the export
     * @param length in bytes
     * @return the request, or null where the table is full
     */
    public PendingRequest add(
            final int command, final int flags, final long offset, final long length) {
        if (freeCount == 0) {
            return null;
        }
        final PendingRequest request = requests[free[--freeCount]];
        request.start(command, flags, offset, length);
        return request;
    }

    /** The request of that cookie, or null where none in flight has it. */
    public PendingRequest find(final long cookie) {
        final int index = (int) (cookie & CAPACITY_MAX - 1);
        if (index >= requests.length) {
            return null;
        }
        final PendingRequest request = requests[index];
        return request.isInFlight() && request.cookie() == cookie ? request : null;
    }

    /** The request at that place, or null where the place is free. */
    public PendingRequest at(final int index) {
        return requests[index].isInFlight() ? requests[index] : null;
    }

    /** Frees a request's place: its reply has ended, or none will come. */
    public void remove(final PendingRequest request) {
        assert request.isInFlight();
        request.end();
        free[freeCount++] = request.index();
    }

    /** How many can be in flight. */
    public int capacity() {
        return requests.length;
    }

    /** How many are in flight. */
    public int size() {
        return requests.length - freeCount;
    }

    /** Whether none is in flight. */
    public boolean isEmpty() {
        return freeCount == requests.length;
    }

    /** Whether no other has room. */
    public boolean isFull() {
        return freeCount == 0;
    }
}

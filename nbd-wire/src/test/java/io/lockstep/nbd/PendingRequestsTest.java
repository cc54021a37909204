package io.lockstep.nbd;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

final class PendingRequestsTest {
    private final PendingRequests pending = new PendingRequests(2);

    @Test
    void a_full_table_takes_no_more_until_a_request_has_ended() {
        final PendingRequest first = pending.add(Nbd.CMD_READ, 0, 0, 1);
        pending.add(Nbd.CMD_READ, 0, 0, 1);

        assertTrue(pending.isFull());
        assertNull(pending.add(Nbd.CMD_READ, 0, 0, 1));
        pending.remove(first);
        assertSame(first, pending.add(Nbd.CMD_FLUSH, 0, 0, 0));
    }

    @Test
    void a_cookie_is_good_for_one_request() {
        final PendingRequest request = pending.add(Nbd.CMD_READ, 0, 0, 1);
        final long cookie = request.cookie();
        assertSame(request, pending.find(cookie));
        pending.remove(request);

        assertNull(pending.find(cookie));
        assertNotEquals(cookie, pending.add(Nbd.CMD_READ, 0, 0, 1).cookie());
        assertNull(pending.find(cookie));
    }

    @Test
    void cookies_that_were_never_given_out_find_nothing() {
        pending.add(Nbd.CMD_READ, 0, 0, 1);

        assertNull(pending.find(0));
        assertNull(pending.find(-1));
        assertNull(pending.find(Long.MIN_VALUE));
        assertNull(pending.find(1 << 16 | 1));
    }

    @Test
    void requests_are_found_by_place_while_they_are_in_flight() {
        final PendingRequest request = pending.add(Nbd.CMD_READ, 0, 0, 1);

        assertEquals(1, pending.size());
        assertSame(request, pending.at(request.index()));
        pending.remove(request);
        assertNull(pending.at(request.index()));
        assertTrue(pending.isEmpty());
    }

    @Test
    void a_table_has_a_size_that_cookies_can_tell() {
        assertThrows(IllegalArgumentException.class, () -> new PendingRequests(0));
        assertThrows(
                IllegalArgumentException.class,
                () -> new PendingRequests(PendingRequests.CAPACITY_MAX + 1));
    }
}

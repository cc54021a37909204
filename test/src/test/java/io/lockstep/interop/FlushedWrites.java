package io.lockstep.interop;

import io.lockstep.engine.loop.Endpoint;

import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * A guest with the pattern of a database: writers that write a block, flush, and only then write
 * the next one; some with FUA instead; and one that writes, zeroes and trims one thing after the
 * other and flushes nothing. It goes on until its server is gone, and then knows what each writer
 * was told.
 *
 * <p>A writer's number n goes to slot n modulo {@link #SLOTS} of its own ring, so that the ring
 * tells with which number its disk stands. What is behind an answer cannot be in the ring without
 * what is before: the writer had that answered first.
 */
final class FlushedWrites {
    private static final int FLUSHING = 6;
    private static final int FORCING = 2;
    private static final int WRITERS = FLUSHING + FORCING + 1;
    private static final int SLOTS = 32;
    private static final int SLOT_LENGTH = 4096;

    /** Of the disk that it uses, in bytes. */
    private static final int LENGTH = WRITERS * SLOTS * SLOT_LENGTH;

    private static final int NUMBER_BITS = 48;

    private static final String SCRIPT =
            """
            import collections, select, struct
            uri, connections = sys.argv[1], int(sys.argv[2])
            flushing, forcing, slots, length = map(int, sys.argv[3:7])
            submitted = list(map(int, sys.argv[7:]))
            written = submitted[:] # was answered
            safe = submitted[:] # a flush that was answered was sent behind the answer, or it was FUA
            flushed = [0] * len(submitted)
            handles = [connect(uri) for _ in range(connections)]
            due = collections.deque()
            told = 0

            # An answer's rest happens behind the callback, in which the handle takes no request.
            def then(what, w, *more):
                def done(error):
                    if error.value == 0:
                        due.append((what, w) + more)
                    elif error.value != errno.ENOTCONN:
                        print('error', errno.errorcode.get(error.value, error.value))
                    return 1
                return done

            def count(w):
                global told
                flushed[w] += 1
                if sum(flushed) >= told + 16:
                    told = sum(flushed)
                    print('count', told)

            def write(w):
                n = submitted[w] + 1
                at = (w * slots + n % slots) * length
                h = handles[w % connections]
                data = bytearray(struct.pack('>Q', (w + 1) << 48 | n) * (length // 8))
                buffer = nbd.Buffer.from_bytearray(data)
                if w < flushing:
                    h.aio_pwrite(buffer, at, completion=then(flush, w, n))
                elif w < flushing + forcing:
                    h.aio_pwrite(buffer, at, completion=then(forced, w, n), flags=nbd.CMD_FLAG_FUA)
                elif n % 16 == 5:
                    h.aio_zero(length, at, completion=then(go_on, w, n))
                elif n % 16 == 13:
                    h.aio_trim(length, at, completion=then(go_on, w, n))
                else:
                    h.aio_pwrite(buffer, at, completion=then(go_on, w, n))
                submitted[w] = n

            def go_on(w, n):
                written[w] = n
                write(w)

            def forced(w, n):
                written[w] = safe[w] = n
                count(w)
                write(w)

            def flush(w, n):
                written[w] = n
                handles[w % connections].aio_flush(completion=then(covered, w, written[:]))

            def covered(w, before):
                for i, n in enumerate(before):
                    safe[i] = max(safe[i], n)
                count(w)
                write(w)

            def take(step, *arguments):
                try:
                    step(*arguments)
                except nbd.Error:
                    pass # its connection is gone

            # What was answered on any connection counts, though another one has ended.
            def wait(live):
                poll = select.poll()
                for h in live:
                    reads = h.aio_get_direction() & nbd.AIO_DIRECTION_READ
                    writes = h.aio_get_direction() & nbd.AIO_DIRECTION_WRITE
                    poll.register(h.aio_get_fd(), (select.POLLIN if reads else 0)
                                                  | (select.POLLOUT if writes else 0))
                ready = dict(poll.poll())
                for h in live:
                    events = ready.get(h.aio_get_fd(), 0)
                    try:
                        if events & ~select.POLLOUT and h.aio_get_direction() & nbd.AIO_DIRECTION_READ:
                            h.aio_notify_read()
                        elif events & ~select.POLLIN:
                            h.aio_notify_write()
                    except nbd.Error:
                        pass # its connection is gone

            for w in range(len(submitted)):
                take(write, w)
            live = handles
            while live or due:
                while due:
                    take(*due.popleft())
                live = [h for h in handles if not (h.aio_is_dead() or h.aio_is_closed())]
                if live:
                    wait(live)
            for w in range(len(submitted)):
                print('writer', w, submitted[w], written[w], safe[w], flushed[w])
            print('end')
            """;

    /** The numbers in each writer's slots where a run begins, 0 for zeroes. */
    private final long[][] before;

    /** Of the last number that each writer has used. */
    private final long[] used;

    private Program client;

    /** One on a disk of zeroes. */
    FlushedWrites() {
        before = new long[WRITERS][SLOTS];
        used = new long[WRITERS];
    }

    /** What one writer was told. */
    private record Told(long submitted, long written, long safe, long flushed) {}

    /**
     * Goes on behind what was found last.
     *
     * @param areConnectionsMany whether each writer has one of its own
     */
    void start(final Rig rig, final String uri, final boolean areConnectionsMany) {
        final List<String> arguments = new ArrayList<>(List.of(uri));
        arguments.add(Integer.toString(areConnectionsMany ? WRITERS : 1));
        for (final int number : new int[] {FLUSHING, FORCING, SLOTS, SLOT_LENGTH}) {
            arguments.add(Integer.toString(number));
        }
        for (final long number : used) {
            arguments.add(Long.toString(number));
        }
        client = rig.startPython(SCRIPT, arguments.toArray(String[]::new));
    }

    /** Waits until so many flushes and FUA writes have been answered. */
    void await(final int count) {
        client.awaitLine(
                line ->
                        line.startsWith("count ")
                                && Integer.parseInt(line.substring("count ".length())) >= count);
    }

    /**
     * What a disk lacked of what its guest was told.
     *
     * @param flushed flushes and FUA writes that were answered
     * @param written operations that were answered, flushed or not
     * @param lostFlushes of those the ones whose write the disk has not
     * @param lostWrites the same
     */
    record Found(long flushed, long written, long lostFlushes, long lostWrites) {
        Found plus(final Found more) {
            return new Found(
                    flushed + more.flushed,
                    written + more.written,
                    lostFlushes + more.lostFlushes,
                    lostWrites + more.lostWrites);
        }

        static Found nothing() {
            return new Found(0, 0, 0, 0);
        }
    }

    /**
     * Waits for the client's end, now that its server has gone, and looks at what the next one
     * shows: each ring as it was behind one of its numbers, and that one is not before what its
     * writer was promised.
     */
    Found verify(final String uri, final AcknowledgementLevel level) {
        final Told[] told = end();
        final byte[] disk = read(uri);
        Found all = Found.nothing();
        final List<String> missing = new ArrayList<>();
        for (int writer = 0; writer < WRITERS; writer++) {
            final Told its = told[writer];
            final long first = used[writer];
            final long reached = reached(writer, numbers(disk, writer), its.submitted);
            final Found found =
                    new Found(
                            its.flushed,
                            its.written - first,
                            writer < WRITERS - 1 ? Math.max(0, first + its.flushed - reached) : 0,
                            Math.max(0, its.written - reached));
            all = all.plus(found);
            if (reached < promised(level, first, its)) {
                missing.add("writer " + writer + " at " + reached + " of " + its);
            }
            used[writer] = its.submitted;
        }
        if (!missing.isEmpty()) {
            throw new AssertionError("acknowledged, and not there: " + missing + ", " + all);
        }
        return all;
    }

    private static long promised(
            final AcknowledgementLevel level, final long first, final Told told) {
        if (level.coversWrites()) {
            return told.written;
        }
        return level.coversFlushes() ? told.safe : first;
    }

    private Told[] end() {
        if (client.awaitExit() != 0 || client.out().contains("error ")) {
            throw new AssertionError(client.transcript());
        }
        return client.out()
                .lines()
                .filter(line -> line.startsWith("writer "))
                .map(line -> line.split(" ", -1))
                .map(
                        words ->
                                new Told(
                                        Long.parseLong(words[2]),
                                        Long.parseLong(words[3]),
                                        Long.parseLong(words[4]),
                                        Long.parseLong(words[5])))
                .toArray(Told[]::new);
    }

    private static byte[] read(final String uri) {
        final int socket = uri.indexOf("?socket=");
        final String export = uri.substring("nbd+unix:///".length(), socket);
        final Endpoint endpoint =
                new Endpoint.Unix(Path.of(uri.substring(socket + "?socket=".length())));
        try (WaitingClient client = WaitingClient.connect(endpoint, export)) {
            return client.readNow(0, LENGTH);
        }
    }

    private static long[] numbers(final byte[] disk, final int writer) {
        final ByteBuffer bytes = ByteBuffer.wrap(disk);
        final long[] numbers = new long[SLOTS];
        for (int slot = 0; slot < SLOTS; slot++) {
            final int at = (writer * SLOTS + slot) * SLOT_LENGTH;
            final long content = bytes.getLong(at);
            for (int i = at; i < at + SLOT_LENGTH; i += Long.BYTES) {
                if (bytes.getLong(i) != content
                        || (content != 0 && content >>> NUMBER_BITS != writer + 1)) {
                    throw new AssertionError("writer " + writer + "'s slot " + slot + " is torn");
                }
            }
            numbers[slot] = content & ((1L << NUMBER_BITS) - 1);
        }
        return numbers;
    }

    /** With which of its numbers a writer's ring stands, which it has from now on. */
    private long reached(final int writer, final long[] found, final long submitted) {
        final long first = used[writer];
        long newest = first;
        for (final long number : found) {
            newest = Math.max(newest, number);
        }
        // A zero has no number: it may be what is behind the newest one.
        for (long end = Math.min(newest + 1, submitted); end >= newest; end--) {
            final long[] expected = before[writer].clone();
            for (long n = first + 1; n <= end; n++) {
                expected[(int) (n % SLOTS)] = isZero(writer, n) ? 0 : n;
            }
            if (Arrays.equals(expected, found)) {
                before[writer] = expected;
                return end;
            }
        }
        throw new AssertionError(
                "writer " + writer + " never had these numbers: " + Arrays.toString(found));
    }

    private static boolean isZero(final int writer, final long number) {
        return writer == WRITERS - 1 && number % 8 == 5;
    }
}
